"""Patterns in intervals, beside a histogram made by hand and where textbooks see the peaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.diffraction import lines_of
from data.lines import Lines, LinesTable
from indexer.templates.pattern import blurred, patterns_of, remaining, strongest, unit
from tests import crystals
from tests.crystals import ALL
from tests.indexer.templates.planted import loner

STRONGEST_DEG = {
    "rock salt": 31.7,
    "caesium chloride": 30.6,
    "silicon": 28.4,
    "fluorite": 47.0,
    "rutile": 27.4,
    "anatase": 25.3,
    "quartz": 26.6,
    "calcite": 29.4,
}


@pytest.mark.parametrize("name, two_theta_deg", STRONGEST_DEG.items())
def test_the_strongest_peak_is_where_it_is_known_to_be(name: str, two_theta_deg: float) -> None:
    (interval,) = strongest(patterns_of(LinesTable.of([lines_of(ALL[name])])))
    assert interval == round(10 * two_theta_deg)


def test_a_histogram_says_the_same() -> None:
    names = ["olivine", "quartz", "chalcanthite"]
    lines = [lines_of(ALL[name]) for name in names]
    patterns = patterns_of(LinesTable.of(lines))
    for one, pattern in zip(lines, patterns, strict=True):
        theta = np.arcsin(np.minimum(1.5405929 / 2 * np.sqrt(one.inv_d2), 1.0))
        intensity = one.strength * (1 + np.cos(2 * theta) ** 2) / np.sin(theta) ** 2 / np.cos(theta)
        expected, _ = np.histogram(
            np.degrees(2 * theta), bins=np.linspace(0, 90, 901), weights=intensity
        )
        np.testing.assert_allclose(pattern**2, expected / expected.sum(), rtol=1e-4, atol=1e-7)
        assert np.linalg.norm(pattern) == pytest.approx(1.0)


def test_a_crystal_without_lines_below_90_degrees_has_no_interval() -> None:
    far = Lines(np.array([0.9]), np.array([1.0]), np.zeros((1, 3), np.int16))
    none = Lines(np.zeros(0), np.zeros(0), np.zeros((0, 3), np.int16))
    rock_salt = lines_of(crystals.ROCK_SALT)
    patterns = patterns_of(LinesTable.of([far, rock_salt, none]))
    assert strongest(patterns).tolist() == [-1, 317, -1]
    assert not patterns[[0, 2]].any()
    assert strongest(patterns_of(LinesTable.of([]))).shape == (0,)


def test_a_small_strain_costs_little_and_another_structure_much() -> None:
    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(unit(one) @ unit(other))

    stretched = replace(crystals.RUTILE, lattice=1.001 * crystals.RUTILE.lattice)
    each = [lines_of(one) for one in (crystals.RUTILE, stretched, loner().crystal)]
    rutile, strained, other = blurred(patterns_of(LinesTable.of(each)))
    assert cosine(rutile, strained) > 0.97
    assert cosine(rutile, other) < 0.7


def test_what_remains_is_without_the_common_interval() -> None:
    patterns = unit(np.random.default_rng(0).random((3, 900)))
    rest = remaining(patterns, 274)
    assert not rest[:, 274].any()
    np.testing.assert_allclose(np.linalg.norm(rest, axis=1), 1.0, rtol=1e-5)
    others = np.delete(blurred(patterns), 274, axis=1)
    np.testing.assert_allclose(np.delete(rest, 274, axis=1), unit(others), rtol=1e-5)
    np.testing.assert_array_equal(unit(np.zeros((1, 4))), np.zeros((1, 4)))
