"""Cells are found again that were moved, whatever the crystal system."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.canonical import crystal_system, standardize
from data.crystal import Crystal
from data.diffraction import lines_table
from data.preparation import Prepared, prepare
from data.profile import simulate_pattern
from generator.cell_fit import (
    LENGTH_LIMIT,
    TIES,
    cell_logarithms,
    fit_cells,
    lattice_of,
    profile_cosines,
)
from tests import crystals

KNOWN = {name: standardize(crystal).crystal for name, crystal in crystals.ALL.items()}
NAMES = ("rock salt", "rutile", "quartz", "calcite", "olivine", "baddeleyite")
"""Cubic, tetragonal, hexagonal axes twice, orthorhombic, monoclinic."""


def measured(crystal: Crystal, zero_shift_deg: float = 0.0) -> Prepared:
    rng = np.random.default_rng(3)
    return prepare(
        simulate_pattern(crystal, background_counts=100.0, rng=rng, zero_shift_deg=zero_shift_deg)
    )


def moved(crystal: Crystal, size: float, free: tuple[float, ...]) -> Crystal:
    """Every length changed by one part, and each free quantity by a further one."""
    cell = cell_logarithms(crystal.lattice)
    cell[:3] += size
    for i, tie in enumerate(TIES[crystal_system(crystal.space_group_number)]):
        cell[i] += free[tie] if tie >= 0 else 0.0
    return replace(crystal, lattice=lattice_of(cell, crystal.lattice))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [-0.05, 0.03])
def test_a_moved_cell_is_found_again(name: str, size: float) -> None:
    crystal = KNOWN[name]
    start = moved(crystal, size, (0.008, -0.01, 0.006, 0.01, 0.0, 0.0))
    fits = fit_cells(
        measured(crystal),
        lines_table([start]),
        start.lattice[None],
        np.array([crystal.space_group_number]),
    )
    np.testing.assert_allclose(
        replace(crystal, lattice=fits.lattices[0]).cell, crystal.cell, rtol=1.5e-3
    )
    assert fits.correlation[0] > 0.9
    assert abs(fits.zero_shift_deg[0]) < 0.05


def test_a_known_cell_is_kept() -> None:
    crystal = KNOWN["quartz"]
    start = moved(crystal, 0.004, (0.0, -0.002, 0.0, 0.0, 0.0, 0.0))
    far = moved(crystal, 0.04, (0.0,) * 6)
    pattern = measured(crystal)
    for begin, found_again in ((start, True), (far, False)):
        fits = fit_cells(
            pattern,
            lines_table([begin]),
            begin.lattice[None],
            np.array([crystal.space_group_number]),
            reach=0.01,
        )
        found = replace(crystal, lattice=fits.lattices[0]).cell
        np.testing.assert_allclose(found[:3], begin.cell[:3], rtol=0.0126)
        assert np.allclose(found[:3], crystal.cell[:3], rtol=1.5e-3) == found_again


def test_correlations_are_those_of_the_fit() -> None:
    them = [KNOWN["quartz"], KNOWN["rutile"]]
    pattern = measured(KNOWN["quartz"])
    groups = np.array([one.space_group_number for one in them])
    lattices = np.array([one.lattice for one in them])
    fits = fit_cells(pattern, lines_table(them), lattices, groups)
    again = lines_table([replace(one, lattice=fits.lattices[i]) for i, one in enumerate(them)])
    found = profile_cosines(pattern, again, fits.lattices, fits.zero_shift_deg)
    np.testing.assert_allclose(found, fits.correlation, atol=0.01)


def test_a_zero_shift_is_told_from_a_strain() -> None:
    crystal = KNOWN["rutile"]
    fits = fit_cells(
        measured(crystal, zero_shift_deg=0.06),
        lines_table([crystal]),
        crystal.lattice[None],
        np.array([136]),
    )
    assert fits.zero_shift_deg[0] == pytest.approx(0.06, abs=0.02)
    np.testing.assert_allclose(fits.lattices[0], crystal.lattice, rtol=2e-3, atol=1e-9)


def test_only_what_symmetry_leaves_free_is_changed() -> None:
    crystal = KNOWN["calcite"]
    start = moved(crystal, 0.02, (0.01, 0.0, 0.0, 0.0, 0.0, 0.0))
    fits = fit_cells(measured(crystal), lines_table([start]), start.lattice[None], np.array([167]))
    a, b, c, alpha, beta, gamma = replace(crystal, lattice=fits.lattices[0]).cell
    assert a == pytest.approx(b)
    assert (alpha, beta, gamma) == pytest.approx((90, 90, 120))
    assert c != pytest.approx(start.cell[2])


def test_sizes_alone_are_tried_where_haste_is_asked_for() -> None:
    crystal = KNOWN["rock salt"]
    sizes = np.array([-0.06, 0.0, 0.05])
    starts = [moved(crystal, size, (0.0,) * 6) for size in sizes]
    fits = fit_cells(
        measured(crystal),
        lines_table(starts),
        np.array([one.lattice for one in starts]),
        np.full(3, 225),
        thorough=False,
    )
    lengths = fits.lattices[:, 0, 0] / crystal.lattice[0, 0]
    np.testing.assert_allclose(lengths, 1.0, atol=2 * LENGTH_LIMIT / 32)
    np.testing.assert_array_equal(fits.zero_shift_deg, 0.0)


def test_the_right_crystal_fits_best_and_the_same_again() -> None:
    names = ["rock salt", "rutile", "quartz", "anatase"]
    starts = [moved(KNOWN[name], 0.02, (0.005,) * 6) for name in names]
    groups = np.array([one.space_group_number for one in starts])
    lattices = np.array([one.lattice for one in starts])
    prepared = measured(KNOWN["anatase"])
    first, second = (fit_cells(prepared, lines_table(starts), lattices, groups) for _ in range(2))
    assert int(first.correlation.argmax()) == 3
    assert first.correlation[3] > first.correlation[:3].max() + 0.2
    np.testing.assert_array_equal(first.lattices, second.lattices)


def test_nothing_to_fit_is_nothing_fitted() -> None:
    fits = fit_cells(
        measured(KNOWN["rutile"]), lines_table([]), np.zeros((0, 3, 3)), np.zeros(0, np.int64)
    )
    assert fits.lattices.shape == (0, 3, 3)
    assert len(fits.correlation) == 0
