from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.crystal import Crystal
from data.diffraction import lines_of
from data.lines import Lines, LinesTable
from data.pattern import Pattern
from data.preparation import prepare
from data.profile import simulate
from data.radiation import CU_KA, Radiation
from search.profile_fit import (
    LORENTZIAN_SHARE,
    POLISH,
    SHAPE_SPAN,
    ProfileFits,
    draw_profile,
    fit_profiles,
    shape_table,
)
from tests.crystals import ALL, ANATASE, CALCITE, CHALCANTHITE, QUARTZ, ROCK_SALT, RUTILE
from tests.search.made import COPPER, drawn, measured, prepared_of, separate_lines, table


def fit(crystal: Crystal, pattern: Pattern) -> ProfileFits:
    return fit_profiles(prepare(pattern), table(crystal))


def test_an_entry_without_a_line_where_anything_was_measured_fits_in_no_way() -> None:
    prepared = prepare(measured(ROCK_SALT, COPPER))
    net = np.where(np.arange(len(prepared.net)) < 5, 1.0, 0.0)  # nothing where lines are
    fits = fit_profiles(replace(prepared, net=net), table(ROCK_SALT))
    for field in fields(ProfileFits):
        assert np.isfinite(getattr(fits, field.name)).all(), field.name
    assert fits.correlation[0] == 0.0
    assert fits.explained[0] == 0.0
    assert fits.lacking[0] == 1.0


def joined(one: Lines, other: Lines, share: float) -> Lines:
    """The lines of both, those of the other so much weaker."""
    inv_d2 = np.concatenate([one.inv_d2, other.inv_d2])
    order = np.argsort(inv_d2)
    strength = np.concatenate([one.strength, share * other.strength])
    return Lines(inv_d2[order], strength[order], np.concatenate([one.hkl, other.hkl])[order])


class TestDrawing:
    @settings(max_examples=20, deadline=None)
    @given(
        name=st.sampled_from(sorted(set(ALL) - {"MOF-5"})),
        strain=st.floats(-0.01, 0.01),
        zero=st.floats(-0.12, 0.12),
        fwhm=st.floats(0.06, 0.4),
        doublet=st.booleans(),
    )
    def test_profiles_are_those_of_the_simulation(
        self, *, name: str, strain: float, zero: float, fwhm: float, doublet: bool
    ) -> None:
        radiation = CU_KA if doublet else COPPER
        prepared = prepare(measured(QUARTZ, radiation))
        lines = lines_of(ALL[name])
        ours = draw_profile(
            prepared,
            lines.inv_d2,
            lines.strength,
            strain=strain,
            zero_shift_deg=zero,
            fwhm_deg=fwhm,
        )
        theirs = simulate(
            lines,
            radiation,
            two_theta_deg=prepared.two_theta_deg,
            caglioti=(0.0, 0.0, fwhm**2),
            eta=LORENTZIAN_SHARE,
            strain=strain,
            zero_shift_deg=zero,
        )
        # Ours end nearer to their centres and are read from a table.
        lost = theirs.sum() - ours.sum()
        assert 0.0 <= lost < 0.06 * theirs.sum()
        assert np.abs(ours - theirs).sum() < 0.08 * theirs.sum()
        assert np.abs(ours - theirs).max() < 0.03 * theirs.max()

    def test_the_width_is_that_of_the_pattern_unless_given(self) -> None:
        prepared = prepared_of(QUARTZ)
        lines = lines_of(QUARTZ)
        own, given_same, wider = (
            draw_profile(
                prepared, lines.inv_d2, lines.strength, strain=0, zero_shift_deg=0, fwhm_deg=width
            )
            for width in (None, prepared.fwhm_deg, 2 * prepared.fwhm_deg)
        )
        np.testing.assert_array_equal(own, given_same)
        assert wider.max() < 0.7 * own.max()

    def test_nothing_is_drawn_for_lines_out_of_reach(self) -> None:
        prepared = prepared_of(QUARTZ)
        for d in (0.5, 30.0):
            line = separate_lines([d], [1.0])
            curve = draw_profile(prepared, line.inv_d2, line.strength, strain=0, zero_shift_deg=0)
            assert not curve.any()

    def test_the_shape_has_unit_area_and_width(self) -> None:
        shape = shape_table()
        step = SHAPE_SPAN / (len(shape) - 1)
        # The tails beyond hold 0.4 of the Lorentzian's 8 %.
        beyond = LORENTZIAN_SHARE * (1 - 2 / np.pi * np.arctan(2 * SHAPE_SPAN))
        assert 2 * np.trapezoid(shape, dx=step) == pytest.approx(1 - beyond, abs=1e-3)
        assert shape[round(0.5 / step)] == pytest.approx(shape[0] / 2, rel=1e-2)
        assert (np.diff(shape) < 0).all()


