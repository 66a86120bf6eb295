"""`braggle bench solve`: how often a crystal is found that the library does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from data.canonical import Standard, crystal_system, operations_of
from data.crystal import Crystal
from data.errors import BraggleError, QueryError
from data.formula import reduced_formula
from data.measured_like import measured_like
from data.pattern import Pattern
from data.preparation import prepare
from data.reading import read_pattern
from generator.candidate import Candidate, Task
from generator.exchange import assignments
from generator.matching import LOOSE, STRICT, rms_distance
from generator.pool import MouldPool
from generator.prototype import prototype
from generator.ranking import CandidateRanker
from generator.solver import ENGINES, Solver, structures
from generator.substitution import SubstitutionEngine
from indexer.encoders.packing import formulas_in
from indexer.learned import LearnedChannel
from indexer.library import Library
from service.bench.cases import find_cases, truth_of
from service.bench.provenance import provenance
from service.bench.ranks import MISSED

DEPTHS = (1, 5, 20)
TOLERANCES = {"loose": LOOSE, "strict": STRICT}
SIZES = ((1, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 400))
SEED = 23

Advance = Callable[[int, int | None, str], None]
UNKNOWN = "prototype_unknown"
SOLVER, COPY, RETRIEVAL = "solve", "template_copy", "retrieval_only"
RANKINGS = {"by_fit": ("misfit", "unexplained"), "by_embedding": ("dissimilarity",)}
"""The same candidates ranked by some of what the ranking goes by, and nothing else."""


class Way(Protocol):
    """A task and the formulas that are withheld in, crystals out, best first."""

    def __call__(self, task: Task, *, without: frozenset[str]) -> list[Crystal]:
        """At most as many as are looked at."""
        ...


@dataclass(frozen=True, eq=False)
class SolveCase:
    """A pattern and its crystal, of which only pattern and formula are told."""

    name: str
    pattern: Pattern
    truth: Crystal

    @property
    def atoms(self) -> int:
        """In the primitive cell."""
        return len(Standard.from_stored(self.truth).primitive)


@dataclass
class _Outcome:
    """How an engine did in one case."""

    groups: tuple[str, ...]
    ranks: dict[str, int]
    rmse: float | None
    seconds: float
    candidates: int


def bench_solve(
    library: Library,
    *,
    queries: Path | None = None,
    simulated: int = 0,
    crystals: Library | None = None,
    formulas: Path | None = None,
    unknown: bool = False,
    max_atoms: int = 20,
    samples: int = 20,
    engines: Sequence[str] | None = None,
    cell_given: bool = False,
    refine: bool = True,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Propose crystals for patterns of which the formula is known, and see how many are right.

    Beside it stand two controls that rank nothing: substitution with the cell fitted, by its own
    score, and what retrieval alone brings. Templates of the case's own reduced formula are
    withheld. Cases are told apart by whether another formula's crystal of the truth's prototype
    (`generator.prototype`) is there.

    Args:
        library: whose crystals may be made use of.
        queries: folder of measured cases; those with ordered truths are taken.
        simulated: so many crystals of the library are taken, too, measured as in a laboratory.
        crystals: another library that these are taken from.
        formulas: file of reduced formulas that these are taken from, as those untrained.
        unknown: only cases whose prototype is not there are taken.
        max_atoms: of the primitive cell, of cases.
        samples: candidates that are looked at.
        engines: that propose; when left out, one after the other until a candidate convinces.
        cell_given: whether the true cell is told, too.
        refine: as of `generator.solver.Solver.solve`.
        advance: called with done, total and the stage.

    Raises:
        QueryError: no case is left.
    """
    report = advance or _silent
    pool = MouldPool(library)
    cases = [
        *(measured_cases(queries, max_atoms) if queries else ()),
        *simulated_cases(
            crystals or library, simulated, max_atoms, formulas_in(formulas) if formulas else None
        ),
    ]
    cases = [one for one in cases if not unknown or UNKNOWN in _groups(one, pool, _own(one))]
    if not cases:
        raise QueryError(
            f"{queries or library.path}: no case with an ordered crystal of at most {max_atoms} "
            "atoms; raise --max-atoms"
        )
    solver = Solver(library)
    ranked: list[Candidate] = []

    def solved(task: Task, *, without: frozenset[str]) -> list[Crystal]:
        ranked.clear()
        ranked.extend(solver.candidates(task, engines=engines, without=without, refine=refine))
        return _best(ranked, samples)

    ways: dict[str, Way] = {
        SOLVER: solved,
        **{name: partial(_otherwise, ranked, by, samples) for name, by in RANKINGS.items()},
        COPY: lambda task, *, without: [
            one.crystal for one in SubstitutionEngine(pool, without=without).propose(task, samples)
        ],
        RETRIEVAL: lambda task, *, without: retrieved(pool, task, without, samples),
    }
    outcomes: dict[str, list[_Outcome]] = {name: [] for name in ways}
    for done, case in enumerate(cases):
        report(done, len(cases), "cases")
        own = _own(case)
        groups = ("all", *_groups(case, pool, own))
        for name, way in ways.items():
            outcomes[name].append(
                _outcome(case, partial(way, without=own), groups, cell_given=cell_given)
            )
    report(len(cases), len(cases), "cases")
    summaries = {name: _summary(found) for name, found in outcomes.items()}
    return {
        "benchmark": "solve",
        "cases": len(cases),
        "max_atoms": max_atoms,
        "samples": samples,
        "given": "formula+cell" if cell_given else "formula",
        "engines": list(engines or ENGINES),
        "until_convinced": engines is None,
        "refine": refine,
        **summaries.pop(SOLVER),
        "rankings": {name: summaries.pop(name) for name in RANKINGS},
        "controls": summaries,
        **provenance(library),
    }


