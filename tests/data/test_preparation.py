from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.diffraction import lines_of
from data.errors import PatternError
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from data.profile import lorentz_polarisation, simulate_pattern
from data.profile import two_theta_deg as bragg_angle
from data.radiation import CU_KA, Radiation
from tests.crystals import BADDELEYITE, CHALCANTHITE, QUARTZ, ROCK_SALT

COPPER = Radiation.monochromatic(1.5406)
AXIS = np.arange(5.0, 90.0, 0.02)
CURVES = ("two_theta_deg", "q_inv_angstrom", "counts", "net", "background", "sigma")


def pattern(counts: NDArray[np.float64], axis: NDArray[np.float64] = AXIS) -> Pattern:
    return Pattern("two_theta", axis, counts, None, COPPER, "given", "made")


def poisson(expected: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).poisson(expected).astype(np.float64)


def assert_finite(prepared: Prepared) -> None:
    for name in CURVES:
        curve = getattr(prepared, name)
        assert np.isfinite(curve).all(), name
        assert curve.shape == prepared.net.shape
    for field in fields(prepared.peaks):
        assert np.isfinite(getattr(prepared.peaks, field.name)).all(), field.name
    assert (prepared.sigma > 0).all()
    assert prepared.fwhm_deg > 0


def test_the_grid_is_even_and_conserves_what_was_counted() -> None:
    measured = simulate_pattern(QUARTZ, rng=np.random.default_rng(0), background_counts=100)
    prepared = prepare(measured)
    assert_finite(prepared)
    np.testing.assert_allclose(np.diff(prepared.two_theta_deg), prepared.step_deg)
    theta = np.radians(prepared.two_theta_deg / 2)
    np.testing.assert_allclose(prepared.q_inv_angstrom, 4 * np.pi * np.sin(theta) / 1.5405929)
    assert prepared.wavelengths_angstrom == CU_KA.wavelengths_angstrom
    assert prepared.counts.sum() * prepared.step_deg == pytest.approx(
        measured.counts.sum() * 0.02, rel=2e-3
    )
    np.testing.assert_array_equal(prepared.net, prepared.counts - prepared.background)
    # Averaging two or three points to one makes it surer.
    assert np.median(prepared.sigma / np.sqrt(prepared.counts)) < 1.05


def test_an_uneven_axis_is_laid_on_the_same_curve() -> None:
    even = simulate_pattern(QUARTZ, COPPER, step_deg=0.01, background_counts=100)
    some = np.sort(np.random.default_rng(0).choice(len(even.x), 5000, replace=False))
    uneven = prepare(pattern(even.counts[some], even.x[some]))
    np.testing.assert_allclose(
        uneven.counts, np.interp(uneven.two_theta_deg, even.x, even.counts), rtol=0.1, atol=150
    )
    assert uneven.net.max() == pytest.approx(10_000, rel=0.05)


def test_q_axes_with_and_without_a_wavelength_find_the_same_peaks() -> None:
    angular = simulate_pattern(QUARTZ, COPPER, rng=np.random.default_rng(0), background_counts=50)
    expected = prepare(angular).peaks
    strong = expected.area > 0.05 * expected.area.max()
    for radiation in (COPPER, None):
        found = prepare(
            replace(
                angular,
                axis="q",
                x=angular.q_inv_angstrom,
                radiation=radiation,
                wavelength_source="given" if radiation else None,
            )
        ).peaks
        nearest = np.abs(found.q_inv_angstrom[:, None] - expected.q_inv_angstrom).min(axis=0)
        assert (nearest[strong] < 1e-3).all()


@pytest.mark.parametrize("radiation", [COPPER, CU_KA], ids=lambda r: r.name)
def test_peaks_stand_where_the_lines_are_with_their_areas(radiation: Radiation) -> None:
    measured = simulate_pattern(
        ROCK_SALT,
        radiation,
        two_theta_range_deg=(20, 89),
        caglioti=(0, 0, 0.05**2),
        eta=0.3,
        background_counts=20,
        rng=np.random.default_rng(0),
        highest_counts=1e5,
    )
    found = prepare(measured).peaks
    assert len(found) <= 11  # noise makes one now and then
    peaks = found[found.area > 1e-3 * found.area.max()]
    lines = lines_of(ROCK_SALT, d_min_angstrom=1.1)
    place = bragg_angle(lines.inv_d2, radiation.wavelength_angstrom)
    shown = (place > 20) & (place < 89) & (lines.strength > 1e-3 * lines.strength.max())
    # Kα1 stands for both lines of the doublet.
    assert len(peaks) == shown.sum()
    np.testing.assert_allclose(peaks.q_inv_angstrom, lines.q_inv_angstrom[shown], rtol=5e-4)
    area = (lines.strength * lorentz_polarisation(place))[shown]
    area /= area.max()
    # Tails reach further into the window of a doublet that has not come apart.
    loose = 0.12 if radiation is COPPER else 0.3
    np.testing.assert_allclose(peaks.area / peaks.area.max(), area, rtol=loose, atol=0.01)
    assert (peaks.area_esd < 0.2 * peaks.area).all()


