from __future__ import annotations

from time import monotonic

import numpy as np
import pytest

from data.crystal import Crystal
from generator.elements import said_of
from generator.hull import Hull, Phase, hull_of, known_phases
from generator.refinement.energy import Settled
from indexer import Library
from tests import crystals
from tests.service.bench_crystals import library_of, partly, renamed, scaled

MAGNESIUM = scaled(renamed(crystals.CAESIUM_CHLORIDE, Cs="Mg", Cl="Mg"), 0.8)
OXYGEN = scaled(renamed(crystals.CAESIUM_CHLORIDE, Cs="O", Cl="O"), 0.9)
MAGNESIA = scaled(renamed(crystals.ROCK_SALT, Na="Mg", Cl="O"), 4.21 / 5.64)
ENERGIES = {"Mg": -1.5, "O": -5.0, "MgO": -6.0, "SiO2": -8.0}
KNOWN = {
    "magnesium": MAGNESIUM,
    "oxygen": OXYGEN,
    "periclase": MAGNESIA,
    "with holes": partly(scaled(MAGNESIA, 1.02), Mg=0.9),
    "quartz": crystals.QUARTZ,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(KNOWN, tmp_path_factory.mktemp("libraries") / "made")


def settle(crystal: Crystal) -> Settled | None:
    from data.formula import reduced_formula

    return Settled(crystal, ENERGIES[reduced_formula(crystal.composition)])


def test_distances_to_a_hull_made_by_hand() -> None:
    """A - AB - B: the line from A at -1 to AB at -4 and from there to B at -2, eV an atom."""
    phases = [Phase({"Mg": 1}, -1.0), Phase({"O": 2}, -2.0), Phase({"Mg": 1, "O": 1}, -4.0)]
    hull = Hull(["O", "Mg"], phases)
    assert hull.missing == ()
    assert hull.competing == ("MgO",)
    assert hull.above({"Mg": 2, "O": 2}, -3.9) == pytest.approx(0.1)
    # Mg3O lies half-way between Mg and MgO.
    assert hull.above({"Mg": 3, "O": 1}, -2.0) == pytest.approx(0.5)
    # MgO3 half-way between MgO and O; a lower energy than the hull's is negative.
    assert hull.above({"Mg": 1, "O": 3}, -3.25) == pytest.approx(-0.25)


def test_a_third_element_that_is_not_there_is_named() -> None:
    hull = Hull(["Mg", "Mn", "O"], [Phase({"Mg": 1}, -1.0), Phase({"O": 1}, -2.0)])
    assert hull.missing == ("Mn",)
    assert hull.above({"Mg": 1, "Mn": 1}, -3.0) is None


def test_ordered_phases_of_the_library_compete(library: Library) -> None:
    found = known_phases(library, ["Mg", "O"])
    assert [sorted(one.composition) for one in found] == [["Mg"], ["O"], ["Mg", "O"]]
    told: list[str] = []
    hull = hull_of(library, ["Mg", "O"], settle, report=lambda *what: told.append(str(what[2])))
    assert told == ["known phases"] * 3
    assert hull.above({"Mg": 1, "O": 1}, -5.9) == pytest.approx(0.1)
    # Without MgO, only the elements compete.
    without = hull_of(library, ["Mg", "O"], settle, without=frozenset({"MgO"}))
    assert without.competing == ()
    assert without.above({"Mg": 1, "O": 1}, -5.9) == pytest.approx(-5.9 + 3.25)


def test_of_polymorphs_the_lowest_counts(library: Library) -> None:
    energies = iter([-1.0, -2.0, -4.0])
    hull = hull_of(library, ["Mg", "O"], lambda one: Settled(one, next(energies)))
    assert np.isclose(hull.above({"Mg": 1, "O": 1}, -4.0) or 0.0, 0.0)
    lost = hull_of(library, ["Mg", "O"], lambda _: None)
    assert lost.missing == ("Mg", "O")


def test_without_time_there_is_no_hull(library: Library) -> None:
    hull = hull_of(library, ["Mg", "O"], settle, deadline=monotonic() - 1.0)
    assert hull.left_out == 3
    assert hull.above({"Mg": 1, "O": 1}, -5.9) is None
    assert "the time limit left 3 of the known phases out" in said_of(hull)[0]
