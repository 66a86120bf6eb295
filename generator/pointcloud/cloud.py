"""Crystals as clouds of points: 3 x 128 x 3 numbers, after PCCD (Li et al., "Generative Design of
Crystal Structures by Point Cloud Representations and Diffusion Model").

The first three rows of a cloud are the place of each point, the next three how much it is each of
up to three elements, the last three the cell: lengths in the first half of the points, angles in
the second. Unlike there, lengths are logarithms measured by the spread that training crystals
have, so that no cell is too long, and the periodic places are cut open where few atoms lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from generator.distance.features import rank_of_number

POINTS, ROWS = 128, 9
MOST_ATOMS, MOST_ELEMENTS = 16, 3
PLACES, LIKELIHOODS, CELL = slice(0, 3), slice(3, 6), slice(6, 9)
"""Rows of a cloud."""
HALF = POINTS // 2
SEAM = -1 / 16
"""Fractional coordinates run from here to one more: special places, 0 among them, are far off."""
STRETCH = 12**0.5
"""Coordinates that are spread evenly over the cell get the spread 1 by it."""
ANGLES_DEG = 45.0, 135.0
"""Within these are those of reduced cells, and of most noisy ones."""
STEP = 1e-3
"""Coordinates that differ by less count as equal when atoms are put in order."""


@dataclass(frozen=True)
class CellScale:
    """What cells are measured by: of ln a, ln b, ln c (Å) and α, β, γ (degrees).

    Attributes:
        mean, spread: Shape (6,).
    """

    mean: Tensor
    spread: Tensor

    @classmethod
    def of(cls, cells: Tensor) -> CellScale:
        """Of the cells of `cell_numbers`. Shape (n, 6)."""
        return cls(cells.mean(dim=0), cells.std(dim=0).clamp(min=1e-3))


def owners(count: Tensor) -> Tensor:
    """Which atom each point belongs to: neighbouring points to the same, as many as to any other.

    Args:
        count: atoms of each crystal. Shape (B,).

    Returns:
        Shape (B, POINTS).
    """
    return torch.arange(POINTS, device=count.device) * count[:, None] // POINTS


def cell_numbers(lattice: Tensor) -> Tensor:
    """Logarithms of a, b and c (Å), and α, β and γ in degrees.

    Args:
        lattice: rows in Å. Shape (B, 3, 3).

    Returns:
        Shape (B, 6).
    """
    metric = lattice @ lattice.transpose(1, 2)
    length = metric.diagonal(dim1=1, dim2=2).sqrt()
    cosine = metric / (length[:, :, None] * length[:, None])
    opposite = torch.stack([cosine[:, 1, 2], cosine[:, 0, 2], cosine[:, 0, 1]], dim=1)
    return torch.cat([length.log(), torch.rad2deg(opposite.clamp(-1, 1).acos())], dim=1)


def lattices_of(numbers: Tensor) -> Tensor:
    """Rows a, b, c in Å of cells as of `cell_numbers`, any three angles bent to be a cell.

    Args:
        numbers: Shape (B, 6).

    Returns:
        Shape (B, 3, 3), a along x, b in the xy plane.
    """
    length = numbers[:, :3].clamp(-1.0, 5.0).exp()
    cosine = torch.deg2rad(numbers[:, 3:].clamp(*ANGLES_DEG)).cos()
    sine = (1.0 - cosine[:, 2] ** 2).sqrt()
    y = (cosine[:, 0] - cosine[:, 1] * cosine[:, 2]) / sine
    z = (1.0 - cosine[:, 1] ** 2 - y**2).clamp(min=0.01).sqrt()
    none = torch.zeros_like(sine)
    rows = [none + 1.0, none, none, cosine[:, 2], sine, none, cosine[:, 1], y, z]
    return torch.stack(rows, dim=1).view(-1, 3, 3) * length[..., None]


def elements_of(number: Tensor) -> Tensor:
    """The elements of each crystal by rising electronegativity, 0 where there are fewer.

    Args:
        number: atomic numbers of at most three elements, 0 where padded. Shape (B, A).

    Returns:
        Shape (B, MOST_ELEMENTS).
    """
    rank = _ranks(number.device)
    order = rank[number].sort(dim=1).values
    new = torch.ones_like(order, dtype=torch.bool)
    new[:, 1:] = order[:, 1:] != order[:, :-1]
    padding = int(rank[0])
    first = torch.where(new, order, padding).sort(dim=1).values
    first = torch.nn.functional.pad(first, (0, MOST_ELEMENTS), value=padding)
    return rank.argsort()[first[:, :MOST_ELEMENTS]]


def in_order(number: Tensor, fractional: Tensor, elements: Tensor) -> tuple[Tensor, Tensor]:
    """Atoms by element and then by x, y and z; their kinds, and their places from `SEAM` on.

    Args:
        number: atomic numbers, 0 where padded. Shape (B, A).
        fractional: Shape (B, A, 3).
        elements: as of `elements_of`. Shape (B, MOST_ELEMENTS).

    Returns:
        Which of the elements each atom is, (B, A), of no meaning where padded; and its place,
        (B, A, 3).
    """
    kind = (number[..., None] == elements[:, None]).long().argmax(dim=2)
    kind = torch.where(number > 0, kind, MOST_ELEMENTS)
    place = (fractional - SEAM) % 1.0 + SEAM
    key = kind
    for axis in range(3):
        key = 2000 * key + ((place[..., axis] - SEAM) / STEP).round().long()
    order = key.argsort(dim=1, stable=True)
    kind = kind.gather(1, order).clamp(max=MOST_ELEMENTS - 1)
    return kind, place.gather(1, order[..., None].expand(-1, -1, 3))


def clouds_of(
    number: Tensor, fractional: Tensor, lattice: Tensor, scale: CellScale
) -> tuple[Tensor, Tensor]:
    """Crystals as clouds.

    Args:
        number: atomic numbers of at most three elements, 0 where padded. Shape (B, A).
        fractional: Shape (B, A, 3).
        lattice: of Niggli-reduced primitive cells, rows in Å. Shape (B, 3, 3).
        scale: what cells are measured by.

    Returns:
        Clouds, (B, ROWS, POINTS), and the elements of each, (B, MOST_ELEMENTS).
    """
    elements = elements_of(number)
    kind, place = in_order(number, fractional, elements)
    own = owners((number > 0).sum(dim=1))
    place = place.gather(1, own[..., None].expand(-1, -1, 3))
    kinds = torch.nn.functional.one_hot(kind.gather(1, own), MOST_ELEMENTS)
    cell = ((cell_numbers(lattice.double()) - scale.mean) / scale.spread).to(fractional.dtype)
    lengths, angles = cell[:, None, :3], cell[:, None, 3:]
    halves = torch.cat([lengths.expand(-1, HALF, -1), angles.expand(-1, POINTS - HALF, -1)], dim=1)
    cloud = torch.cat(
        [(place - SEAM - 0.5) * STRETCH, 2.0 * kinds.to(place.dtype) - 1.0, halves], dim=2
    )
    return cloud.transpose(1, 2), elements


def places_in(cloud: Tensor) -> Tensor:
    """Fractional coordinates of points, (B, ROWS, POINTS) to (B, POINTS, 3), from 0 to 1."""
    return (cloud[:, PLACES].transpose(1, 2) / STRETCH + 0.5 + SEAM) % 1.0


def cells_in(cloud: Tensor, scale: CellScale) -> Tensor:
    """Cells as of `cell_numbers`, means of both halves. Shapes (B, ROWS, POINTS) and (B, 6)."""
    cell = cloud[:, CELL]
    means = torch.cat([cell[..., :HALF].mean(dim=2), cell[..., HALF:].mean(dim=2)], dim=1)
    return means * scale.spread + scale.mean


def _ranks(device: torch.device) -> Tensor:
    return torch.from_numpy(rank_of_number()).to(device)
