"""The network that reads a formula: distances between atoms, space group, formula units, cell.

After AlphaCrystal-II (Song et al., arXiv:2404.04810): residual blocks along the atoms, an outer
product, residual blocks over pairs, and for each pair of atoms a distribution over groups of
distances. Unlike there, atoms attend to each other, however far apart they stand in the list;
groups are in units of the formula's atoms; norms are those of single places, so that padding
changes nothing; the space group may be told; and the network itself guesses space group, formula
units and cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from generator.distance.features import FEATURES, element_features
from generator.distance.volumes import unit_of, usual_volumes

SPACE_GROUPS, MULTIPLES = 230, 24
SHAPE = 5
"""Logarithms of b/a and c/a, cosines of α, β and γ of the conventional cell."""
PLACES = 3
"""Beside the features, an atom tells its place among those of its element, how many there are, and
how many atoms there are in all."""
HEADS = 4
"""Of attention; widths are multiples of this."""
LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class DistanceShape:
    """Sizes of a `DistanceNetwork`.

    Attributes:
        groups: of distances.
        widths: of the residual blocks along the atoms, one after the other.
        attentions: blocks of attention among the atoms after these, as wide as the last; none
            and nine blocks of 32, 64 and 128 before is what the paper has.
        outer: numbers of each atom whose products a pair begins with.
        pair_width, pair_blocks: of the residual blocks over pairs.
        components: of the mixture of normals that cells are guessed by.
        dropout: share of the numbers in every block that are left out in training.
    """

    groups: int = 20
    widths: tuple[int, ...] = (64, 128)
    attentions: int = 4
    outer: int = 16
    pair_width: int = 64
    pair_blocks: int = 6
    components: int = 8
    dropout: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))  # a file has them as a list


@dataclass(frozen=True)
class Foreseen:
    """What a network makes of B lists of atoms.

    Attributes:
        distances: logits of the groups, alike for i, j and j, i. Shape (B, A, A, groups).
        space_group: logits, from number 1. Shape (B, 230).
        multiple: logits of formula units in the primitive cell, from one, were the atoms a formula
            unit. Shape (B, MULTIPLES).
        summary: of the atoms, which cells are guessed from. Shape (B, width).
        unit_angstrom: that groups of distances are measured in. Shape (B,).
    """

    distances: Tensor
    space_group: Tensor
    multiple: Tensor
    summary: Tensor
    unit_angstrom: Tensor


@dataclass(frozen=True)
class Mixture:
    """Normals that add up to a density of cell shapes.

    Attributes:
        weight: logarithms that add up to one. Shape (B, components).
        mean, spread: Shape (B, components, SHAPE).
    """

    weight: Tensor
    mean: Tensor
    spread: Tensor

    def log_density(self, shape: Tensor, free: Tensor) -> Tensor:
        """Of cell shapes, by the numbers that their systems leave free, (B, SHAPE). Shape (B,)."""
        away = (shape[:, None] - self.mean) / self.spread
        each = -0.5 * away**2 - self.spread.log() - 0.5 * math.log(2 * math.pi)
        found: Tensor = (self.weight + (each * free[:, None]).sum(dim=2)).logsumexp(dim=1)
        return found


class DistanceNetwork(nn.Module):
    """Reads atoms in the order of `matrices.ordered`.

    Groups are of distances over the cube root of the volume that an atom has, so that they mean
    the same for small and for large atoms.
    """

    features: Tensor
    volumes: Tensor
    edges: Tensor
    middles: Tensor

    def __init__(self, shape: DistanceShape) -> None:
        """Untrained; groups of distances are set by `set_groups`, volumes by `set_volumes`."""
        super().__init__()
        self.shape = shape
        self.register_buffer("features", torch.from_numpy(element_features()).clone())
        self.register_buffer("volumes", usual_volumes())
        self.register_buffer("edges", torch.linspace(0.0, float(shape.groups), shape.groups + 1))
        self.register_buffer("middles", torch.arange(shape.groups) + 0.5)
        first, last = shape.widths[0], shape.widths[-1]
        self.begin = nn.Conv1d(FEATURES + PLACES, first, 1)
        self.along = nn.ModuleList(
            _Block(nn.Conv1d, before, width, shape.dropout)
            for before, width in zip((first, *shape.widths), shape.widths, strict=False)
        )
        self.among = nn.ModuleList(_Attention(last, shape.dropout) for _ in range(shape.attentions))
        self.narrow = nn.Conv1d(last, shape.outer, 1)
        self.told = nn.Embedding(SPACE_GROUPS + 1, shape.pair_width)
        self.merge = nn.Conv2d(shape.outer**2 + last + 1, shape.pair_width, 1)
        self.pairs = nn.ModuleList(
            _Block(nn.Conv2d, shape.pair_width, shape.pair_width, shape.dropout)
            for _ in range(shape.pair_blocks)
        )
        self.distance = nn.Conv2d(shape.pair_width, shape.groups, 1)
        self.space_group = _head(2 * last, SPACE_GROUPS, shape.dropout)
        self.multiple = _head(2 * last, MULTIPLES, shape.dropout)
        self.group_of_cell = nn.Embedding(SPACE_GROUPS + 1, 32)
        self.cell = _head(2 * last + 32, shape.components * (1 + 2 * SHAPE), shape.dropout)

    def set_volumes(self, table: Tensor) -> None:
        """How much room atoms take, as of `volumes.volumes_of`."""
        self.volumes.copy_(table)

    def set_groups(self, edges: Tensor, middles: Tensor) -> None:
        """Where groups end, in units, (groups + 1,), and what distance each means, (groups,)."""
        self.edges.copy_(edges)
        self.middles.copy_(middles)

    def group_of(self, distance: Tensor) -> Tensor:
        """The group of each distance in units; those outside all are in the first or the last."""
        return torch.bucketize(distance, self.edges[1:-1].contiguous(), right=True)

    def mean(self, found: Foreseen) -> Tensor:
        """Mean distances in Å. Shape (B, A, A)."""
        odds = found.distances.float().softmax(dim=-1)
        return (odds @ self.middles) * found.unit_angstrom[:, None, None]

    def likeliest(self, found: Foreseen) -> Tensor:
        """The mean distances of the likeliest groups in Å. Shape (B, A, A)."""
        group = found.distances.argmax(dim=-1)
        return self.middles[group] * found.unit_angstrom[:, None, None]

    def forward(self, number: Tensor, space_group: Tensor | None = None) -> Foreseen:
        """Read atoms.

        Args:
            number: atomic numbers, 0 where padded. Shape (B, A).
            space_group: 1 to 230, or 0 where none is told. Shape (B,).
        """
        there = (number > 0)[:, None].float()
        atoms = self._along(number, there)
        summary = _pooled(atoms, there)
        told = torch.zeros_like(number[:, 0]) if space_group is None else space_group
        return Foreseen(
            self._distances(number, atoms, there, told),
            self.space_group(summary),
            self.multiple(summary),
            summary,
            unit_of(self.volumes, number),
        )

    def read(self, number: Tensor) -> Foreseen:
        """The same without distances, which take the most time."""
        there = (number > 0)[:, None].float()
        summary = _pooled(self._along(number, there), there)
        none = summary.new_zeros(len(number), 0, 0, self.shape.groups)
        unit = unit_of(self.volumes, number)
        return Foreseen(none, self.space_group(summary), self.multiple(summary), summary, unit)

    def cells(self, summary: Tensor, space_group: Tensor) -> Mixture:
        """Shapes of the conventional cell in space groups 1 to 230, (B,)."""
        found = self.cell(torch.cat([summary, self.group_of_cell(space_group)], dim=1)).float()
        parts = found.view(len(found), self.shape.components, 1 + 2 * SHAPE)
        spread = nn.functional.softplus(parts[..., 1 + SHAPE :] - 1.0) + LEAST_SPREAD
        return Mixture(parts[..., 0].log_softmax(dim=1), parts[..., 1 : 1 + SHAPE], spread)

    def _along(self, number: Tensor, there: Tensor) -> Tensor:
        same = ((number[:, None] == number[:, :, None]) & (number[:, None] > 0)).float()
        before = same.tril(-1).sum(dim=2)
        count = same.sum(dim=2)
        total = there.sum(dim=2).expand_as(count)
        places = torch.stack([before, count, total], dim=1) / 12
        x = self.begin(torch.cat([self.features[number].transpose(1, 2), places], dim=1)) * there
        for block in self.along:
            x = block(x, there)
        for block in self.among:
            x = block(x, there)
        found: Tensor = x
        return found

    def _distances(self, number: Tensor, atoms: Tensor, there: Tensor, told: Tensor) -> Tensor:
        both = there[:, :, None] * there[:, :, :, None]
        narrow = self.narrow(atoms)
        outer = torch.einsum("bci,bdj->bcdij", narrow, narrow).flatten(1, 2)
        sums = atoms[..., None] + atoms[:, :, None]
        alike = (number[:, None] == number[:, :, None])[:, None].float()
        x = self.merge(torch.cat([outer, sums, alike], dim=1)) + self.told(told)[..., None, None]
        x = relu(x) * both
        for block in self.pairs:
            x = block(x, both)
        logits = self.distance(x)
        found: Tensor = (0.5 * (logits + logits.transpose(2, 3))).permute(0, 2, 3, 1)
        return found


class _Block(nn.Module):
    """Two convolutions with a norm between them, added to what goes in."""

    def __init__(
        self, convolution: type[nn.Conv1d | nn.Conv2d], before: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.first = convolution(before, width, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(width))
        self.second = convolution(width, width, 3, padding=1)
        self.pass_by = nn.Identity() if before == width else convolution(before, width, 1)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """What is padded stays 0."""
        y = self.first(x)
        size = (y.square().mean(dim=1, keepdim=True) + 1e-5).rsqrt()
        scale = self.scale.view(1, -1, *(1,) * (x.dim() - 2))
        y = self.second(self.drop(relu(y * size * scale)) * there)
        return relu(self.pass_by(x) + y) * there


class _Attention(nn.Module):
    """Attention among the atoms and two layers at each, added to what goes in."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked = nn.Linear(width, 3 * width)
        self.answered = nn.Linear(width, width)
        self.each = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Nothing attends to what is padded, which stays 0. Shape (B, width, A)."""
        atoms = x.transpose(1, 2)
        batch, many, width = atoms.shape
        parts = self.asked(self.first_norm(atoms)).view(batch, many, 3, HEADS, width // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = scaled_dot_product_attention(query, key, value, attn_mask=there[:, :, None] > 0)
        answer = self.answered(found.transpose(1, 2).reshape(batch, many, width))
        atoms = atoms + self.drop(answer)
        atoms = atoms + self.drop(self.each(self.second_norm(atoms)))
        kept: Tensor = atoms.transpose(1, 2) * there
        return kept


def _pooled(atoms: Tensor, there: Tensor) -> Tensor:
    """Mean and maximum over the atoms. Shape (B, 2 * width)."""
    mean = (atoms * there).sum(dim=2) / there.sum(dim=2).clamp(min=1)
    most = atoms.masked_fill(there == 0, -math.inf).amax(dim=2)
    return torch.cat([mean, most], dim=1)


def _head(width: int, out: int, dropout: float) -> nn.Sequential:
    drop = nn.Dropout(dropout)
    return nn.Sequential(nn.Linear(width, 128), nn.ReLU(), drop, nn.Linear(128, out))
