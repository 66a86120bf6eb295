from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest

from data.crystal import Crystal
from data.diffraction import lines_of
from data.lines import Lines
from data.measured_like import (
    Diffractometer,
    Part,
    _strained,
    measured_like,
    measured_like_mixture,
)
from data.pattern import Pattern
from data.preparation import prepare
from data.profile import lorentz_polarisation, two_theta_deg
from data.radiation import CU_KA, Radiation
from data.symmetry import symmetry_operations
from tests import crystals as literal

Floats = NDArray[np.float64]
COPPER = Radiation.monochromatic(1.5406)
NONE = (1e-12, 1e-12)

IDEAL = Diffractometer(
    fwhm_range_deg=(0.06, 0.06),
    strain=0.0,
    anisotropic_strain=0.0,
    zero_shift_deg=0.0,
    displacement_deg=0.0,
    texture=0.0,
    line_error=0.0,
    displacement_b_range_angstrom2=(0.0, 0.0),
    counts_range=(1000.0, 1000.0),
    background_range=NONE,
    impurity_chance=0.0,
    start_range_deg=(10.0, 10.0),
    end_range_deg=(80.0, 80.0),
)


class Still(np.random.Generator):
    """Draws like any other, but counts are what is expected of them."""

    def poisson(self, lam: Any = 1.0, size: Any = None) -> Any:
        assert size is None
        return np.array(lam)


def still(seed: int) -> Still:
    return Still(np.random.PCG64(seed))


def draw(
    crystal: Crystal,
    rng: np.random.Generator,
    how: Diffractometer | None = None,
    *,
    lines: Lines | None = None,
    impurity: Lines | None = None,
    radiation: Radiation = COPPER,
) -> Pattern:
    return measured_like(
        crystal,
        lines_of(crystal) if lines is None else lines,
        symmetry_operations(crystal)[0],
        rng,
        impurity=impurity,
        diffractometer=how,
        radiation=radiation,
    )


def along_a(*orders: int) -> Lines:
    """Lines h00 of silicon's cell, each of strength one: at 16.3, 32.9, 50.4 and 69.1°."""
    hkl = np.array([[order, 0, 0] for order in orders], np.int16).reshape(-1, 3)
    return Lines((hkl[:, 0] / literal.SILICON.cell[0]) ** 2, np.ones(len(hkl)), hkl)


def silicon() -> tuple[Lines, Floats]:
    """Lines of silicon to 80°, none nearer to the next than 7°, and their places."""
    lines = lines_of(literal.SILICON, d_min_angstrom=1.2, floor=1e-3)
    return lines, two_theta_deg(lines.inv_d2, 1.5406)


def seen(pattern: Pattern, places: Floats, reach_deg: float = 1.5) -> tuple[Floats, Floats]:
    """Area and centroid of what is near each place."""
    near = np.abs(pattern.x - places[:, None]) < reach_deg
    areas = (near * pattern.counts).sum(axis=1)
    return areas, (near * pattern.counts * pattern.x).sum(axis=1) / areas


def test_an_ideal_diffractometer_shows_the_lines_as_they_are() -> None:
    lines, places = silicon()
    pattern = draw(literal.SILICON, still(1), IDEAL, lines=lines)
    areas, centres = seen(pattern, places)
    ideal = lines.strength * lorentz_polarisation(places)
    np.testing.assert_allclose(areas / areas.sum(), ideal / ideal.sum(), rtol=2e-3)
    np.testing.assert_allclose(centres, places, atol=2e-3)
    assert pattern.counts.max() == pytest.approx(1000.0)
    between = (np.abs(pattern.x - places[:, None]) > 2.0).all(axis=0)
    assert between.any()
    assert pattern.counts[between].max() < 1e-6


def test_a_pattern_repeats_with_its_seed_alone() -> None:
    first, again, other = (draw(literal.QUARTZ, np.random.default_rng(s)) for s in (5, 5, 6))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.counts, again.counts)
    assert len(first) != len(other) or (first.counts != other.counts).any()