def test_a_shoulder_of_another_strength_is_no_companion() -> None:
    shift = np.degrees(2 * 0.5 * (CU_KA.wavelengths_angstrom[1] / 1.5405929 - 1)) * 2
    centre = 70.0
    place = centre + shift * np.tan(np.radians(centre / 2))
    expected = 50 + sum(
        1000 * np.exp(-4 * np.log(2) * ((AXIS - at) / 0.06) ** 2) for at in (centre, place)
    )
    alike = replace(pattern(poisson(expected)), radiation=CU_KA)
    assert len(prepare(alike).peaks) == 2


@pytest.mark.parametrize("fwhm", [0.06, 0.12, 0.3, 0.8])
@pytest.mark.parametrize("background", [20.0, 2000.0])
def test_the_width_of_the_peaks_is_found(fwhm: float, background: float) -> None:
    measured = simulate_pattern(
        BADDELEYITE,
        COPPER,
        caglioti=(0, 0, fwhm**2),
        background_counts=background,
        rng=np.random.default_rng(1),
    )
    assert prepare(measured).fwhm_deg == pytest.approx(fwhm, rel=0.25)


@pytest.mark.parametrize("crystal", [QUARTZ, BADDELEYITE], ids=["quartz", "baddeleyite"])
def test_a_background_with_air_scatter_and_a_hump_is_recovered(crystal: object) -> None:
    truth = 300 + 1500 * np.exp(-(AXIS - 5) / 8) + 600 * np.exp(-0.5 * ((AXIS - 24) / 6) ** 2)
    own = simulate_pattern(
        crystal,  # type: ignore[arg-type]
        COPPER,
        two_theta_range_deg=(AXIS[0], AXIS[-1]),
        highest_counts=5000,
    )
    prepared = prepare(pattern(poisson(own.counts + truth)))
    found = np.interp(AXIS, prepared.two_theta_deg, prepared.background)
    apart = np.abs(found - truth)[(AXIS > 8) & (AXIS < 88)]
    assert np.median(apart) < 20
    assert apart.max() < 100
    near_main = np.abs(prepared.two_theta_deg - own.x[np.argmax(own.counts)]) < 0.1
    assert prepared.net[near_main].max() == pytest.approx(5000, rel=0.1)


@pytest.mark.parametrize("level", [0.02, 0.3, 1.0, 5.0, 100.0, 1e5])
@pytest.mark.parametrize("per_count", [1.0, 1 / 37])
def test_noise_is_that_of_counts_or_of_rates(level: float, per_count: float) -> None:
    counts = poisson(np.full(40_000, level))
    axis = np.linspace(10, 100, len(counts))
    prepared = prepare(pattern(counts * per_count, axis))
    a_cell = 1 / prepared.step_deg * 90 / len(counts)
    truth = per_count * np.sqrt(level * min(a_cell, 1.0))
    floor = per_count * np.sqrt(1e-3 * counts.max() * min(a_cell, 1.0))
    found = float(np.median(prepared.sigma))
    assert 0.8 * truth < found < 1.45 * max(truth, floor)


def test_noise_of_a_smoothed_curve_is_small_but_not_nothing() -> None:
    smooth = simulate_pattern(QUARTZ, COPPER, background_counts=100)
    prepared = prepare(replace(smooth, esd=None))
    assert_finite(prepared)
    share = prepared.sigma.max() / smooth.counts.max()
    assert 1e-5 < share < 0.02


def test_a_stated_uncertainty_is_believed_and_mended() -> None:
    measured = simulate_pattern(
        QUARTZ, COPPER, step_deg=0.05, background_counts=50, rng=np.random.default_rng(0)
    )
    stated = np.full_like(measured.counts, 7.0)
    plain = prepare(replace(measured, esd=stated))
    assert np.median(plain.sigma) == pytest.approx(7.0, rel=0.2)
    for nothing in (0.0, np.nan, np.inf, -1.0):
        broken = stated.copy()
        broken[::30] = nothing
        mended = prepare(replace(measured, esd=broken))
        assert_finite(mended)
        np.testing.assert_allclose(mended.sigma, plain.sigma)
    without = prepare(replace(measured, esd=None))
    for useless in (np.zeros_like(stated), np.full_like(stated, np.nan)):
        np.testing.assert_array_equal(prepare(replace(measured, esd=useless)).sigma, without.sigma)


