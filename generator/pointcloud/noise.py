"""Noise that keeps the variance, and how it is taken off: mathematics that knows no crystals.

Denoising diffusion (Ho et al., NeurIPS 2020) by the cosine schedule (Nichol and Dhariwal, ICML
2021) in continuous time, the network asked for the velocity (Salimans and Ho, ICLR 2022). Values
that are copied many times outlast much noise, for a network may take their mean: the schedule is
moved to more of it, as Hoogeboom et al. (ICML 2023) do for large images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

SHIFT = -math.log(4.0)
"""Of the logarithm of the ratio of signal to noise (their squares)."""
EARLIEST, LATEST = 1e-3, 1.0 - 1e-3
"""Times at which the ratio is still finite."""

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Noisy values (B, ...) and their times (B,) to velocities (B, ...)."""


def signal_at(time: Tensor) -> tuple[Tensor, Tensor]:
    """What is left of values at times from 0 to 1, and the noise; their squares sum to one."""
    time = time.clamp(EARLIEST, LATEST)
    log_ratio = SHIFT - 2.0 * torch.tan(0.5 * math.pi * time).log()
    return log_ratio.sigmoid().sqrt(), (-log_ratio).sigmoid().sqrt()


def noised(clean: Tensor, time: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Noisy values and their velocities.

    Args:
        clean: of mean 0 and spread 1, about. Shape (B, ...).
        time: Shape (B,).
        noise: standard normal. Shape of `clean`.
    """
    signal, rest = (like(part, clean) for part in signal_at(time))
    return signal * clean + rest * noise, signal * noise - rest * clean


def clean_of(noisy: Tensor, velocity: Tensor, time: Tensor) -> Tensor:
    """The clean values that a velocity points to. Shapes (B, ...) and (B,)."""
    signal, rest = (like(part, noisy) for part in signal_at(time))
    return signal * noisy - rest * velocity


@torch.no_grad()
def denoised(
    velocity: Velocity,
    begin: Tensor,
    generator: torch.Generator,
    *,
    time: float = 1.0,
    steps: int,
    hiss: float = 1.0,
    told: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Values without noise (equations 12 and 16 of Song et al., DDIM, ICLR 2021).

    Args:
        velocity: that a network gives.
        begin: values with the noise of `time`. Shape (B, ...).
        generator: draws.
        time: how noisy they are, from 0 to 1.
        steps: from there to 0.
        hiss: 1 walks back as noise came (ancestral sampling), 0 draws nothing on the way.
        told: called with steps done, and all of them.
    """
    now_values = begin
    times = torch.linspace(time, 0.0, steps + 1, device=begin.device)
    for i, (now, then) in enumerate(pairwise(times)):
        when = now.expand(len(begin))
        clean = clean_of(now_values, velocity(now_values, when), when)
        if told is not None:
            told(i + 1, steps)
        if i == steps - 1:
            return clean
        (signal, rest), (later, later_rest) = signal_at(now), signal_at(then)
        noise = (now_values - signal * clean) / rest
        new = hiss * (later_rest / rest) * (1.0 - (signal / later) ** 2).clamp(min=0.0).sqrt()
        kept = (later_rest**2 - new**2).clamp(min=0.0).sqrt()
        drawn = torch.randn(begin.shape, generator=generator, device=begin.device)
        now_values = later * clean + kept * noise + new * drawn
    return now_values


def like(values: Tensor, other: Tensor) -> Tensor:
    """The same values so that they broadcast with others: shape (B,) to (B, 1, ...)."""
    return values.view(-1, *[1] * (other.ndim - 1))
