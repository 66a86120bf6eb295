"""The network that takes noise off clouds: attention among the atoms that their points make.

PCCD (see `cloud`) has a U-Net along the points. Here the number of atoms is told, or found first,
and with it which points are whose: all that noisy points tell of an atom is their mean, so that
the network sees one token for each atom and one for the cell. Points of an atom come out as copies.
Elements are told by the features of `generator.distance.features` and by what each learns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad, relu, silu

from generator.distance.features import FEATURES, element_features
from generator.network.pair_attention import PairAttention
from generator.pointcloud.cloud import (
    CELL,
    HALF,
    LIKELIHOODS,
    MOST_ATOMS,
    MOST_ELEMENTS,
    PLACES,
    POINTS,
    STRETCH,
    CellScale,
    lattices_of,
    owners,
)
from generator.pointcloud.noise import like, signal_at

LEARNED = 32
"""Numbers of an element that are learned."""
WAVES = 32
"""Of time."""
HARMONICS = 4
"""Of places and of their differences."""
SHELLS, NEAREST, FARTHEST = 16, 0.3, 2.7
"""Gaussians that distances are told by, over the cube root of the volume of the two atoms."""
SURE = 12.0
"""Logarithm of odds of an element that is told; one that points show is no surer."""
NOT_TOLD = -1
"""Kind of an atom whose element is sought."""
PAIRS = 6 * HARMONICS + SHELLS
SEEN_OF_ATOMS = 4 + 6 * HARMONICS
SEEN_OF_CELLS = 12


@dataclass(frozen=True)
class CloudShape:
    """Sizes of a `CloudNetwork`.

    Attributes:
        width, heads: of the tokens, and of their attention.
        layers: blocks.
        told: width of what all blocks are told of time, elements and number of atoms.
    """

    width: int = 192
    heads: int = 8
    layers: int = 6
    told: int = 128


@dataclass(frozen=True)
class Known:
    """What is known of B clouds beside their points.

    Attributes:
        elements: atomic numbers by rising electronegativity, 0 for none. Shape (B, MOST_ELEMENTS).
        count: atoms. Shape (B,).
        kinds: which of the elements each atom is, NOT_TOLD, too. (B, MOST_ATOMS).
    """

    elements: Tensor
    count: Tensor
    kinds: Tensor

    def of(self, rows: Tensor) -> Known:
        """Of some of the clouds."""
        return Known(self.elements[rows], self.count[rows], self.kinds[rows])

    def with_kinds(self, told: Tensor) -> Known:
        """With kinds told only where it is said. Shape (B,)."""
        return replace(self, kinds=torch.where(told[:, None], self.kinds, NOT_TOLD))


@dataclass(frozen=True)
class _Means:
    """What the noisy points say of B cells and their A atoms, in a cloud's units.

    Attributes:
        places: means over signal. Shape (B, A, 3).
        unsure: their standard deviation. Shape (B, A).
        pulled: means as they are likeliest of places of mean 0 and spread 1. Shape (B, A, 3).
        left: the standard deviation of these. Shape (B, A).
        odds: logarithms of the odds of elements. Shape (B, A, MOST_ELEMENTS).
        cell, cell_left: as `pulled` and `left`. Shapes (B, 6) and (B, 1).
    """

    places: Tensor
    unsure: Tensor
    pulled: Tensor
    left: Tensor
    odds: Tensor
    cell: Tensor
    cell_left: Tensor


class CloudNetwork(nn.Module):
    """Clouds with noise in, velocities out."""

    features: Tensor
    mean: Tensor
    spread: Tensor
    volume: Tensor

    def __init__(self, shape: CloudShape) -> None:
        """Untrained; what cells are measured by is set by `set_scale`."""
        super().__init__()
        self.shape = shape
        width, told = shape.width, shape.told
        self.register_buffer("features", torch.from_numpy(element_features()).clone())
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("spread", torch.ones(6))
        self.register_buffer("volume", torch.full((len(self.features),), 16.0))
        self.learned = nn.Embedding(len(self.features), LEARNED)
        nn.init.normal_(self.learned.weight, std=0.1)
        self.element = nn.Linear(FEATURES + LEARNED + 1, width)
        self.of_elements = nn.Linear(MOST_ELEMENTS * (FEATURES + LEARNED + 1), told)
        self.of_time = nn.Linear(2 * WAVES, told)
        self.of_count = nn.Embedding(MOST_ATOMS + 1, told)
        self.tell = nn.Linear(told, told)
        self.place = nn.Embedding((MOST_ATOMS + 1) * MOST_ATOMS, width)
        nn.init.normal_(self.place.weight, std=0.1)
        self.atom = nn.Linear(SEEN_OF_ATOMS, width)
        self.cell = nn.Linear(SEEN_OF_CELLS, width)
        self.blocks = nn.ModuleList(_Block(width, shape.heads, told) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(width)
        self.end_atom = nn.Linear(width, 3 + MOST_ELEMENTS)
        self.end_cell = nn.Linear(width, 6)
        self.number = nn.Sequential(nn.Linear(told, told), nn.ReLU(), nn.Linear(told, MOST_ATOMS))
        for last in (self.end_atom, self.end_cell):
            nn.init.zeros_(last.weight)

    @property
    def scale(self) -> CellScale:
        """What cells are measured by, in double precision."""
        return CellScale(self.mean.double(), self.spread.double())

    def set_scale(self, scale: CellScale) -> None:
        """Say what cells are measured by."""
        self.mean.copy_(scale.mean)
        self.spread.copy_(scale.spread)

    def forward(self, cloud: Tensor, time: Tensor, known: Known) -> Tensor:
        """Velocities, as of `noise.noised`.

        Args:
            cloud: with noise. Shape (B, ROWS, POINTS).
            time: from 0 to 1. Shape (B,).
            known: beside the points.
        """
        most = int(known.count.max())
        there = torch.arange(most, device=cloud.device) < known.count[:, None]
        means = _means_of(cloud, time, known, most)
        atoms, pairs, cells = self._seen(means, known, there)
        x = torch.cat([cells[:, None], atoms], dim=1)
        pairs = pad(pairs, (0, 0, 1, 0, 1, 0)).to(x.dtype)
        kept = pad(there, (1, 0), value=True)
        told = self._told(time, known)
        for block in self.blocks:
            x = block(x, pairs, kept, told)
        x = self.norm(x)
        moved, odds = self.end_atom(x[:, 1:]).float().split([3, MOST_ELEMENTS], dim=2)
        places = means.pulled + means.left[..., None] * moved
        kinds = 2.0 * (means.odds + odds).softmax(dim=2) - 1.0
        cell = means.cell + means.cell_left * self.end_cell(x[:, 0]).float()
        clean = spread_out(torch.cat([places, kinds], dim=2), cell, known.count)
        signal, rest = (like(part, cloud) for part in signal_at(time))
        return (signal * cloud - clean) / rest

    def numbers(self, elements: Tensor) -> Tensor:
        """Logarithm of how likely each number of atoms is, from 1, for elements. (B, MOST_ATOMS).

        Args:
            elements: as of `Known`.
        """
        told = silu(self.of_elements(self._features_of(elements).flatten(1)))
        few = (elements > 0).sum(dim=1, keepdim=True)
        enough = torch.arange(1, MOST_ATOMS + 1, device=elements.device) >= few
        logits: Tensor = self.number(told).masked_fill(~enough, -1e4)
        return logits.log_softmax(dim=1)

    def _features_of(self, elements: Tensor) -> Tensor:
        there = (elements > 0).to(self.features.dtype)[..., None]
        features = torch.cat([self.features[elements], self.learned(elements)], dim=2) * there
        return torch.cat([features, there], dim=2)

    def _told(self, time: Tensor, known: Known) -> Tensor:
        rate = torch.logspace(0.0, 3.0, WAVES, device=time.device)
        angle = 0.5 * math.pi * time[:, None] * rate
        waves = torch.cat([angle.sin(), angle.cos()], dim=1)
        elements = self.of_elements(self._features_of(known.elements).flatten(1))
        told = self.of_time(waves) + elements + self.of_count(known.count)
        return silu(self.tell(silu(told)))

    def _seen(self, means: _Means, known: Known, there: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens of atoms, what lies between them, and tokens of cells."""
        odds = means.odds.softmax(dim=2)
        places, unsure = means.places / STRETCH, means.unsure / STRETCH
        index = known.count[:, None] * MOST_ATOMS + torch.arange(there.shape[1], device=odds.device)
        seen = [means.pulled, means.left[..., None], _harmonics(places, unsure)]
        atoms = self.atom(torch.cat(seen, dim=2)) + self.place(index)
        atoms = atoms + odds @ self.element(self._features_of(known.elements))
        room = (odds @ self.volume[known.elements][..., None])[..., 0]
        whole = (room * there).sum(dim=1, keepdim=True)
        numbers = means.cell * self.spread + self.mean
        lattice = lattices_of(numbers)
        usual = (whole.log() / 3 - self.mean[:3]) / self.spread[:3]
        swollen = torch.linalg.det(lattice).clamp(min=1.0).log()[:, None] - whole.log()
        count = known.count[:, None].log()
        cells = self.cell(torch.cat([means.cell, usual, count, swollen, means.cell_left], dim=1))
        return atoms, _between(places, unsure, lattice, room), cells


