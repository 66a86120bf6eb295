"""`braggle bench mixtures`: how often all phases of a mixture are named, and how well weighed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from data.errors import BraggleError
from data.radiation import Radiation
from data.reading import read_pattern
from indexer.catalogue import Filters
from indexer.library import Library
from search.agreement import Identity
from search.result import Mixture, MixturePhase
from search.searcher import Searcher
from service.bench.lookup import Advance, Chemistry
from service.bench.mixture_cases import MixtureCase, TruePhase, find_mixture_cases
from service.bench.provenance import provenance
from service.bench.truth import TruthTable


def bench_mixtures(
    folder: Path,
    library: Library,
    *,
    chemistry: Chemistry = "none",
    phases: int = 4,
    radiation: Radiation | None = None,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Name the phases of every case, and compare with what was weighed in.

    A case is right when every phase of the sample is named and every other phase that is named is
    a trace; those are listed apart. `TruePhase.is_named_by` says when a phase is named.

    Args:
        folder: of cases, as `find_mixture_cases` reads it.
        library: to look up in.
        chemistry: "elements" allows only entries made of the sample's elements.
        phases: most phases tried.
        radiation: of all patterns, whatever their files say; theirs when left out.
        advance: called with done and total.

    Raises:
        QueryError: no cases.
    """
    cases = find_mixture_cases(folder)
    searcher = Searcher(library)
    judge = _Judge(library)
    per_query: list[dict[str, Any]] = []
    for done, case in enumerate(cases):
        if advance:
            advance(done, len(cases))
        filters = Filters(elements=case.elements) if chemistry == "elements" else None
        start, used = perf_counter(), process_time()
        try:
            pattern = read_pattern(case.pattern, radiation=radiation)
            mixtures = searcher.lookup(
                pattern, filters=filters, top=1, overlays=0, phases=phases
            ).mixtures
        except BraggleError as error:
            per_query.append({"query": case.name, "series": case.series, "failed": str(error)})
            continue
        times = {
            "seconds": round(perf_counter() - start, 3),
            "cpu_seconds": round(process_time() - used, 3),
        }
        per_query.append(judge.judged(case, mixtures) | times)
    if advance:
        advance(len(cases), len(cases))
    series = list(dict.fromkeys(one["series"] for one in per_query))
    by_series = {
        name: summary([one for one in per_query if one["series"] == name]) for name in series
    }
    return {
        "benchmark": "mixtures",
        "chemistry": chemistry,
        "phases": phases,
        "radiation": radiation.name if radiation else None,
        **summary(per_query),
        "series": by_series if len(series) > 1 else {},
        **provenance(library),
        "per_query": per_query,
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures over some queries; failed ones count as not right, with all their phases missed."""
    good = [one for one in rows if "failed" not in one]
    named = sum(one["named"] for one in good)
    true = sum(one["true"] for one in good)
    known = [truth["named"] for one in good for truth in one["truth"] if truth["in_library"]]
    found_of_known = sum(known)
    errors = [
        abs(error) for one in good for error in one["weight_errors_percent"] if error is not None
    ]

    def share(key: str) -> float | None:
        return round(sum(one[key] for one in good) / len(rows), 4) if rows else None

    return {
        "queries": len(rows),
        "failed": len(rows) - len(good),
        "all_phases_found@1": share("right"),
        "all_phases_found@3": share("right_among_three"),
        "truth_within_ties": share("right_with_ties"),
        "recall": round(sum(one["matched"] for one in good) / true, 4) if true else None,
        "recall_of_known": round(found_of_known / len(known), 4) if known else None,
        "precision": round(sum(one["matched"] for one in good) / named, 4) if named else None,
        "weight_mae_percent": round(float(np.mean(errors)), 2) if errors else None,
        "weight_worst_percent": round(float(np.max(errors)), 2) if errors else None,
        "weighed_phases": len(errors),
        "traces": sum(len(one["traces"]) for one in good),
        **{
            f"median_{key}": round(float(np.median([one[key] for one in good])), 3)
            if good
            else None
            for key in ("seconds", "cpu_seconds")
        },
    }


class _Judge:
    """Compares answers with truths, reading each entry of the library once."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._identities: dict[str, Identity] = {}
        self._known: dict[str, bool] = {}

    def judged(self, case: MixtureCase, mixtures: Sequence[Mixture]) -> dict[str, Any]:
        first = mixtures[0].phases if mixtures else ()
        plain = self._matches(case.phases, first, ties=False)
        tied = self._matches(case.phases, first, ties=True)
        extra = [i for i in range(len(first)) if i not in plain.values()]
        named = len(first) - sum(first[i].trace for i in extra)
        errors = [
            None
            if truth.weight_percent is None or place not in tied
            else round(first[tied[place]].weight_percent - truth.weight_percent, 2)
            for place, truth in enumerate(case.phases)
        ]
        return {
            "query": case.name,
            "series": case.series,
            "right": self._right(case, first, ties=False),
            "right_with_ties": self._right(case, first, ties=True),
            "right_among_three": any(
                self._right(case, one.phases, ties=False) for one in mixtures[:3]
            ),
            "true": len(case.phases),
            "named": named,
            "matched": len(plain),
            "truth": [
                {
                    "phase": one.label,
                    "weight_percent": one.weight_percent,
                    "in_library": self._is_known(one),
                    "named": place in plain,
                }
                for place, one in enumerate(case.phases)
            ],
            "weight_errors_percent": errors,
            "found": [_shown(phase) for phase in first if not phase.trace],
            "traces": [_shown(first[i]) for i in extra if first[i].trace],
            "rwp_percent": round(mixtures[0].rwp_percent, 2) if mixtures else None,
            "confidence": round(mixtures[0].confidence, 3) if mixtures else None,
            "unexplained_percent": round(mixtures[0].unexplained_percent, 2) if mixtures else None,
        }

    def _is_known(self, truth: TruePhase) -> bool:
        """Whether any entry of the library is the phase."""
        key = truth.label if truth.crystal is None else str(truth.crystal.crystal.cell)
        if key not in self._known:
            if truth.crystal is not None:
                answers = self._table.answers(truth.crystal)
                self._known[key] = bool(answers.right["species"].any())
            else:
                self._known[key] = any(map(truth.is_named_by, self._table.identities))
        return self._known[key]

    @cached_property
    def _table(self) -> TruthTable:
        return TruthTable(self.library)

    def _right(self, case: MixtureCase, found: Sequence[MixturePhase], *, ties: bool) -> bool:
        matched = self._matches(case.phases, found, ties=ties)
        extra = [one for i, one in enumerate(found) if i not in matched.values()]
        return len(matched) == len(case.phases) and all(one.trace for one in extra)

    def _matches(
        self, truths: Sequence[TruePhase], found: Sequence[MixturePhase], *, ties: bool
    ) -> dict[int, int]:
        """For each truth that is named the place of its phase; no phase serves twice."""
        matched: dict[int, int] = {}
        for place, truth in enumerate(truths):
            for i, phase in enumerate(found):
                ids = (phase.id, *(tie.id for tie in phase.ties)) if ties else (phase.id,)
                if i not in matched.values() and any(
                    truth.is_named_by(self._identity(one)) for one in ids
                ):
                    matched[place] = i
                    break
        return matched

    def _identity(self, entry_id: str) -> Identity:
        if entry_id not in self._identities:
            entry = self.library.entry(self.library.row(entry_id))
            self._identities[entry_id] = Identity.of(entry.crystal)
        return self._identities[entry_id]


def _shown(phase: MixturePhase) -> dict[str, Any]:
    return {
        "id": phase.id,
        "formula": phase.formula,
        "space_group": phase.space_group,
        "weight_percent": round(phase.weight_percent, 2),
        "ties": list(dict.fromkeys(f"{tie.formula} {tie.space_group}" for tie in phase.ties)),
    }
