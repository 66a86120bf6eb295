"""`braggle bench scale`: vectors against every entry, where there are very many entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BraggleError, QueryError
from data.lines import LinesTable
from data.preparation import Prepared, prepare
from data.reading import read_pattern
from indexer.channel import ReadsLines
from indexer.learned import LearnedChannel
from indexer.library import Library
from indexer.vectors import VectorIndex, make_index
from search.first_stage import FUSED_DEPTH, SCREENED, StickIndex, screened
from search.profile_fit import fit_profiles
from search.searcher import SHORTLIST, Searcher
from service.bench.cases import find_cases, truth_of
from service.bench.provenance import provenance
from service.bench.ranks import MISSED
from service.bench.truth import TruthTable

DEPTHS = (1, 10, 200)
RESAMPLED = 10_000
EVERY, LEARNED, BOTH = "exhaustive", LearnedChannel.id, "screened"
STAGES = (EVERY, LEARNED, BOTH)
EMBEDDED = 4096
"""Crystals whose vectors are made between two reports of progress."""

Rows = NDArray[np.int64]
Advance = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class _Crowd:
    """Entries of a library and many more, as the first stages see them."""

    lines: LinesTable
    sticks: StickIndex
    channel: ReadsLines
    index: VectorIndex

    def order(self, what: str, prepared: Prepared) -> Rows:
        """The rows that a first stage thinks nearest, best first."""
        if what == EVERY:
            return self.sticks.nearest(prepared, FUSED_DEPTH)
        question = self.channel.embed_pattern(prepared)
        if what == LEARNED:
            return self.index.nearest(question, FUSED_DEPTH)[0]
        near = self.index.nearest(question, SCREENED)[0]
        return screened(StickIndex.of(self.lines.take(near)), prepared, near, FUSED_DEPTH)


def bench_scale(
    queries: Path,
    library: Library,
    distractors: Sequence[Path],
    *,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Look measured patterns up among the library's entries and those of packs.

    Each first stage is timed and its hits counted alone and after the fit; what strict hits @1
    after the fit lose to the comparison with every entry comes with a paired bootstrap.

    Args:
        queries: folder of cases.
        library: that holds the truths.
        distractors: packs of crystals, none of which is a truth.
        advance: called with done, total and the stage.

    Raises:
        QueryError: no cases, a pack that is none, or a library without
            vectors of the learned channel as it is now.
    """
    report = advance or _silent
    cases = find_cases(queries)
    searcher = Searcher(library)
    truths = TruthTable(library)
    crowd = _crowd(searcher, distractors, report)
    ranks: dict[str, list[int]] = {f"{s}{end}": [] for s in STAGES for end in ("", " and fit")}
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    failed = 0
    for done, case in enumerate(cases):
        report(done, len(cases), "queries")
        try:
            right = truths.answers(truth_of(case)).right["strict"]
            prepared = searcher.comparable(prepare(read_pattern(case.pattern)))
        except BraggleError:
            failed += 1
            for noted in ranks.values():
                noted.append(MISSED)
            continue
        for stage in STAGES:
            start = perf_counter()
            rows = crowd.order(stage, prepared)
            times[stage].append(1e3 * (perf_counter() - start))
            ranks[stage].append(_rank(rows, right))
            few = rows[:SHORTLIST]
            fits = fit_profiles(prepared, crowd.lines.take(few))
            score = searcher.ranker.score(fits, np.zeros(len(few)))
            ranks[f"{stage} and fit"].append(_rank(few[np.argsort(-score, kind="stable")], right))
    report(len(cases), len(cases), "queries")
    ms = {stage: round(float(np.median(spent)), 2) for stage, spent in times.items() if spent}
    return {
        "benchmark": "scale",
        "queries": len(cases),
        "failed": failed,
        "entries": len(crowd.lines),
        "strict": {
            what: {f"hit@{k}": round(float((np.array(noted) < k).mean()), 4) for k in DEPTHS}
            for what, noted in ranks.items()
        },
        "median_ms": ms,
        "times_faster": {stage: round(ms[EVERY] / ms[stage], 1) for stage in ms if stage != EVERY},
        "points_lost_at_1": {
            stage: bootstrap(ranks[f"{EVERY} and fit"], ranks[f"{stage} and fit"])
            for stage in STAGES
            if stage != EVERY
        },
        **provenance(library),
    }