def test_nothing_that_is_given_is_changed() -> None:
    lines = lines_of(literal.QUARTZ)
    before = (lines.inv_d2.copy(), lines.strength.copy(), literal.QUARTZ.lattice.copy())
    draw(literal.QUARTZ, np.random.default_rng(1), lines=lines, impurity=lines)
    after = (lines.inv_d2, lines.strength, literal.QUARTZ.lattice)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", sorted(literal.ALL))
def test_every_crystal_gives_patterns_that_can_be_prepared(name: str) -> None:
    crystal, impurity = literal.ALL[name], lines_of(literal.CALCITE)
    for seed in range(3):
        pattern = draw(crystal, np.random.default_rng(seed), impurity=impurity, radiation=CU_KA)
        assert (pattern.axis, pattern.radiation) == ("two_theta", CU_KA)
        assert (pattern.esd, pattern.wavelength_source) == (None, "given")
        np.testing.assert_array_equal(pattern.counts, np.round(pattern.counts))
        assert pattern.counts.min() >= 0.0
        assert np.isfinite(prepare(pattern).net).all()


def test_scans_lie_within_their_ranges() -> None:
    how = Diffractometer(start_range_deg=(3.0, 15.0), end_range_deg=(60.0, 90.0))
    scans = [draw(literal.RUTILE, still(seed), how).x for seed in range(200)]
    starts = np.array([x[0] for x in scans])
    ends = np.array([x[-1] for x in scans])
    assert kstest(starts, "uniform", (3.0, 12.0)).pvalue > 1e-3
    assert kstest(ends, "uniform", (60.0, 30.0)).pvalue > 1e-3
    assert all(np.allclose(np.diff(x), 0.02) for x in scans[:5])


def test_counts_scatter_as_counts_do() -> None:
    for seed in range(5):
        expected = draw(literal.QUARTZ, still(seed)).counts
        counted = draw(literal.QUARTZ, np.random.default_rng(seed)).counts
        deviation = (counted - expected) / np.sqrt(expected)
        assert abs(deviation.mean()) < 4 / np.sqrt(len(deviation))
        assert deviation.std() == pytest.approx(1.0, abs=0.06)


def test_the_highest_point_is_drawn_evenly_in_its_logarithm() -> None:
    how = replace(IDEAL, counts_range=(100.0, 5000.0))
    highest = [draw(literal.RUTILE, still(seed), how).counts.max() for seed in range(200)]
    spread = np.log(5000 / 100)
    assert kstest(np.log(highest), "uniform", (np.log(100), spread)).pvalue > 1e-3


def test_the_background_is_drawn_in_the_same_way_and_is_smooth() -> None:
    empty = Lines(np.zeros(0), np.zeros(0), np.zeros((0, 3), np.int16))
    limits = (0.01, 0.1)
    levels = []
    for seed in range(100):
        how = replace(IDEAL, background_range=limits)
        counts = draw(literal.RUTILE, still(seed), how, lines=empty).counts / 1000.0
        assert counts.min() > 0.4 * limits[0]
        assert counts.max() < 5.5 * limits[1]
        assert np.abs(np.diff(counts)).max() < 0.02 * counts.max()
        levels.append(np.median(counts))
    assert np.quantile(levels, 0.1) < 0.02
    assert np.quantile(levels, 0.9) > 0.06


def test_lines_are_as_wide_as_said() -> None:
    lines = along_a(1)
    how = replace(IDEAL, fwhm_range_deg=(0.05, 0.2))
    widths = []
    for seed in range(100):
        pattern = draw(literal.SILICON, still(seed), how, lines=lines)
        half = np.flatnonzero(pattern.counts > 500.0)
        x, y = pattern.x, pattern.counts
        left, right = (
            np.interp(500.0, y[[out, edge]], x[[out, edge]])
            for out, edge in ((half[0] - 1, half[0]), (half[-1] + 1, half[-1]))
        )
        widths.append(right - left)
    assert min(widths) > 0.048
    assert max(widths) < 0.21
    assert kstest(np.log(widths), "uniform", (np.log(0.05), np.log(4.0))).pvalue > 1e-3


