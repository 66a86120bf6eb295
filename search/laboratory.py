"""Measured-like queries with known answers, fitted as in a look-up: what the ranker learns of.

None is measured. Each is asked once with its crystal in the library and once with everything of
its species and of its composition taken out.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.canonical import operations_of
from data.errors import QueryError
from data.measured_like import Diffractometer, measured_like
from data.preparation import Prepared, prepare
from indexer.library import Library
from search.agreement import Identity, agreement
from search.cell_fit import CellFit, all_freedom
from search.fitted import FINALISTS, Fitted, final_order, fit_entry, fit_rows
from search.kin import kin_of_first, namesakes, same_composition
from search.ranking import (
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

BEGINNING = Ranker(
    (-8.0, -8.0, -3.0, -1.0, -1.5, -0.5), (1.0, 0.0), (0.0,) * len(PRESENCE_FEATURES), 0.5
)
"""Decides, while coefficients are yet to be made, which of an entry's two fits is taken."""

ANOTHER_SAMPLE = Diffractometer(strain=0.005, anisotropic_strain=0.003)
EVERY = 8
"""One query in so many has a cell that differs as those of solid solutions and other temperatures
do."""

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
    """A question after its first step, as it is or with its truth taken out.

    Attributes:
        place: of the question.
        present: whether the truth is there.
        order: alternatives that are asked of, best first. Shape (n,).
        score: of the first step. Shape (n,).
        fits: of the finalists, without their curves.
        strict: which are right. Shape (n,).
    """

    place: int
    present: bool
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
    """What is seen of the entry that is named, the truth being there or taken out.

    Attributes:
        place: of the question.
        seen: as of `presence_features`. Shape (len(PRESENCE_FEATURES),).
        share: of its species, given that the sample is there.
        present: whether it is.
        strict, right: whether the entry is strictly the sample, and whether it is of its species.
    """

    place: int
    seen: _FLOAT
    share: float
    present: bool
    strict: bool
    right: bool


class Laboratory:
    """Queries of crystals drawn evenly over a library, fitted to its entries.

    Attributes:
        library: that was drawn from.
        questions: one a query.
    """

    def __init__(
        self,
        library: Library,
        excluded: set[str],
        count: int,
        seed: int,
        *,
        kept: Path | None = None,
    ) -> None:
        """Draw the queries, or read them where they are kept.

        Args:
            library: to draw from.
            excluded: formulas that are not drawn.
            count: of the queries.
            seed: of the draw.
            kept: file that they are in or go into.

        Raises:
            QueryError: the file holds other queries.
        """
        self.library = library
        self.questions: list[Question] = []
        self._prepared: list[Prepared] = []
        self._fitted: list[Fitted] = []
        self._last: dict[tuple[int, int], CellFit] = {}
        self._kept = kept
        self._drawn = (len(library), library.version, sorted(excluded), count, seed)
        if kept and kept.exists():
            self._read(kept)
            return
        rng = np.random.default_rng(seed)
        searcher = Searcher(library, ranker=BEGINNING)
        for row in rng.permutation(len(library)):
            if len(self.questions) == count:
                break
            if library.entry(int(row)).formula not in excluded:
                self._ask(searcher, int(row), rng)
        self._keep()

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
        self._prepared.append(prepared)
        self._fitted.append(fitted)
        self.questions.append(Question(seen, strict, species, kin))

    def finals(self, weights: _FLOAT) -> list[Final]:
        """Every question with the last fits of its finalists, and again without its truth.

        Args:
            weights: of the first step.
        """
        finals = []
        for place, question in enumerate(self.questions):
            everything = np.ones(len(question.strict), dtype=bool)
            if question.strict.any():
                finals.append(self._final(place, everything, weights, present=True))
            if (~question.withheld).sum() >= FEWEST:
                finals.append(self._final(place, ~question.withheld, weights, present=False))
        self._keep()
        return finals

    def _final(
        self, place: int, among: NDArray[np.bool_], weights: _FLOAT, *, present: bool
    ) -> Final:
        question = self.questions[place]
        rows = np.flatnonzero(among)
        score = question.alternatives[rows] @ weights
        best = np.argsort(-score, kind="stable")
        order, score = rows[best], score[best]
        fits = tuple(self._last_fit(place, int(one)) for one in order[:FINALISTS])
        return Final(place, present, order, score, fits, question.strict[order])

    def _last_fit(self, place: int, alternative: int) -> CellFit:
        """Of one alternative, without its curve."""
        key = place, alternative
        if key not in self._last:
            prepared = self._prepared[place]
            fit = fit_entry(
                prepared, self.library, self._fitted[place], alternative, all_freedom(prepared)
            )
            self._last[key] = replace(fit, calculated=np.zeros(0))
        return self._last[key]

    def call(self, final: Final, weights: _FLOAT) -> Call:
        """What is named in the end.

        Args:
            final: a question after its first step.
            weights: of the second.
        """
        question, fitted = self.questions[final.place], self._fitted[final.place]
        score = final.seen @ weights
        order = final_order(self.library, fitted.rows[final.order], score, len(final.fits))
        alternatives, score = final.order[order], score[order]
        rows, first = fitted.rows[alternatives], alternatives[0]
        kin = kin_of_first(self.library, rows)
        seen = presence_features(
            final.fits[order[0]],
            self.library.lattices[rows[0]],
            int(self.library.space_group_numbers[rows[0]]),
            score,
            kin,
            len(self._prepared[final.place].peaks),
        )
        return Call(
            place=final.place,
            seen=seen,
            share=float(shares(score)[kin].sum()),
            present=final.present,
            strict=final.present and bool(question.strict[first]),
            right=final.present and bool(question.species[first]),
        )

    def _keep(self) -> None:
        if self._kept:
            content = self._drawn, self.questions, self._prepared, self._fitted, self._last
            self._kept.write_bytes(pickle.dumps(content))

    def _read(self, kept: Path) -> None:
        drawn, *content = pickle.loads(kept.read_bytes())  # noqa: S301 - of our own making
        if drawn != self._drawn:
            raise QueryError(
                f"{kept}: holds queries of another library, seed, number or list of formulas; "
                "name another file, or remove this one"
            )
        self.questions, self._prepared, self._fitted, self._last = content
