"""The generator's network: reads a pattern and templates, denoises structures and judges them.

One trunk has three uses, trained together: *coarse*, a space group, a number of formula units and
a cell from the pattern and the formula alone (as UstcUnfold's first stage); *denoising* of cell and
coordinates (as DiffCSP and XtalNet's CCSG do), the atoms looking at the pattern's peaks and at the
rows of the templates; and a *verdict* on a finished structure, whether it is right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from generator.network.cells import lattice_of
from generator.network.pair_attention import PairAttention
from generator.network.schedule import wrapped
from indexer.encoders.model import DIMENSION
from indexer.encoders.peaks import PEAK_FEATURES, AttentionBlock, attend, peak_features, peaks_of

ELEMENTS = 100
MOST_ATOMS = 24
"""Of the primitive cell."""
TEMPLATES = 4
MULTIPLES = 24
"""Formula units of a primitive cell, at most."""
SPACE_GROUPS = 230
CELL_SPREAD = 0.25
"""Spread of the logarithms of cells about a cube of the expected volume."""
ROW = DIMENSION + 6 + 8 * MOST_ATOMS
"""A row: a pattern's vector, a cell, and for each atom its class (2) and place (6)."""
WAVES = 4
"""Harmonics that differences of coordinates are told by."""
SHELLS, FARTHEST_ANGSTROM = 16, 6.0
"""Gaussians that distances are told by, and how far they go."""
TIMES = 16


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of a `GeneratorNetwork`.

    Attributes:
        width, heads: of the trunk.
        layers: of the trunk.
        reading: layers that the pattern's peaks go through first.
        peaks: that are read.
    """

    width: int = 160
    heads: int = 8
    layers: int = 5
    reading: int = 2
    peaks: int = 48


@dataclass(frozen=True)
class Question:
    """What is known of B samples.

    Attributes:
        profiles: as `indexer.encoders.profile` has them. Shape (B, 2, BINS).
        rows: the sample, then its templates, missing parts zero. Shape (B, 1 + TEMPLATES, ROW).
        formula: atoms of each element over the atoms of a formula unit. Shape (B, ELEMENTS).
    """

    profiles: Tensor
    rows: Tensor
    formula: Tensor


@dataclass(frozen=True)
class Structures:
    """Structures of B samples, D for each, padded to A atoms.

    Attributes:
        number: atomic numbers, 0 where padded. Shape (B, D, A).
        fractional: Shape (B, D, A, 3).
        cell: logarithms, see `GeneratorNetwork.cell_of`. Shape (B, D, 6).
    """

    number: Tensor
    fractional: Tensor
    cell: Tensor


@dataclass(frozen=True)
class Reading:
    """What a network made of a question.

    Attributes:
        tokens: Shape (B, T, width).
        there: Shape (B, T).
        summary: Shape (B, width).
    """

    tokens: Tensor
    there: Tensor
    summary: Tensor


@dataclass(frozen=True)
class Coarse:
    """First guesses.

    Attributes:
        space_group: logits, from number 1. Shape (B, 230).
        multiple: logits of formula units in the primitive cell, from one. Shape (B, MULTIPLES).
        cell: in the trunk's units, for the given number of atoms. Shape (B, 6).
    """

    space_group: Tensor
    multiple: Tensor
    cell: Tensor


@dataclass(frozen=True)
class Denoised:
    """What the trunk sees in structures.

    Attributes:
        score: of each coordinate, of size one. Shape (B, D, A, 3).
        cell: without noise. Shape (B, D, 6).
        verdict: logit that the structure is right; meant for structures without noise. (B, D).
    """

    score: Tensor
    cell: Tensor
    verdict: Tensor


class TrunkBlock(PairAttention):
    """Atoms look at each other, at what was read, and think; how late it is sets the tone."""

    def __init__(self, width: int, heads: int, pairs: int) -> None:
        """Nothing is added at first."""
        super().__init__(width, heads, pairs)
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(3))
        self.tone = nn.Linear(width, 9 * width)
        self.look = nn.Linear(width, width)
        self.read = nn.Linear(width, 2 * width)
        self.learn = nn.Linear(width, width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        nn.init.zeros_(self.tone.weight)
        nn.init.zeros_(self.tone.bias)

    def forward(
        self, x: Tensor, pairs: Tensor, there: Tensor, time: Tensor, reading: Reading, draws: int
    ) -> Tensor:
        """(B·D, 1 + A, width) to the same.

        Args:
            x: tokens, the cell's first.
            pairs: what lies between tokens. Shape (B·D, 1 + A, 1 + A, pairs).
            there: Shape (B·D, 1 + A).
            time: an embedding. Shape (B·D, width).
            reading: of the B samples.
            draws: D.
        """
        tones = self.tone(time)[:, None].chunk(9, dim=2)
        y = self.norms[0](x) * (1 + tones[0]) + tones[1]
        x = x + tones[2] * self.among(y, pairs, there)
        y = self.norms[1](x) * (1 + tones[3]) + tones[4]
        x = x + tones[5] * self._outside(y, reading, draws)
        y = self.norms[2](x) * (1 + tones[6]) + tones[7]
        thought: Tensor = tones[8] * self.narrow(relu(self.widen(y)))
        return x + thought

    def _outside(self, x: Tensor, reading: Reading, draws: int) -> Tensor:
        batch, tokens, width = reading.tokens.shape
        query = self.look(x).view(batch, draws * x.shape[1], self.heads, -1).transpose(1, 2)
        key, value = (
            self.read(reading.tokens).view(batch, tokens, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        )
        seen = attend(query, key, value, reading.there)
        learned: Tensor = self.learn(seen.transpose(1, 2).reshape(x.shape[0], -1, width))
        return learned


class GeneratorNetwork(nn.Module):
    """See the module; `shape` says how large."""

    element_volume: Tensor

    def __init__(self, shape: NetworkShape | None = None) -> None:
        """Weights drawn at random; every atom takes 16 Å³ until `element_volume` is set."""
        super().__init__()
        self.shape = shape or NetworkShape()
        width, heads = self.shape.width, self.shape.heads
        self.register_buffer("element_volume", torch.full((ELEMENTS,), 16.0))
        self.peak = nn.Linear(PEAK_FEATURES, width)
        self.row = nn.Linear(ROW, width)
        self.place = nn.Parameter(0.02 * torch.randn(1 + TEMPLATES, width))
        self.formula = nn.Linear(ELEMENTS, width)
        self.reading = nn.ModuleList(
            AttentionBlock(width, heads) for _ in range(self.shape.reading)
        )
        self.space_group = nn.Linear(width, SPACE_GROUPS)
        self.multiple = nn.Linear(width, MULTIPLES)
        self.coarse_cell = nn.Sequential(
            nn.Linear(width + 2, width), nn.ReLU(), nn.Linear(width, 6)
        )
        self.element = nn.Embedding(ELEMENTS, width, padding_idx=0)
        self.size = nn.Linear(8, width)
        self.time = nn.Sequential(nn.Linear(2 * TIMES, width), nn.ReLU(), nn.Linear(width, width))
        pairs = 6 * WAVES + SHELLS
        self.trunk = nn.ModuleList(
            TrunkBlock(width, heads, pairs) for _ in range(self.shape.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, 3)
        self.cell = nn.Linear(width, 6)
        self.verdict = nn.Linear(width, 1)
        for last in (self.score, self.cell, self.verdict):
            nn.init.zeros_(last.weight)

    def read(self, question: Question) -> Reading:
        """Pattern, templates and formula, to be looked at by structures."""
        place, height, wide, there = peaks_of(question.profiles, self.shape.peaks)
        peaks = self.peak(peak_features(place, height, wide))
        rows = self.row(question.rows) + self.place
        rows = torch.cat([rows[:, :1] + self.formula(question.formula)[:, None], rows[:, 1:]], 1)
        tokens = torch.cat([rows, peaks], dim=1)
        filled = question.rows.abs().sum(dim=2) > 0
        filled[:, 0] = True
        kept = torch.cat([filled, there], dim=1)
        for layer in self.reading:
            tokens = layer(tokens, kept)
        return Reading(tokens, kept, tokens[:, 0])

    def coarse(self, reading: Reading, atoms: Tensor) -> Coarse:
        """First guesses; the cell's is that of so many atoms. `atoms`: shape (B,)."""
        summary = reading.summary
        size = atoms.to(summary.dtype).log()[:, None]
        cell = self.coarse_cell(torch.cat([summary, size, size**2], dim=1))
        return Coarse(self.space_group(summary), self.multiple(summary), cell)

    def forward(self, reading: Reading, structures: Structures, time: Tensor) -> Denoised:
        """What is seen in structures at these times, shape (B, D)."""
        batch, draws, atoms = structures.number.shape
        number = structures.number.flatten(0, 1)
        there = torch.cat([torch.ones_like(number[:, :1]), number], dim=1) > 0
        lattice = lattice_of(self.cell_of(structures).flatten(0, 1).float())
        pairs = _between(structures.fractional.flatten(0, 1).float(), lattice)
        late = self.time(_waves(time.flatten()))
        size = (number > 0).sum(dim=1, keepdim=True).to(late.dtype).log()
        cell = self.size(
            torch.cat([structures.cell.flatten(0, 1).to(late.dtype), size, size**2], dim=1)
        )
        x = torch.cat([cell[:, None], self.element(number)], dim=1)
        pairs = pairs.to(x.dtype)
        for block in self.trunk:
            x = block(x, pairs, there, late, reading, draws)
        x = self.norm(x)
        return Denoised(
            self.score(x[:, 1:]).float().view(batch, draws, atoms, 3),
            self.cell(x[:, 0]).float().view(batch, draws, 6),
            self.verdict(x[:, 0]).float().view(batch, draws),
        )

    def cell_of(self, structures: Structures) -> Tensor:
        """Logarithms of the cells, see `cells`, from the trunk's units. Shape (B, D, 6)."""
        return CELL_SPREAD * structures.cell + self.expected_cell(structures.number)

    def expected_cell(self, number: Tensor) -> Tensor:
        """Logarithm of a cube that has room for these atoms, (..., A) to (..., 6)."""
        room = torch.where(number > 0, self.element_volume[number], 0.0).sum(-1, keepdim=True)
        cube = number.new_tensor([1, 1, 1, 0, 0, 0], dtype=room.dtype)
        return room.clamp(min=1.0).log() / 3 * cube


