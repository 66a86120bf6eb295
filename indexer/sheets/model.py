"""The twin towers: one reads a sheet's geometry, one a pattern's peaks; both end in one space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from indexer.encoders.peaks import AttentionBlock
from indexer.sheets.axes import CELL_TOKENS, PERIODS, SITE_FEATURES

ELEMENTS = 99
PEAK_FEATURES = 2 * len(PERIODS) + 2


@dataclass(frozen=True)
class TowersShape:
    """Sizes of the towers.

    Attributes:
        width: of a token.
        heads: of each layer.
        geometry_layers, texture_layers: of the two towers.
        dimension: of the space both end in.
    """

    width: int = 96
    heads: int = 4
    geometry_layers: int = 3
    texture_layers: int = 3
    dimension: int = 128


class Tower(nn.Module):
    """Tokens and two of the tower's own; what these have read is joined with the peaks' mean."""

    def __init__(self, shape: TowersShape, layers: int) -> None:
        """Weights drawn at random."""
        super().__init__()
        width = shape.width
        self.first = nn.Parameter(0.02 * torch.randn(width))
        self.last = nn.Parameter(0.02 * torch.randn(width))
        self.layers = nn.ModuleList(AttentionBlock(width, shape.heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.join = nn.Linear(3 * width, shape.dimension)
        self.peak = nn.Linear(PEAK_FEATURES, width)

    def read(self, tokens: Tensor, there: Tensor, peaks: slice) -> Tensor:
        """Unit vectors of what tokens say. Shape (B, dimension).

        Args:
            tokens: Shape (B, T, width).
            there: which of them are there. Shape (B, T).
            peaks: those of them that are peaks, or rods.
        """
        batch, _, width = tokens.shape
        first = self.first.expand(batch, 1, width).to(tokens.dtype)
        last = self.last.expand(batch, 1, width).to(tokens.dtype)
        tokens = torch.cat([tokens, first, last], dim=1)
        ends = torch.ones_like(there[:, :1])
        kept = torch.cat([there, ends, ends], dim=1)
        for layer in self.layers:
            tokens = layer(tokens, kept)
        read = self.norm(tokens)
        seen = there[:, peaks, None]
        mean = (read[:, peaks] * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)
        joined = torch.cat([read[:, -2], read[:, -1], mean.to(read.dtype)], dim=1)
        return normalize(self.join(joined).float(), dim=1)


class GeometryTower(Tower):
    """A sheet's cell, and its sites with their elements."""

    def __init__(self, shape: TowersShape) -> None:
        """Weights drawn at random."""
        super().__init__(shape, shape.geometry_layers)
        width = shape.width
        self.cell = nn.Linear(2 * len(PERIODS), width)
        self.which = nn.Parameter(0.02 * torch.randn(len(CELL_TOKENS), width))
        self.element = nn.Embedding(ELEMENTS, width)
        self.gate = nn.Embedding(ELEMENTS, width)
        self.site = nn.Linear(SITE_FEATURES, width)

    def forward(
        self,
        cell: Tensor,
        elements: Tensor,
        sites: Tensor,
        there: Tensor,
        rods: Tensor,
        rods_there: Tensor,
    ) -> Tensor:
        """Unit vectors of sheets. Shape (B, dimension).

        Args:
            cell: as of `tokens.Geometry`. Shape (B, 7).
            elements: Shape (B, S).
            sites: Shape (B, S, features).
            there: False where padded. Shape (B, S).
            rods: Shape (B, R, 2).
            rods_there: False where padded. Shape (B, R).
        """
        of_cell = self.cell(waves(cell)) + self.which
        # What a site does to a reflection goes with how much its element scatters.
        of_sites = self.site(sites) * (1 + self.gate(elements)) + self.element(elements)
        whole = torch.ones_like(there[:, :1]).expand(-1, cell.shape[1])
        of_rods = self.peak(peak_features(rods[..., 0], rods[..., 1]))
        tokens = torch.cat([of_rods, of_cell, of_sites], dim=1)
        kept = torch.cat([rods_there, whole, there], dim=1)
        return self.read(tokens, kept, slice(rods.shape[1]))


class TextureTower(Tower):
    """A pattern's peaks: where, and how strong."""

    def __init__(self, shape: TowersShape) -> None:
        """Weights drawn at random."""
        super().__init__(shape, shape.texture_layers)

    def forward(self, ln_q: Tensor, log_strength: Tensor, there: Tensor) -> Tensor:
        """Unit vectors of patterns. Shape (B, dimension).

        Args:
            ln_q: as of `tokens.Texture`. Shape (B, P).
            log_strength: Shape (B, P).
            there: False where padded. Shape (B, P).
        """
        tokens = self.peak(peak_features(ln_q, log_strength))
        return self.read(tokens, there, slice(tokens.shape[1]))


class Towers(nn.Module):
    """Both."""

    def __init__(self, shape: TowersShape | None = None) -> None:
        """Weights drawn at random."""
        super().__init__()
        self.shape = shape or TowersShape()
        self.texture = TextureTower(self.shape)
        self.geometry = GeometryTower(self.shape)
        if self.shape.geometry_layers == self.shape.texture_layers:
            # Both begin as one: a rod and the peak that it makes are then alike from the start.
            self.geometry.load_state_dict(self.texture.state_dict(), strict=False)


def peak_features(ln_q: Tensor, log_strength: Tensor) -> Tensor:
    """What towers read of a peak, or of a rod. Shape (B, T, PEAK_FEATURES)."""
    more = torch.stack([log_strength / 4, (log_strength / 2).exp()], dim=2)
    return torch.cat([waves(ln_q), more], dim=2)


def waves(values: Tensor) -> Tensor:
    """Sines and cosines of logarithms of lengths. Shape (..., 2 · periods)."""
    periods = torch.tensor(PERIODS, dtype=torch.float32, device=values.device)
    turns = 2 * math.pi * values[..., None] / periods
    return torch.cat([turns.sin(), turns.cos()], dim=-1)
