"""Minimal filters against the sum that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexer.encoders.short_convolution import ShortConvolution


def by_hand(
    rows: NDArray[np.float32], taps: NDArray[np.float32], bias: NDArray[np.float32], places: int
) -> NDArray[np.float64]:
    total = np.zeros((len(rows), places, taps.shape[2]))
    for k, tap in enumerate(taps.astype(np.float64)):
        total += rows[:, k : k + places] @ tap
    return np.asarray(np.maximum(total + bias, 0.0))


@given(
    taps=st.integers(1, 12),
    places=st.integers(1, 23),
    count=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    seed=st.integers(0, 99),
)
def test_it_is_the_sum_over_the_taps(
    taps: int, places: int, count: int, channels: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(taps, *channels)).astype(np.float32)
    bias = rng.normal(size=channels[1]).astype(np.float32)
    convolution = ShortConvolution.of(kernel, bias)
    read = convolution.places_read(places)
    assert places + taps - 1 <= read < places + taps + 3
    rows = rng.normal(size=(count, read, channels[0])).astype(np.float32)
    expected = by_hand(rows, kernel, bias, places)
    got = convolution(rows, places)
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=2e-4 * (taps * channels[0]) ** 0.5)


@pytest.mark.parametrize("taps, products", [(1, 1), (2, 5), (3, 6), (5, 8), (7, 8), (9, 9)])
def test_four_places_take_few_products(taps: int, products: int) -> None:
    convolution = ShortConvolution.of(np.ones((taps, 2, 3), np.float32), np.zeros(3, np.float32))
    assert convolution.products.shape == (products, 2, 3)
