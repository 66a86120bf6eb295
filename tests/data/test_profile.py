from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.diffraction import xrd

from data.canonical import operations_of
from data.diffraction import lines_of
from data.errors import PatternError
from data.lines import Lines
from data.profile import (
    caglioti_fwhm_deg,
    lorentz_polarisation,
    march_dollase,
    monochromator,
    pseudo_voigt,
    simulate,
    simulate_pattern,
    two_theta_deg,
)
from data.pymatgen_bridge import to_pymatgen
from data.radiation import CU_KA, Radiation
from tests import crystals as literal
from tests.data.pymatgen_oracle import our_form_factors

COPPER = Radiation.monochromatic(1.5406)
AXIS = np.arange(5.0, 90.0, 0.01)


def one_line(d_angstrom: float, strength: float = 1.0) -> Lines:
    return Lines(
        np.array([1 / d_angstrom**2]), np.array([strength]), np.array([[1, 0, 0]], np.int16)
    )


def test_bragg_angles_by_hand() -> None:
    d = np.array([5.0, 1.5406, 0.7703, 0.5])
    expected = [2 * np.degrees(np.arcsin(1.5406 / 10)), 60.0, 180.0, np.nan]
    np.testing.assert_allclose(two_theta_deg(1 / d**2, 1.5406), expected, rtol=1e-7)


@pytest.mark.filterwarnings("ignore")
def test_peak_areas_are_the_intensities_of_pymatgen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xrd, "ATOMIC_SCATTERING_PARAMS", our_form_factors({"Na", "Cl"}))
    theirs = xrd.XRDCalculator(1.5406).get_pattern(to_pymatgen(literal.ROCK_SALT), scaled=False)
    lines = lines_of(literal.ROCK_SALT, d_min_angstrom=1.1, default_u=0.0)
    profile = simulate(lines, COPPER, two_theta_deg=AXIS, caglioti=(0, 0, 0.0025), eta=0.0)
    for position, intensity in zip(theirs.x, theirs.y, strict=True):
        near = np.abs(AXIS - position) < 0.4
        area = profile[near].sum() * 0.01
        assert area == pytest.approx(intensity, rel=0.01)
        centre = (profile * AXIS)[near].sum() / profile[near].sum()
        assert centre == pytest.approx(position, abs=1e-3)


def test_polarisation_of_a_tube_a_monochromator_and_a_synchrotron() -> None:
    angle = np.array([40.0, 90.0])
    lorentz = 1 / (np.sin(np.radians(angle / 2)) ** 2 * np.cos(np.radians(angle / 2)))
    cosine2 = np.cos(np.radians(angle)) ** 2
    np.testing.assert_allclose(lorentz_polarisation(angle), lorentz * (1 + cosine2))
    np.testing.assert_allclose(lorentz_polarisation(angle, in_plane=0.0), lorentz)
    behind = lorentz_polarisation(angle, in_plane=monochromator(26.6))
    np.testing.assert_allclose(behind, lorentz * (1 + np.cos(np.radians(26.6)) ** 2 * cosine2))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.02, 1.0), st.floats(0.0, 1.0))
def test_a_peak_has_its_width_and_area(fwhm: float, eta: float) -> None:
    axis = np.linspace(-2000 * fwhm, 2000 * fwhm, 400_001)
    peak = pseudo_voigt(axis, fwhm, eta)
    assert peak.sum() * (axis[1] - axis[0]) == pytest.approx(1.0, abs=1e-3)
    top, half = pseudo_voigt(np.array([0.0, fwhm / 2]), fwhm, eta)
    assert half == pytest.approx(top / 2)


def test_caglioti_widths() -> None:
    np.testing.assert_allclose(
        caglioti_fwhm_deg(np.array([0.0, 90.0]), 0.03, -0.01, 0.04), [0.2, np.sqrt(0.06)]
    )
    assert caglioti_fwhm_deg(np.array([50.0]), 0.0, -1.0, 0.0)[0] == pytest.approx(1e-3)


def test_a_simulated_peak_is_the_pseudo_voigt_cut_far_out() -> None:
    lines = one_line(3.0, 100.0)
    profile = simulate(lines, COPPER, two_theta_deg=AXIS, caglioti=(0, 0, 0.01), eta=0.4)
    position = two_theta_deg(lines.inv_d2, 1.5406)
    expected = 100 * lorentz_polarisation(position) * pseudo_voigt(AXIS - position, 0.1, 0.4)
    near = np.abs(AXIS - position) < 15 * 0.1 - 0.01
    np.testing.assert_allclose(profile[near], expected[near], rtol=1e-9)
    assert not profile[np.abs(AXIS - position) > 15 * 0.1 + 0.01].any()


def test_a_doublet_splits_each_peak_two_to_one() -> None:
    lines = one_line(1.2)
    profile = simulate(lines, CU_KA, two_theta_deg=AXIS, caglioti=(0, 0, 0.0004), eta=0.0)
    areas = []
    for wavelength in CU_KA.wavelengths_angstrom:
        position = two_theta_deg(lines.inv_d2, wavelength)
        near = np.abs(AXIS - position) < 0.1
        assert AXIS[near][profile[near].argmax()] == pytest.approx(position[0], abs=0.01)
        areas.append(profile[near].sum() / lorentz_polarisation(position)[0])
    assert areas[0] / areas[1] == pytest.approx(2.0, rel=1e-2)


