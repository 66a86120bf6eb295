"""`braggle bench lookup`: how often a measured pattern finds its crystal, beside a control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import BraggleError
from data.pattern import Pattern
from data.preparation import prepare
from data.reading import read_pattern
from indexer.library import Library
from search.agreement import NOTIONS
from search.searcher import FirstStage, Ranking, Searcher
from service.bench.breakdown import UNREAD_GROUPS, breakdown, groups_of
from service.bench.cases import find_cases, truth_of
from service.bench.masked_cosine import MaskedCosine
from service.bench.provenance import provenance
from service.bench.ranks import MISSED, STAGE_HITS, Ranks
from service.bench.truth import Answers, TruthTable
from service.bench.verdicts import Asked, verdicts

HITS = (1, 5, 10, 50)

Chemistry = Literal["none", "elements"]
Advance = Callable[[int, int], None]
Rows = NDArray[np.int64]


def bench_lookup(
    queries: Path,
    library: Library,
    *,
    chemistry: Chemistry = "none",
    independent: bool = False,
    first_stage: FirstStage = "auto",
    control: bool = True,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Look every case up and count hits, by stage and beside the masked cosine.

    Args:
        queries: folder of cases.
        library: to look up in.
        chemistry: "elements" allows only entries made of the truth's elements.
        independent: leave the truth and entries with its cell out, and count only cases that
            still have a strict equivalent.
        first_stage: as for `Searcher.lookup`.
        control: whether the control runs, too.
        advance: called with done and total.

    Raises:
        QueryError: no cases.
    """
    cases = find_cases(queries)
    searcher = Searcher(library)
    truths = TruthTable(library)
    cosine = MaskedCosine(library.lines) if control else None
    ranks = Ranks()
    per_query: list[dict[str, Any]] = []
    asked: list[Asked] = []
    times: list[float] = []
    failed = 0
    for done, case in enumerate(cases):
        if advance:
            advance(done, len(cases))
        groups = UNREAD_GROUPS
        try:
            truth = truth_of(case)
            answers = truths.answers(truth)
            groups = groups_of(truth, answers, truths.collections)
            allowed = np.ones(len(library), dtype=bool)
            if chemistry == "elements":
                allowed &= truths.made_of(truth)
            if independent:
                allowed &= ~answers.copies
                if not (answers.right["strict"] & allowed).any():
                    continue
            rows = None if allowed.all() else np.flatnonzero(allowed)
            start = perf_counter()
            pattern = read_pattern(case.pattern)
            ranking, seconds = _full(searcher, pattern, rows, first_stage)
        except BraggleError as error:
            failed += 1
            for what in ("all", *_stage_names(searcher), "masked_cosine"):
                ranks.fail(what)
            per_query.append({"query": case.name, **groups, "failed": str(error)})
            continue
        times.append(1e3 * seconds)
        found = ranking.rows
        ranks.note("all", found, answers)
        without = np.flatnonzero(allowed & ~answers.alike)
        other = _full(searcher, pattern, without, first_stage)[0] if len(without) else None
        asked += _asked(searcher, ranking, other, answers)
        for what, order in _stages(searcher, pattern, rows):
            ranks.note(what, order, answers)
        if cosine:
            score = cosine.scores(pattern)
            order = np.argsort(-score, kind="stable")
            ranks.note("masked_cosine", order[allowed[order]], answers)
        per_query.append(
            {
                "query": case.name,
                **groups,
                "seconds": round(perf_counter() - start, 3),
                **{f"rank_{notion}": _rank(ranks.by["all"][notion][-1]) for notion in NOTIONS},
                **_called(searcher, ranking),
                "withheld": _called(searcher, other) if other else None,
            }
        )
    if advance:
        advance(len(cases), len(cases))
    return {
        "benchmark": "lookup",
        "queries": len(per_query),
        "failed": failed,
        "chemistry": chemistry,
        "independent": independent,
        **{notion: ranks.table("all", notion, HITS) for notion in NOTIONS},
        "median_ms": round(float(np.median(times)), 1) if times else None,
        "p95_ms": round(float(np.percentile(times, 95)), 1) if times else None,
        "first_stage": {
            what: {notion: ranks.table(what, notion, STAGE_HITS) for notion in NOTIONS}
            for what in _stage_names(searcher)
        },
        "controls": {
            "masked_cosine": {
                notion: ranks.table("masked_cosine", notion, HITS) for notion in NOTIONS
            }
            if control
            else None
        },
        "breakdown": breakdown(per_query),
        "verdicts": verdicts(asked),
        **provenance(library),
        "per_query": per_query,
    }


def _full(
    searcher: Searcher, pattern: Pattern, rows: Rows | None, first_stage: FirstStage
) -> tuple[Ranking, float]:
    start = perf_counter()
    ranking = searcher.rank(pattern, rows=rows, first_stage=first_stage)
    return ranking, perf_counter() - start


def _asked(
    searcher: Searcher, ranking: Ranking, without: Ranking | None, answers: Answers
) -> list[Asked]:
    """A query as it is, and with its truth taken out where anything is left."""
    return [
        Asked(
            one.certainty,
            searcher.verdict(one) == "match",
            bool(answers.right["species"][one.rows[0]]),
            withheld=one is without,
        )
        for one in (ranking, without)
        if one
    ]


def _called(searcher: Searcher, ranking: Ranking) -> dict[str, Any]:
    """What was answered."""
    first = searcher.library.entry(int(ranking.rows[0]))
    return {
        "verdict": searcher.verdict(ranking),
        "certainty": round(ranking.certainty, 4),
        "first": first.id,
        "first_formula": first.formula,
    }


def _stage_names(searcher: Searcher) -> dict[str, FirstStage]:
    """First stages to measure alone, as results call them; fused is what a look-up does."""
    channels: dict[str, FirstStage] = {name: name for name in searcher.channels}  # type: ignore[misc]
    if channels:
        channels["vectors"] = "vectors"
    return {"exhaustive": "exhaustive", **channels, "fused": "auto"}


def _stages(searcher: Searcher, pattern: Pattern, rows: Rows | None) -> Iterator[tuple[str, Rows]]:
    prepared = searcher.comparable(prepare(pattern))
    for what, kind in _stage_names(searcher).items():
        yield what, searcher.first_stage(prepared, rows, kind, max(STAGE_HITS))


def _rank(rank: int) -> int | None:
    return None if rank == MISSED else rank + 1
