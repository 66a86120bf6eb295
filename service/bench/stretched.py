"""`braggle bench cells`: look-ups among entries whose cells are off, fitted in size and free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import BraggleError
from data.preparation import Prepared, prepare
from data.reading import read_pattern
from indexer.library import Library
from search.fitted import FREED, fit_entries
from search.free_cell import lines_in
from search.searcher import SHORTLIST, Searcher
from service.bench.cases import find_cases, truth_of
from service.bench.provenance import provenance
from service.bench.ranks import Ranks
from service.bench.stages import FirstStages
from service.bench.truth import Answers, TruthTable
from service.bench.worsening import stretched_lattices

CHANGES_PERCENT = (0.0, 1.0, 2.0, 3.0)
"""Of every entry's volume."""
SEED = 1705
WAYS = {"isotropic": 0, "free": FREED}
"""How the likeliest entries' cells are fitted: so many of them free."""
HITS = (1, 10)

Advance = Callable[[int, int], None]


def bench_cells(
    queries: Path, library: Library, *, advance: Advance | None = None
) -> dict[str, Any]:
    """Count strict hits after the fit, by how far the volumes of all entries are off.

    Args:
        queries: folder of cases.
        library: to find them in.
        advance: called with done and total.

    Raises:
        QueryError: no cases.
    """
    made_by = provenance(library)
    searcher, truths = Searcher(library), TruthTable(library)
    asked: list[tuple[Prepared, Answers]] = []
    cases, failed = find_cases(queries), 0
    for case in cases:
        try:
            prepared = searcher.comparable(prepare(read_pattern(case.pattern)))
            asked.append((prepared, truths.answers(truth_of(case))))
        except BraggleError:
            failed += 1
    rows = []
    for done, change in enumerate(CHANGES_PERCENT):
        if advance:
            advance(done, len(CHANGES_PERCENT))
        rows.append(
            {"volume_percent": change, "strict": _hits(searcher, truths, asked, change, failed)}
        )
    if advance:
        advance(len(CHANGES_PERCENT), len(CHANGES_PERCENT))
    return {
        "benchmark": "cells",
        "queries": len(cases),
        "failed": failed,
        "seed": SEED,
        "volumes": rows,
        **made_by,
    }


def _hits(
    searcher: Searcher,
    truths: TruthTable,
    asked: Sequence[tuple[Prepared, Answers]],
    change_percent: float,
    failed: int,
) -> dict[str, dict[str, float]]:
    library = searcher.library
    groups = library.space_group_numbers
    rng = np.random.default_rng(SEED)
    lattices = stretched_lattices(library.lattices, groups, change_percent / 100, rng)
    lines = lines_in(library.lines, lattices)
    crystals = [identity.crystal for identity in truths.identities]
    stages = FirstStages.in_cells(searcher, crystals, lattices)
    ranks = Ranks()
    for prepared, answers in asked:
        found = stages.orders(prepared, SHORTLIST)[stages.names[-1]]
        for way, freed in WAYS.items():
            fitted = fit_entries(
                prepared,
                found,
                lines.take(found),
                lattices[found],
                groups[found],
                searcher.ranker,
                freed=freed,
            )
            ranks.note(way, found[np.argsort(-fitted.score, kind="stable")], answers)
    for way in WAYS:
        for _ in range(failed):
            ranks.fail(way)
    return {way: ranks.table(way, "strict", HITS) for way in WAYS}