class TestPlanted:
    @pytest.mark.parametrize("crystal", [QUARTZ, CALCITE, ANATASE, CHALCANTHITE])
    @pytest.mark.parametrize("strain", [-0.008, -0.0023, 0.0, 0.0041, 0.007])
    def test_a_strain_is_recovered(self, crystal: Crystal, strain: float) -> None:
        found = fit(crystal, measured(crystal, strain=strain))
        assert found.strain[0] == pytest.approx(strain, abs=7e-4)
        assert found.zero_shift_deg[0] == pytest.approx(0.0, abs=0.03)
        assert found.correlation[0] > 0.9

    @settings(max_examples=25, deadline=None)
    @given(strain=st.floats(-0.004, 0.004), zero=st.floats(-0.06, 0.06))
    def test_both_together_bring_the_lines_to_their_places(
        self, strain: float, zero: float
    ) -> None:
        """They nearly make up for each other: where the lines are is surer than either."""
        found = fit(QUARTZ, measured(QUARTZ, strain=strain, zero_shift_deg=zero))
        assert found.strain[0] == pytest.approx(strain, abs=2.2e-3)
        assert found.zero_shift_deg[0] == pytest.approx(zero, abs=0.09)
        assert found.correlation[0] > 0.9
        # At 40° 2θ a strain s moves a line by -2 tan 20° s, in radians.
        lever = 2 * np.degrees(np.tan(np.radians(20.0)))
        moved = found.zero_shift_deg[0] - zero - lever * (found.strain[0] - strain)
        assert abs(moved) < 0.03

    def test_a_doublet_is_no_shift(self) -> None:
        """Split at large angles, where its mean is 0.1° from Kα1."""
        pattern = measured(
            RUTILE, CU_KA, two_theta_range_deg=(60.0, 99.0), caglioti=(0.0, 0.0, 0.0036)
        )
        known = fit(RUTILE, pattern)
        assert abs(known.strain[0]) < 3e-4
        assert abs(known.zero_shift_deg[0]) < 0.02
        alone = Radiation.monochromatic(CU_KA.wavelength_angstrom)
        ignored = fit(RUTILE, replace(pattern, radiation=alone))
        assert known.correlation[0] > ignored.correlation[0] + 0.02

    @pytest.mark.parametrize(
        "radiation, limits, factor",
        [
            (Radiation.doublet("Mo"), (3.0, 40.0), 0.45),
            (Radiation.doublet("Co"), (6.0, 110.0), 1.2),
            (Radiation.monochromatic(0.4137), (1.5, 24.0), 0.27),
        ],
    )
    def test_another_wavelength_tells_the_same(
        self, radiation: Radiation, limits: tuple[float, float], factor: float
    ) -> None:
        pattern = measured(
            CALCITE,
            radiation,
            two_theta_range_deg=limits,
            step_deg=0.02 * factor,
            caglioti=(0.0, 0.0, (0.1 * factor) ** 2),
            strain=0.004,
        )
        fits = fit_profiles(prepare(pattern), table(QUARTZ, CALCITE, ANATASE))
        assert fits.correlation.argmax() == 1
        assert fits.correlation[1] > 0.9
        assert fits.strain[1] == pytest.approx(0.004, abs=6e-4)
        assert fits.unexplained_peaks[1] <= 1  # noise may look like a peak
        assert fits.missing_peaks[1] == 0


