"""`braggle bench robustness`: what the first stages find when cells and patterns get worse."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.canonical import operations_of
from data.errors import BraggleError, QueryError
from data.measured_like import Diffractometer, measured_like
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from data.reading import read_pattern
from indexer.library import Library
from search.agreement import Identity, agreement
from search.searcher import Searcher
from service.bench.cases import Case, find_cases, truth_of
from service.bench.provenance import provenance
from service.bench.ranks import STAGE_HITS, Ranks
from service.bench.stages import FirstStages
from service.bench.truth import Answers, TruthTable
from service.bench.worsening import cut, mixed, moved_lattices, noisy

Kind = Literal["cells", "noise", "impurity", "start", "end", "texture"]

LEVELS: dict[Kind, tuple[float, ...]] = {
    "cells": (0.0, 0.5, 1.0, 2.0),
    "noise": (2.0, 5.0, 10.0),
    "impurity": (20.0, 40.0),
    "start": (20.0, 30.0),
    "end": (50.0,),
    "texture": (0.0, 0.3, 0.6, 1.0),
}
UNITS: dict[Kind, str] = {
    "cells": "% spread of the cells' lengths",
    "noise": "% of the highest count",
    "impurity": "% of the net intensity",
    "start": "° 2θ, first point",
    "end": "° 2θ, last point",
    "texture": "spread of ln r, simulated",
}
SEEDS: dict[Kind, int] = {"cells": 1701, "noise": 1702, "impurity": 1703, "texture": 1704}
"""Every level of a condition draws the same, and more of it counts."""

Advance = Callable[[int, int], None]
Asked = tuple[Answers, Callable[[], Pattern]]
"""What answers a question, and how its pattern is made."""


@dataclass(frozen=True, eq=False)
class Query:
    """A measured pattern that can be asked.

    Attributes:
        name: of its case.
        prepared: the pattern as measured.
        truth: its crystal.
        answers: rows of the library.
    """

    name: str
    prepared: Prepared
    truth: Identity
    answers: Answers


def bench_robustness(
    queries: Path, library: Library, *, count: int | None = None, advance: Advance | None = None
) -> dict[str, Any]:
    """Count strict hits of each first stage alone, by what was made worse and how much.

    Args:
        queries: folder of cases.
        library: to find them in.
        count: cases to take, evenly among all, and crystals to simulate; all cases, and as many
            crystals, when None.
        advance: called with done and total.

    Raises:
        QueryError: no cases, or none that can be read.
    """
    # Before the figures, which take minutes: the code that made them, whatever is edited since.
    made_by = provenance(library)
    cases = find_cases(queries)
    cases = [cases[i] for i in _evenly(len(cases), count)]
    searcher = Searcher(library)
    truths = TruthTable(library)
    asked, unread = _read(cases, searcher, truths)
    if not asked:
        raise QueryError(f"{queries}: no case can be read; the first: {unread[0]['failed']}")
    as_stored = FirstStages.of(searcher)
    rows: list[dict[str, Any]] = []
    total = sum(map(len, LEVELS.values()))
    for kind, levels in LEVELS.items():
        for level in levels:
            if advance:
                advance(len(rows), total)
            stages, missed = as_stored, 0 if kind == "texture" else len(unread)
            if kind == "cells":
                stages = _moved(searcher, truths, level / 100)
            questions = list(_questions(kind, level, asked, library, truths, len(cases)))
            figures = _measured(searcher, stages, questions, missed)
            named = {"condition": kind, "level": level, "unit": UNITS[kind]}
            rows.append({**named, "seed": SEEDS.get(kind), **figures})
    if advance:
        advance(total, total)
    return {
        "benchmark": "robustness",
        "queries": len(cases),
        "unread": unread,
        "stages": list(as_stored.names),
        "conditions": rows,
        **made_by,
    }


def _read(
    cases: Sequence[Case], searcher: Searcher, truths: TruthTable
) -> tuple[list[Query], list[dict[str, str]]]:
    """The cases that can be asked as they are, and why others cannot."""
    asked, unread = [], []
    for case in cases:
        try:
            truth = truth_of(case)
            prepared = prepare(read_pattern(case.pattern))
            searcher.comparable(prepared)
        except BraggleError as error:
            unread.append({"query": case.name, "failed": str(error)})
            continue
        asked.append(Query(case.name, prepared, truth, truths.answers(truth)))
    return asked, unread


def _moved(searcher: Searcher, truths: TruthTable, spread: float) -> FirstStages:
    library = searcher.library
    rng = np.random.default_rng(SEEDS["cells"])
    lattices = moved_lattices(library.lattices, library.space_group_numbers, spread, rng)
    crystals = [identity.crystal for identity in truths.identities]
    return FirstStages.in_cells(searcher, crystals, lattices)


def _questions(
    kind: Kind,
    level: float,
    queries: Sequence[Query],
    library: Library,
    truths: TruthTable,
    crystals: int,
) -> Iterator[Asked]:
    """What is asked under a condition, patterns not made yet."""
    if kind == "texture":
        for row in _evenly(len(library), crystals):
            answers = truths.answers(truths.identities[row])
            yield answers, partial(_simulated, library, truths.identities[row], row, level)
        return
    for query in queries:
        whole = query.prepared.pattern
        if kind == "cells":
            yield query.answers, partial(cut, whole)
        elif kind == "noise":
            yield query.answers, partial(noisy, whole, level / 100, _rng(kind, query))
        elif kind == "impurity":
            other = _another(query, queries)
            if other is not None:
                yield query.answers, partial(mixed, query.prepared, other.prepared, level / 100)
        else:
            side = "first_deg" if kind == "start" else "last_deg"
            yield query.answers, partial(cut, whole, **{side: level})


def _measured(
    searcher: Searcher, stages: FirstStages, questions: Sequence[Asked], missed: int
) -> dict[str, Any]:
    """Strict hits by stage; what cannot be asked is a miss, and so are `missed` more."""
    ranks = Ranks()
    failed = 0
    for answers, make in questions:
        try:
            prepared = searcher.comparable(prepare(make()))
        except BraggleError:
            failed += 1
            continue
        for name, order in stages.orders(prepared, max(STAGE_HITS)).items():
            ranks.note(name, order, answers)
    if questions:
        failed += missed
    for name in stages.names:
        for _ in range(failed):
            ranks.fail(name)
    return {
        "queries": len(questions) + (missed if questions else 0),
        "failed": failed,
        "strict": {name: ranks.table(name, "strict", STAGE_HITS) for name in stages.names},
    }


def _simulated(library: Library, truth: Identity, row: int, texture: float) -> Pattern:
    rotations, _ = operations_of(truth.crystal.space_group_number)
    return measured_like(
        truth.crystal,
        library.lines[row],
        rotations,
        np.random.default_rng([SEEDS["texture"], row]),
        diffractometer=Diffractometer(texture=texture),
        name=library.ids[row],
    )


def _another(query: Query, queries: Sequence[Query]) -> Query | None:
    """Some query whose truth is of another species; None when there is none."""
    order: list[int] = _rng("impurity", query).permutation(len(queries)).tolist()
    for i in order:
        if "species" not in agreement(query.truth, queries[i].truth):
            return queries[i]
    return None


def _rng(kind: Kind, query: Query) -> np.random.Generator:
    """For one query, whatever others there are."""
    return np.random.default_rng([SEEDS[kind], zlib.crc32(query.name.encode())])


def _evenly(total: int, count: int | None) -> list[int]:
    """So many of the numbers from 0 to total - 1, or all."""
    if count is None or count >= total:
        return list(range(total))
    return [int(i) for i in np.linspace(0, total - 1, count).round()]
