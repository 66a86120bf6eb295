from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from data.crystal import Crystal
from data.lines import LinesTable
from data.preparation import Prepared, prepare
from search.cell_fit import all_freedom, fit_cell
from search.fitted import fit_entries
from search.free_cell import deformation, lines_in, seek_cells
from search.mixture.hypothesis import searching_freedom
from search.mixture.joint_fit import Freedom
from search.profile_fit import fit_profiles
from search.ranking import Ranker
from tests.crystals import BADDELEYITE, CALCITE, OLIVINE, QUARTZ, RUTILE
from tests.search.made import measured, table

STRETCHES = {
    "rutile": (RUTILE, (1.012, 1.012, 0.995)),
    "calcite": (CALCITE, (0.998, 0.998, 1.015)),
    "olivine": (OLIVINE, (1.015, 1.0, 0.993)),
    "baddeleyite": (BADDELEYITE, (1.01, 0.995, 1.008)),
    "quartz": (QUARTZ, (0.99, 0.99, 0.99)),
}


def stretched(crystal: Crystal, factors: tuple[float, float, float]) -> Crystal:
    return replace(crystal, lattice=crystal.lattice * np.array(factors)[:, None])


def one(crystal: Crystal) -> tuple[LinesTable, np.ndarray, np.ndarray]:
    return table(crystal), crystal.lattice[None], np.array([crystal.space_group_number])


@pytest.mark.parametrize("freedom", [all_freedom, searching_freedom])
@pytest.mark.parametrize("name", STRETCHES)
def test_a_stretched_cell_is_found_again(name: str, freedom: Callable[[Prepared], Freedom]) -> None:
    crystal, factors = STRETCHES[name]
    truth = stretched(crystal, factors)
    prepared = prepare(measured(truth))
    lines, lattices, groups = one(crystal)
    fits = fit_profiles(prepared, lines)
    (sought,) = seek_cells(prepared, lines, lattices, groups, fits)
    lengths = np.linalg.norm(sought, axis=1)
    np.testing.assert_allclose(lengths, truth.cell[:3], rtol=3e-3)
    fit = fit_cell(
        prepared,
        lines_in(lines, sought[None])[0],
        sought,
        int(groups[0]),
        zero_shift_deg=0.0,
        freedom=freedom(prepared),
    )
    np.testing.assert_allclose(np.linalg.norm(fit.lattice, axis=1), truth.cell[:3], rtol=2e-4)
    assert fit.unexplained < 0.05
    assert fit.lacking < 0.05


def test_a_free_cell_is_taken_where_the_isotropic_one_cannot_reach() -> None:
    crystals = [RUTILE, OLIVINE, QUARTZ]
    truth = stretched(OLIVINE, (1.015, 1.0, 0.993))
    prepared = prepare(measured(truth))
    lattices = np.stack([each.lattice for each in crystals])
    groups = np.array([each.space_group_number for each in crystals])
    ranker = Ranker.shipped()
    given = (prepared, np.arange(3), table(*crystals), lattices, groups, ranker)
    free, isotropic = fit_entries(*given), fit_entries(*given, freed=0)
    assert free.score.argmax() == 1
    assert free.score[1] > isotropic.score[1] + 1.0
    assert (free.score >= isotropic.score).all()
    assert free.distortion[1] > 0.005
    assert (isotropic.distortion == 0.0).all()
    np.testing.assert_allclose(np.linalg.norm(free.lattices[1], axis=1), truth.cell[:3], rtol=2e-3)


def test_an_unstretched_cell_stays_as_it_is() -> None:
    prepared = prepare(measured(OLIVINE))
    lines, lattices, groups = one(OLIVINE)
    fitted = fit_entries(prepared, np.arange(1), lines, lattices, groups, Ranker.shipped())
    np.testing.assert_allclose(fitted.lattices[0], OLIVINE.lattice, atol=3e-3)
    assert fitted.distortion[0] < 1e-3


def test_deformation_does_not_see_rotations() -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    stored = OLIVINE.lattice[None]
    fitted = stored * np.array([1.01, 1.0, 0.99])[:, None] @ turn
    (mean,), (distortion,) = deformation(stored, fitted)
    assert mean == pytest.approx(0.0, abs=1e-6)
    assert distortion == pytest.approx(0.01, abs=1e-6)
    (same,), (none,) = deformation(stored, 1.02 * stored)
    assert same == pytest.approx(0.02)
    assert none == pytest.approx(0.0, abs=1e-9)


def test_a_shear_is_a_distortion() -> None:
    fitted = OLIVINE.lattice.copy()
    fitted[0, 2] += 0.01 * fitted[0, 0]
    _, (distortion,) = deformation(OLIVINE.lattice[None], fitted[None])
    assert distortion == pytest.approx(0.005, rel=0.05)
