"""How the ranker's coefficients are made: from measured-like patterns, none of them measured.

    python -m search.calibration --library LIB [--exclude FORMULAS] [--queries 600]

Crystals of the library are given patterns as a diffractometer would give them. Which entry is the
sample is learned from queries whose crystal is in the library, once of the quick fits of all and
once more of the finalists' last; whether any is, from these and from the same with everything of
the crystal's species and of its composition taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from data.canonical import operations_of
from data.measured_like import Diffractometer, measured_like
from data.preparation import Prepared, prepare
from indexer.library import Library
from search.agreement import Identity, agreement
from search.cell_fit import CellFit, all_freedom
from search.choice import likeliest_weights
from search.coefficients import excluded_by, parser_of, write_coefficients
from search.fitted import FINALISTS, Fitted, fit_entry, fit_rows
from search.kin import kin_of_first, namesakes, same_composition
from search.mixture.hypothesis import searching_freedom
from search.ranking import (
    FEATURES,
    FINAL_FEATURES,
    PRESENCE_FEATURES,
    Ranker,
    features,
    final_features,
    presence_features,
    shares,
)
from search.searcher import SHORTLIST, Searcher

FEWEST = 90
"""Alternatives that must be left when the truth is taken out, for the lead to mean anything."""
FOLDS = 5

BEGINNING = Ranker(
    (-8.0, -8.0, -3.0, -1.0, -1.5, -0.5), (1.0, 0.0), (0.0,) * len(PRESENCE_FEATURES), 0.5
)
"""Decides, while coefficients are yet to be made, which of an entry's two fits is taken."""

ANOTHER_SAMPLE = Diffractometer(strain=0.005, anisotropic_strain=0.003)
EVERY = 8
"""One query in so many has a cell that differs as those of solid solutions and other temperatures
do."""