def row_of(vector: Tensor, cell: Tensor, number: Tensor, fractional: Tensor) -> Tensor:
    """Rows of patterns and structures, of which all but the pattern's vector may be zero.

    Metals come first, and coordinates are relative to the first atom, so that like structures have
    like rows.

    Args:
        vector: of the pattern, in the learned space. Shape (B, DIMENSION).
        cell: logarithm, see `cells`. Shape (B, 6).
        number: 0 where padded; no atoms at all where a structure is too large. Shape (B, A).
        fractional: Shape (B, A, 3).

    Returns:
        Shape (B, ROW).
    """
    metal = is_metal(number)
    order = torch.where(number == 0, 1000, torch.where(metal, 0, 500) - number).argsort(1)
    number, metal = number.gather(1, order), metal.gather(1, order)
    fractional = fractional.gather(1, order[..., None].expand(-1, -1, 3))
    there = (number > 0).to(vector.dtype)[..., None]
    phase = 2 * math.pi * (fractional - fractional[:, :1]).to(vector.dtype)
    classes = torch.stack([metal, ~metal], dim=2).to(vector.dtype)
    atoms = torch.cat([classes, phase.sin(), phase.cos()], dim=2) * there
    padded = vector.new_zeros(len(vector), MOST_ATOMS, 8)
    padded[:, : atoms.shape[1]] = atoms
    known = there.amax(dim=1)
    return torch.cat([vector, cell.to(vector.dtype) * known, padded.flatten(1)], dim=1)


