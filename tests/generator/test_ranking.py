"""What ranking sees of candidates, and that they come out in its order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from data.preparation import prepare
from data.profile import simulate_pattern
from generator.candidate import Candidate, Task
from generator.contacts import closest_contact
from generator.ranking import FEATURES, CandidateRanker, features
from tests import crystals

KNOWN = {name: standardize(crystal).crystal for name, crystal in crystals.ALL.items()}


def candidate(crystal: Crystal, correlation: float, **seen: float) -> Candidate:
    return Candidate(crystal, "made", None, 0.0, correlation, seen)


@pytest.fixture(scope="module")
def task() -> Task:
    rng = np.random.default_rng(2)
    pattern = simulate_pattern(KNOWN["rutile"], background_counts=100.0, rng=rng)
    return Task({"Ti": 1.0, "O": 2.0}, prepared=prepare(pattern))


def test_the_right_crystal_is_seen_to_be_right(task: Task) -> None:
    right, wrong = features(
        task, [candidate(KNOWN["rutile"], 0.98, exchange=0.2), candidate(KNOWN["anatase"], 0.4)]
    )
    by_name = dict(zip(FEATURES, zip(right, wrong, strict=True), strict=True))
    assert by_name["misfit"] == pytest.approx(np.log(np.arccos([0.98, 0.4])))
    for name in ("unexplained", "dissimilarity"):
        assert by_name[name][0] < by_name[name][1] - 0.5, name
    assert by_name["exchange"] == (0.2, 0.0)


def test_candidates_come_in_the_order_of_their_scores(task: Task) -> None:
    made = [candidate(KNOWN[name], 0.5) for name in ("anatase", "rutile", "quartz")]
    ranked = CandidateRanker.shipped().ranked(task, made)
    assert ranked[0].crystal is KNOWN["rutile"]
    weights = np.array(CandidateRanker.shipped().weights)
    for one in ranked:
        seen = np.array([one.features[name] for name in FEATURES])
        assert one.score == pytest.approx(float(seen @ weights))
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    assert CandidateRanker.shipped().ranked(task, []) == []


def test_closest_contacts_are_those_of_the_crystal() -> None:
    # Rock salt: Na and Cl half a cell edge apart; covalent radii of Cordero et al. (2008).
    halite = KNOWN["rock salt"]
    expected = halite.cell[0] / 2 / (1.66 + 1.02)
    assert closest_contact(halite) == pytest.approx(expected, rel=0.01)
    # One atom a cell: to its own image.
    copper = Crystal(
        3.0 * np.eye(3), ("Cu",), np.ones(1), np.zeros((1, 3)), np.full(1, np.nan), 221
    )
    assert closest_contact(copper) == pytest.approx(3.0 / (2 * 1.32), rel=0.01)
    crushed = replace(halite, lattice=0.6 * halite.lattice)
    assert closest_contact(crushed) == pytest.approx(0.6 * closest_contact(halite))