@pytest.mark.parametrize("background", [0.0, 0.05, 0.5, 20.0])
@pytest.mark.parametrize("highest", [100.0, 1e4])
def test_peaks_are_lines_even_where_next_to_nothing_was_counted(
    background: float, highest: float
) -> None:
    measured = simulate_pattern(
        QUARTZ,
        COPPER,
        highest_counts=highest,
        background_counts=background,
        rng=np.random.default_rng(2),
    )
    prepared = prepare(replace(measured, esd=None))
    lines = lines_of(QUARTZ, d_min_angstrom=1.05)
    place = bragg_angle(lines.inv_d2, 1.5406)
    apart = np.abs(prepared.peaks.two_theta_deg[:, None] - place).min(axis=1)
    # Seven lines of quartz below 90° have a tenth of the strongest, ten counts beside the noise of
    # a background of twenty.
    assert (apart < 0.1).sum() >= (2 if background > highest / 10 else 5)
    assert (apart > 0.1).sum() <= 1


def test_a_background_cut_off_at_zero_gives_no_false_peaks() -> None:
    expected = simulate_pattern(ROCK_SALT, COPPER, background_counts=400)
    cut = np.maximum(poisson(expected.counts) - 400, 0)
    prepared = prepare(pattern(cut, expected.x))
    lines = lines_of(ROCK_SALT, d_min_angstrom=1.05)
    apart = np.abs(prepared.peaks.two_theta_deg[:, None] - bragg_angle(lines.inv_d2, 1.5406)).min(
        axis=1
    )
    assert (apart > 0.1).sum() <= 3


@pytest.mark.parametrize(
    "counts",
    [
        np.full_like(AXIS, 100.0),
        AXIS * 10,
        np.where(np.arange(len(AXIS)) == 2000, 1e4, 0.0),
    ],
    ids=["constant", "slope", "one point"],
)
def test_curves_without_a_peak_have_none(counts: NDArray[np.float64]) -> None:
    prepared = prepare(pattern(counts))
    assert_finite(prepared)
    assert len(prepared.peaks) == 0


def test_noise_alone_has_hardly_any_peaks() -> None:
    found = [
        len(prepare(pattern(poisson(np.full(len(AXIS), 200.0), seed))).peaks) for seed in (1, 2, 3)
    ]
    assert sum(found) <= 6


def test_only_angles_that_diffraction_knows_are_used() -> None:
    axis = np.arange(-4.0, 179.9, 0.02)
    prepared = prepare(pattern(poisson(np.full_like(axis, 50.0)), axis))
    assert prepared.two_theta_deg[0] > 0.2
    assert prepared.two_theta_deg[-1] < 179.0
    q_axis = np.linspace(1.0, 10.0, 4000)
    beyond = Pattern("q", q_axis, poisson(np.full_like(q_axis, 50.0)), None, COPPER, "given", "far")
    assert_finite(prepare(beyond))


def test_a_pattern_below_all_angles_is_refused() -> None:
    axis = np.linspace(-3.0, 0.3, 200)
    with pytest.raises(PatternError, match=r"made: 7 points lie between 0\.2 and 179°"):
        prepare(pattern(np.full_like(axis, 5.0), axis))


def test_the_part_up_to_a_q_is_the_beginning_of_the_whole() -> None:
    whole = prepare(
        simulate_pattern(CHALCANTHITE, rng=np.random.default_rng(0), background_counts=50)
    )
    part = whole.up_to(3.0)
    assert part.q_inv_angstrom[-1] < 3.0 <= whole.q_inv_angstrom[len(part.net)]
    for name in CURVES:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[: len(part.net)])
    assert 0 < len(part.peaks) < len(whole.peaks)
    assert part.peaks.q_inv_angstrom.max() < 3.0
    for field in fields(part.peaks):
        assert len(getattr(part.peaks, field.name)) == len(part.peaks)
    assert whole.up_to(10.0) is whole
    assert len(whole.up_to(0.1).peaks) == 0


@settings(deadline=None)  # a busy machine is no failure
@given(factor=st.floats(1e-6, 1e6))
def test_the_unit_of_the_counts_does_not_matter(factor: float) -> None:
    measured = simulate_pattern(
        ROCK_SALT, rng=np.random.default_rng(0), background_counts=50, step_deg=0.05
    )
    plain = prepare(replace(measured, esd=None))
    scaled = prepare(replace(measured, counts=measured.counts * factor, esd=None))
    np.testing.assert_allclose(scaled.net, plain.net * factor, rtol=1e-6, atol=1e-3 * factor)
    np.testing.assert_allclose(scaled.sigma, plain.sigma * factor, rtol=1e-6)
    np.testing.assert_allclose(scaled.peaks.two_theta_deg, plain.peaks.two_theta_deg, atol=1e-6)


@given(
    points=st.integers(50, 400),
    start=st.floats(0.3, 100.0),
    step=st.floats(1e-3, 0.15),
    level=st.floats(0.01, 1e4),
    seed=st.integers(0, 1000),
)
def test_whatever_is_counted_can_be_prepared(
    points: int, start: float, step: float, level: float, seed: int
) -> None:
    axis = start + step * np.arange(points)
    counts = poisson(level * np.random.default_rng(seed).pareto(1.5, points), seed)
    counts[0] += 1
    assert_finite(prepare(pattern(counts, np.asarray(axis, dtype=np.float64))))
