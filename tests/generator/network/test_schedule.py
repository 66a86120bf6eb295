from __future__ import annotations

import math

import pytest
import torch

from generator.network.schedule import (
    LEAST_SIGMA,
    MOST_SIGMA,
    score_size,
    sigma_at,
    signal_at,
    wrapped,
    wrapped_score,
)


@pytest.mark.parametrize("sigma", [0.005, 0.05, 0.2, 0.5])
def test_the_score_is_the_slope_of_the_logarithm(sigma: float) -> None:
    x = torch.linspace(-0.7, 0.7, 57, dtype=torch.float64, requires_grad=True)
    far = x[:, None] + torch.arange(-8, 9)
    density = torch.logsumexp(-(far**2) / (2 * sigma**2), dim=1)
    (slope,) = torch.autograd.grad(density.sum(), x)
    found = wrapped_score(x.detach(), torch.tensor(sigma, dtype=torch.float64))
    torch.testing.assert_close(found, slope, rtol=1e-3, atol=1e-3 / sigma)


def test_the_score_repeats_and_vanishes_between_images() -> None:
    sigma = torch.tensor(0.1)
    x = torch.tensor([0.2, 1.2, -0.8])
    torch.testing.assert_close(*(wrapped_score(x, sigma)[[0, i]] for i in (1, 2)))
    assert float(wrapped_score(torch.tensor(0.5), sigma).abs()) < 1e-3


@pytest.mark.parametrize("time", [0.0, 0.3, 0.62, 1.0])
def test_the_size_of_the_score_is_that_of_many_draws(time: float) -> None:
    at = torch.tensor(time)
    draws = sigma_at(at) * torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    found = wrapped_score(draws, sigma_at(at)).square().mean().sqrt()
    torch.testing.assert_close(score_size(at), found, rtol=0.02, atol=0.0)


def test_time_runs_from_clean_to_noise() -> None:
    ends = torch.tensor([0.0, 1.0])
    torch.testing.assert_close(sigma_at(ends), torch.tensor([LEAST_SIGMA, MOST_SIGMA]))
    signal, noise = signal_at(ends)
    torch.testing.assert_close(signal, torch.tensor([1.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(signal**2 + noise**2, torch.ones(2))


def test_differences_lie_within_half_a_period() -> None:
    assert wrapped(torch.tensor([0.75, -0.75, 2.1])).tolist() == pytest.approx([-0.25, 0.25, 0.1])
    assert math.isclose(float(wrapped(torch.tensor(-3.0))), 0.0)
