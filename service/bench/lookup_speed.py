"""How long a look-up takes, stage by stage, beside the masked cosine over the same entries."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from data.bundled import example_patterns
from data.canonical import Standard
from data.preparation import prepare
from data.reading import read_pattern
from indexer.channel import ReadsAtoms
from indexer.library import Library
from search.searcher import FirstStage, Searcher
from service.bench.masked_cosine import MaskedCosine

RUNS = 5
EMBEDDED = 1000
STAGES: tuple[FirstStage, ...] = ("exhaustive", "physical", "learned")


def lookup_speed(library: Library) -> dict[str, Any]:
    """Wall milliseconds of the bundled patterns, the median of several runs after a first one.

    `times_faster` compares each first stage with the masked cosine, which sees the same entries
    and patterns but no fit.
    """
    searcher = Searcher(library)
    patterns = [read_pattern(path) for path in example_patterns().values()]
    reference = MaskedCosine(library.lines)
    stages: dict[str, list[float]] = {}
    for run in range(RUNS + 1):
        for pattern in patterns:
            timings = dict(searcher.lookup(pattern).timings_ms)
            prepared = searcher.comparable(prepare(pattern))
            for kind in STAGES:
                start = perf_counter()
                searcher.first_stage(prepared, None, kind, 200)
                timings[kind] = 1e3 * (perf_counter() - start)
            start = perf_counter()
            reference.scores(pattern)
            timings["masked_cosine"] = 1e3 * (perf_counter() - start)
            if run:  # the first one loads and compiles
                for stage, spent in timings.items():
                    stages.setdefault(stage, []).append(spent)
    ms = {stage: round(median(times), 2) for stage, times in stages.items()}
    return {
        "entries": len(library),
        "crystals_a_second": _embedding(searcher),
        "median_ms": ms,
        "times_faster": {kind: round(ms["masked_cosine"] / ms[kind], 2) for kind in STAGES},
    }


def _embedding(searcher: Searcher) -> dict[str, int]:
    """Crystals that each channel embeds in a second, after a first few."""
    library = searcher.library
    rows = np.linspace(0, len(library) - 1, min(EMBEDDED, len(library))).astype(np.int64)
    lines = library.lines.take(rows)
    crystals = [Standard.from_stored(entry.crystal) for entry in library.entries(rows)]
    rates = {}
    for name, channel in searcher.channels.items():
        for count in (8, len(rows)):
            start = perf_counter()
            if isinstance(channel, ReadsAtoms):
                channel.embed_crystals(crystals[:count])
            else:
                channel.embed_lines(lines.take(np.arange(count)))
        rates[name] = round(len(rows) / (perf_counter() - start))
    return rates