KEPT = 0.92
"""Share of the right first entries that are to be called a match."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Question:
    """One query as the ranker sees it.

    Attributes:
        alternatives: features of the fitted entries. Shape (n, len(FEATURES)).
        strict, species: which alternatives are right. Shape (n,) each.
        withheld: which are taken out to ask without the truth: of its species, by composition or
            by name, or of its composition in whatever structure. Shape (n,).
    """

    alternatives: _FLOAT
    strict: NDArray[np.bool_]
    species: NDArray[np.bool_]
    withheld: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Final:
    """A question after its first step.

    Attributes:
        order: alternatives, best first. Shape (n,).
        score: of the first step. Shape (n,).
        fits: of the finalists, without their curves.
        strict: which are right. Shape (n,).
    """

    order: NDArray[np.int64]
    score: _FLOAT
    fits: tuple[CellFit, ...]
    strict: NDArray[np.bool_]

    @property
    def seen(self) -> _FLOAT:
        """Features of the second step. Shape (n, len(FINAL_FEATURES))."""
        return final_features(self.score, self.fits)


@dataclass(frozen=True, eq=False)
class Call:
    """What is seen of the best entry of a question, the truth being there or taken out.

    Attributes:
        seen: as of `presence_features`. Shape (len(PRESENCE_FEATURES),).
        share: of the first entry's species, given that the sample is there.
        present: whether it is.
        right: whether the first entry is of the sample's species.
    """

    seen: _FLOAT
    share: float
    present: bool
    right: bool


class Laboratory:
    """Measured-like queries of crystals drawn evenly over a library, fitted to its entries."""

    def __init__(self, library: Library, excluded: set[str], count: int, seed: int) -> None:
        self.library = library
        self.prepared: list[Prepared] = []
        self.fitted: list[Fitted] = []
        self.questions: list[Question] = []
        rng = np.random.default_rng(seed)
        searcher = Searcher(library, ranker=BEGINNING)
        for row in rng.permutation(len(library)):
            if len(self.questions) == count:
                break
            if library.entry(int(row)).formula not in excluded:
                self._ask(searcher, int(row), rng)

    def _ask(self, searcher: Searcher, row: int, rng: np.random.Generator) -> None:
        library = self.library
        crystal = library.entry(row).crystal
        other = library.lines[int(rng.integers(len(library)))]
        rotations, _ = operations_of(crystal.space_group_number)
        moved = rng.integers(EVERY) == 0
        how = ANOTHER_SAMPLE if moved else None
        pattern = measured_like(
            crystal, library.lines[row], rotations, rng, impurity=other, diffractometer=how
        )
        prepared = prepare(pattern)
        if len(prepared.peaks) < 3:
            return
        found = searcher.first_stage(prepared, None, "auto", SHORTLIST)
        fitted = fit_rows(prepared, library, found, BEGINNING)
        truth = Identity.of(crystal)
        notions = [agreement(truth, Identity.of(each.crystal)) for each in library.entries(found)]
        strict = np.array(["strict" in notion for notion in notions])
        species = np.array(["species" in notion for notion in notions])
        alike = [
            same_composition(library.compositions[row], library.compositions[each])
            for each in found
        ]
        kin = species | np.array(alike) | namesakes(library, np.array([row]), found)
        seen = features(fitted.fits, fitted.distortion)
        self.prepared.append(prepared)
        self.fitted.append(fitted)
        self.questions.append(Question(seen, strict, species, kin))

    def finals(self, weights: _FLOAT) -> list[Final]:
        """Questions that have an answer, with the last fits of the best of the first step."""
        return [
            self._final(place, weights)
            for place, question in enumerate(self.questions)
            if question.strict.any()
        ]

    def _final(self, place: int, weights: _FLOAT) -> Final:
        question, prepared = self.questions[place], self.prepared[place]
        score = question.alternatives @ weights
        order = np.argsort(-score, kind="stable")
        finalists = self.fitted[place].take(order[:FINALISTS])
        freedom = all_freedom(prepared)
        fits = (
            fit_entry(prepared, self.library, finalists, i, freedom) for i in range(len(finalists))
        )
        bare = tuple(replace(fit, calculated=np.zeros(0)) for fit in fits)
        return Final(order, score[order], bare, question.strict[order])

    def calls(self, weights: _FLOAT) -> list[Call]:
        """Every question as it is, and again with its truth taken out."""
        calls = []
        for place, question in enumerate(self.questions):
            for kept, present in (
                (np.ones(len(question.strict), dtype=bool), True),
                (~question.withheld, False),
            ):
                if kept.sum() >= FEWEST and (not present or question.strict.any()):
                    calls.append(self._call(place, kept, weights, present=present))
        return calls

    def _call(self, place: int, kept: NDArray[np.bool_], weights: _FLOAT, *, present: bool) -> Call:
        question, prepared, library = self.questions[place], self.prepared[place], self.library
        rows = np.flatnonzero(kept)
        score = question.alternatives[rows] @ weights
        order = np.argsort(-score, kind="stable")
        rows, score = rows[order], score[order]
        fitted = self.fitted[place].take(rows[:1])
        best = fit_entry(prepared, library, fitted, 0, searching_freedom(prepared))
        kin = kin_of_first(library, self.fitted[place].rows[rows])
        stored = library.lattices[fitted.rows[0]]
        seen = presence_features(best, stored, score, kin, len(prepared.peaks))
        right = present and bool(question.species[rows[0]])
        return Call(seen, float(shares(score)[kin].sum()), present, right)


def main() -> None:
    """Make the coefficients and write them beside this file."""
    parser = parser_of(__doc__, Path(__file__).with_name("ranker.json"))
    parser.add_argument("--queries", type=int, default=600)
    options = parser.parse_args()
    excluded = excluded_by(options)
    library = Library.open(options.library)
    laboratory = Laboratory(library, excluded, options.queries, options.seed)
    weights = weights_of(laboratory.questions)
    finals = laboratory.finals(weights)
    last = final_weights_of(finals)
    calls = laboratory.calls(weights)
    presence = presence_of(calls)
    made = {
        "weights": dict(zip(FEATURES, np.round(weights, 4).tolist(), strict=True)),
        "final": dict(zip(FINAL_FEATURES, np.round(last, 4).tolist(), strict=True)),
        "presence": dict(zip(PRESENCE_FEATURES, np.round(presence, 4).tolist(), strict=True)),
        "match": round(match_from(calls, presence), 4),
        "made_by": "python -m search.calibration",
        "queries": len(laboratory.questions),
        "finals": len(finals),
        "cross_validation": cross_validate(laboratory.questions, finals, calls),
    }
    write_coefficients(options, library, excluded, made)


def weights_of(asked: Sequence[Question]) -> _FLOAT:
    """Maximum likelihood of the right choices."""
    return likeliest_weights([(one.alternatives, one.strict) for one in asked])


def final_weights_of(finals: Sequence[Final]) -> _FLOAT:
    """Maximum likelihood of the right choices among those that the first step ordered."""
    return likeliest_weights([(one.seen, one.strict) for one in finals], prior=np.array([1.0, 0.0]))


def presence_of(calls: Sequence[Call]) -> _FLOAT:
    """Maximum likelihood of presence and absence."""
    seen, present = _laid_out(calls)
    # Scaled, so that the regression's own pull towards zero is alike for all; not the constant.
    spread = np.append(seen[:, :-1].std(axis=0), 1.0)
    model = LogisticRegression(C=10.0, fit_intercept=False, max_iter=5000)
    return np.asarray(model.fit(seen / spread, present).coef_[0] / spread)


def match_from(calls: Sequence[Call], presence: _FLOAT) -> float:
    """Certainty from which `KEPT` of the right first entries are called a match."""
    seen, _ = _laid_out(calls)
    certainty = _logistic(seen @ presence) * [call.share for call in calls]
    return float(np.quantile(certainty[[call.right for call in calls]], 1 - KEPT))


def cross_validate(
    asked: Sequence[Question], finals: Sequence[Final], calls: Sequence[Call]
) -> dict[str, float]:
    """Out of sample: right first answers, and how well "nothing" is told from "something".

    Finalists and calls are those that the coefficients of all questions choose.
    """
    first, total, right = 0, 0, 0
    seen, present = _laid_out(calls)
    probability = np.zeros(len(calls))
    certainty, matched = np.zeros(len(calls)), np.zeros(len(calls), dtype=bool)
    for fold in range(FOLDS):
        weights = weights_of([q for i, q in enumerate(asked) if i % FOLDS != fold])
        for question in asked[fold::FOLDS]:
            if question.strict.any():
                total += 1
                first += bool(question.strict[np.argmax(question.alternatives @ weights)])
        last = final_weights_of([one for i, one in enumerate(finals) if i % FOLDS != fold])
        for one in finals[fold::FOLDS]:
            right += bool(one.strict[np.argmax(one.seen @ last)])
        # Neighbouring calls are of one question.
        held = np.arange(len(calls)) * FOLDS // len(calls) == fold
        others = [call for call, out in zip(calls, held, strict=True) if not out]
        presence = presence_of(others)
        probability[held] = _logistic(seen[held] @ presence)
        certainty[held] = probability[held] * [call.share for call in np.array(calls)[held]]
        matched[held] = certainty[held] >= match_from(others, presence)
    named = np.array([call.right for call in calls])
    return {
        "first_right_percent": round(100 * right / max(len(finals), 1), 2),
        "first_right_before_last_fits_percent": round(100 * first / total, 2),
        "present_called_present_percent": round(
            100 * float((probability[present] > 0.5).mean()), 2
        ),
        "absent_called_present_percent": round(
            100 * float((probability[~present] > 0.5).mean()), 2
        ),
        "area_under_curve": round(float(roc_auc_score(present, probability)), 4),
        "right_called_match_percent": round(100 * float(matched[named].mean()), 2),
        "absent_called_match_percent": round(100 * float(matched[~present].mean()), 2),
    }


def _laid_out(calls: Sequence[Call]) -> tuple[_FLOAT, NDArray[np.bool_]]:
    return np.array([call.seen for call in calls]), np.array([call.present for call in calls])


def _logistic(worth: _FLOAT) -> _FLOAT:
    return np.asarray(1 / (1 + np.exp(-worth)))


if __name__ == "__main__":
    main()
