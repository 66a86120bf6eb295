"""How the ranker's coefficients are made: from measured-like patterns, none of them measured.

    python -m search.calibration --library LIB [--exclude FORMULAS] [--queries 600] [--keep FILE]

Crystals of the library are given patterns as a diffractometer would give them. Which entry is the
sample is learned from queries whose crystal is in the library, once of the quick fits of all and
once more of the finalists' last; whether any is, from what the last fits leave open there and
where everything of the crystal's species and of its composition is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from indexer.library import Library
from search.choice import likeliest_weights
from search.coefficients import excluded_by, parser_of, write_coefficients
from search.laboratory import Call, Final, Laboratory, Question
from search.ranking import FEATURES, FINAL_FEATURES, PRESENCE_FEATURES

FOLDS = 5

KEPT = 0.94
"""Share of the right first entries that are to be called a match."""

_FLOAT = NDArray[np.float64]


def main() -> None:
    """Make the coefficients and write them beside this file."""
    parser = parser_of(__doc__, Path(__file__).with_name("ranker.json"))
    parser.add_argument("--queries", type=int, default=600)
    parser.add_argument(
        "--keep", type=Path, help="where queries and their fits are kept, or read if they are"
    )
    options = parser.parse_args()
    excluded = excluded_by(options)
    library = Library.open(options.library)
    laboratory = Laboratory(library, excluded, options.queries, options.seed, kept=options.keep)
    weights = weights_of(laboratory.questions)
    finals = laboratory.finals(weights)
    last = final_weights_of(finals)
    calls = [laboratory.call(one, last) for one in finals]
    presence = presence_of(calls)
    made = {
        "weights": dict(zip(FEATURES, np.round(weights, 4).tolist(), strict=True)),
        "final": dict(zip(FINAL_FEATURES, np.round(last, 4).tolist(), strict=True)),
        "presence": dict(zip(PRESENCE_FEATURES, np.round(presence, 4).tolist(), strict=True)),
        "match": round(match_from(calls, presence), 4),
        "made_by": "python -m search.calibration",
        "queries": len(laboratory.questions),
        "cross_validation": cross_validate(laboratory.questions, finals, calls),
    }
    write_coefficients(options, library, excluded, made)


def weights_of(asked: Sequence[Question]) -> _FLOAT:
    """Maximum likelihood of the right choices."""
    return likeliest_weights([(one.alternatives, one.strict) for one in asked])


def final_weights_of(finals: Sequence[Final]) -> _FLOAT:
    """Maximum likelihood of the right choices among those that the first step ordered."""
    sets = [(one.seen, one.strict) for one in finals if one.present]
    return likeliest_weights(sets, prior=np.array([1.0, 0.0]))


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

    Finalists and calls, one a final, are those that the coefficients of all questions choose;
    a question's are left out together.
    """
    seen, present = _laid_out(calls)
    fold = np.array([call.place % FOLDS for call in calls])
    before, after, answered = 0, 0, [question for question in asked if question.strict.any()]
    probability = np.zeros(len(calls))
    certainty, matched = np.zeros(len(calls)), np.zeros(len(calls), dtype=bool)
    for out in range(FOLDS):
        weights = weights_of([q for i, q in enumerate(asked) if i % FOLDS != out])
        for question in asked[out::FOLDS]:
            before += bool(question.strict[np.argmax(question.alternatives @ weights)])
        held = fold == out
        last = final_weights_of([one for one, aside in zip(finals, held, strict=True) if not aside])
        for one, aside in zip(finals, held, strict=True):
            after += bool(aside and one.present and one.strict[np.argmax(one.seen @ last)])
        others = [call for call, aside in zip(calls, held, strict=True) if not aside]
        presence = presence_of(others)
        probability[held] = _logistic(seen[held] @ presence)
        certainty[held] = probability[held] * [call.share for call in np.array(calls)[held]]
        matched[held] = certainty[held] >= match_from(others, presence)
    right = np.array([call.right for call in calls])
    named = np.array([call.strict for call in calls])[present]
    kept = np.quantile(certainty[right], 0.1)
    return {
        "first_right_before_last_fits_percent": _percent(before / len(answered)),
        "best_of_last_fits_right_percent": _percent(after / len(answered)),
        "first_right_percent": _percent(named.mean()),
        "first_of_right_species_percent": _percent(right[present].mean()),
        "present_called_present_percent": _percent((probability[present] > 0.5).mean()),
        "absent_called_present_percent": _percent((probability[~present] > 0.5).mean()),
        "area_under_curve": round(float(roc_auc_score(present, probability)), 4),
        "right_called_match_percent": _percent(matched[right].mean()),
        "absent_called_match_percent": _percent(matched[~present].mean()),
        "absent_called_match_where_90_percent_kept": _percent((certainty[~present] >= kept).mean()),
    }


def _percent(share: float) -> float:
    return round(100 * float(share), 2)


def _laid_out(calls: Sequence[Call]) -> tuple[_FLOAT, NDArray[np.bool_]]:
    return np.array([call.seen for call in calls]), np.array([call.present for call in calls])


def _logistic(worth: _FLOAT) -> _FLOAT:
    return np.asarray(1 / (1 + np.exp(-worth)))


if __name__ == "__main__":
    main()
