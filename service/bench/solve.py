"""`braggle bench solve`: how often a crystal is found that the library does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any

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
from generator.ranking import CandidateRanker
from generator.solver import IN_TURN, Solver, structures
from generator.substitution import SubstitutionEngine
from indexer.encoders.packing import formulas_in
from indexer.learned import LearnedChannel
from indexer.library import Library
from indexer.workers import worked_out
from service.bench.cases import find_cases, truth_of
from service.bench.kept import Kept
from service.bench.provenance import provenance
from service.bench.ranks import MISSED

DEPTHS = (1, 5, 20)
TOLERANCES = {"loose": LOOSE, "strict": STRICT}
SIZES = ((1, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 400))
SEED = 23

Advance = Callable[[int, int | None, str], None]
Way = Callable[[Task], list[Crystal]]
"""A task in, crystals out, best first."""
KNOWN, UNKNOWN, WITHHELD = "prototype_known", "prototype_unknown", "prototype_withheld"
SOLVER, COPY, RETRIEVAL = "solve", "template_copy", "retrieval_only"
ALONE, WITHOUT = "alone ", "without "
"""The same candidates, those of one engine alone or left out."""
RANKINGS = {"by_fit": ("misfit", "unexplained"), "by_embedding": ("dissimilarity",)}
"""The same candidates ranked by some of what the ranking goes by, and nothing else."""


@dataclass(frozen=True, eq=False)
class SolveCase:
    """A pattern and its crystal, of which only pattern and formula are told.

    Attributes:
        name: of the case.
        pattern: as measured, or as if.
        truth: the crystal.
        without: reduced formulas that nothing is made from.
        groups: that the case is counted under.
    """

    name: str
    pattern: Pattern
    truth: Crystal
    without: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()

    @property
    def atoms(self) -> int:
        """In the primitive cell."""
        return len(Standard.from_stored(self.truth).primitive)


@dataclass(frozen=True)
class Outcome:
    """How one way of proposing did in one case."""

    ranks: dict[str, int]
    rmse: float | None
    seconds: float
    samples: int
    first: str = ""
    """Engine that proposed the first crystal, where that is asked for."""


@dataclass(frozen=True)
class _Settings:
    """What all cases have in common; see `bench_solve`."""

    library: Path
    samples: int
    engines: tuple[str, ...] | None
    cell_given: bool
    templates: int
    refine: bool

    @property
    def compared(self) -> tuple[str, ...]:
        """Engines that are compared: those asked, where there are several."""
        return self.engines if self.engines and len(self.engines) > 1 else ()


def bench_solve(
    library: Library,
    *,
    queries: Path | None = None,
    simulated: int = 0,
    crystals: Library | None = None,
    formulas: Path | None = None,
    unknown: bool = False,
    withhold: bool = False,
    max_atoms: int = 20,
    samples: int = 20,
    engines: Sequence[str] | None = None,
    cell_given: bool = False,
    templates: int = 4,
    refine: bool = True,
    workers: int = 1,
    keep: Path | None = None,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Propose crystals for patterns of which the formula is known, and see how many are right.

    Beside it stand two controls that rank nothing: substitution with the cell fitted, by its own
    score, and what retrieval alone brings. Templates of the case's own reduced formula are
    withheld. Cases are told apart by whether another formula's crystal of the truth's prototype
    (`generator.prototype`) is there, or would be.

    Args:
        library: whose crystals may be made use of.
        queries: folder of measured cases; those with ordered truths are taken.
        simulated: so many crystals of the library are taken, too, measured as in a laboratory.
        crystals: another library that these are taken from.
        formulas: file of reduced formulas that these are taken from, as those untrained.
        unknown: only cases whose prototype is not there are taken.
        withhold: crystals of a case's prototype are withheld, too, so that it is not there.
        max_atoms: of the primitive cell, of cases.
        samples: candidates that are looked at.
        engines: that propose; when left out, one after the other until a candidate convinces.
        cell_given: whether the true cell is told, too.
        templates: as of `generator.solver.Solver.solve`.
        refine: likewise.
        workers: processes that take a case at a time.
        keep: file that outcomes are kept in as they come, and that cases are taken from which were
            done before with the same settings, library and withheld formulas.
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
    cases = [with_groups(one, pool, withhold=withhold) for one in cases]
    cases = [one for one in cases if not unknown or KNOWN not in one.groups]
    if not cases:
        raise QueryError(
            f"{queries or library.path}: no case with an ordered crystal of at most {max_atoms} "
            "atoms; raise --max-atoms"
        )
    settings = _Settings(
        library.path, samples, tuple(engines) if engines else None, cell_given, templates, refine
    )
    kept = Kept(keep, {**asdict(settings), "library": [str(library.path), library.version]})
    missing = [one for one in cases if _key(one) not in kept.outcomes]
    for done, outcome in enumerate(_worked(settings, missing, workers)):
        report(len(cases) - len(missing) + done + 1, len(cases), "cases")
        kept.add(_key(missing[done]), {way: asdict(one) for way, one in outcome.items()})
    outcomes = [
        {way: Outcome(**one) for way, one in kept.outcomes[_key(case)].items()} for case in cases
    ]
    groups = [one.groups for one in cases]
    summaries = {
        way: summary_of([one[way] for one in outcomes], groups)
        for way in (SOLVER, *RANKINGS, COPY, RETRIEVAL)
    }
    return {
        "benchmark": "solve",
        "cases": len(cases),
        "max_atoms": max_atoms,
        "samples": samples,
        "given": "formula+cell" if cell_given else "formula",
        "engines": list(engines or IN_TURN),
        "until_convinced": engines is None,
        "prototypes_withheld": withhold,
        "templates": templates,
        "refine": refine,
        **summaries.pop(SOLVER),
        "rankings": {name: summaries.pop(name) for name in RANKINGS},
        "controls": summaries,
        "by_engine": shares_of_engines(settings.compared, outcomes, groups),
        "per_case": told_of_each(cases, outcomes),
        **provenance(library),
    }


def told_of_each(
    cases: Sequence[SolveCase], outcomes: Sequence[Mapping[str, Outcome]]
) -> list[dict[str, Any]]:
    """Each case with its ranks, from 1, by way and tolerance."""
    return [
        {
            "case": case.name,
            "formula": reduced_formula(case.truth.composition),
            "groups": list(case.groups[1:]),
            "seconds": round(outcome[SOLVER].seconds, 1),
            "rank": {
                way: {name: _rank_of(rank) for name, rank in found.ranks.items()}
                for way, found in outcome.items()
            },
        }
        for case, outcome in zip(cases, outcomes, strict=True)
    ]


def shares_of_engines(
    engines: Sequence[str],
    outcomes: Sequence[Mapping[str, Outcome]],
    groups: Sequence[tuple[str, ...]],
) -> dict[str, Any]:
    """What each engine gives: right first answers, what it does alone, what all do without it.

    All three are of the same candidates; nothing is sought again without an engine.

    Args:
        engines: that were all asked.
        outcomes: of each case, by way.
        groups: of each case.
    """
    solved = [one[SOLVER] for one in outcomes]
    right = [one for one in solved if one.ranks["strict"] == 0]
    every = summary_of(solved, groups)["groups"]["all"]
    told: dict[str, Any] = {}
    for engine in engines:
        own = sum(one.first == engine for one in right)
        alone = summary_of([one[ALONE + engine] for one in outcomes], groups)["groups"]["all"]
        rest = summary_of([one[WITHOUT + engine] for one in outcomes], groups)["groups"]["all"]
        told[engine] = {
            "right_first_answers": own,
            "share_of_right_first_answers": round(own / len(right), 4) if right else None,
            "alone": alone,
            "without": rest,
            "lost_without": {
                kind: {
                    depth: round(every[kind][depth] - rest[kind][depth], 4) for depth in every[kind]
                }
                for kind in TOLERANCES
            },
        }
    return told


def _key(case: SolveCase) -> str:
    """Tells cases apart, and what is withheld of them."""
    return " ".join((case.name, *sorted(case.without)))


def _worked(
    settings: _Settings, cases: Sequence[SolveCase], workers: int
) -> Iterator[dict[str, Outcome]]:
    """What became of each case, in order."""
    yield from worked_out(partial(_outcomes, settings), cases, workers)


def _outcomes(settings: _Settings, case: SolveCase) -> dict[str, Outcome]:
    """How every way did, by its name."""
    solver, without, samples = _solver(settings.library), case.without, settings.samples
    ranked: list[Candidate] = []

    def solved(task: Task) -> list[Crystal]:
        ranked.extend(
            solver.candidates(
                task, engines=settings.engines, without=without, refine=settings.refine
            )
        )
        return best_of(ranked, samples)

    def copied(task: Task) -> list[Crystal]:
        engine = SubstitutionEngine(solver.pool, without=without)
        return [one.crystal for one in engine.propose(task, samples)]

    ways: dict[str, Way] = {
        SOLVER: solved,
        **{name: partial(_otherwise, ranked, by, samples) for name, by in RANKINGS.items()},
        COPY: copied,
        RETRIEVAL: lambda task: retrieved(solver.pool, task, without, samples),
    }
    for engine in settings.compared:
        ways[ALONE + engine] = partial(_of_engine, ranked, engine, samples, keeps=True)
        ways[WITHOUT + engine] = partial(_of_engine, ranked, engine, samples, keeps=False)
    found = {name: _outcome(case, way, settings) for name, way in ways.items()}
    if ranked:
        found[SOLVER] = replace(found[SOLVER], first=ranked[0].proposer)
    return found


@cache
def _solver(library: Path) -> Solver:
    return Solver(Library.open(library))


def best_of(ranked: Sequence[Candidate], samples: int) -> list[Crystal]:
    """Crystals of the best structures."""
    return [ranked[members[0]].crystal for members in structures(ranked, samples)]


def _of_engine(
    ranked: Sequence[Candidate], engine: str, samples: int, _task: Task, *, keeps: bool
) -> list[Crystal]:
    """The best of one engine's candidates, or of all others'."""
    return best_of([one for one in ranked if (one.proposer == engine) == keeps], samples)


def _otherwise(
    ranked: Sequence[Candidate], by: Sequence[str], samples: int, _task: Task
) -> list[Crystal]:
    """Of candidates that were found for a task, the best by some features with their weights."""
    weights = CandidateRanker.shipped().by_name
    worth = [sum(weights[name] * one.features[name] for name in by) for one in ranked]
    order = np.argsort(-np.array(worth), kind="stable")
    return best_of([ranked[i] for i in order], samples)


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


def with_groups(case: SolveCase, pool: MouldPool, *, withhold: bool = False) -> SolveCase:
    """The case with what is withheld and what it is counted under."""
    own = frozenset({reduced_formula(case.truth.composition)})
    same = pool.isotypes(case.truth, most_atoms=4 * case.atoms, without=own)
    known = UNKNOWN if not same else WITHHELD if withhold else KNOWN
    size = next((f"{a}-{b} atoms" for a, b in SIZES if a <= case.atoms <= b), "more atoms")
    system = crystal_system(case.truth.space_group_number)
    return replace(
        case,
        without=own | same if withhold else own,
        groups=("all", known, size, system),
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


def _outcome(case: SolveCase, way: Way, settings: _Settings) -> Outcome:
    start = perf_counter()
    try:
        prepared = prepare(case.pattern)
        cell = case.truth.cell if settings.cell_given else None
        task = Task(
            case.truth.composition,
            prepared=prepared,
            most_atoms=2 * case.atoms,
            cell=cell,
            templates=settings.templates,
        )
        crystals = way(task)
    except BraggleError:
        crystals = []
    return outcome_of(case.truth, crystals, perf_counter() - start)


def outcome_of(truth: Crystal, crystals: Sequence[Crystal], seconds: float) -> Outcome:
    """How near crystals, best first, come to the truth."""
    distances = {
        name: [rms_distance(truth, one, limits) for one in crystals]
        for name, limits in TOLERANCES.items()
    }
    ranks = {name: _first(found) for name, found in distances.items()}
    rmse = distances["loose"][0] if crystals else None
    return Outcome(ranks, rmse, seconds, len(crystals))


def _first(distances: Sequence[float | None]) -> int:
    return next((i for i, one in enumerate(distances) if one is not None), MISSED)


def _rank_of(place: int) -> int | None:
    """From 1; None where nothing was right."""
    return None if place == MISSED else place + 1


def summary_of(outcomes: list[Outcome], groups: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """How often one way was right and how long it took, by group of cases."""
    names = dict.fromkeys(group for belongs in groups for group in belongs)
    return {
        "seconds_a_case": round(float(np.median([one.seconds for one in outcomes])), 2),
        "seconds_per_sample": round(
            sum(one.seconds for one in outcomes) / max(sum(one.samples for one in outcomes), 1), 3
        ),
        "groups": {
            name: _group(
                [one for one, belongs in zip(outcomes, groups, strict=True) if name in belongs]
            )
            for name in names
        },
    }


def _group(outcomes: list[Outcome]) -> dict[str, Any]:
    table: dict[str, Any] = {"cases": len(outcomes)}
    for name in TOLERANCES:
        ranks = np.array([one.ranks[name] for one in outcomes])
        table[name] = {f"match@{k}": round(float((ranks < k).mean()), 4) for k in DEPTHS}
    right = [one.rmse for one in outcomes if one.rmse is not None]
    table["rmse"] = round(float(np.median(right)), 4) if right else None
    return table


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
