"""How the confidence of mixtures is made: from measured-like mixtures, none of them measured.

    python -m search.mixture.calibration --library LIB [--exclude FORMULAS] [--queries 160]

One to four crystals of the library, mixed by weight, are given a pattern as a diffractometer would
give it, and looked up once: with the sample's elements known or with nothing known, and with all
phases in the library or with every crystal of one phase's species taken out, each in one of two.
So many are asked with a phase missing to learn what that looks like; they count for less, as if
phases were missing as often as `MISSING` supposes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from data.canonical import operations_of
from data.errors import QueryError
from data.measured_like import Part, measured_like_mixture
from indexer.catalogue import Filters
from indexer.entry import Entry
from indexer.library import Library
from search.agreement import (
    SPECIES_COMPOSITION,
    SPECIES_VOLUME,
    Identity,
    agreement,
)
from search.choice import likeliest_weights
from search.coefficients import excluded_by, parser_of, write_coefficients
from search.mixture.confidence import (
    WHETHER,
    WHICH,
    Belief,
    open_features,
    whether_features,
    which_features,
)
from search.mixture.final import weigh
from search.mixture.naming import settled_hypotheses
from search.mixture.ties import Settled
from search.mixture.weighing import cell_mass_dalton
from search.ranking import shares
from search.result import TRACE_PERCENT
from search.searcher import Searcher

MOST = 4
"""Phases of a simulated sample, and that are sought."""
LEAST_PERCENT = 5.0
"""Weight of the least of them."""
MISSING = 0.2
"""Share of samples of which the library is supposed to lack a phase."""
FOLDS = 5
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Edges of the groups of confidence that reliability is told of."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Question:
    """One query with the hypotheses that were found for it.

    Attributes:
        which: features of the hypotheses. Shape (h, len(WHICH)).
        open: what each leaves open. Shape (h, len(WHETHER) - 1).
        right: which of them name every phase of the sample and nothing else, ties in their
            places and traces aside. Shape (h,).
        known: whether the sample's elements were told.
        complete: whether the library has all phases.
    """

    which: _FLOAT
    open: _FLOAT
    right: NDArray[np.bool_]
    known: bool
    complete: bool

    @property
    def kind(self) -> str:
        """How it was asked."""
        return (
            f"{'elements' if self.known else 'none'}, "
            f"{'complete' if self.complete else 'one phase missing'}"
        )


def main() -> None:
    """Make the coefficients and write them beside this file."""
    parser = parser_of(__doc__, Path(__file__).with_name("belief.json"))
    parser.add_argument("--queries", type=int, default=160)
    options = parser.parse_args()
    excluded = excluded_by(options)
    library = Library.open(options.library)
    asked = questions(library, excluded, options.queries, options.seed)
    belief = estimate(asked)
    made = {
        "which": dict(zip(WHICH, np.round(belief.which, 4).tolist(), strict=True)),
        "whether": dict(zip(WHETHER, np.round(belief.whether, 4).tolist(), strict=True)),
        "made_by": "python -m search.mixture.calibration",
        "queries": len(asked),
        "supposed_missing_percent": 100 * MISSING,
        "cross_validation": cross_validate(asked),
    }
    write_coefficients(options, library, excluded, made)


def questions(library: Library, excluded: set[str], count: int, seed: int) -> list[Question]:
    """Measured-like mixtures of crystals drawn evenly over the library."""
    searcher = Searcher(library)
    asked: list[Question] = []
    # A mixture may be of crystals that show no peak where it is measured.
    for attempt in range(3 * count):
        if len(asked) == count:
            break
        rng = np.random.default_rng((seed, attempt))
        question = _question(searcher, excluded, rng)
        if question is not None:
            asked.append(question)
    return asked


def _question(searcher: Searcher, excluded: set[str], rng: np.random.Generator) -> Question | None:
    library = searcher.library
    phases = _drawn(library, excluded, int(rng.integers(1, MOST + 1)), rng)
    if not phases:
        return None
    rows, members = zip(*phases, strict=True)
    count = len(rows)
    spare = 1 - count * LEAST_PERCENT / 100
    weights = LEAST_PERCENT / 100 + spare * rng.dirichlet(np.full(count, 2.0))
    parts = [
        Part(
            member.crystal,
            library.lines[row],
            operations_of(member.space_group_number)[0],
            weight / (cell_mass_dalton(member.crystal) * member.crystal.volume_angstrom3),
        )
        for row, member, weight in zip(rows, members, weights, strict=True)
    ]
    pattern = measured_like_mixture(parts, rng)
    known, complete = bool(rng.integers(2)), bool(rng.integers(2))
    elements = frozenset[str]().union(*(member.crystal.composition for member in members))
    filters = Filters(elements=elements) if known else None
    kept = None
    if not complete:
        gone = species_of(library, rows[int(rng.integers(count))])
        kept = np.setdiff1d(np.arange(len(library)), gone)
    try:
        ranking = searcher.rank(pattern, filters=filters, rows=kept)
    except QueryError:
        return None
    prepared, entries = ranking.prepared, searcher.entries(filters, kept)
    settled = settled_hypotheses(prepared, entries, ranking.rows, MOST)
    hypotheses = [one.hypothesis for one in settled]
    weighed = [weigh(prepared, entries, one, entries.members(one.rows)) for one in hypotheses]
    truths = [Identity.of(member.crystal) for member in members]
    right = [
        _is_right(truths, one, 100 * fit.weights, entries.members)
        for one, fit in zip(settled, weighed, strict=True)
    ]
    return Question(
        which_features(hypotheses),
        open_features(weighed),
        np.array(right, dtype=bool),
        known,
        complete,
    )


def _drawn(
    library: Library, excluded: set[str], count: int, rng: np.random.Generator
) -> list[tuple[int, Entry]]:
    """Rows of different formulas with their entries; none where there are not so many."""
    drawn: dict[str, tuple[int, Entry]] = {}
    for row in rng.permutation(len(library)).tolist():
        if len(drawn) == count:
            break
        entry = library.entry(row)
        if entry.formula not in excluded and len(library.lines[row]):
            drawn.setdefault(entry.formula, (row, entry))
    return list(drawn.values()) if len(drawn) == count else []


def species_of(library: Library, row: int) -> NDArray[np.int64]:
    """Rows that may be of one row's species: its space group, composition and volume an atom.

    Those of its reduced formula are among them whatever their space group.
    """
    compositions = [_fractions(amounts) for amounts in library.compositions]
    own, _ = compositions[row]
    volume = library.volumes / np.array([count for _, count in compositions])
    near = np.abs(volume / volume[row] - 1) <= SPECIES_VOLUME
    near &= library.space_group_numbers == library.space_group_numbers[row]
    same = []
    for other, (fractions, _) in enumerate(compositions):
        apart = max(abs(own.get(e, 0.0) - fractions.get(e, 0.0)) for e in {*own, *fractions})
        if apart < 1e-3 or (near[other] and apart <= SPECIES_COMPOSITION):
            same.append(other)
    return np.array(same, dtype=np.int64)


def _fractions(amounts: dict[str, float]) -> tuple[dict[str, float], float]:
    """Shares of the atoms but hydrogen, and how many they are."""
    heavy = {symbol: n for symbol, n in amounts.items() if symbol != "H"} or amounts
    total = sum(heavy.values())
    return {symbol: n / total for symbol, n in heavy.items()}, total


def _is_right(
    truths: Sequence[Identity],
    settled: Settled,
    percent: _FLOAT,
    members: Callable[[Iterable[int]], tuple[Entry, ...]],
) -> bool:
    """Whether each truth is named in a place of its own, and what is named besides is a trace."""
    free = list(range(len(settled.hypothesis.rows)))
    for truth in truths:
        for place in free:
            alike = members((settled.hypothesis.rows[place], *settled.ties[place]))
            if any("species" in agreement(truth, Identity.of(one.crystal)) for one in alike):
                free.remove(place)
                break
        else:
            return False
    return all(percent[place] < TRACE_PERCENT for place in free)


def weights_of(asked: Sequence[Question]) -> _FLOAT:
    """What each query counts, so that a phase is missing as often as supposed; their mean is 1.

    Where none or all have a phase missing, all count alike. Shape (n,).
    """
    complete = np.array([one.complete for one in asked], dtype=bool)
    share = complete.mean()
    if share in (0.0, 1.0):
        return np.ones(len(asked))
    return np.asarray(np.where(complete, (1 - MISSING) / share, MISSING / (1 - share)))


def estimate(asked: Sequence[Question]) -> Belief:
    """Maximum likelihood of the right answers to both questions."""
    asked = [one for one in asked if len(one.right)]
    which = likeliest_weights([(one.which, one.right) for one in asked])
    belief = Belief(tuple(which), (0.0,) * len(WHETHER))
    seen = np.array([_whether(belief, one) for one in asked])
    right = np.array([one.right.any() for one in asked])
    # Scaled, so that the regression's own pull towards zero is alike for all; not the constant.
    spread = np.append(np.maximum(seen[:, :-1].std(axis=0), 1e-9), 1.0)
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=5000)
    whether = model.fit(seen / spread, right, sample_weight=weights_of(asked)).coef_[0] / spread
    return Belief(belief.which, tuple(whether))


def _whether(belief: Belief, question: Question) -> _FLOAT:
    return whether_features(shares(belief.worth(question.which, question.open)), question.open)


def cross_validate(asked: Sequence[Question]) -> dict[str, Any]:
    """Out of sample: how often the first answers are right, and how sure they were.

    Figures over queries of several kinds count them as `weights_of` does.
    """
    confidence = np.zeros(len(asked))
    right = np.zeros(len(asked), dtype=bool)
    for fold in range(FOLDS):
        belief = estimate([q for i, q in enumerate(asked) if i % FOLDS != fold])
        for i in range(fold, len(asked), FOLDS):
            found = belief.confidences(asked[i].which, asked[i].open)
            if len(found):
                confidence[i], right[i] = found.max(), asked[i].right[np.argmax(found)]
    group = np.clip(np.digitize(confidence, BINS) - 1, 0, len(BINS) - 2)
    kinds = sorted({one.kind for one in asked})
    weight = weights_of(asked)
    of_all = float(np.average(right, weights=weight))
    of_kind = {kind: np.array([one.kind == kind for one in asked]) for kind in kinds}
    return {
        "queries": {kind: int(of_kind[kind].sum()) for kind in kinds},
        "first_right_percent": {kind: _percent(right[of_kind[kind]]) for kind in kinds},
        "mean_confidence_percent": {kind: _percent(confidence[of_kind[kind]]) for kind in kinds},
        "brier": round(float(np.average((confidence - right) ** 2, weights=weight)), 4),
        "brier_of_the_mean": round(float(np.average((of_all - right) ** 2, weights=weight)), 4),
        "reliability": [
            {
                "confidence": f"{low:.1f} to {high:.1f}",
                "queries": int((group == i).sum()),
                "mean_confidence_percent": _percent(confidence[group == i], weight[group == i]),
                "right_percent": _percent(right[group == i], weight[group == i]),
            }
            for i, (low, high) in enumerate(pairwise(BINS))
        ],
    }


def _percent(values: NDArray[Any], weights: _FLOAT | None = None) -> float | None:
    return round(100 * float(np.average(values, weights=weights)), 1) if len(values) else None


if __name__ == "__main__":
    main()