def test_a_zero_error_moves_all_lines_alike() -> None:
    lines, places = silicon()
    how = replace(IDEAL, zero_shift_deg=0.03)
    shifts = []
    for seed in range(100):
        moved = seen(draw(literal.SILICON, still(seed), how, lines=lines), places)[1] - places
        np.testing.assert_allclose(moved, moved[0], atol=4e-3)
        shifts.append(moved.mean())
    assert kstest(shifts, "norm", (0.0, 0.03)).pvalue > 1e-3


def test_a_displacement_moves_lines_less_at_high_angles() -> None:
    lines, places = silicon()
    how = replace(IDEAL, displacement_deg=0.04)
    shifts = []
    for seed in range(100):
        moved = seen(draw(literal.SILICON, still(seed), how, lines=lines), places)[1] - places
        at_zero = moved / np.cos(np.radians(places / 2))
        np.testing.assert_allclose(at_zero, at_zero[0], atol=4e-3)
        shifts.append(at_zero.mean())
    assert kstest(shifts, "norm", (0.0, 0.04)).pvalue > 1e-3


def test_a_strained_pattern_has_its_lines_where_the_strained_cell_has_them() -> None:
    lines, places = silicon()
    how = replace(IDEAL, strain=0.004)
    for seed in range(10):
        centres = seen(draw(literal.SILICON, still(seed), how, lines=lines), places)[1]
        stretch = np.sin(np.radians(places / 2)) / np.sin(np.radians(centres / 2))
        np.testing.assert_allclose(stretch, stretch[0], atol=1e-4)
        assert abs(stretch[0] - 1) > 1e-5


@pytest.mark.parametrize("name", ["silicon", "rutile", "quartz", "baddeleyite", "chalcanthite"])
def test_an_isotropic_strain_is_one_factor(name: str) -> None:
    crystal, lines = literal.ALL[name], lines_of(literal.ALL[name])
    how = replace(IDEAL, strain=0.002)
    strains = []
    for seed in range(200):
        moved = _strained(crystal, lines, np.random.default_rng(seed), how)
        ratio = np.sqrt(lines.inv_d2 / moved.inv_d2)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
        np.testing.assert_array_equal(moved.hkl, lines.hkl)
        np.testing.assert_array_equal(moved.strength, lines.strength)
        strains.append(ratio[0] - 1)
    assert kstest(strains, "norm", (0.0, 0.002)).pvalue > 1e-3


def axis_strains(crystal: Crystal, seed: int) -> Floats:
    """Relative change of a, b and c, from what became of 100, 010 and 001. Right angles only."""
    along = Lines(
        np.array([1.0 / length**2 for length in crystal.cell[:3]]),
        np.ones(3),
        np.eye(3, dtype=np.int16),
    )
    how = replace(IDEAL, anisotropic_strain=0.001)
    moved = _strained(crystal, along, np.random.default_rng(seed), how)
    return np.asarray(np.sqrt(along.inv_d2 / moved.inv_d2) - 1)


def test_axes_change_together_where_symmetry_wants_it() -> None:
    cubic, tetragonal, orthorhombic = (
        np.array([axis_strains(crystal, seed) for seed in range(200)])
        for crystal in (literal.SILICON, literal.RUTILE, literal.OLIVINE)
    )
    np.testing.assert_allclose(np.ptp(cubic, axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(tetragonal[:, 0], tetragonal[:, 1], atol=1e-12)
    for free in (*tetragonal[:, 1:].T, *orthorhombic.T):
        assert kstest(free, "norm", (0.0, 0.001)).pvalue > 1e-3
    for pairs in (tetragonal[:, 1:], orthorhombic[:, :2], orthorhombic[:, 1:]):
        assert abs(np.asarray(np.corrcoef(pairs.T))[0, 1]) < 0.3


@settings(max_examples=60, deadline=None)
@given(st.integers(30_000, 90_000))
def test_a_hexagonal_cell_stays_hexagonal(a_in_1e_4: int) -> None:
    # Lengths such as 4.7605 Å come out of the lattice a hair above or below.
    a = a_in_1e_4 / 1e4
    lattice = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, 1.3 * a]])
    crystal = replace(literal.QUARTZ, lattice=lattice)
    hkl = np.array([[1, 0, 0], [0, 1, 0], [1, -1, 0], [2, -1, 1], [1, 1, 1]], np.int16)
    lines = Lines(((hkl @ np.linalg.inv(lattice).T) ** 2).sum(axis=1), np.ones(5), hkl)
    how = replace(IDEAL, anisotropic_strain=0.01)
    moved = _strained(crystal, lines, np.random.default_rng(a_in_1e_4), how).inv_d2
    np.testing.assert_allclose(moved[:2], moved[2], rtol=1e-9)


