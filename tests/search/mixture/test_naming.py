from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from data.diffraction import lines_of
from data.errors import QueryError
from data.pattern import Pattern
from data.profile import simulate
from data.radiation import CU_KA
from indexer.catalogue import Filters
from search import Searcher
from search.mixture.confidence import WHETHER, WHICH, Belief
from search.mixture.ties import commonest
from search.mixture.weighing import cell_mass_dalton
from tests.crystals import ALL


def mixed(weights: Mapping[str, float], *, impurity_hump: float = 0.0, seed: int = 1) -> Pattern:
    """A pattern of crystals in these parts by weight, with background, zero shift and noise."""
    axis = np.arange(10.0, 90.0, 0.02)
    profile = np.zeros(len(axis))
    for name, weight in weights.items():
        crystal = ALL[name]
        drawn = simulate(
            lines_of(crystal, d_min_angstrom=0.9),
            CU_KA,
            two_theta_deg=axis,
            caglioti=(0.0, 0.0, 0.15**2),
            zero_shift_deg=0.03,
        )
        profile += weight * drawn / (cell_mass_dalton(crystal) * crystal.volume_angstrom3)
    hump = impurity_hump * np.exp(-0.5 * ((axis - 25) / 6) ** 2)
    expected = 8000 * (profile / profile.max() + hump) + 300
    counts = np.random.default_rng(seed).poisson(expected).astype(np.float64)
    return Pattern("two_theta", axis, counts, None, CU_KA, "given", "mixed")


def named(searcher: Searcher, pattern: Pattern, phases: int = 4) -> dict[str, float]:
    """Formula and weight percent of the first answer."""
    best = searcher.lookup(pattern, phases=phases, top=1).mixtures[0]
    return {phase.formula: phase.weight_percent for phase in best.phases}


def test_two_phases_are_found_and_weighed(searcher: Searcher) -> None:
    found = named(searcher, mixed({"rutile": 70, "fluorite": 30}))
    assert found == pytest.approx({"TiO2": 70.0, "CaF2": 30.0}, abs=2.5)


def test_three_phases_are_found_and_weighed(searcher: Searcher) -> None:
    found = named(searcher, mixed({"quartz": 50, "calcite": 35, "anatase": 15}))
    assert found == pytest.approx({"SiO2": 50.0, "CaCO3": 35.0, "TiO2": 15.0}, abs=3.0)


def test_a_pure_phase_stays_pure(searcher: Searcher) -> None:
    assert list(named(searcher, mixed({"calcite": 100}))) == ["CaCO3"]


def test_a_hump_is_no_phase(searcher: Searcher) -> None:
    assert list(named(searcher, mixed({"quartz": 100}, impurity_hump=0.1))) == ["SiO2"]


def test_what_no_entry_explains_is_told(searcher: Searcher) -> None:
    # Nothing made of titanium and oxygen has the lines of fluorite.
    result = searcher.lookup(
        mixed({"rutile": 60, "fluorite": 40}), filters=Filters(elements="Ti,O"), phases=2, top=1
    )
    best = result.mixtures[0]
    assert best.phases[0].formula == "TiO2"
    assert best.unexplained_percent > 20
    strongest = best.unexplained_two_theta_deg
    assert np.abs(strongest - 28.3).min() < 0.2
    assert best.confidence < 0.5


def test_one_phase_asks_for_no_mixture(searcher: Searcher) -> None:
    assert searcher.lookup(mixed({"rutile": 100}), top=1).mixtures == ()


@pytest.mark.parametrize("phases", [0, 9])
def test_numbers_of_phases_that_are_not_tried(searcher: Searcher, phases: int) -> None:
    with pytest.raises(QueryError, match="1 to 6"):
        searcher.lookup(mixed({"rutile": 100}), phases=phases)


def test_nothing_found_has_no_confidence() -> None:
    nothing = np.zeros((0, len(WHICH)))
    assert Belief.shipped().confidences(nothing, np.zeros((0, len(WHETHER) - 1))).tolist() == []


def test_a_better_score_is_believed_more_and_no_more_than_whole() -> None:
    scores = np.array([[-20.0, 2.0], [-24.0, 2.0], [-30.0, 2.0]])
    rest = np.tile([0.0, 0.5], (3, 1))
    found = Belief.shipped().confidences(scores, rest)
    assert found[0] > found[1] > found[2] > 0
    assert found.sum() <= 1.0


def test_the_compound_of_most_entries_is_named_of_those_that_tie() -> None:
    formulas = {1: "TiO", 2: "NiO", 3: "NiO", 4: "Ni0.9Mg0.1O", 5: "Ni0.9Mg0.1O"}

    class Known:
        def formula(self, row: int) -> str:
            return formulas[row]

        def is_mixed(self, row: int) -> bool:
            return row > 3

    known: Any = Known()
    # Two entries that lose little outweigh one; dilute solutions do not while plain ones tie.
    assert commonest(known, {1: 0.0, 2: 2.0, 3: 1.0, 4: 0.1, 5: 0.1}) == 3
    assert commonest(known, {1: 0.0, 2: 11.0}) == 1
    assert commonest(known, {4: 0.0, 5: 0.5}) == 4
    assert commonest(known, {4: 0.0, 1: 5.0}) == 1
