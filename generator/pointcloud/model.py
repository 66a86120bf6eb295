"""The network that takes noise off clouds: a U-Net along their points that is told the elements.

After PCCD (see `cloud`): halved and doubled again, with attention where points are few. Elements
are told by the features of `generator.distance.features` and by a vector that each learns.

Unlike there, the network knows how points are dealt out to atoms, but not to how many. Beside the
points it sees the means of those that would be one atom's, for every number of atoms that there
may be, and its answer is a mean over these numbers, by how likely each is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from generator.distance.features import FEATURES, element_features
from generator.pointcloud.cloud import (
    CELL,
    HALF,
    MOST_ATOMS,
    MOST_ELEMENTS,
    POINTS,
    ROWS,
    CellScale,
    owners,
)
from generator.pointcloud.noise import like, signal_at

LEARNED = 32
"""Numbers of an element that are learned."""
WAVES = 32
"""Of time."""
OF_ATOMS = CELL.start
"""Rows that are copied by atom; the others are by half."""
SEEN = ROWS + MOST_ATOMS * OF_ATOMS + 2 * (ROWS - OF_ATOMS)
"""Rows that the first layer sees: points, means by every number of atoms, means of the halves."""


@dataclass(frozen=True)
class CloudShape:
    """Sizes of a `CloudNetwork`.

    Attributes:
        widths: of each level, the points halved from one to the next.
        attention: levels, the coarsest, where every point sees every other.
        heads: of the attention.
        told: width of what all blocks are told of time and elements.
    """

    widths: tuple[int, ...] = (32, 64, 128, 192)
    attention: int = 2
    heads: int = 4
    told: int = 160

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))  # a file has them as a list


class CloudNetwork(nn.Module):
    """Clouds with noise in, velocities out."""

    features: Tensor
    mean: Tensor
    spread: Tensor
    means: Tensor
    sizes: Tensor

    def __init__(self, shape: CloudShape) -> None:
        """Untrained; what cells are measured by is set by `set_scale`."""
        super().__init__()
        self.shape = shape
        self.register_buffer("features", torch.from_numpy(element_features()).clone())
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("spread", torch.ones(6))
        own = owners(torch.arange(1, MOST_ATOMS + 1))
        same = (own[:, :, None] == own[:, None]).float()
        sizes = same.sum(dim=2)
        self.register_buffer("means", same / sizes[..., None], persistent=False)
        self.register_buffer("sizes", sizes, persistent=False)
        widths, told = shape.widths, shape.told
        self.learned = nn.Embedding(len(self.features), LEARNED)
        nn.init.normal_(self.learned.weight, std=0.1)
        self.elements = nn.Linear(MOST_ELEMENTS * (FEATURES + LEARNED + 1), told)
        self.time = nn.Linear(2 * WAVES, told)
        self.tell = nn.Linear(told, told)
        self.begin = nn.Conv1d(SEEN, widths[0], 3, padding=1)
        self.place = nn.Parameter(0.1 * torch.randn(widths[0], POINTS))
        deep = len(widths) - shape.attention

        def level(i: int, before: int) -> _Level:
            return _Level(before, widths[i], told, shape.heads if i >= deep else 0)

        self.down = nn.ModuleList(level(i, width) for i, width in enumerate(widths))
        self.halves = nn.ModuleList(nn.Conv1d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.middle = level(len(widths) - 1, widths[-1])
        self.doubles = nn.ModuleList(
            nn.ConvTranspose1d(b, a, 2, stride=2) for a, b in pairwise(widths)
        )
        self.up = nn.ModuleList(level(i, 2 * width) for i, width in enumerate(widths))
        self.norm = nn.GroupNorm(8, widths[0])
        self.end = nn.Conv1d(widths[0], ROWS, 3, padding=1)
        nn.init.zeros_(self.end.weight)
        self.number = nn.Linear(widths[-1], MOST_ATOMS)
        nn.init.zeros_(self.number.weight)

    @property
    def scale(self) -> CellScale:
        """What cells are measured by, in double precision."""
        return CellScale(self.mean.double(), self.spread.double())

    def set_scale(self, scale: CellScale) -> None:
        """Say what cells are measured by."""
        self.mean.copy_(scale.mean)
        self.spread.copy_(scale.spread)

    def forward(self, cloud: Tensor, time: Tensor, elements: Tensor) -> Tensor:
        """Velocities, as of `noise.noised`.

        Args:
            cloud: with noise. Shape (B, ROWS, POINTS).
            time: from 0 to 1. Shape (B,).
            elements: atomic numbers by rising electronegativity, 0 for none. Shape (B, 3).
        """
        signal, rest = (like(part, cloud) for part in signal_at(time))
        by_number = self._by_number(cloud[:, :OF_ATOMS])
        seen = torch.cat([cloud, by_number.flatten(1, 2), _halves(cloud[:, CELL], apart=True)], 1)
        inner, correction = self._through(seen, self._told(time, elements))
        evidence = self.evidence(cloud[:, :OF_ATOMS], by_number, time)
        odds = (evidence + correction).softmax(dim=1)
        clean = signal * cloud - rest * inner.float()
        by_atom = (odds[:, :, None, None] * self._by_number(clean[:, :OF_ATOMS])).sum(dim=1)
        clean = torch.cat([by_atom, _halves(clean[:, CELL], apart=False)], dim=1)
        return (signal * cloud - clean) / rest

    def evidence(self, points: Tensor, by_number: Tensor, time: Tensor) -> Tensor:
        """Logarithm of the probability of points for each number of atoms, from 1.

        Values of atoms count as normal, of mean 0 and spread 1, and those of different atoms as
        independent: the points of each are then normal, too, with a covariance of noise on the
        diagonal and signal everywhere.

        Args:
            points: with noise. Shape (B, OF_ATOMS, POINTS).
            by_number: their means for each number of atoms, as of `_by_number`.
            time: Shape (B,).

        Returns:
            Shape (B, MOST_ATOMS).
        """
        signal, rest = (part[:, None, None] ** 2 for part in signal_at(time))
        within = ((points[:, None] - by_number) ** 2).sum(dim=2) / rest
        wide = rest + self.sizes * signal
        between = (by_number**2).sum(dim=2) / wide
        volume = wide.log() / self.sizes + (1.0 - 1.0 / self.sizes) * rest.log()
        return -0.5 * (within + between + points.shape[1] * volume).sum(dim=2)

    def _by_number(self, points: Tensor) -> Tensor:
        """Means over the points of an atom, (B, rows, POINTS) to (B, MOST_ATOMS, rows, POINTS)."""
        batch, rows, _ = points.shape
        flat = points.reshape(-1, POINTS) @ self.means.reshape(-1, POINTS).T
        return flat.view(batch, rows, MOST_ATOMS, POINTS).transpose(1, 2)

    def _through(self, seen: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """Velocities before means are taken, (B, ROWS, POINTS), and what else says numbers."""
        values = self.begin(seen) + self.place
        passed = []
        for i, level in enumerate(self.down):
            values = level(values, told)
            passed.append(values)
            if i < len(self.halves):
                values = self.halves[i](values)
        values = self.middle(values, told)
        correction = self.number(values.mean(dim=2)).float()
        for i in reversed(range(len(self.up))):
            values = self.up[i](torch.cat([values, passed[i]], dim=1), told)
            if i:
                values = self.doubles[i - 1](values)
        return self.end(silu(self.norm(values))), correction

    def _told(self, time: Tensor, elements: Tensor) -> Tensor:
        rate = torch.logspace(0.0, 3.0, WAVES, device=time.device)
        angle = 0.5 * math.pi * time[:, None] * rate
        waves = torch.cat([angle.sin(), angle.cos()], dim=1)
        there = (elements > 0).to(time.dtype)[..., None]
        features = torch.cat([self.features[elements], self.learned(elements)], dim=2) * there
        of_elements = self.elements(torch.cat([features, there], dim=2).flatten(1))
        return silu(self.tell(silu(self.time(waves) + of_elements)))


def _halves(cell: Tensor, *, apart: bool) -> Tensor:
    """Means of both halves of the points, each everywhere as rows of its own, or where it is from.

    Args:
        cell: Shape (B, rows, POINTS).
        apart: whether they are rows of their own.

    Returns:
        Shape (B, 2 rows, POINTS), or (B, rows, POINTS).
    """
    first = cell[..., :HALF].mean(dim=2, keepdim=True)
    second = cell[..., HALF:].mean(dim=2, keepdim=True)
    if apart:
        return torch.cat([first, second], dim=1).expand(-1, -1, POINTS)
    return torch.cat([first.expand(-1, -1, HALF), second.expand(-1, -1, POINTS - HALF)], dim=2)


class _Level(nn.Module):
    """A residual block, and attention where there are heads."""

    def __init__(self, before: int, width: int, told: int, heads: int) -> None:
        super().__init__()
        self.block = _Block(before, width, told)
        self.attention = _Attention(width, heads) if heads else nn.Identity()

    def forward(self, values: Tensor, told: Tensor) -> Tensor:
        found: Tensor = self.attention(self.block(values, told))
        return found


class _Block(nn.Module):
    """Two convolutions, scaled and moved in between by what is told."""

    def __init__(self, before: int, width: int, told: int) -> None:
        super().__init__()
        self.first_norm, self.norm = nn.GroupNorm(8, before), nn.GroupNorm(8, width)
        self.first = nn.Conv1d(before, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, padding=1)
        self.told = nn.Linear(told, 2 * width)
        self.past = nn.Conv1d(before, width, 1) if before != width else nn.Identity()

    def forward(self, values: Tensor, told: Tensor) -> Tensor:
        scale, move = self.told(told)[..., None].chunk(2, dim=1)
        inner = self.norm(self.first(silu(self.first_norm(values)))) * (1.0 + scale) + move
        found: Tensor = self.past(values) + self.second(silu(inner))
        return found


class _Attention(nn.Module):
    """Every point sees every other, added to what it was."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, width)
        self.asked = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)

    def forward(self, values: Tensor) -> Tensor:
        batch, width, points = values.shape
        asked = self.asked(self.norm(values).transpose(1, 2))
        query, key, value = asked.view(batch, points, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(query, key, value)
        answer = self.answer(seen.transpose(1, 2).reshape(batch, points, width))
        found: Tensor = values + answer.transpose(1, 2)
        return found
