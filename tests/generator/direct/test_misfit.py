"""Structure factors, bonds and slopes beside other calculations."""

from __future__ import annotations

import numpy as np
import pytest

from data.canonical import operations_of, standardize
from data.crystal import Crystal
from data.diffraction import lines_of
from data.preparation import prepare
from data.profile import simulate_pattern
from generator.direct.chemistry import Chemistry, bond_length
from generator.direct.descent import best_of, descend
from generator.direct.frame import Frame
from generator.direct.free_fit import free_cosine
from generator.direct.misfit import Model, View, misfit, place
from generator.direct.setup import Curve, model_of, view_of
from generator.direct.wyckoff import points_at, positions_of
from tests import crystals

RUTILE = standardize(crystals.RUTILE).crystal
OXYGEN = np.array([0.3053, 0.3053, 0.0])


def curve_of(crystal: Crystal) -> Curve:
    rng = np.random.default_rng(5)
    return Curve.of(prepare(simulate_pattern(crystal, background_counts=50.0, rng=rng)))


def made(
    number: int, lattice: np.ndarray, sites: list[tuple[str, int]], curve: Curve
) -> tuple[View, Model]:
    frame = Frame.of(number, lattice)
    composition: dict[str, float] = {}
    for symbol, k in sites:
        amount = float(positions_of(number)[k].multiplicity)
        composition[symbol] = composition.get(symbol, 0.0) + amount
    chemistry = Chemistry.of(composition)
    orbits = frame.orbits()
    model = model_of(frame, [(symbol, orbits[k]) for symbol, k in sites], chemistry)
    return view_of(curve, frame, chemistry.elements), model


GENERAL = {2: [("Ti", 8), ("O", 8), ("O", 8)], 33: [("Ti", 0), ("O", 0)]}


@pytest.mark.parametrize("number", GENERAL)
def test_the_slope_is_that_of_small_steps(number: int) -> None:
    lattice = np.array([[5.1, 0, 0], [0.0, 5.6, 0], [0.0, 0.0, 6.3]])
    view, model = made(number, lattice, GENERAL[number], curve_of(RUTILE))
    at = np.random.default_rng(1).random(model.free)
    slope, ignored = np.empty(model.free), np.empty(model.free)
    misfit(view, model, len(view.hkl), at, slope)
    step = 1e-6
    for k in range(model.free):
        moved = np.zeros(model.free)
        moved[k] = step
        up, _ = misfit(view, model, len(view.hkl), at + moved, ignored)
        down, _ = misfit(view, model, len(view.hkl), at - moved, ignored)
        assert slope[k] == pytest.approx((up - down) / (2 * step), abs=2e-3)


def oxygen_parameter() -> float:
    """Where the oxygen of rutile is on its position."""
    rotations, translations = operations_of(136)
    position = positions_of(136)[rutile_sites()[1][1]]
    for x in (0.3053, -0.3053, 0.1947, -0.1947):
        apart = rotations @ position.at(np.array([x])) + translations - OXYGEN
        if np.abs(apart - np.round(apart)).max(axis=1).min() < 1e-6:
            return x
    raise AssertionError


def rutile_sites() -> list[tuple[str, int]]:
    positions = positions_of(136)
    metal = next(
        k
        for k, one in enumerate(positions)
        if one.multiplicity == 2 and points_at(136, one, np.zeros(3))
    )
    oxygen = next(
        k
        for k, one in enumerate(positions)
        if one.multiplicity == 4 and one.free == 1 and points_at(136, one, OXYGEN)
    )
    return [("Ti", metal), ("O", oxygen)]


def test_a_true_structure_draws_its_own_profile_and_is_found() -> None:
    view, model = made(136, RUTILE.lattice, rutile_sites(), curve_of(RUTILE))
    starts = np.random.default_rng(0).random((20, model.free))
    found, worth = best_of(view, model, len(view.hkl), 50, starts, 1)
    assert worth[0, 1] > 0.97
    x = float(found[0, 0]) % 1.0
    assert min(abs(x - at) for at in (0.305, 0.695, 0.195, 0.805)) < 0.01
    again = found[0].copy()
    value, _ = descend(view, model, len(view.hkl), 5, again)
    assert value <= worth[0, 0] + 1e-9


def test_structure_factors_are_those_of_the_lines() -> None:
    """What is drawn for a structure is what its `Lines` say, at the strongest places."""
    view, model = made(136, RUTILE.lattice, rutile_sites(), curve_of(RUTILE))
    points = np.empty((len(model.firsts), 3))
    place(model, np.array([oxygen_parameter()]), points)
    phase = np.exp(2j * np.pi * view.hkl @ points.T)
    weights = view.factors[model.elements].T
    square = np.abs((phase * weights).sum(axis=1)) ** 2
    frame = Frame.of(136, RUTILE.lattice)
    inv_d2, many, _ = frame.reflections(7.0)
    lines = lines_of(RUTILE, d_min_angstrom=2 * np.pi / 7.0)
    mine = many[: len(square)] * square
    strong = np.flatnonzero(mine > 0.05 * mine.max())
    for r in strong:
        theirs = lines.strength[np.abs(lines.inv_d2 - inv_d2[r]) < 1e-7].sum()
        same = np.abs(inv_d2[: len(square)] - inv_d2[r]) < 1e-7
        assert mine[same].sum() == pytest.approx(theirs, rel=2e-2)


def test_lines_of_the_right_cell_explain_a_pattern_and_others_do_not() -> None:
    curve = curve_of(RUTILE)
    right = view_of(curve, Frame.of(136, RUTILE.lattice), ["O", "Ti"])
    wrong = view_of(curve, Frame.of(136, RUTILE.lattice * 1.07), ["O", "Ti"])
    assert free_cosine(right) > 0.98
    assert free_cosine(wrong) < 0.9


def test_bonds_have_tabulated_lengths() -> None:
    # Brese and O'Keeffe, Acta Cryst. B47 (1991) 192.
    assert bond_length("Ti", "O") == pytest.approx(1.815, abs=0.05)
    assert bond_length("Si", "O") == pytest.approx(1.624, abs=0.09)
    assert bond_length("Na", "Cl") == pytest.approx(2.15, abs=0.08)


def test_charges_balance_or_are_none() -> None:
    oxide = Chemistry.of({"Ca": 1.0, "C": 1.0, "O": 3.0})
    assert dict(zip(oxide.elements, oxide.charges.tolist(), strict=True)) == {
        "C": 4.0,
        "Ca": 2.0,
        "O": -2.0,
    }
    alloy = Chemistry.of({"Cu": 3.0, "Au": 1.0})
    assert not alloy.charges.any()
    assert not alloy.lengths.any()
    assert (alloy.nearest > 2.0).all()
