from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.crystal import Crystal
from data.diffraction import lines_of
from data.k_beta import find_copies
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from data.profile import simulate
from data.radiation import CU_KA, Radiation
from tests.crystals import CHALCANTHITE, FLUORITE, QUARTZ, RUTILE

AXIS = np.arange(10.0, 90.0, 0.02)
CU_KBETA = 1.39223


def measured(crystal: Crystal, ratio: float, radiation: Radiation = CU_KA) -> Prepared:
    """A pattern with so much of a second wavelength's, 1.39223 Å, in it."""
    lines = lines_of(crystal)
    alpha = simulate(lines, radiation, two_theta_deg=AXIS)
    beta = simulate(lines, Radiation.monochromatic(CU_KBETA), two_theta_deg=AXIS)
    curve = alpha + ratio * beta
    counts = np.random.default_rng(3).poisson(30_000 * curve / curve.max() + 20).astype(float)
    return prepare(Pattern("two_theta", AXIS, counts, None, radiation, "given"))


@pytest.mark.parametrize("crystal", [QUARTZ, RUTILE, FLUORITE])
@pytest.mark.parametrize("ratio", [0.01, 0.03, 0.17])
def test_a_line_that_is_there_is_seen_and_its_peaks_left_out(
    crystal: Crystal, ratio: float
) -> None:
    plain, both = measured(crystal, 0.0), measured(crystal, ratio)
    assert plain.k_beta == 0.0
    assert plain.wavelengths_angstrom == CU_KA.wavelengths_angstrom
    assert both.k_beta == pytest.approx(ratio, rel=0.3)
    assert both.wavelengths_angstrom[-1] == CU_KBETA
    assert sum(both.weights) == pytest.approx(1.0)
    strong = both.peaks.area > 0.03 * both.peaks.area.max()
    own = plain.peaks.two_theta_deg
    for place in both.peaks.two_theta_deg[strong]:
        assert np.abs(own - place).min() < 0.1


@pytest.mark.parametrize("crystal", [QUARTZ, RUTILE, FLUORITE, CHALCANTHITE])
def test_nothing_is_seen_where_nothing_is(crystal: Crystal) -> None:
    assert measured(crystal, 0.0).k_beta == 0.0


def test_other_wavelengths_have_no_line() -> None:
    synchrotron = Radiation.monochromatic(1.45)
    assert measured(QUARTZ, 0.03, synchrotron).k_beta == 0.0


def test_a_copy_that_is_missing_speaks_against_it() -> None:
    two_theta = np.array([20.0, 24.0, 30.0, 40.0, 50.0])
    area, esd, width = np.array([900.0, 800.0, 700.0, 600.0, 500.0]), np.ones(5), np.full(5, 0.1)
    place = 2 * np.degrees(np.arcsin(np.sin(np.radians(two_theta / 2)) * CU_KBETA / 1.5405929))

    def ratio(copied: list[int], first_deg: float = 10.0) -> float:
        where = np.concatenate([two_theta, place[copied]])
        order = np.argsort(where)
        areas = np.concatenate([area, 0.1 * area[copied]])[order]
        esds = np.concatenate([esd, esd[copied]])[order]
        widths = np.concatenate([width, width[copied]])[order]
        found = find_copies(
            CU_KBETA, 1.5405929, where[order], areas, esds, widths, first_deg=first_deg
        )
        return found.ratio if found else 0.0

    assert ratio([0, 1, 2, 3, 4]) == pytest.approx(0.1)
    assert ratio([0, 1, 3, 4]) == 0.0
    assert ratio([1, 2, 3, 4]) == 0.0
    # What lies before the scan is not missed.
    assert ratio([1, 2, 3, 4], first_deg=18.5) == pytest.approx(0.1)


def test_counts_of_any_scale_are_read_alike() -> None:
    both = measured(RUTILE, 0.03)
    scaled = prepare(replace(both.pattern, counts=1000 * both.pattern.counts))
    assert scaled.k_beta == pytest.approx(both.k_beta, rel=1e-6)