class _Block(PairAttention):
    """Atoms look at each other and think; what is told sets the tone."""

    def __init__(self, width: int, heads: int, told: int) -> None:
        """Nothing is added at first."""
        super().__init__(width, heads, PAIRS)
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.tone = nn.Linear(told, 6 * width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        nn.init.zeros_(self.tone.weight)
        nn.init.zeros_(self.tone.bias)

    def forward(self, x: Tensor, pairs: Tensor, there: Tensor, told: Tensor) -> Tensor:
        """Tokens, (B, T, width), to the same; pairs and those that are there as of `among`."""
        tones = self.tone(told)[:, None].chunk(6, dim=2)
        y = self.norms[0](x) * (1 + tones[0]) + tones[1]
        x = x + tones[2] * self.among(y, pairs, there)
        y = self.norms[1](x) * (1 + tones[3]) + tones[4]
        thought: Tensor = tones[5] * self.narrow(relu(self.widen(y)))
        return x + thought


def spread_out(atoms: Tensor, cell: Tensor, count: Tensor) -> Tensor:
    """Clouds whose points are copies of atoms and cells.

    Args:
        atoms: place and likelihoods of each. Shape (B, A, 6).
        cell: Shape (B, 6).
        count: atoms of each. Shape (B,).

    Returns:
        Shape (B, ROWS, POINTS).
    """
    points = atoms.gather(1, owners(count)[..., None].expand(-1, -1, atoms.shape[2]))
    first = cell[:, :3, None].expand(-1, -1, HALF)
    second = cell[:, 3:, None].expand(-1, -1, POINTS - HALF)
    return torch.cat([points.transpose(1, 2), torch.cat([first, second], dim=2)], dim=1)


def evidence(cloud: Tensor, time: Tensor) -> Tensor:
    """Logarithm of the probability of the points of a cloud for each number of atoms, from 1.

    Places and likelihoods of atoms count as normal, of mean 0 and spread 1, and those of different
    atoms as independent: the points of each are then normal, too, with a covariance of noise on the
    diagonal and signal everywhere.

    Args:
        cloud: with noise. Shape (B, ROWS, POINTS).
        time: Shape (B,).

    Returns:
        Shape (B, MOST_ATOMS).
    """
    points = cloud[:, : CELL.start]
    own = owners(torch.arange(1, MOST_ATOMS + 1, device=cloud.device))
    same = (own[:, :, None] == own[:, None]).to(cloud.dtype)
    sizes = same.sum(dim=2)
    means = torch.einsum("brp,npq->bnrq", points, same / sizes[..., None])
    signal, rest = (part[:, None, None] ** 2 for part in signal_at(time))
    within = ((points[:, None] - means) ** 2).sum(dim=2) / rest
    wide = rest + sizes * signal
    between = (means**2).sum(dim=2) / wide
    volume = wide.log() / sizes + (1.0 - 1.0 / sizes) * rest.log()
    return -0.5 * (within + between + points.shape[1] * volume).sum(dim=2)


def left_open(time: Tensor, points: Tensor) -> Tensor:
    """How unsure the points of an atom or a cell leave a value of mean 0 and spread 1.

    Args:
        time: of a shape that broadcasts with that of `points`.
        points: that are copies of it, on average.

    Returns:
        Standard deviations.
    """
    signal, rest = signal_at(time)
    return rest / (points * signal**2 + rest**2).sqrt()


def _means_of(cloud: Tensor, time: Tensor, known: Known, most: int) -> _Means:
    """What the points of up to so many atoms say."""
    signal, rest = (part[:, None] for part in signal_at(time))
    mine = one_hot(owners(known.count), MOST_ATOMS)[..., :most].to(cloud.dtype)
    sizes = mine.sum(dim=1)
    points = cloud[:, : CELL.start] @ (mine / sizes.clamp(min=1.0)[:, None])
    sizes = sizes.clamp(min=1.0)  # of atoms that are not there
    left = left_open(time[:, None], sizes)
    places = points[:, PLACES].transpose(1, 2) / signal[..., None]
    odds = (2.0 * sizes * signal / rest**2)[:, None] * points[:, LIKELIHOODS]
    odds = odds.transpose(1, 2)
    odds = (odds - odds.amax(dim=2, keepdim=True)).clamp(min=-SURE)
    told = one_hot(known.kinds[:, :most].clamp(min=0), MOST_ELEMENTS).to(odds.dtype)
    odds = torch.where(known.kinds[:, :most, None] >= 0, SURE * (told - 1.0), odds)
    odds = odds.masked_fill((known.elements == 0)[:, None], -2 * SURE)
    cell = torch.cat([cloud[:, CELL, :HALF].mean(2), cloud[:, CELL, HALF:].mean(2)], dim=1)
    cell_left = left_open(time, torch.full_like(time, HALF))[:, None]
    return _Means(
        places=places,
        unsure=rest / signal / sizes.sqrt(),
        pulled=(1.0 - left[..., None] ** 2) * places,
        left=left,
        odds=odds,
        cell=(1.0 - cell_left**2) * cell / signal,
        cell_left=cell_left,
    )


def _harmonics(place: Tensor, unsure: Tensor) -> Tensor:
    """Waves of places in a cell, as high as is sure. (..., 3) and (...) to (..., 6 HARMONICS)."""
    order = torch.arange(1, HARMONICS + 1, device=place.device)
    phase = 2 * math.pi * (place[..., None] * order).flatten(-2)
    high = torch.exp(-2.0 * (math.pi * order * unsure[..., None]) ** 2)
    high = high[..., None, :].expand(*place.shape, -1).flatten(-2)
    return torch.cat([high * phase.sin(), high * phase.cos()], dim=-1)


def _between(places: Tensor, unsure: Tensor, lattice: Tensor, room: Tensor) -> Tensor:
    """Directions and distances between atoms, for what is sure of them.

    Args:
        places: fractional. Shape (B, A, 3).
        unsure: their standard deviations. Shape (B, A).
        lattice: rows in Å. Shape (B, 3, 3).
        room: volumes of atoms in Å³. Shape (B, A).

    Returns:
        Shape (B, A, A, PAIRS).
    """
    apart = places[:, None] - places[:, :, None]
    together = (unsure[:, None] ** 2 + unsure[:, :, None] ** 2).sqrt()
    near = (apart - apart.round()) @ lattice[:, None]
    edge = room.clamp(min=1.0) ** (1 / 3)
    edge = 0.5 * (edge[:, None] + edge[:, :, None])
    length = lattice.norm(dim=2).mean(dim=1)[:, None, None]
    relative = near.norm(dim=-1) / edge
    centres = torch.linspace(NEAREST, FARTHEST, SHELLS, device=places.device)
    wide = (centres[1] - centres[0]) ** 2 + (together * length / edge)[..., None] ** 2
    shells = torch.exp(-((relative[..., None] - centres) ** 2) / wide)
    shells = shells * ((centres[1] - centres[0]) / wide.sqrt())
    return torch.cat([_harmonics(apart, together), shells], dim=-1)
