from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.diffraction import lines_of
from data.humps import find_humps
from data.pattern import Pattern
from data.preparation import prepare
from data.profile import simulate
from data.radiation import CU_KA
from search.cautions import cautions
from tests.crystals import CHALCANTHITE, QUARTZ

Floats = NDArray[np.float64]
AXIS = np.arange(5.0, 90.0, 0.02)


def air(height: float, reach_deg: float = 8.0) -> Floats:
    return np.asarray(height * np.exp(-(AXIS - AXIS[0]) / reach_deg))


def hump(centre: float, fwhm: float, area: float) -> Floats:
    shape = np.exp(-4 * np.log(2) * ((AXIS - centre) / fwhm) ** 2)
    return np.asarray(area * shape / np.trapezoid(shape, AXIS))


def measured(crystal: object = QUARTZ, *, under: Floats, seed: int = 1) -> Pattern:
    """Ten thousand counts·degree of peaks over something broad."""
    profile = simulate(lines_of(crystal), CU_KA, two_theta_deg=AXIS)  # type: ignore[arg-type]
    expected = 10_000 * profile / np.trapezoid(profile, AXIS) + under
    counts = np.random.default_rng(seed).poisson(expected).astype(float)
    return Pattern("two_theta", AXIS, counts, None, CU_KA, "given")


@pytest.mark.parametrize("crystal", [QUARTZ, CHALCANTHITE])
@pytest.mark.parametrize("height", [0.0, 300.0, 3000.0])
@pytest.mark.parametrize("slope", [-1.0, 0.0, 3.0])
def test_air_scatter_and_a_slope_are_no_hump(crystal: object, height: float, slope: float) -> None:
    under = air(height) + 100 + slope * (AXIS - AXIS[0])
    assert find_humps(prepare(measured(crystal, under=under))) is None


@settings(max_examples=12, deadline=None)
@given(centre=st.floats(14, 40), fwhm=st.floats(6, 13), share=st.floats(0.6, 0.85))
def test_a_hump_is_found_where_it_is(centre: float, fwhm: float, share: float) -> None:
    under = air(200) + 20 + hump(centre, fwhm, 10_000 * share / (1 - share))
    humps = find_humps(prepare(measured(under=under)))
    assert humps is not None
    highest = max(humps.each, key=lambda one: one.over_background)
    assert highest.two_theta_deg == pytest.approx(centre, abs=1.0)
    assert highest.fwhm_deg == pytest.approx(fwhm, rel=0.2)
    assert humps.area_percent == pytest.approx(100 * share, abs=8)
    assert humps.curve.shape == humps.smooth.shape
    assert humps.curve.min() >= 0
    assert humps.smooth.min() >= 0


def test_two_humps_are_two() -> None:
    under = 20 + hump(15, 6, 15_000) + hump(42, 8, 12_000)
    humps = find_humps(prepare(measured(under=under)))
    assert humps is not None
    assert [one.two_theta_deg for one in humps.each] == pytest.approx([15, 42], abs=1.5)


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_the_unit_of_counts_does_not_matter(factor: float) -> None:
    pattern = measured(under=20 + hump(22, 9, 20_000))
    one = find_humps(prepare(pattern))
    other = find_humps(prepare(replace(pattern, counts=factor * pattern.counts)))
    assert one is not None
    assert other is not None
    assert other.area_percent == pytest.approx(one.area_percent, abs=1.0)
    assert other.each[0].two_theta_deg == pytest.approx(one.each[0].two_theta_deg, abs=0.3)


def test_a_glass_alone_is_all_hump() -> None:
    counts = np.random.default_rng(2).poisson(20 + hump(22, 9, 20_000)).astype(float)
    humps = find_humps(prepare(Pattern("two_theta", AXIS, counts, None, CU_KA, "given")))
    assert humps is not None
    assert humps.area_percent > 95


def test_a_short_scan_says_nothing() -> None:
    pattern = measured(under=20 + hump(22, 9, 20_000))
    part = (AXIS > 20) & (AXIS < 24)
    short = replace(pattern, x=AXIS[part], counts=pattern.counts[part])
    assert find_humps(prepare(short)) is None


def test_humps_are_told_in_words() -> None:
    prepared = prepare(measured(under=20 + hump(15, 6, 15_000) + hump(42, 8, 12_000)))
    (said,) = cautions(prepared, prepared, find_humps(prepared))
    assert said.startswith("Broad humps at 15° and 42° 2θ, about ")
    alone = prepare(measured(under=20 + hump(22, 9, 20_000)))
    (said,) = cautions(alone, alone, find_humps(alone))
    assert said.startswith("A broad hump at 22° 2θ, about ")
    assert cautions(alone, alone, None) == ()
