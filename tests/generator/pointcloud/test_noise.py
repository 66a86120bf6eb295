from __future__ import annotations

import pytest
import torch
from torch import Tensor

from generator.pointcloud.noise import SHIFT, clean_of, denoised, noised, signal_at


def test_signal_falls_and_squares_sum_to_one() -> None:
    time = torch.linspace(0, 1, 101, dtype=torch.float64)
    signal, rest = signal_at(time)
    torch.testing.assert_close(signal**2 + rest**2, torch.ones_like(time))
    assert (signal.diff() <= 0).all()
    assert signal[0] > 0.9999
    assert signal[-1] < 1e-3
    # Half-way the cosine schedule has as much noise as signal; this one is moved.
    ratio = (signal[50] / rest[50]) ** 2
    assert float(ratio.log()) == pytest.approx(SHIFT, abs=1e-6)


def test_a_velocity_gives_the_clean_values_back() -> None:
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(7, 9, 128, generator=generator)
    time = torch.linspace(0.01, 0.99, 7)
    noise = torch.randn(clean.shape, generator=generator)
    noisy, velocity = noised(clean, time, noise)
    torch.testing.assert_close(clean_of(noisy, velocity, time), clean, atol=1e-4, rtol=1e-4)
    signal, rest = signal_at(time)
    torch.testing.assert_close(noisy, signal[:, None, None] * clean + rest[:, None, None] * noise)


@pytest.mark.parametrize("hiss", [0.0, 1.0])
@pytest.mark.parametrize("time", [0.4, 1.0])
def test_right_velocities_lead_back_to_the_data(hiss: float, time: float) -> None:
    generator = torch.Generator().manual_seed(1)
    clean = torch.randn(3, 9, 16, generator=generator)
    when = torch.full((3,), time)
    begin, _ = noised(clean, when, torch.randn(clean.shape, generator=generator))

    def right(values: Tensor, now: Tensor) -> Tensor:
        signal, rest = (part[:, None, None] for part in signal_at(now))
        return (signal * values - clean) / rest

    told: list[tuple[int, int]] = []
    found = denoised(
        right, begin, generator, time=time, steps=8, hiss=hiss,
        told=lambda done, whole: told.append((done, whole)),
    )  # fmt: skip
    torch.testing.assert_close(found, clean, atol=1e-4, rtol=1e-4)
    assert told[-1] == (8, 8)


@pytest.mark.parametrize("hiss", [0.0, 1.0])
def test_the_spread_of_what_is_drawn_is_that_of_the_data(hiss: float) -> None:
    """Of normal data the best velocity is known: what is drawn has the data's spread."""
    generator = torch.Generator().manual_seed(2)
    spread = 0.6

    def best(values: Tensor, now: Tensor) -> Tensor:
        signal, rest = (part[:, None, None] for part in signal_at(now))
        clean = signal * spread**2 / (signal**2 * spread**2 + rest**2) * values
        return (signal * values - clean) / rest

    begin = torch.randn(40, 9, 64, generator=generator)
    found = denoised(best, begin, generator, steps=100, hiss=hiss)
    assert float(found.std()) == pytest.approx(spread, rel=0.06)
