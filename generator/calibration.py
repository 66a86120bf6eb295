"""How the coefficients of the candidates' ranking are made: from simulated tasks, none measured.

    python -m generator.calibration --library LIB [--exclude FORMULAS] [--tasks 300]

Crystals of the library are given patterns as a diffractometer would give them, their own formulas
are withheld, and candidates are made of the rest. Which of them is right, `StructureMatcher` says.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard, operations_of
from data.measured_like import measured_like
from data.preparation import prepare
from generator.candidate import Task
from generator.matching import rms_distance
from generator.pool import MouldPool
from generator.ranking import FEATURES, features
from generator.substitution import SubstitutionEngine
from indexer.library import Library
from search.choice import likeliest_weights

ALTERNATIVES = 80
"""Candidates a task that the choice is made among."""
MOST_ATOMS = 30
FOLDS = 5
FEWEST_PEAKS = 5

Choice = tuple[NDArray[np.float64], NDArray[np.bool_]]


def main() -> None:
    """Make the coefficients and write them beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--library", required=True, help="a library of the bundled crystals")
    parser.add_argument("--exclude", type=Path, help="reduced formulas that are not to be used")
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", type=Path, default=Path(__file__).with_name("ranker.json"))
    options = parser.parse_args()
    excluded = set(options.exclude.read_text().split()) if options.exclude else set()
    library = Library.open(options.library)
    asked = []
    for choice in choices(library, excluded, options.tasks, options.seed):
        asked.append(choice)
        sys.stderr.write(f"\r{len(asked)} tasks")
    sys.stderr.write("\n")
    content = {
        "weights": dict(zip(FEATURES, np.round(likeliest_weights(asked), 4).tolist(), strict=True)),
        "made_by": "python -m generator.calibration",
        "tasks": len(asked),
        "answered": sum(bool(right.any()) for _, right in asked),
        "seed": options.seed,
        "library_entries": len(library),
        "excluded_formulas": len(excluded),
        "cross_validation": cross_validate(asked),
    }
    options.into.write_text(json.dumps(content, indent=2) + "\n")
    sys.stdout.write(options.into.read_text())


def choices(library: Library, excluded: set[str], count: int, seed: int) -> Iterator[Choice]:
    """Features of candidates and which are right, for crystals drawn evenly over the library."""
    rng = np.random.default_rng(seed)
    pool = MouldPool(library)
    made = 0
    for row in rng.permutation(len(library)).tolist():
        entry = library.entry(row)
        crystal = entry.crystal
        if entry.formula in excluded or not crystal.is_ordered:
            continue
        if len(Standard.from_stored(crystal).primitive) > MOST_ATOMS:
            continue
        other = library.lines[int(rng.integers(len(library)))]
        rotations, _ = operations_of(entry.space_group_number)
        prepared = prepare(
            measured_like(crystal, library.lines[row], rotations, rng, impurity=other)
        )
        if len(prepared.peaks) < FEWEST_PEAKS:
            continue
        task = Task(prepared, crystal.composition, 2 * MOST_ATOMS)
        engine = SubstitutionEngine(pool, without=frozenset({entry.formula}))
        candidates = engine.propose(task, ALTERNATIVES)
        if not candidates:
            continue
        right = [rms_distance(crystal, one.crystal) is not None for one in candidates]
        yield features(task, candidates), np.array(right)
        made += 1
        if made == count:
            return


def cross_validate(asked: list[Choice]) -> dict[str, float]:
    """Share of answered tasks whose first candidate is right: by the ranking, out of sample, by the
    engine's own score, in whose order the candidates come, and by the fit alone.
    """
    by_ranking = by_engine = by_fit = total = 0
    for fold in range(FOLDS):
        weights = likeliest_weights([one for i, one in enumerate(asked) if i % FOLDS != fold])
        for seen, right in asked[fold::FOLDS]:
            if right.any():
                total += 1
                by_ranking += bool(right[np.argmax(seen @ weights)])
                by_engine += bool(right[0])
                by_fit += bool(right[np.argmin(seen[:, 0])])
    return {
        "first_right_percent": round(100 * by_ranking / total, 2),
        "first_right_by_engine_percent": round(100 * by_engine / total, 2),
        "first_right_by_fit_alone_percent": round(100 * by_fit / total, 2),
    }


if __name__ == "__main__":
    main()
