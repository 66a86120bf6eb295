"""`braggle bench scale`: vectors against every entry, where there are very many entries."""

from __future__ import annotations

from collections.abc import Callable
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
from indexer.library import Library
from indexer.vectors import VectorIndex, make_index
from search.first_stage import StickIndex
from search.fusion import fuse
from search.profile_fit import fit_profiles
from search.searcher import FUSED, FUSED_DEPTH, SHORTLIST, Searcher
from service.bench.cases import find_cases, truth_of
from service.bench.provenance import provenance
from service.bench.ranks import MISSED
from service.bench.truth import TruthTable

DEPTHS = (1, 10, 200)
RESAMPLED = 10_000
EVERY, VECTORS = "exhaustive", "vectors"

Rows = NDArray[np.int64]
Advance = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class _Crowd:
    """Entries of a library and many more, as the first stages see them."""

    lines: LinesTable
    sticks: StickIndex
    channels: dict[str, ReadsLines]
    indexes: dict[str, VectorIndex]

    def order(self, what: str, prepared: Prepared) -> Rows:
        """The rows that a first stage thinks nearest, best first."""
        if what == EVERY:
            score = self.sticks.correlate(prepared)
            depth = min(FUSED_DEPTH, len(score))
            best = np.argpartition(-score, depth - 1)[:depth]
            return best[np.argsort(-score[best], kind="stable")]
        if what == VECTORS:
            return fuse([self.order(name, prepared) for name in self.channels], FUSED_DEPTH)
        questions = self.channels[what].embed_pattern(prepared)
        return self.indexes[what].nearest(questions, FUSED_DEPTH)[0]


def bench_scale(
    queries: Path, library: Library, distractors: Path, *, advance: Advance | None = None
) -> dict[str, Any]:
    """Look measured patterns up among the library's entries and those of a pack.

    Each first stage is timed and its hits counted alone and after the fit; the difference of
    strict hits @1 after the fit between vectors and every entry comes with a paired bootstrap.

    Args:
        queries: folder of cases.
        library: that holds the truths.
        distractors: a pack of crystals, none of which is a truth.
        advance: called with done, total and the stage.

    Raises:
        QueryError: no cases, a pack that is none, or a library without vectors.
    """
    report = advance or _silent
    cases = find_cases(queries)
    searcher = Searcher(library)
    truths = TruthTable(library)
    crowd = _crowd(searcher, lines_of_pack(distractors), report)
    stages = (EVERY, *crowd.channels, VECTORS)
    ranks: dict[str, list[int]] = {f"{s}{end}": [] for s in stages for end in ("", " and fit")}
    times: dict[str, list[float]] = {stage: [] for stage in stages}
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
        for stage in stages:
            start = perf_counter()
            rows = crowd.order(stage, prepared)
            times[stage].append(1e3 * (perf_counter() - start))
            ranks[stage].append(_rank(rows, right))
            few = rows[:SHORTLIST]
            score = searcher.ranker.score(fit_profiles(prepared, crowd.lines.take(few)))
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
            for stage in stages
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


def joined(first: LinesTable, second: LinesTable) -> LinesTable:
    """Two tables one after the other."""
    return LinesTable(
        np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]]),
        np.concatenate([first.inv_d2, second.inv_d2]),
        np.concatenate([first.strength, second.strength]),
        np.concatenate([first.hkl, second.hkl]),
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


def _crowd(searcher: Searcher, extra: LinesTable, report: Advance) -> _Crowd:
    library = searcher.library
    lines = joined(library.lines, extra)
    channels = {
        name: channel
        for name, channel in searcher.channels.items()
        if name in FUSED and isinstance(channel, ReadsLines)
    }
    if not channels:
        raise QueryError(
            f"{library.path}: no vectors of the channels as they are now; "
            "`braggle library maintain` makes them"
        )
    indexes = {}
    part = 4096
    for name, channel in channels.items():
        vectors = [library.vectors(name)]
        for start in range(0, len(extra), part):
            report(start, len(extra), f"vectors of the channel {name}")
            rows = np.arange(start, min(start + part, len(extra)))
            vectors.append(channel.embed_lines(extra.take(rows)))
        indexes[name] = make_index(np.concatenate(vectors))
    return _Crowd(lines, StickIndex.of(lines), channels, indexes)


def _rank(rows: Rows, right: NDArray[np.bool_]) -> int:
    known = rows < len(right)
    hits = np.flatnonzero(known & right[np.where(known, rows, 0)])
    return int(hits[0]) if len(hits) else MISSED


def _silent(_done: int, _total: int, _stage: str) -> None:
    """Nobody asked for progress."""
