"""Noise on a torus and on a line: the mathematics of diffusion, which knows no crystals.

Coordinates that repeat are noised by a wrapped normal distribution whose score is learned (Jing et
al., NeurIPS 2022; Jiao et al., DiffCSP, NeurIPS 2023), unbounded quantities by a normal one that
keeps the variance (Ho et al., NeurIPS 2020). Time runs from 0, clean, to 1, noise alone.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

LEAST_SIGMA, MOST_SIGMA = 0.005, 0.5
"""Widths of the wrapped normal in periods, at time 0 and 1; the widest is flat to a percent."""
IMAGES = 3
"""Periods on either side that a wrapped normal is summed over."""
TABLE = 128
"""Points of time at which the size of the score is tabulated."""


def sigma_at(time: Tensor) -> Tensor:
    """Width of the wrapped normal."""
    return LEAST_SIGMA * (MOST_SIGMA / LEAST_SIGMA) ** time


def signal_at(time: Tensor) -> tuple[Tensor, Tensor]:
    """What is left of an unbounded quantity, and the noise on it; their squares sum to one."""
    return (0.5 * math.pi * time).cos(), (0.5 * math.pi * time).sin()


def wrapped(x: Tensor) -> Tensor:
    """Differences of coordinates of period one, between -1/2 and 1/2."""
    return x - x.round()


def wrapped_score(x: Tensor, sigma: Tensor) -> Tensor:
    """Slope of the logarithm of a wrapped normal of period one and mean zero.

    Args:
        x: any shape.
        sigma: that broadcasts with it.
    """
    images = torch.arange(-IMAGES, IMAGES + 1, device=x.device, dtype=x.dtype)
    shifted = wrapped(x)[..., None] + images
    odds = torch.softmax(-(shifted**2) / (2 * sigma[..., None] ** 2), dim=-1)
    return -(odds * shifted).sum(dim=-1) / sigma**2


def score_size(time: Tensor) -> Tensor:
    """Root mean square of the score of `wrapped_score` at these times."""
    place = time.clamp(0, 1) * (TABLE - 1)
    first = place.long().clamp(max=TABLE - 2)
    table = _sizes().to(time.device)
    return torch.lerp(table[first], table[first + 1], place - first)


@cache
def _sizes() -> Tensor:
    sigma = sigma_at(torch.linspace(0, 1, TABLE, dtype=torch.float64))[:, None]
    x = torch.linspace(-0.5, 0.5, 4001, dtype=torch.float64)[None]
    images = torch.arange(-IMAGES, IMAGES + 1, dtype=torch.float64)
    density = torch.exp(-((x[..., None] + images) ** 2) / (2 * sigma[..., None] ** 2)).sum(-1)
    score = wrapped_score(x.expand(TABLE, -1), sigma)
    mean = (density * score**2).sum(dim=1) / density.sum(dim=1)
    return mean.sqrt().float()
