"""What the network of point clouds is trained on: packed crystals as clouds."""

from __future__ import annotations

import torch
from torch import Tensor

from generator.network.examples import padded_atoms, small_rows
from generator.pointcloud.cloud import (
    MOST_ATOMS,
    MOST_ELEMENTS,
    CellScale,
    cell_numbers,
    clouds_of,
)
from indexer.encoders.pack import Pack

LAST_ELEMENT = 103
MOST_SKEWED_DEG = 55.0, 125.0
"""Angles of reduced cells lie between 60° and 120°; a little more is let pass for deformed ones."""


class CloudExamples:
    """Packed crystals of up to three elements and few atoms, their sites full, as clouds.

    Attributes:
        training, held_out: rows of `clouds`.
        clouds: Shape (n, ROWS, POINTS).
        elements: atomic numbers of each, 0 for none. Shape (n, MOST_ELEMENTS).
        count: atoms of each. Shape (n,).
        scale: of the training crystals' cells.
    """

    def __init__(self, pack: Pack, most_atoms: int = MOST_ATOMS) -> None:
        """Make every cloud once.

        Args:
            pack: on the device that trains.
            most_atoms: of the primitive cell.
        """
        few = [
            small_rows(pack, rows, most_atoms) for rows in (pack.training_rows, pack.held_out_rows)
        ]
        known = torch.cat(few)
        number, fractional = padded_atoms(pack, known)
        cells = cell_numbers(pack.primitive[known].double())
        low, high = MOST_SKEWED_DEG
        usable = (_kinds(number) <= MOST_ELEMENTS) & (number <= LAST_ELEMENT).all(dim=1)
        usable &= ((cells[:, 3:] > low) & (cells[:, 3:] < high)).all(dim=1)
        kept = torch.nonzero(usable)[:, 0]
        trained = int(usable[: len(few[0])].sum())
        number, fractional = number[kept], fractional[kept]
        rows = torch.arange(len(kept), device=pack.device)
        self.training, self.held_out = rows[:trained], rows[trained:]
        self.scale = CellScale.of(cells[kept][:trained])
        self.count = (number > 0).sum(dim=1)
        self.clouds, self.elements = clouds_of(
            number, fractional, pack.primitive[known][kept], self.scale
        )
        self.device = pack.device


def _kinds(number: Tensor) -> Tensor:
    """How many elements each crystal has; 0 is padding. Shapes (B, A) and (B,)."""
    order = number.sort(dim=1).values
    new = (order[:, 1:] != order[:, :-1]) & (order[:, 1:] > 0)
    return new.sum(dim=1) + (order[:, 0] > 0).long()
