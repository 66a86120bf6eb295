"""How the ranker's coefficients are made: from measured-like patterns, none of them measured.

    python -m search.calibration --library LIB [--exclude FORMULAS] [--queries 600]

Crystals of the library are given patterns as a diffractometer would; each query is asked twice,
with its crystal in the library and with it and all of its species taken out, where the right
answer is "nothing". The coefficients maximise the likelihood of the right answers.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from data.canonical import operations_of
from data.measured_like import measured_like
from data.preparation import prepare
from indexer.library import Library
from search.agreement import Identity, agreement
from search.ranking import FEATURES, features
from search.searcher import Searcher
from search.profile_fit import fit_profiles

ALTERNATIVES = 80
"""Fitted entries a query that the choice is made among."""
RIDGE = 1e-3
FOLDS = 5

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Question:
    """One query as the ranker sees it.

    Attributes:
        alternatives: features of the fitted entries, with the constant and the logarithm of the
            number of peaks of "nothing" left out. Shape (n, len(FEATURES)).
        strict, species: which alternatives are right. Shape (n,) each.
        peaks: measured peaks.
    """

    alternatives: _FLOAT
    strict: NDArray[np.bool_]
    species: NDArray[np.bool_]
    peaks: int


def main() -> None:
    """Make the coefficients and write them beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--library", required=True, help="a library of the bundled crystals")
    parser.add_argument("--exclude", type=Path, help="reduced formulas that are not to be used")
    parser.add_argument("--queries", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", type=Path, default=Path(__file__).with_name("ranker.json"))
    options = parser.parse_args()
    excluded = set(options.exclude.read_text().split()) if options.exclude else set()
    library = Library.open(options.library)
    asked = questions(library, excluded, options.queries, options.seed)
    weights, none, none_by_peaks = estimate(asked)
    report = cross_validate(asked)
    content = {
        "weights": dict(zip(FEATURES, np.round(weights, 4).tolist(), strict=True)),
        "none": round(none, 4),
        "none_by_peaks": round(none_by_peaks, 4),
        "made_by": "python -m search.calibration",
        "queries": len(asked),
        "seed": options.seed,
        "library_entries": len(library),
        "excluded_formulas": len(excluded),
        "cross_validation": report,
    }
    options.into.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(content, indent=2))


def questions(
    library: Library, excluded: set[str], count: int, seed: int
) -> list[Question]:
    """Measured-like queries of crystals drawn evenly over the library."""
    rng = np.random.default_rng(seed)
    searcher = Searcher(library)
    asked: list[Question] = []
    for row in rng.permutation(len(library)):
        if len(asked) == count:
            break
        entry = library.entry(int(row))
        if entry.formula in excluded:
            continue
        own = library.lines[int(row)]
        other = library.lines[int(rng.integers(len(library)))]
        rotations, _ = operations_of(entry.space_group_number)
        pattern = measured_like(entry.crystal, own, rotations, rng, impurity=other)
        prepared = prepare(pattern)
        if len(prepared.peaks) < 3:
            continue
        found = searcher.first_stage(prepared, None, "exhaustive", ALTERNATIVES)
        fits = fit_profiles(prepared, library.lines.take(found))
        truth = Identity.of(entry.crystal)
        notions = [
            agreement(truth, Identity.of(each.crystal)) for each in library.entries(found)
        ]
        asked.append(
            Question(
                features(fits),
                np.array(["strict" in notion for notion in notions]),
                np.array(["species" in notion for notion in notions]),
                len(prepared.peaks),
            )
        )
    return asked


def estimate(asked: list[Question]) -> tuple[_FLOAT, float, float]:
    """Maximum likelihood of the right answers, with a slight pull towards zero."""
    start = np.zeros(len(FEATURES) + 2)
    choices = _Choices.of(asked)
    result = minimize(choices.loss, start, jac=True, method="L-BFGS-B")
    return result.x[:-2], float(result.x[-2]), float(result.x[-1])


def cross_validate(asked: list[Question]) -> dict[str, float]:
    """Share of right first answers, and of "nothing" said when it is so, out of sample."""
    right, sure, quiet, total = 0, 0, 0, 0
    for fold in range(FOLDS):
        trained = estimate([q for i, q in enumerate(asked) if i % FOLDS != fold])
        coefficients = np.array([*trained[0], *trained[1:]])
        for question in asked[fold::FOLDS]:
            if not question.strict.any():
                continue
            worth, nothing = _worth(coefficients, question)
            total += 1
            right += bool(question.strict[np.argmax(worth)])
            sure += bool(_share(worth, nothing)[: len(worth)][question.species].sum() > 0.5)
            left = worth[~question.species]
            quiet += bool(_share(left, nothing)[-1] > 0.5)
    return {
        "first_right_percent": round(100 * right / total, 2),
        "species_sure_percent": round(100 * sure / total, 2),
        "nothing_said_when_so_percent": round(100 * quiet / total, 2),
    }


def _worth(coefficients: _FLOAT, question: Question) -> tuple[_FLOAT, float]:
    worth = question.alternatives @ coefficients[:-2]
    return worth, float(coefficients[-2] + coefficients[-1] * np.log1p(question.peaks))


def _share(worth: _FLOAT, nothing: float) -> _FLOAT:
    """Probabilities of the alternatives, "nothing" last."""
    every = np.append(worth, nothing)
    every = np.exp(every - every.max())
    return np.asarray(every / every.sum())


@dataclass(frozen=True, eq=False)
class _Choices:
    """Every question asked twice, laid end to end: crystal in the library, and taken out.

    Attributes:
        design: alternatives of all choices, "nothing" last in each. Shape (m, len(FEATURES) + 2).
        right: the right answers. Shape (m,).
        starts: first alternative of each choice. Shape (c,).
    """

    design: _FLOAT
    right: NDArray[np.bool_]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, asked: list[Question]) -> _Choices:
        designs, rights = [], []
        width = len(FEATURES)
        for question in asked:
            n = len(question.alternatives)
            design = np.zeros((n + 1, width + 2))
            design[:n, :width] = question.alternatives
            design[n, width:] = 1.0, np.log1p(question.peaks)
            nothing = np.append(np.zeros(n, bool), True)
            if question.strict.any():
                designs.append(design)
                rights.append(np.append(question.strict, False))
            left = np.append(~question.species, True)
            designs.append(design[left])
            rights.append(nothing[left])
        lengths = [len(design) for design in designs]
        starts = np.concatenate([[0], np.cumsum(lengths[:-1])]).astype(np.int64)
        return cls(np.concatenate(designs), np.concatenate(rights), starts)

    def loss(self, coefficients: _FLOAT) -> tuple[float, _FLOAT]:
        """Negative mean log-likelihood with ridge, and its gradient."""
        worth = self.design @ coefficients
        highest = np.maximum.reduceat(worth, self.starts)
        lengths = np.diff(np.append(self.starts, len(worth)))
        share = np.exp(worth - np.repeat(highest, lengths))
        every = np.add.reduceat(share, self.starts)
        chosen = np.maximum(np.add.reduceat(share * self.right, self.starts), 1e-300)
        pull = share * (
            np.repeat(1 / every, lengths) - self.right * np.repeat(1 / chosen, lengths)
        )
        count = len(self.starts)
        loss = -float(np.log(chosen / every).mean()) + RIDGE * float(coefficients @ coefficients)
        return loss, self.design.T @ pull / count + 2 * RIDGE * coefficients


if __name__ == "__main__":
    main()