@pytest.mark.parametrize("name", ["baddeleyite", "chalcanthite"])
def test_the_angles_of_a_strained_cell_stay(name: str) -> None:
    crystal = literal.ALL[name]
    hkl = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]], np.int16)
    inv_d2 = ((hkl @ np.linalg.inv(crystal.lattice).T) ** 2).sum(axis=1)
    how = replace(IDEAL, strain=0.01, anisotropic_strain=0.01)
    rng = np.random.default_rng(1)
    moved = _strained(crystal, Lines(inv_d2, np.ones(6), hkl), rng, how).inv_d2
    assert np.ptp(moved / inv_d2) > 1e-3

    def cosines(q2: Floats) -> Floats:
        b, c, a = q2[[1, 2, 0]], q2[[2, 0, 1]], q2[3:]
        return np.asarray((a - b - c) / (2 * np.sqrt(b * c)))

    np.testing.assert_allclose(cosines(moved), cosines(inv_d2), atol=1e-9)


def log_changes(how: Diffractometer, seeds: int) -> Floats:
    """Logarithm of the areas over the ideal ones, about its mean. Shape (seeds, lines)."""
    lines, places = silicon()
    ideal = lines.strength * lorentz_polarisation(places)
    changes = [
        np.log(seen(draw(literal.SILICON, still(seed), how, lines=lines), places)[0] / ideal)
        for seed in range(seeds)
    ]
    return np.array([one - one.mean() for one in changes])


def test_strengths_are_wrong_by_as_much_as_said() -> None:
    changes = log_changes(replace(IDEAL, line_error=0.35), 150)
    n = changes.shape[1]
    assert changes.std() * np.sqrt(n / (n - 1)) == pytest.approx(0.35, rel=0.1)
    assert np.abs(np.asarray(np.corrcoef(changes.T))[0, 1:] + 1 / (n - 1)).max() < 0.3


def test_thermal_motion_is_a_factor_of_debye_and_waller() -> None:
    lines, _ = silicon()
    changes = log_changes(replace(IDEAL, displacement_b_range_angstrom2=(-0.3, 1.2)), 150)
    # exp(-2 B sin²θ / λ²), and sin²θ / λ² is 1 / 4d².
    exponent = -2 * (lines.inv_d2 - lines.inv_d2.mean()) / 4
    b = changes @ exponent / (exponent @ exponent)
    np.testing.assert_allclose(changes, b[:, None] * exponent, atol=2e-2)
    assert kstest(b, "uniform", (-0.3, 1.5)).pvalue > 1e-3


def test_texture_changes_strengths_and_none_leaves_them() -> None:
    np.testing.assert_allclose(log_changes(IDEAL, 3), 0.0, atol=3e-3)
    textured = log_changes(replace(IDEAL, texture=0.3), 60)
    assert 0.01 < textured.std() < 0.3
    # Lines of one direction change alike, whatever the axis.
    along = along_a(2, 4)
    angles = two_theta_deg(along.inv_d2, 1.5406)
    how = replace(IDEAL, texture=0.5)
    for seed in range(10):
        areas = seen(draw(literal.SILICON, still(seed), how, lines=along), angles)[0]
        ratio = lorentz_polarisation(angles)
        assert areas[0] / areas[1] == pytest.approx(ratio[0] / ratio[1], rel=3e-3)