def lines_of_pack(path: Path) -> LinesTable:
    """The lines of a pack's crystals, which `indexer.encoders.packing` wrote.

    Raises:
        QueryError: it is no pack.
    """
    try:
        with np.load(path) as pack:
            offsets, hkl = pack["line_offsets"], pack["hkl"]
            reciprocal = np.linalg.inv(pack["lattice"].astype(float)).transpose(0, 2, 1)
            strength = np.exp(pack["log_strength"].astype(np.float32))
    except (OSError, ValueError, KeyError) as error:
        raise QueryError(
            f"{path}: no pack of crystals ({error}); make one with "
            "`python -m indexer.encoders.packing`"
        ) from None
    counts = np.diff(offsets)
    inv_d2 = np.empty(len(hkl), np.float32)
    for row, (start, count) in enumerate(zip(offsets[:-1], counts, strict=True)):
        part = slice(int(start), int(start + count))
        inv_d2[part] = ((hkl[part] @ reciprocal[row]) ** 2).sum(axis=1)
    return LinesTable(offsets, inv_d2, strength, hkl.astype(np.int16))


def joined(tables: Sequence[LinesTable]) -> LinesTable:
    """Tables one after the other."""
    starts = np.cumsum([0, *(table.offsets[-1] for table in tables)])
    parts = [table.offsets[1:] + start for table, start in zip(tables, starts, strict=False)]
    return LinesTable(
        np.concatenate([np.zeros(1, np.int64), *parts]),
        np.concatenate([table.inv_d2 for table in tables]),
        np.concatenate([table.strength for table in tables]),
        np.concatenate([table.hkl for table in tables]),
    )


def bootstrap(reference: list[int], other: list[int], seed: int = 0) -> dict[str, float]:
    """Points of hit@1 that `other` loses, with the limits that hold 95 % of resampled sets."""
    lost = (np.array(reference) < 1).astype(float) - (np.array(other) < 1)
    draws = np.random.default_rng(seed).integers(len(lost), size=(RESAMPLED, len(lost)))
    means = 100 * lost[draws].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "points": round(100 * float(lost.mean()), 2),
        "low": round(float(low), 2),
        "high": round(float(high), 2),
    }


def _crowd(searcher: Searcher, packs: Sequence[Path], report: Advance) -> _Crowd:
    library = searcher.library
    channel = searcher.channels.get(LEARNED)
    if not isinstance(channel, ReadsLines):
        raise QueryError(
            f"{library.path}: no vectors of the channel {LEARNED} as it is now; "
            "`braggle library maintain` makes them"
        )
    lines = joined([library.lines, *(lines_of_pack(pack) for pack in packs)])
    own, every = len(library), len(lines)
    vectors = [library.vectors(LEARNED)]
    for start in range(own, every, EMBEDDED):
        report(start - own, every - own, "vectors")
        rows = np.arange(start, min(start + EMBEDDED, every))
        vectors.append(channel.embed_lines(lines.take(rows)))
    report(every - own, every - own, "index")
    return _Crowd(lines, StickIndex.of(lines), channel, make_index(np.concatenate(vectors)))


def _rank(rows: Rows, right: NDArray[np.bool_]) -> int:
    known = rows < len(right)
    hits = np.flatnonzero(known & right[np.where(known, rows, 0)])
    return int(hits[0]) if len(hits) else MISSED


def _silent(_done: int, _total: int, _stage: str) -> None:
    """Nobody asked for progress."""