class TestComparing:
    def test_its_own_crystal_explains_a_pattern_and_others_do_not(self) -> None:
        prepared = prepared_of(QUARTZ)
        fits = fit_profiles(prepared, table(QUARTZ, CALCITE, RUTILE, ROCK_SALT))
        assert fits.explained[0] == pytest.approx(1.0)
        assert fits.unexplained_peaks[0] == fits.missing_peaks[0] == 0
        assert fits.lacking[0] < 0.1
        assert (fits.correlation[1:] < 0.6 * fits.correlation[0]).all()
        assert (fits.explained[1:] < 0.6).all()
        assert (fits.lacking[1:] > 0.2).all()
        assert (fits.missing_peaks[1:] > 0).all()
        np.testing.assert_array_equal(
            fits.matched_peaks + fits.unexplained_peaks, np.full(4, len(prepared.peaks))
        )

    def test_a_second_phase_is_what_one_leaves_unexplained(self) -> None:
        mixture = joined(lines_of(QUARTZ), lines_of(ROCK_SALT), 0.1)
        prepared = prepare(drawn(mixture))
        fits = fit_profiles(prepared, LinesTable.of([mixture, lines_of(QUARTZ)]))
        assert fits.unexplained_peaks[0] == 0
        assert fits.unexplained_peaks[1] >= 4
        assert fits.explained[1] < fits.explained[0] - 0.1
        assert fits.lacking[1] < 0.1
        assert fits.missing_peaks[1] == 0

    def test_a_phase_that_is_not_there_is_what_one_lacks(self) -> None:
        own, other = lines_of(QUARTZ), lines_of(ROCK_SALT)
        prepared = prepared_of(QUARTZ)
        fits = fit_profiles(prepared, LinesTable.of([own, joined(own, other, 0.05)]))
        assert fits.unexplained_peaks.tolist() == [0, 0]
        assert fits.missing_peaks[0] == 0
        assert fits.missing_peaks[1] >= 2
        quartz, salt = (
            simulate(lines, CU_KA, two_theta_deg=prepared.two_theta_deg).sum()
            for lines in (own, other)
        )
        share = 0.05 * salt / (quartz + 0.05 * salt)
        assert fits.lacking[1] == pytest.approx(share, abs=0.07)

    @pytest.mark.parametrize("factor", [0.3, 1.0, 25.0])
    def test_the_scale_is_that_of_the_pattern(self, factor: float) -> None:
        lines = lines_of(QUARTZ)
        axis = np.arange(10.0, 90.0, 0.02)
        counts = factor * simulate(lines, COPPER, two_theta_deg=axis, eta=LORENTZIAN_SHARE)
        pattern = Pattern("two_theta", axis, counts + 1.0, None, COPPER, "given")
        found = fit(QUARTZ, pattern)
        assert found.scale[0] == pytest.approx(factor, rel=0.1)

    def test_lines_are_counted_down_to_a_hundredth_of_the_strongest(self) -> None:
        lorentz = np.array([1.0, 1.0])
        lines = separate_lines([4.0, 2.0], [1.0, 1.0])
        area = simulate(lines, COPPER, two_theta_deg=np.arange(5.0, 90.0, 0.02), eta=0.0)
        lorentz[1] = area[2000:].sum() / area[:2000].sum()
        strong = 0.012 / lorentz[1]
        weak = 0.008 / lorentz[1]
        entries = [
            separate_lines([4.0, 2.0], [1.0, strong]),
            separate_lines([4.0, 2.0], [1.0, weak]),
            separate_lines([4.0, 0.6], [1.0, 100.0]),
        ]
        fits = fit_profiles(prepare(drawn(entries[0])), LinesTable.of(entries))
        assert fits.lines.tolist() == [2, 1, 1]

    def test_an_entry_without_lines_in_range_fits_nothing(self) -> None:
        none = Lines(np.zeros(0), np.zeros(0), np.zeros((0, 3), np.int16))
        entries = LinesTable.of([none, separate_lines([0.5], [1.0])])
        prepared = prepared_of(QUARTZ)
        fits = fit_profiles(prepared, entries)
        for field in fields(fits):
            assert np.isfinite(getattr(fits, field.name)).all(), field.name
        assert fits.correlation.tolist() == [0, 0]
        assert fits.explained.tolist() == [0, 0]
        assert fits.lacking.tolist() == [1, 1]

    def test_entries_do_not_touch_each_other(self) -> None:
        crystals = [QUARTZ, CALCITE, RUTILE, CHALCANTHITE, ANATASE]
        prepared = prepared_of(CALCITE, strain=0.003)
        together = fit_profiles(prepared, table(*crystals))
        backwards = fit_profiles(prepared, table(*crystals[::-1]))
        assert_same(backwards, together.take(np.arange(5)[::-1]))
        for row, crystal in enumerate(crystals):
            assert_same(fit_profiles(prepared, table(crystal)), together.take(np.array([row])))

    def test_of_many_entries_the_best_are_polished(self) -> None:
        """Among more entries than are polished the right one still is."""
        prepared = prepared_of(QUARTZ, strain=0.0027)
        others = table(*[CALCITE, RUTILE, ROCK_SALT] * (POLISH // 2))
        entries = LinesTable.of([*(others[i] for i in range(len(others))), lines_of(QUARTZ)])
        fits = fit_profiles(prepared, entries)
        alone = fit_profiles(prepared, table(QUARTZ))
        assert_same(fits.take(np.array([len(others)])), alone)
        assert fits.correlation.argmax() == len(others)


def assert_same(one: ProfileFits, other: ProfileFits) -> None:
    for field in fields(one):
        np.testing.assert_allclose(
            getattr(one, field.name), getattr(other, field.name), rtol=1e-9, err_msg=field.name
        )
