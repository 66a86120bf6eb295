"""Structures drawn from the network: noise taken off step by step."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from generator.network.model import GeneratorNetwork, Reading, Structures
from generator.network.schedule import score_size, sigma_at, signal_at

STEPS = 40
"""From noise alone; from part-way, so many fewer."""


@torch.no_grad()
def denoised(
    network: GeneratorNetwork,
    reading: Reading,
    begin: Structures,
    generator: torch.Generator,
    *,
    time: float = 1.0,
    steps: int = STEPS,
) -> Structures:
    """Structures without noise.

    Coordinates walk back along the reverse of their diffusion (ancestral sampling, Song et al.,
    ICLR 2021, for a variance that grows), cells along its deterministic form (Song et al., DDIM,
    ICLR 2021).

    Args:
        network: trained.
        reading: of the samples.
        begin: structures with the noise of `time`.
        generator: draws.
        time: how noisy they are, from 0 to 1.
        steps: from time 1 to 0.
    """
    number, fractional, cell = begin.number, begin.fractional, begin.cell
    times = torch.linspace(time, 0.0, max(round(steps * time), 1) + 1, device=number.device)
    for i, (now, then) in enumerate(pairwise(times)):
        with torch.autocast(number.device.type, torch.bfloat16):
            seen = network(
                reading, Structures(number, fractional, cell), now.expand(number.shape[:2])
            )
        before, after = sigma_at(now) ** 2, sigma_at(then) ** 2
        fractional = fractional + (before - after) * score_size(now) * seen.score
        if i < len(times) - 2:
            hiss = (after * (before - after) / before).sqrt()
            fractional = fractional + hiss * _normal(fractional, generator)
        fractional = fractional % 1.0
        (signal, noise), (later_signal, later_noise) = signal_at(now), signal_at(then)
        cell = later_signal * seen.cell + later_noise * (cell - signal * seen.cell) / noise
    return Structures(number, fractional, cell)


def noised(
    structures: Structures, generator: torch.Generator, *, time: float, keep_places: bool = True
) -> Structures:
    """The structures with the noise of a time.

    Args:
        structures: without noise.
        generator: draws.
        time: from 0 to 1.
        keep_places: False draws coordinates anew, evenly, and noises the cell alone.
    """
    now = torch.tensor(time)
    signal, noise = signal_at(now)
    places = torch.rand(structures.fractional.shape, generator=generator)
    if keep_places:
        hiss = sigma_at(now) * _normal(structures.fractional, generator)
        places = (structures.fractional + hiss) % 1.0
    cell = signal * structures.cell + noise * _normal(structures.cell, generator)
    return Structures(structures.number, places, cell)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)