def is_metal(number: Tensor) -> Tensor:
    """As `indexer.templates.structure.is_metal`, of atomic numbers; false of 0."""
    others = number.new_tensor(
        [0, 1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 33, 34, 35, 36, 52, 53, 54, 85, 86]
    )
    return ~torch.isin(number, others)


def _between(fractional: Tensor, lattice: Tensor) -> Tensor:
    """Differences and distances of atoms, nothing of the cell's own token. (B, 1+A, 1+A, F)."""
    apart = wrapped(fractional[:, None] - fractional[:, :, None])
    order = torch.arange(1, WAVES + 1, device=apart.device)
    phase = 2 * math.pi * (apart[..., None] * order).flatten(3)
    distance = (apart[:, :, :, None] @ lattice[:, None, None])[..., 0, :].norm(dim=-1)
    centres = torch.linspace(0.5, FARTHEST_ANGSTROM, SHELLS, device=apart.device)
    shells = torch.exp(-(((distance[..., None] - centres) / (centres[1] - centres[0])) ** 2))
    features = torch.cat([phase.sin(), phase.cos(), shells], dim=3)
    return torch.nn.functional.pad(features, (0, 0, 1, 0, 1, 0))


def _waves(time: Tensor) -> Tensor:
    order = torch.arange(TIMES, device=time.device)
    phase = time[:, None] * math.pi * 1.4**order / 8
    return torch.cat([phase.sin(), phase.cos()], dim=1)
