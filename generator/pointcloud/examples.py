"""What the network of point clouds is trained on: packed crystals as clouds."""

from __future__ import annotations

import torch
from torch import Tensor

from generator.network.examples import padded_atoms, small_rows
from generator.network.volumes import element_volumes
from generator.pointcloud.cloud import (
    MOST_ATOMS,
    MOST_ELEMENTS,
    CellScale,
    cell_numbers,
    clouds_of,
    elements_of,
    in_order,
)
from generator.pointcloud.model import Known
from indexer.encoders.pack import Pack

LAST_ELEMENT = 103
MOST_SKEWED_DEG = 55.0, 125.0
"""Angles of reduced cells lie between 60° and 120°; a little more is let pass for deformed ones."""


class CloudExamples:
    """Packed crystals of up to three elements and few atoms, their sites full, as clouds.

    Attributes:
        training, held_out: rows of `known`.
        known: elements, number of atoms, and which of the elements each is.
        scale: of the training crystals' cells.
        volumes: of atoms of each element in Å³, of the training crystals. Shape (104,).
    """

    def __init__(self, pack: Pack, most_atoms: int = MOST_ATOMS) -> None:
        """Read the atoms; clouds are made when they are asked for.

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
        lattice = pack.primitive[known][kept]
        self._atoms = number, fractional, lattice
        elements = elements_of(number)
        kinds, _ = in_order(number, fractional, elements)
        kinds = torch.nn.functional.pad(kinds, (0, MOST_ATOMS - kinds.shape[1]))
        self.known = Known(elements, (number > 0).sum(dim=1), kinds)
        counts = torch.nn.functional.one_hot(number[:trained], LAST_ELEMENT + 1).sum(dim=1)
        counts[:, 0] = 0
        log_volume = torch.linalg.det(lattice[:trained].double()).abs().log()
        self.volumes = element_volumes(counts.float(), log_volume.float())
        self.device = pack.device

    def clouds(self, rows: Tensor) -> Tensor:
        """Clouds of crystals. Shapes (B,) and (B, ROWS, POINTS)."""
        number, fractional, lattice = (part[rows] for part in self._atoms)
        return clouds_of(number, fractional, lattice, self.scale)[0]

    def described_anew(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Clouds of crystals inverted or not, and moved by half a cell or not along each axis.

        Inversion centres, axes and planes are half a cell apart: any of them may be the origin.

        Args:
            rows: of `known`. Shape (B,).
            generator: draws.

        Returns:
            Shape (B, ROWS, POINTS).
        """
        number, fractional, lattice = (part[rows] for part in self._atoms)
        draw = torch.randint(0, 2, (len(rows), 1, 4), generator=generator, device=self.device)
        turned = fractional * (1 - 2 * draw[..., :1]) + 0.5 * draw[..., 1:]
        return clouds_of(number, turned, lattice, self.scale)[0]


def _kinds(number: Tensor) -> Tensor:
    """How many elements each crystal has; 0 is padding. Shapes (B, A) and (B,)."""
    order = number.sort(dim=1).values
    new = (order[:, 1:] != order[:, :-1]) & (order[:, 1:] > 0)
    return new.sum(dim=1) + (order[:, 0] > 0).long()