@pytest.mark.parametrize(
    "condition, expected_deg",
    [
        ({"zero_shift_deg": 0.3}, 0.3),
        ({"displacement_deg": 0.3}, 0.3 * np.cos(np.radians(30.0))),
        ({"strain": 0.01}, 2 * np.degrees(np.arcsin(0.5 / 1.01)) - 60.0),
    ],
)
def test_what_moves_a_peak(condition: dict[str, float], expected_deg: float) -> None:
    lines = one_line(1.5406)
    profile = simulate(lines, COPPER, two_theta_deg=AXIS, **condition)  # type: ignore[arg-type]
    assert AXIS[profile.argmax()] == pytest.approx(60.0 + expected_deg, abs=0.006)


def test_lines_out_of_reach_and_no_lines_leave_the_background() -> None:
    lines = one_line(0.5)
    empty = Lines(np.zeros(0), np.zeros(0), np.zeros((0, 3), np.int16))
    for some in (lines, empty):
        profile = simulate(some, COPPER, two_theta_deg=AXIS, background=7.0)
        np.testing.assert_array_equal(profile, np.full(len(AXIS), 7.0))


@pytest.mark.parametrize("ratio", [0.4, 1.0, 2.5])
def test_texture_keeps_the_total_over_all_directions(ratio: float) -> None:
    rng = np.random.default_rng(1)
    directions = np.round(1000 * rng.normal(size=(200_000, 3))).astype(np.int16)
    factors = march_dollase(
        directions,
        axis_hkl=(0, 0, 1),
        ratio=ratio,
        lattice=4.0 * np.eye(3),
        rotations=np.eye(3, dtype=np.int64)[None],
    )
    assert factors.mean() == pytest.approx(1.0, rel=0.03)


def test_texture_is_the_mean_over_equivalents() -> None:
    hkl = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], np.int16)
    lattice = 4.0 * np.eye(3)
    cubic = march_dollase(
        hkl, axis_hkl=(0, 0, 1), ratio=0.5, lattice=lattice, rotations=operations_of(221)[0]
    )
    along, across = 0.5**-3.0, 2.0**-1.5
    np.testing.assert_allclose(cubic[:3], (along + 2 * across) / 3)
    assert cubic[3] == pytest.approx((0.25 / 3 + 2 / 3 / 0.5) ** -1.5)
    tetragonal = march_dollase(
        hkl, axis_hkl=(0, 0, 1), ratio=0.5, lattice=lattice, rotations=operations_of(123)[0]
    )
    np.testing.assert_allclose(tetragonal[:3], [across, across, along])


def test_texture_of_no_ratio_is_refused() -> None:
    with pytest.raises(PatternError, match="give r above 0"):
        simulate_pattern(literal.RUTILE, texture=((0, 0, 1), 0.0))


def test_a_simulated_pattern_is_a_pattern() -> None:
    pattern = simulate_pattern(literal.RUTILE, highest_counts=500.0, background_counts=20.0)
    assert pattern.radiation == CU_KA
    assert pattern.x[[0, -1]] == pytest.approx([5.0, 90.0])
    assert pattern.counts.max() == pytest.approx(520.0)
    assert pattern.counts.min() >= 20.0
    assert pattern.x[pattern.counts.argmax()] == pytest.approx(27.43, abs=0.03)


def test_noise_is_that_of_counting_and_repeats_with_its_seed() -> None:
    still = simulate_pattern(literal.QUARTZ, background_counts=100.0)
    noisy = [
        simulate_pattern(literal.QUARTZ, background_counts=100.0, rng=np.random.default_rng(3))
        for _ in range(2)
    ]
    np.testing.assert_array_equal(noisy[0].counts, noisy[1].counts)
    deviation = (noisy[0].counts - still.counts) / np.sqrt(still.counts)
    assert deviation.std() == pytest.approx(1.0, abs=0.05)


def test_texture_strengthens_the_lines_of_its_plane() -> None:
    plain = simulate_pattern(literal.RUTILE, highest_counts=1.0)
    plates = simulate_pattern(literal.RUTILE, highest_counts=1.0, texture=((1, 1, 0), 0.5))
    near_101 = np.abs(plain.x - 36.08) < 0.2
    assert plates.counts[near_101].max() < 0.7 * plain.counts[near_101].max()


@pytest.mark.parametrize("limits", [(90.0, 5.0), (0.0, 50.0), (10.0, 190.0)])
def test_a_range_that_is_none_is_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(PatternError, match="is no range"):
        simulate_pattern(literal.RUTILE, two_theta_range_deg=limits)


def test_a_range_without_lines_is_refused() -> None:
    with pytest.raises(PatternError, match="widen the range"):
        simulate_pattern(literal.SILICON, two_theta_range_deg=(5.0, 10.0))
