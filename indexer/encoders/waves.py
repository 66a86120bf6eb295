"""Crystals as atoms and the waves of their reciprocal lattice, in batches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from indexer.encoders.axis import MOST_WAVES, Q_MAX_INV_ANGSTROM, Q_MIN_INV_ANGSTROM


@dataclass(frozen=True)
class Atoms:
    """Crystals as atoms and waves, padded to the largest.

    Attributes:
        lattice: rows a, b, c in Å. Shape (B, 3, 3).
        number: atomic numbers, 0 where padded. Shape (B, A).
        occupancy: 0 where padded. Shape (B, A).
        fractional: Shape (B, A, 3).
        hkl: waves, one of each pair ±. Shape (B, G, 3).
        wave: False where padded. Shape (B, G).
    """

    lattice: Tensor
    number: Tensor
    occupancy: Tensor
    fractional: Tensor
    hkl: Tensor
    wave: Tensor


def waves_of(lattice: Tensor) -> Tensor:
    """One of each pair ± of the longest waves of the range, by rising |Q|. Shape (G, 3).

    Args:
        lattice: rows a, b, c in Å. Shape (3, 3).
    """
    most = (Q_MAX_INV_ANGSTROM * lattice.norm(dim=1) / (2 * math.pi)).floor().long().tolist()
    sides = [torch.arange(-n, n + 1, device=lattice.device) for n in most]
    sides[0] = sides[0][most[0] :]
    hkl = torch.cartesian_prod(*sides)
    h, k, l = hkl.unbind(1)  # noqa: E741 - as crystallographers call it
    half = (h > 0) | ((k > 0) | ((k == 0) & (l > 0)))
    hkl = hkl[half].to(lattice.dtype)
    q = 2 * math.pi * (hkl @ torch.linalg.inv(lattice).T).norm(dim=1)
    inside = (q >= Q_MIN_INV_ANGSTROM) & (q <= Q_MAX_INV_ANGSTROM)
    order = q[inside].argsort(stable=True)[:MOST_WAVES]
    return hkl[inside][order]
