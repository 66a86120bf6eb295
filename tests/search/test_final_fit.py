from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.diffraction import lines_of
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from data.profile import simulate
from data.radiation import CU_KA
from search.final_fit import WIDTH_FACTORS, FinalFit, final_fit
from search.profile_fit import LORENTZIAN_SHARE
from tests.crystals import CALCITE, CHALCANTHITE, QUARTZ
from tests.search.made import prepared_of, separate_lines


def fit(prepared: Prepared, crystal: object = QUARTZ, strain: float = 0.0) -> FinalFit:
    lines = lines_of(crystal)  # type: ignore[arg-type]
    return final_fit(prepared, lines, strain=strain, zero_shift_deg=0.0)


def test_rwp_is_that_of_its_definition() -> None:
    prepared = prepared_of(QUARTZ)
    for crystal in (QUARTZ, CALCITE):
        found = fit(prepared, crystal)
        variance = prepared.sigma**2
        misfit = ((prepared.counts - found.calculated) ** 2 / variance).sum()
        expected = 100 * np.sqrt(misfit / (prepared.counts**2 / variance).sum())
        assert found.rwp_percent == pytest.approx(expected)


@pytest.mark.parametrize("crystal", [QUARTZ, CALCITE, CHALCANTHITE])
def test_no_other_scale_or_background_is_nearer(crystal: object) -> None:
    """The residual of least squares is at right angles to all that was fitted."""
    prepared = prepared_of(QUARTZ)
    found = fit(prepared, crystal)
    weight = prepared.sigma**-2
    residual = prepared.counts - found.calculated
    # At right angles to a constant, what is left of the curve is the drawn profile.
    for fitted in (np.ones(len(weight)), found.calculated - prepared.background):
        length = np.sqrt((weight * fitted**2).sum() * (weight * residual**2).sum())
        assert abs((weight * residual * fitted).sum()) < 1e-6 * length


@pytest.mark.parametrize("factor", [0.7, 1.0, 60.0])
def test_a_planted_scale_is_recovered(factor: float) -> None:
    axis = np.arange(10.0, 90.0, 0.02)
    profile = simulate(lines_of(QUARTZ), CU_KA, two_theta_deg=axis, eta=LORENTZIAN_SHARE)
    pattern = Pattern("two_theta", axis, factor * (profile + 20.0), None, CU_KA, "given")
    found = fit(prepare(pattern))
    assert found.scale == pytest.approx(factor, rel=0.05)
    assert found.rwp_percent < 12.0


def test_the_right_crystal_fits_better_than_others() -> None:
    prepared = prepared_of(QUARTZ)
    right = fit(prepared).rwp_percent
    assert right < 20.0
    assert all(fit(prepared, other).rwp_percent > 2.5 * right for other in (CALCITE, CHALCANTHITE))


def test_the_strain_of_the_profile_fit_is_used() -> None:
    prepared = prepared_of(QUARTZ, strain=0.006)
    assert fit(prepared, strain=0.006).rwp_percent < 0.5 * fit(prepared).rwp_percent


@pytest.mark.parametrize("factor", WIDTH_FACTORS)
def test_widths_other_than_the_typical_are_tried(factor: float) -> None:
    prepared = prepared_of(QUARTZ, caglioti=(0.0, 0.0, 0.01))
    found = fit(replace(prepared, fwhm_deg=0.1 / factor))
    assert found.rwp_percent < 8.0
    assert fit(replace(prepared, fwhm_deg=0.025 / factor)).rwp_percent > 16.0


def test_a_wrong_background_is_moved() -> None:
    prepared = prepared_of(QUARTZ)
    right = fit(prepared)
    off = replace(prepared, background=prepared.background - 40, net=prepared.net + 40)
    np.testing.assert_allclose(fit(off).calculated, right.calculated, rtol=1e-6)


@pytest.mark.parametrize("d_angstrom", [0.5, 2.9])
def test_without_lines_where_there_are_peaks_only_the_background_is_fitted(
    d_angstrom: float,
) -> None:
    """Such lines would fit best upside down."""
    prepared = prepared_of(QUARTZ)
    lines = separate_lines([d_angstrom], [1.0])
    found = final_fit(prepared, lines, strain=0.0, zero_shift_deg=0.0)
    weight = prepared.sigma**-2
    expected = (weight * prepared.net).sum() / weight.sum()
    assert found.scale == 0.0
    np.testing.assert_allclose(found.calculated, prepared.background + expected)
