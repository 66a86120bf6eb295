"""A transformer over the peaks of a profile, which learns beforehand to guess peaks left out.

A peak is a token: where on ln Q, how high, how wide. The training beforehand hides 15 % of the
peaks and asks for them (Devlin et al., BERT, NAACL 2019; UstcUnfold does the same with peaks).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool1d,
    cross_entropy,
    max_pool1d,
    normalize,
    relu,
    scaled_dot_product_attention,
    smooth_l1_loss,
)

from indexer.encoders.axis import BINS
from indexer.encoders.model import DIMENSION

HIDDEN = 0.15
PLACES = 360
"""Classes of places that a hidden peak is guessed among."""
PEAK_REACH = 4
"""Bins on either side over which a peak is the highest, and its area is summed."""
PERIODS = 24
"""Waves that say where a token is, from the whole axis down to two bins."""
PEAK_FEATURES = 2 * PERIODS + 2


@dataclass(frozen=True)
class PeakEncoderShape:
    """Sizes of a `PeakEncoder`.

    Attributes:
        peaks: the highest that are read.
        width: of a token.
        layers, heads: of the transformer.
    """

    peaks: int = 64
    width: int = 128
    layers: int = 4
    heads: int = 4


class AttentionBlock(nn.Module):
    """Tokens look at each other, then each thinks for itself; both is added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        """Nothing is added at first."""
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.ask = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        for last in (self.answer, self.narrow):
            nn.init.zeros_(last.weight)

    def forward(self, tokens: Tensor, there: Tensor) -> Tensor:
        """(B, T, width) to the same, tokens that are not there unseen. `there`: (B, T)."""
        batch, count, width = tokens.shape
        asked = self.ask(self.norms[0](tokens)).view(batch, count, 3, self.heads, -1)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        seen = attend(query, key, value, there)
        tokens = tokens + self.answer(seen.transpose(1, 2).reshape(batch, count, width))
        thought: Tensor = self.narrow(relu(self.widen(self.norms[1](tokens))))
        return tokens + thought


def attend(query: Tensor, key: Tensor, value: Tensor, there: Tensor) -> Tensor:
    """Scaled dot-product attention, (B, heads, T, w), keys that are not there, (B, T), unseen.

    Written out on a CPU, where torch's fused kernel takes several times as long in bf16.
    """
    seen = there[:, None, None]
    if query.is_cuda:
        return scaled_dot_product_attention(query, key, value, attn_mask=seen)
    logits = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
    return logits.masked_fill(~seen, -1e4).softmax(dim=3) @ value


class PeakEncoder(nn.Module):
    """Peaks of a profile in, a unit vector out."""

    def __init__(self, shape: PeakEncoderShape | None = None) -> None:
        """Weights drawn at random."""
        super().__init__()
        self.shape = shape or PeakEncoderShape()
        width = self.shape.width
        self.read = nn.Linear(PEAK_FEATURES, width)
        self.range = nn.Linear(2, width)
        self.summary = nn.Parameter(0.02 * torch.randn(width))
        self.hidden = nn.Parameter(0.02 * torch.randn(width))
        self.layers = nn.ModuleList(
            AttentionBlock(width, self.shape.heads) for _ in range(self.shape.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.join = nn.Linear(width, DIMENSION)
        self.guess_place = nn.Linear(width, PLACES)
        self.guess_height = nn.Linear(width, 1)

    def forward(self, profiles: Tensor) -> Tensor:
        """(B, 2, BINS) to unit vectors (B, DIMENSION)."""
        place, height, wide, there = peaks_of(profiles, self.shape.peaks)
        read = self._read(profiles, self.read(peak_features(place, height, wide)), there)
        return normalize(self.join(read[:, 0]).float(), dim=1)

    def guessing(self, profiles: Tensor, generator: torch.Generator) -> Tensor:
        """How badly peaks are guessed from the others: a loss."""
        place, height, wide, there = peaks_of(profiles, self.shape.peaks)
        draws = torch.rand(place.shape, generator=generator, device=place.device)
        hide = there & (draws < HIDDEN)
        tokens = self.read(peak_features(place, height, wide))
        tokens = torch.where(hide[..., None], self.hidden.to(tokens.dtype), tokens)
        read = self._read(profiles, tokens, there)[:, 1:][hide]
        wanted = (place[hide] * (PLACES / BINS)).long().clamp(0, PLACES - 1)
        where = cross_entropy(self.guess_place(read).float(), wanted)
        high = smooth_l1_loss(self.guess_height(read).float()[:, 0], height[hide].log())
        return where + high

    def _read(self, profiles: Tensor, tokens: Tensor, there: Tensor) -> Tensor:
        covered = profiles[:, 1]
        bins = torch.arange(BINS, device=covered.device)
        ends = torch.stack([(covered * bins).amax(1), (covered * (BINS - bins)).amax(1)], dim=1)
        summary = self.summary + self.range(ends / BINS)
        kept = torch.cat([torch.ones_like(there[:, :1]), there], dim=1)
        tokens = torch.cat([summary[:, None].to(tokens.dtype), tokens], dim=1)
        for layer in self.layers:
            tokens = layer(tokens, kept)
        read: Tensor = self.norm(tokens)
        return read


def peaks_of(profiles: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The highest peaks of profiles: place in bins, height, width in bins, and whether there.

    Shape (B, count) each.
    """
    root = profiles[:, 0]
    window = 2 * PEAK_REACH + 1
    top = max_pool1d(root[:, None], window, 1, PEAK_REACH)[:, 0]
    rising = root > root.roll(1, 1)  # of two equal heights side by side, the first
    height, first = torch.where((root >= top) & rising, root, 0.0).topk(count, dim=1)
    area = window * avg_pool1d(root[:, None] ** 2, window, 1, PEAK_REACH)[:, 0].gather(1, first)
    left = root.gather(1, (first - 1).clamp(min=0))
    right = root.gather(1, (first + 1).clamp(max=BINS - 1))
    bend = (left - 2 * height + right).clamp(max=-1e-6)
    place = first + (0.5 * (left - right) / bend).clamp(-0.5, 0.5)
    there = height > 0
    return place, height.clamp(min=1e-3), area / height.clamp(min=1e-3) ** 2, there


def peak_features(place: Tensor, height: Tensor, wide: Tensor) -> Tensor:
    """What a network reads of peaks as `peaks_of` finds them. Shape (B, T, PEAK_FEATURES)."""
    period = BINS * (2 / BINS) ** (torch.arange(PERIODS, device=place.device) / (PERIODS - 1))
    phase = 2 * math.pi * place[..., None] / period
    more = torch.stack([height.log(), wide / PEAK_REACH], dim=2)
    return torch.cat([phase.sin(), phase.cos(), more], dim=2)
