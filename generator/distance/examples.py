"""What the network of distances is trained on: packed crystals and their distance matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from generator.distance.matrices import distance_matrix, ordered
from generator.distance.model import MULTIPLES, SHAPE
from generator.distance.volumes import unit_of, volumes_of
from generator.network.examples import counts_of, divisor_of, padded_atoms, small_rows
from indexer.encoders.pack import Pack

WIDTH, COUNT = SPACINGS = ("width", "count")
"""Groups of distances are as wide as each other, or hold as many distances."""
FREE = {
    "triclinic": (1, 1, 1, 1, 1),
    "monoclinic": (1, 1, 0, 1, 0),
    "orthorhombic": (1, 1, 0, 0, 0),
    "uniaxial": (0, 1, 0, 0, 0),
    "cubic": (0, 0, 0, 0, 0),
}
"""Which of `model.SHAPE` numbers a crystal system leaves free."""
SHORTEST_ANGSTROM, LONGEST_ANGSTROM = 0.7, 24.0
"""Crystals with other distances, atoms on one another say, are left out."""
_ENDS = ((2, "triclinic"), (15, "monoclinic"), (74, "orthorhombic"), (194, "uniaxial"))


@dataclass(frozen=True)
class Batch:
    """B crystals, padded to A atoms.

    Attributes:
        number: atomic numbers in the order of `matrices.ordered`, 0 where padded. Shape (B, A).
        distances: in Å. Shape (B, A, A).
        pair: False on the diagonal and where padded. Shape (B, A, A).
        unit: one formula unit of each in the same order, padded. Shape (B, A).
        space_group: from 1. Shape (B,).
        multiple: formula units in the primitive cell, from 1. Shape (B,).
        shape: of the conventional cell, see `model.SHAPE`. Shape (B, SHAPE).
        free: numbers of it that symmetry leaves free. Shape (B, SHAPE).
    """

    number: Tensor
    distances: Tensor
    pair: Tensor
    unit: Tensor
    space_group: Tensor
    multiple: Tensor
    shape: Tensor
    free: Tensor


class DistanceExamples:
    """Packed crystals of few atoms, their sites full, with their distance matrices."""

    def __init__(self, pack: Pack, most_atoms: int) -> None:
        """Measure every distance once.

        Args:
            pack: on the device that trains.
            most_atoms: of the primitive cell.
        """
        self.pack = pack
        few = [
            small_rows(pack, rows, most_atoms) for rows in (pack.training_rows, pack.held_out_rows)
        ]
        known = torch.cat(few)
        number, fractional = padded_atoms(pack, known)
        matrices = np.zeros((*number.shape, number.shape[1]), np.float32)
        numbers = np.zeros(number.shape, np.int64)
        lattices = pack.primitive[known].double().cpu().numpy()
        for i, (own, places) in enumerate(
            zip(number.cpu().numpy(), fractional.double().cpu().numpy(), strict=True)
        ):
            size = int((own > 0).sum())
            distances = distance_matrix(lattices[i], places[:size])
            order = ordered(own[:size], distances)
            matrices[i, :size, :size] = distances[np.ix_(order, order)]
            numbers[i, :size] = own[:size][order]
        apart = np.where(matrices > 0, matrices, np.nan)
        sane = ~((apart < SHORTEST_ANGSTROM) | (apart > LONGEST_ANGSTROM)).any(axis=(1, 2))
        rows = torch.from_numpy(np.flatnonzero(sane)).to(pack.device)
        self.training, self.held_out = rows[rows < len(few[0])], rows[rows >= len(few[0])]
        self.number = torch.from_numpy(numbers).to(pack.device)
        self.distances = torch.from_numpy(matrices).to(pack.device)
        self.size = (self.number > 0).sum(dim=1)
        self.multiple = divisor_of(counts_of(self.number)).clamp(max=MULTIPLES)
        self.space_group = pack.space_group[known].long()
        self.known = pack.known[known]
        volume = torch.linalg.det(pack.primitive[known].double()).abs()
        self.volumes = volumes_of(self.number[self.training], volume[self.training])
        self.shape = shape_of(pack.lattice[known].double()).float()
        self.free = free_numbers().to(pack.device)[self.space_group]

    def batch(self, rows: Tensor) -> Batch:
        """These crystals, rows as in `training` and `held_out`."""
        most = int(self.size[rows].max())
        number = self.number[rows, :most]
        real = number > 0
        pair = real[:, :, None] & real[:, None] & ~torch.eye(
            most, dtype=torch.bool, device=number.device
        )  # fmt: skip
        return Batch(
            number,
            self.distances[rows, :most, :most],
            pair,
            units_of(number, self.multiple[rows]),
            self.space_group[rows],
            self.multiple[rows],
            self.shape[rows],
            self.free[rows],
        )

    def rows_to_draw(self, known: float) -> Tensor:
        """Training rows, those of known crystals so often that about this share is theirs.

        Each stands there once at least, so that the share may be larger.
        """
        known_rows = self.training[self.known[self.training]]
        others = len(self.training) - len(known_rows)
        times = round(known / (1 - known) * others / max(len(known_rows), 1))
        return torch.cat([self.training, known_rows.repeat(max(times - 1, 0))])

    def groups(self, count: int, spacing: str) -> tuple[Tensor, Tensor]:
        """Where groups of distances end, in units, (count + 1,), and the mean distance of each.

        Args:
            count: of groups.
            spacing: one of `SPACINGS`. Equal widths go from the shortest to the longest distance
                of the training crystals (AlphaCrystal-II, equation 5).
        """
        number = self.number[self.training]
        own = self.distances[self.training] / unit_of(self.volumes, number)[:, None, None]
        distances = own[own > 0].sort().values
        if spacing == WIDTH:
            ends = torch.linspace(float(distances[0]), float(distances[-1]), count + 1)
        else:
            places = torch.linspace(0, len(distances) - 1, count + 1).round().long()
            ends = distances[places.to(distances.device)].cpu()
        edges = ends.to(distances)
        group = torch.bucketize(distances, edges[1:-1].contiguous(), right=True)
        sums = torch.zeros(count, device=distances.device).scatter_add_(0, group, distances)
        many = torch.bincount(group, minlength=count)
        middles = torch.where(many > 0, sums / many.clamp(min=1), 0.5 * (edges[1:] + edges[:-1]))
        return edges, middles


def units_of(number: Tensor, multiple: Tensor) -> Tensor:
    """One formula unit of each: of every element so many times fewer. Shape (B, A)."""
    same = (number[:, None] == number[:, :, None]) & (number > 0)[:, None]
    before, count = same.tril(-1).sum(dim=2), same.sum(dim=2)
    kept = (before < count // multiple[:, None]) & (number > 0)
    order = (~kept).long().argsort(dim=1, stable=True)
    most = int(kept.sum(dim=1).max())
    return torch.where(kept, number, 0).gather(1, order)[:, :most]


def shape_of(lattice: Tensor) -> Tensor:
    """Logarithms of b/a and c/a, and cosines of α, β and γ. Shapes (B, 3, 3) and (B, SHAPE)."""
    metric = lattice @ lattice.transpose(1, 2)
    length = metric.diagonal(dim1=1, dim2=2).sqrt()
    cosine = metric / (length[:, :, None] * length[:, None])
    return torch.stack(
        [
            (length[:, 1] / length[:, 0]).log(),
            (length[:, 2] / length[:, 0]).log(),
            cosine[:, 1, 2],
            cosine[:, 0, 2],
            cosine[:, 0, 1],
        ],
        dim=1,
    )


def free_numbers() -> Tensor:
    """Which numbers of a cell's shape each space group leaves free. Shape (231, SHAPE)."""
    free = torch.zeros(231, SHAPE)
    for number in range(1, 231):
        free[number] = torch.tensor(free_of(number), dtype=torch.float32)
    return free


def free_of(space_group: int) -> tuple[int, ...]:
    """The same of one space group, 1 where free."""
    return FREE[next((name for end, name in _ENDS if space_group <= end), "cubic")]