def _best(ranked: Sequence[Candidate], samples: int) -> list[Crystal]:
    """Crystals of the best structures."""
    return [ranked[members[0]].crystal for members in structures(ranked, samples)]


def _otherwise(
    ranked: Sequence[Candidate],
    by: Sequence[str],
    samples: int,
    _task: Task,
    *,
    without: frozenset[str],
) -> list[Crystal]:
    """Of candidates that were found for a task, the best by some features with their weights."""
    del without
    weights = CandidateRanker.shipped().by_name
    worth = [sum(weights[name] * one.features[name] for name in by) for one in ranked]
    order = np.argsort(-np.array(worth), kind="stable")
    return _best([ranked[i] for i in order], samples)


def measured_cases(queries: Path, max_atoms: int) -> Iterator[SolveCase]:
    """Cases of a folder whose truths are ordered and small enough."""
    for case in find_cases(queries):
        truth = truth_of(case).crystal
        one = SolveCase(case.name, read_pattern(case.pattern), truth)
        if truth.is_ordered and one.atoms <= max_atoms:
            yield one


def simulated_cases(
    library: Library, count: int, max_atoms: int, formulas: set[str] | None = None
) -> Iterator[SolveCase]:
    """Crystals of a library at random, each measured as a laboratory would; all other formulas."""
    if not count:
        return
    rng = np.random.default_rng(SEED)
    seen: set[str] = set()
    for row in rng.permutation(len(library)).tolist():
        entry = library.entry(row)
        if formulas is not None and entry.formula not in formulas:
            continue
        if entry.formula in seen or not entry.crystal.is_ordered:
            continue
        rotations, _ = operations_of(entry.space_group_number)
        own = np.random.default_rng([SEED, row])
        pattern = measured_like(entry.crystal, library.lines[row], rotations, own, name=entry.id)
        case = SolveCase(entry.id, pattern, entry.crystal)
        if case.atoms > max_atoms:
            continue
        seen.add(entry.formula)
        yield case
        if len(seen) == count:
            return


def _own(case: SolveCase) -> frozenset[str]:
    """Formulas that are withheld."""
    return frozenset({reduced_formula(case.truth.composition)})


def _groups(case: SolveCase, pool: MouldPool, own: frozenset[str]) -> tuple[str, ...]:
    """What a case is counted under besides `all`."""
    size = next((f"{a}-{b} atoms" for a, b in SIZES if a <= case.atoms <= b), "more atoms")
    wanted = prototype(case.truth)
    moulds = pool.alike(case.truth.composition, most_atoms=4 * case.atoms, without=own)
    known = any(
        one.crystal.space_group_number == case.truth.space_group_number
        and prototype(one.crystal) == wanted
        for one in moulds
    )
    return (
        "prototype_known" if known else UNKNOWN,
        size,
        crystal_system(case.truth.space_group_number),
    )


def retrieved(pool: MouldPool, task: Task, without: frozenset[str], count: int) -> list[Crystal]:
    """Crystals nearest to the pattern in the learned space, elements exchanged, cells as they are.

    What retrieval alone brings: nothing is scaled or fitted.
    """
    library, channel = pool.library, LearnedChannel()
    moulds = pool.alike(task.composition, most_atoms=task.most_atoms, without=without)
    if not moulds:
        return []
    rows = np.array([library.row(one.id) for one in moulds])
    near = library.vectors(channel.id)[rows] @ channel.embed_pattern(task.prepared)[0]
    made = []
    for i in np.argsort(-near, kind="stable")[:count]:
        crystal = moulds[i].crystal
        for partners, _ in assignments(crystal.composition, task.composition)[:1]:
            species = tuple(partners[symbol] for symbol in crystal.species)
            made.append(replace(crystal, species=species))
    return made


def _outcome(
    case: SolveCase,
    way: Callable[[Task], list[Crystal]],
    groups: tuple[str, ...],
    *,
    cell_given: bool,
) -> _Outcome:
    start = perf_counter()
    try:
        prepared = prepare(case.pattern)
        cell = case.truth.cell if cell_given else None
        task = Task(prepared, case.truth.composition, most_atoms=2 * case.atoms, cell=cell)
        crystals = way(task)
    except BraggleError:
        crystals = []
    seconds = perf_counter() - start
    distances = {
        name: [rms_distance(case.truth, one, limits) for one in crystals]
        for name, limits in TOLERANCES.items()
    }
    ranks = {name: _first(found) for name, found in distances.items()}
    right = distances["loose"][0] if crystals else None
    return _Outcome(groups, ranks, right, seconds, len(crystals))


def _first(distances: Sequence[float | None]) -> int:
    return next((i for i, one in enumerate(distances) if one is not None), MISSED)


def _summary(outcomes: list[_Outcome]) -> dict[str, Any]:
    names = dict.fromkeys(group for one in outcomes for group in one.groups)
    return {
        "seconds_a_case": round(float(np.median([one.seconds for one in outcomes])), 2),
        "groups": {name: _group([o for o in outcomes if name in o.groups]) for name in names},
    }


def _group(outcomes: list[_Outcome]) -> dict[str, Any]:
    table: dict[str, Any] = {"cases": len(outcomes)}
    for name in TOLERANCES:
        ranks = np.array([one.ranks[name] for one in outcomes])
        table[name] = {f"match@{k}": round(float((ranks < k).mean()), 4) for k in DEPTHS}
    right = [one.rmse for one in outcomes if one.rmse is not None]
    table["rmse"] = round(float(np.median(right)), 4) if right else None
    return table


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
