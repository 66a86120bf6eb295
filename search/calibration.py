"""How the ranker's coefficients are made: from measured-like patterns, none of them measured.

    python -m search.calibration --library LIB [--exclude FORMULAS] [--queries 600]

Crystals of the library are given patterns as a diffractometer would give them. Which entry is the
sample is learned from queries whose crystal is in the library; whether any is, from these and from
the same with the crystal and all of its species taken out.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from data.canonical import operations_of
from data.measured_like import measured_like
from data.preparation import prepare
from indexer.library import Library
from search.agreement import Identity, agreement
from search.choice import likeliest_weights
from search.profile_fit import fit_profiles
from search.ranking import (
    FEATURES,
    PRESENCE_FEATURES,
    Ranker,
    features,
    presence_features,
)
from search.searcher import Searcher

ALTERNATIVES = 120
"""Fitted entries a query that the choice is made among."""
FEWEST = 90
"""Alternatives that must be left when the species is taken out, for the lead to mean anything."""
FOLDS = 5

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Question:
    """One query as the ranker sees it.

    Attributes:
        alternatives: features of the fitted entries. Shape (n, len(FEATURES)).
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
    ranker = estimate(asked)
    content = {
        "weights": dict(zip(FEATURES, np.round(ranker.weights, 4).tolist(), strict=True)),
        "presence": dict(
            zip(PRESENCE_FEATURES, np.round(ranker.presence, 4).tolist(), strict=True)
        ),
        "made_by": "python -m search.calibration",
        "queries": len(asked),
        "seed": options.seed,
        "library_entries": len(library),
        "excluded_formulas": len(excluded),
        "cross_validation": cross_validate(asked),
    }
    options.into.write_text(json.dumps(content, indent=2) + "\n")
    sys.stdout.write(options.into.read_text())


def questions(library: Library, excluded: set[str], count: int, seed: int) -> list[Question]:
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
        notions = [agreement(truth, Identity.of(each.crystal)) for each in library.entries(found)]
        asked.append(
            Question(
                features(fits),
                np.array(["strict" in notion for notion in notions]),
                np.array(["species" in notion for notion in notions]),
                len(prepared.peaks),
            )
        )
    return asked


def estimate(asked: list[Question]) -> Ranker:
    """Maximum likelihood of the right answers to both questions."""
    weights = likeliest_weights([(one.alternatives, one.strict) for one in asked])
    seen, present = _presence_cases(asked, weights)
    # Scaled, so that the regression's own pull towards zero is alike for all; not the constant.
    spread = np.append(seen[:, :-1].std(axis=0), 1.0)
    model = LogisticRegression(C=10.0, fit_intercept=False, max_iter=5000)
    presence = model.fit(seen / spread, present).coef_[0] / spread
    return Ranker(tuple(weights), tuple(presence))


def cross_validate(asked: list[Question]) -> dict[str, float]:
    """Out of sample: right first answers, and how well "nothing" is told from "something"."""
    right, total = 0, 0
    probability: list[float] = []
    truth: list[bool] = []
    for fold in range(FOLDS):
        ranker = estimate([q for i, q in enumerate(asked) if i % FOLDS != fold])
        held = asked[fold::FOLDS]
        for question in held:
            if question.strict.any():
                total += 1
                best = np.argmax(question.alternatives @ np.asarray(ranker.weights))
                right += bool(question.strict[best])
        seen, present = _presence_cases(held, np.asarray(ranker.weights))
        probability.extend(1 / (1 + np.exp(-seen @ np.asarray(ranker.presence))))
        truth.extend(present)
    scores, present = np.array(probability), np.array(truth)
    at_90 = np.quantile(scores[present], 0.1)
    return {
        "first_right_percent": round(100 * right / total, 2),
        "present_called_present_percent": round(100 * float((scores[present] > 0.5).mean()), 2),
        "absent_called_present_percent": round(100 * float((scores[~present] > 0.5).mean()), 2),
        "absent_called_at_90_percent_present": round(
            100 * float((scores[~present] >= at_90).mean()), 2
        ),
        "area_under_curve": round(float(roc_auc_score(present, scores)), 4),
    }


def _presence_cases(asked: list[Question], weights: _FLOAT) -> tuple[_FLOAT, NDArray[np.bool_]]:
    """Every question as it is, and again with its species taken out."""
    cases, present = [], []
    for question in asked:
        for kept, answer in (
            (np.ones(len(question.strict), dtype=bool), True),
            (~question.species, False),
        ):
            if kept.sum() >= FEWEST and (not answer or question.strict.any()):
                alternatives = question.alternatives[kept]
                score = alternatives @ weights
                cases.append(presence_features(alternatives, score, score, question.peaks))
                present.append(answer)
    return np.array(cases), np.array(present)


if __name__ == "__main__":
    main()
