"""From a pattern and a formula to ranked structures."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from data.errors import QueryError
from data.pattern import Pattern
from data.profile import simulate_pattern
from generator.candidate import Candidate, Task
from generator.matching import rms_distance
from generator.solver import SAME_VOLUME, Solver, structures
from generator.substitution import SubstitutionEngine
from indexer import Library
from tests import crystals
from tests.generator.test_substitution import CASSITERITE, KNOWN, made
from tests.service.bench_crystals import library_of


@pytest.fixture(scope="module")
def solver(tmp_path_factory: pytest.TempPathFactory) -> Solver:
    return Solver(library_of(KNOWN, tmp_path_factory.mktemp("libraries") / "made"))


SUBSTITUTION = (SubstitutionEngine.name,)


def measured(crystal: Crystal) -> Pattern:
    return simulate_pattern(crystal, background_counts=100.0, rng=np.random.default_rng(2))


def test_the_structure_comes_first_and_its_copies_count_once(solver: Solver) -> None:
    truth = made(crystals.ROCK_SALT, 4.44 / 5.64, Na="Mn", Cl="O")
    pattern = measured(truth)
    solution = solver.solve(pattern, {"Mn": 1.0, "O": 1.0}, engines=SUBSTITUTION)
    assert solution.formula == "MnO"
    assert solution.query is pattern
    best, *rest = solution.proposals
    assert rms_distance(standardize(truth).crystal, best.candidate.crystal) is not None
    assert best.copies >= 2  # made in periclase, lime and halite
    assert best.rwp_percent < 25
    assert best.template is not None
    assert best.template.id == best.candidate.template
    assert best.overlay is not None
    assert best.overlay.calculated.shape == pattern.counts.shape
    correlation = np.corrcoef(best.overlay.calculated, pattern.counts)[0, 1]
    assert correlation > 0.95
    assert [one.rank for one in solution.proposals] == list(range(1, len(rest) + 2))
    assert sum(one.probability for one in solution.proposals) == pytest.approx(1.0)
    volume = best.candidate.crystal.volume_angstrom3
    for one in rest:  # the matcher scales volumes, and a cell of another size is another proposal
        other = one.candidate.crystal
        swollen = other.volume_angstrom3 / volume * len(best.candidate.crystal) / len(other)
        same = rms_distance(best.candidate.crystal, other) is not None
        assert not same or abs(np.log(swollen)) >= SAME_VOLUME
    assert {"prepare", "substitution", "refinement", "ranking"} == set(solution.timings_ms)


def test_what_describes_the_pattern_poorly_is_said_to(solver: Solver) -> None:
    tin = {"Sn": 1.0, "O": 2.0}
    good = solver.solve(measured(CASSITERITE), tin, engines=SUBSTITUTION)
    poor = solver.solve(measured(crystals.CALCITE), tin, engines=SUBSTITUTION)
    assert not any("poorly" in warning for warning in good.warnings)
    assert any("describes the pattern poorly" in warning for warning in poor.warnings)


def test_no_more_structures_than_asked_for(solver: Solver) -> None:
    solution = solver.solve(
        measured(CASSITERITE), {"Sn": 1.0, "O": 2.0}, engines=SUBSTITUTION, samples=1
    )
    assert len(solution.proposals) == 1


def test_bad_questions_are_one_line(solver: Solver) -> None:
    pattern = measured(CASSITERITE)
    with pytest.raises(QueryError, match="engine magic: there is no such; there are: substitution"):
        solver.solve(pattern, {"Sn": 1.0, "O": 2.0}, engines=("magic",))
    with pytest.raises(QueryError, match="engine none at all"):
        solver.solve(pattern, {"Sn": 1.0, "O": 2.0}, engines=())
    with pytest.raises(QueryError, match="Ti7O11: no crystal of such a formula was made"):
        solver.solve(pattern, {"Ti": 7.0, "O": 11.0}, engines=SUBSTITUTION)


def test_a_time_limit_is_kept(solver: Solver) -> None:
    with pytest.raises(QueryError, match="no crystal"):
        solver.solve(measured(CASSITERITE), {"Sn": 1.0, "O": 2.0}, time_limit_s=0.0)
    late = replace(solver_task(solver), deadline=monotonic() - 1.0)
    assert late.is_late
    assert SubstitutionEngine(solver.pool).propose(late, 5) == []


def solver_task(solver: Solver) -> Task:
    from data.preparation import prepare

    assert isinstance(solver.library, Library)
    return Task({"Sn": 1.0, "O": 2.0}, prepared=prepare(measured(CASSITERITE)))


def test_structures_are_told_apart_and_cut_off() -> None:
    known = {name: standardize(crystals.ALL[name]).crystal for name in ("rutile", "anatase")}
    rutile, anatase = known["rutile"], known["anatase"]
    near = replace(rutile, lattice=1.002 * rutile.lattice)
    ranked = [Candidate(one, "made", None, 0.0, 0.5) for one in (rutile, near, anatase, rutile)]
    assert structures(ranked, 5) == [[0, 1, 3], [2]]
    assert structures(ranked, 1) == [[0, 1]]  # what comes after the second is not looked at
    assert structures([], 5) == []
