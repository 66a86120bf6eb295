"""How the coefficients of the candidates' ranking are made: from simulated tasks, none measured.

    python -m generator.calibration --library LIB [--exclude FORMULAS] [--crystals 60]

Crystals of the library, and crystals with elements exchanged whose type is there for that, are
given patterns as a diffractometer would give them, their own formulas are withheld, the engines
propose in turn until a candidate convinces, and the best by the coefficients that there are are
refined, too. Which of them is right, `StructureMatcher` says. Each is sought once with the other
crystals of its type there, and once without. Only structure types that no network was trained on
are taken, lest its verdict be trusted too much.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard, operations_of
from data.crystal import Crystal
from data.diffraction import lines_of
from data.errors import BraggleError
from data.formula import reduced_formula
from data.measured_like import measured_like
from data.preparation import prepare
from generator.candidate import Task
from generator.matching import rms_distance
from generator.ranking import FEATURES, features
from generator.solver import Solver
from indexer.encoders.packing import HELD_OUT, prototype_of
from indexer.encoders.substitution import draw_substitution, substituted
from indexer.library import Library
from indexer.workers import one_a_core, worked_out
from search.choice import likeliest_weights
from search.coefficients import excluded_by, parser_of, write_coefficients

MOST_ATOMS = 24
VARIANTS = 1
"""Crystals with elements exchanged that are made of each; tasks whose structure type is known."""
FOLDS = 5
FEWEST_PEAKS = 5
PRIOR = {
    "misfit": -2.5588,
    "unexplained": -1.8276,
    "dissimilarity": -2.7996,
    "crowding": -0.4846,
    "exchange": -2.227,
}
"""Coefficients from 260 tasks in which substitution alone proposed and nothing was refined."""
STIFFNESS = 0.02

Choice = tuple[NDArray[np.float64], NDArray[np.bool_]]


@dataclass(frozen=True)
class Job:
    """A crystal that is sought in a library, what draws its pattern, and whether its type is there.

    Where it is not, the formulas that have it are withheld, too.
    """

    library: str
    crystal: Crystal
    seed: tuple[int, ...]
    withhold: bool = False


def main() -> None:
    """Make the coefficients and write them beside this file."""
    parser = parser_of(__doc__, Path(__file__).with_name("ranker.json"))
    parser.add_argument("--crystals", type=int, default=60, help="of the library, at most")
    parser.add_argument("--choices", type=Path, help="kept here, and read where it is there")
    options = parser.parse_args()
    excluded = excluded_by(options)
    library = Library.open(options.library)
    jobs = [
        Job(options.library, crystal, (options.seed, i), withhold)
        for withhold in (False, True)
        for i, crystal in enumerate(sought(library, excluded, options.crystals, options.seed))
    ]
    if options.choices and options.choices.exists():
        asked = read_choices(options.choices)
    else:
        asked = _asked(jobs)
        if options.choices:
            write_choices(asked, options.choices)
    weights = np.round(weights_of(asked), 4).tolist()
    made = {
        "weights": dict(zip(FEATURES, weights, strict=True)),
        "made_by": "python -m generator.calibration",
        "prior": PRIOR,
        "stiffness": STIFFNESS,
        "tasks": len(asked),
        "answered": sum(bool(right.any()) for _, right in asked),
        "cross_validation": cross_validate(asked),
    }
    write_coefficients(options, library, excluded, made)


def _asked(jobs: Sequence[Job]) -> list[Choice]:
    """The choices of all jobs that are any."""
    asked: list[Choice] = []
    for done, made in enumerate(worked_out(choice, jobs, one_a_core())):
        asked += [made] if made is not None else []
        sys.stderr.write(f"\r{done + 1} of {len(jobs)} tasks")
    sys.stderr.write("\n")
    return asked


def write_choices(asked: Sequence[Choice], path: Path) -> None:
    """Keep choices, so that coefficients can be made of them again."""
    with path.open("wb") as file:
        np.savez(
            file,
            features=np.concatenate([seen for seen, _ in asked]),
            right=np.concatenate([right for _, right in asked]),
            counts=np.array([len(right) for _, right in asked]),
            names=np.array(FEATURES),
        )


def read_choices(path: Path) -> list[Choice]:
    """Choices that were kept.

    Raises:
        BraggleError: they are of other features than the ranking goes by now.
    """
    with np.load(path) as kept:
        if tuple(kept["names"]) != FEATURES:
            raise BraggleError(f"{path}: choices of other features; make them anew")
        ends = np.cumsum(kept["counts"])[:-1]
        parts = np.split(kept["features"], ends), np.split(kept["right"], ends)
        return list(zip(*parts, strict=True))


def sought(library: Library, excluded: set[str], count: int, seed: int) -> Iterator[Crystal]:
    """Ordered crystals of held-out structure types and variants of them, no formula twice."""
    rng = np.random.default_rng(seed)
    seen = set(excluded)
    for row in rng.permutation(len(library)).tolist():
        if not count:
            return
        entry = library.entry(row)
        if entry.formula in seen or not entry.crystal.is_ordered:
            continue
        atoms = len(Standard.from_stored(entry.crystal).primitive)
        if atoms > MOST_ATOMS or prototype_of(entry.crystal, atoms) % HELD_OUT:
            continue
        count -= 1
        seen.add(entry.formula)
        yield entry.crystal
        for _ in range(VARIANTS):
            exchange = draw_substitution(entry.crystal, rng)
            if exchange is None:
                break
            made = substituted(entry.crystal, exchange, rng)
            formula = reduced_formula(made.composition)
            if formula not in seen:
                seen.add(formula)
                yield made


def choice(job: Job) -> Choice | None:
    """Features of candidates and which are right; None where there is nothing to choose."""
    solver, crystal = _solver(job.library), job.crystal
    library, rng = solver.library, np.random.default_rng(job.seed)
    other = library.lines[int(rng.integers(len(library)))]
    operations = operations_of(crystal.space_group_number)
    lines = lines_of(crystal, d_min_angstrom=library.d_min_angstrom, operations=operations)
    pattern = measured_like(crystal, lines, operations[0], rng, impurity=other)
    prepared = prepare(pattern)
    if len(prepared.peaks) < FEWEST_PEAKS:
        return None
    task = Task(crystal.composition, 2 * MOST_ATOMS, prepared=prepared)
    without = frozenset({reduced_formula(crystal.composition)})
    if job.withhold:
        isotypes = solver.pool.isotypes(crystal, most_atoms=2 * MOST_ATOMS, without=without)
        if not isotypes:
            return None  # it was not there in any case
        without |= isotypes
    candidates = solver.candidates(task, without=without)
    if not candidates:
        return None
    right = [rms_distance(crystal, one.crystal) is not None for one in candidates]
    return features(task, candidates), np.array(right)


@cache
def _solver(library: str) -> Solver:
    return Solver(Library.open(library))


def weights_of(asked: list[Choice]) -> NDArray[np.float64]:
    """Coefficients of all features, few tasks drawing them but a little from `PRIOR`."""
    prior = np.array([PRIOR.get(name, 0.0) for name in FEATURES])
    return likeliest_weights(asked, prior=prior, ridge=STIFFNESS)


def cross_validate(asked: list[Choice]) -> dict[str, float]:
    """Share of answered tasks whose first candidate is right: by the ranking, out of sample, and by
    the fit alone.
    """
    by_ranking = by_fit = total = 0
    for fold in range(FOLDS):
        weights = weights_of([one for i, one in enumerate(asked) if i % FOLDS != fold])
        for seen, right in asked[fold::FOLDS]:
            if right.any():
                total += 1
                by_ranking += bool(right[np.argmax(seen @ weights)])
                by_fit += bool(right[np.argmin(seen[:, 0])])
    return {
        "first_right_percent": round(100 * by_ranking / total, 2),
        "first_right_by_fit_alone_percent": round(100 * by_fit / total, 2),
    }


if __name__ == "__main__":
    main()