def impurity_shares(how: Diffractometer, seeds: int) -> Floats:
    shares = []
    for seed in range(seeds):
        pattern = draw(literal.SILICON, still(seed), how, lines=along_a(1, 2), impurity=along_a(3))
        shares.append(pattern.counts[pattern.x > 40.0].sum() / pattern.counts.sum())
    return np.array(shares)


def test_an_impurity_takes_no_more_than_its_share() -> None:
    always = impurity_shares(replace(IDEAL, impurity=0.15, impurity_chance=1.0), 200)
    assert kstest(always, "uniform", (0.0, 0.15)).pvalue > 1e-3
    much = impurity_shares(replace(IDEAL, impurity=0.8, impurity_chance=1.0), 200)
    assert kstest(much, "uniform", (0.0, 0.8)).pvalue > 1e-3
    half = impurity_shares(replace(IDEAL, impurity=0.15, impurity_chance=0.5), 200)
    assert (half > 1e-9).mean() == pytest.approx(0.5, abs=0.12)
    assert impurity_shares(replace(IDEAL, impurity_chance=0.0), 20).max() < 1e-9


def test_an_impurity_that_shows_no_line_adds_nothing() -> None:
    how = replace(IDEAL, impurity_chance=1.0)
    for impurity in (along_a(), along_a(6)):
        pattern = draw(literal.RUTILE, still(1), how, impurity=impurity)
        alone = draw(literal.RUTILE, still(1), how).counts
        np.testing.assert_allclose(pattern.counts, alone, atol=1e-6)


def test_every_wavelength_of_the_radiation_is_seen() -> None:
    lines = along_a(4)
    pattern = draw(literal.SILICON, still(1), IDEAL, lines=lines, radiation=CU_KA)
    areas = [
        seen(pattern, two_theta_deg(lines.inv_d2, wavelength), 0.05)[0].sum()
        for wavelength in CU_KA.wavelengths_angstrom
    ]
    assert areas[0] / areas[1] == pytest.approx(2.0, rel=0.1)


class TestMixtures:
    rotations = symmetry_operations(literal.SILICON)[0]

    def test_each_phase_has_lines_as_strong_as_its_scale(self) -> None:
        parts = [
            Part(literal.SILICON, along_a(1), self.rotations, 3.0),
            Part(literal.SILICON, along_a(3), self.rotations, 1.0),
        ]
        pattern = measured_like_mixture(parts, still(0), diffractometer=IDEAL, radiation=COPPER)
        places = two_theta_deg(along_a(1, 3).inv_d2, 1.5406)
        areas, centres = seen(pattern, places)
        polarised = lorentz_polarisation(places)
        assert areas[0] / areas[1] == pytest.approx(3 * polarised[0] / polarised[1], rel=5e-3)
        np.testing.assert_allclose(centres, places, atol=2e-3)

    def test_phases_differ_in_width(self) -> None:
        parts = [Part(literal.SILICON, along_a(n), self.rotations, 1.0) for n in (2, 3)]
        pattern = measured_like_mixture(parts, still(1), diffractometer=IDEAL, radiation=COPPER)
        places = two_theta_deg(along_a(2, 3).inv_d2, 1.5406)
        (first, second), _ = seen(pattern, places)
        heights = [pattern.counts[np.abs(pattern.x - place).argmin()] for place in places]
        # Area over height is the width; of one width the two would agree.
        assert abs(np.log((first / heights[0]) / (second / heights[1]))) > 0.02

    def test_one_seed_makes_one_pattern(self) -> None:
        parts = [Part(literal.SILICON, along_a(n), self.rotations, 1.0) for n in (2, 3)]
        one, again, other = (
            measured_like_mixture(parts, np.random.default_rng(seed)) for seed in (5, 5, 6)
        )
        np.testing.assert_array_equal(one.counts, again.counts)
        assert len(other) != len(one) or (other.counts != one.counts).any()
