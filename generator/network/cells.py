"""Cells as six numbers without a limit, which turning the crystal does not change.

The matrix logarithm of the metric, halved: a cell twice as long in all directions has ln 2 more on
the diagonal, and any six numbers are a cell (Jiao et al., DiffCSP++, ICLR 2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS, _COLUMNS = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)


def cell_logarithm(lattice: Tensor) -> Tensor:
    """Rows a, b, c in Å, (B, 3, 3), as six numbers: the diagonal, then ab, ac and bc. (B, 6)."""
    values, vectors = torch.linalg.eigh(lattice @ lattice.transpose(1, 2))
    half = 0.5 * values.clamp(min=1e-8).log()
    matrix = (vectors * half[:, None]) @ vectors.transpose(1, 2)
    found: Tensor = matrix[:, _ROWS, _COLUMNS]
    return found


def lattice_of(logarithm: Tensor) -> Tensor:
    """The symmetric matrix whose rows are a cell's a, b, c: the inverse. (B, 6) to (B, 3, 3)."""
    matrix = logarithm.new_zeros(len(logarithm), 3, 3)
    matrix[:, _ROWS, _COLUMNS] = logarithm
    matrix[:, _COLUMNS, _ROWS] = logarithm
    values, vectors = torch.linalg.eigh(matrix)
    lattice: Tensor = (vectors * values.exp()[:, None]) @ vectors.transpose(1, 2)
    return lattice
