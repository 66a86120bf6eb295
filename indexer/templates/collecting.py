"""The templates of a library's entries, all of them anew or those that additions bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from data.canonical import Standard
from indexer.schema import (
    CRYSTAL_COLUMNS,
    ENTRIES,
    INTERVALS_SCHEMA,
    LINES_COLUMNS,
    crystal_of,
    lines_table_of,
)
from indexer.schema import INTERVALS as INTERVALS_TABLE
from indexer.tables import Reader
from indexer.templates.grouping import CLOSE, Group, found, grow
from indexer.templates.pattern import patterns_of, remaining, strongest
from indexer.templates.storage import TEMPLATES_SCHEMA, known_templates, log
from indexer.templates.structure import structure_of
from indexer.templates.template import INTERVALS, Template
from indexer.workers import one_a_core, worked_out

CROWD = 3000
"""Entries of an interval that found templates, at most; the others join. Founding compares all with
all, and this keeps it from growing with the square of a library."""

FEW_NEW = 0.1
"""Where newcomers are less than this part of an interval, only what is near them is looked at."""

CROWD_FOR_FEW = 500
"""Entries of an interval among which so few newcomers found templates, at most: somebody waits."""

BLOCK_ROWS = 1024
"""Entries that are looked at together, in whole intervals."""

ALONE_UP_TO = 50_000
"""Entries that are done before other processes would have started."""

Advance = Callable[[int, int], None]
Part = tuple[int, NDArray[np.int64]]
"""An interval, and rows of its entries."""


def collected(reader: Reader, advance: Advance, workers: int | None = None) -> pa.Table:
    """Rows of the templates of all entries, the same in whatever order the entries come.

    In a crowded interval those with the first ids found them, which are as good as drawn at random.

    Args:
        reader: of the entries.
        advance: called with how many entries are done, of how many.
        workers: processes; by default one a core, and none for few entries.
    """
    intervals = strongest_intervals(reader)
    total = int((intervals >= 0).sum())
    count = workers or (1 if total <= ALONE_UP_TO else one_a_core())
    made: list[Template] = []
    done = 0
    blocks = blocks_of(parts_of(intervals, np.unique(intervals)))
    for looked_at, founded in worked_out(partial(_founded, reader.only(ENTRIES)), blocks, count):
        made.extend(founded)
        done += looked_at
        advance(done, total)
    return log([], made)


def _founded(reader: Reader, parts: Sequence[Part]) -> tuple[int, list[Template]]:
    """How many entries some intervals have, and their templates."""
    made: list[Template] = []
    # Several threads add up in another order, and k-means would not always give the same.
    with threadpool_limits(1):
        for group in groups_of(reader, parts):
            founders = group.first(CROWD)
            founded = grow(founders, found(founders))
            crowded = len(group.ids) > CROWD
            made.extend(grow(group, founded, founding=False) if crowded else founded)
    return sum(len(rows) for _, rows in parts), made


def extended(reader: Reader, first_row: int, advance: Advance) -> tuple[pa.Table, int]:
    """Rows that entries from `first_row` on add to the templates of those before.

    Nothing that was known changes: templates get members, and new ones are founded. In a crowded
    interval, whose entries take long to look at, newcomers join templates and found none.

    Returns:
        The rows, and how many entries came into crowded intervals.
    """
    intervals = strongest_intervals(reader)
    new = np.arange(len(intervals)) >= first_row
    wanted = np.unique(intervals[new])
    before: dict[int, list[Template]] = {}
    for template in known_templates(reader, wanted.tolist()):
        before.setdefault(template.interval, []).append(template)
    sizes = np.bincount(intervals[intervals >= 0], minlength=INTERVALS)
    came = np.bincount(intervals[new & (intervals >= 0)], minlength=INTERVALS)
    few = came < FEW_NEW * sizes
    crowded = sizes > np.where(few, CROWD_FOR_FEW, CROWD)
    seen = intervals.copy()
    for interval in wanted[wanted >= 0]:
        if few[interval]:
            own_rows = np.flatnonzero(intervals == interval)
            near = new[own_rows]
            if not crowded[interval]:
                near = _near_newcomers(reader, own_rows, near, int(interval))
            seen[own_rows] = -1
            seen[own_rows[near]] = interval
    rows = []
    for group in _told(reader, seen, wanted, advance):
        own = before.get(group.interval, [])
        rows.append(log(own, grow(group, own, founding=not crowded[group.interval])))
    table = pa.concat_tables(rows) if rows else TEMPLATES_SCHEMA.empty_table()
    return table, int(came[crowded].sum())


def _near_newcomers(
    reader: Reader, rows: NDArray[np.int64], new: NDArray[np.bool_], interval: int
) -> NDArray[np.bool_]:
    """Which entries of an interval can be in a template that a newcomer founds: those whose pattern
    is close to one that is close to a newcomer's. Shape of `rows`.
    """
    table = reader.take(ENTRIES, rows, LINES_COLUMNS)
    compared = remaining(patterns_of(lines_table_of(table.to_batches())), interval)
    leaders = new | (compared @ compared[new].T >= CLOSE).any(axis=1)
    near: NDArray[np.bool_] = leaders | (compared @ compared[leaders].T >= CLOSE).any(axis=1)
    return near


def strongest_intervals(reader: Reader) -> NDArray[np.int64]:
    """The interval of each entry's strongest peak; -1 where it has none. Shape (entries,)."""
    if reader.has(INTERVALS_TABLE, "interval"):
        column = reader.table(INTERVALS_TABLE, ["interval"])["interval"]
        return np.asarray(column.to_numpy(), dtype=np.int64)
    batches = reader.batches(ENTRIES, LINES_COLUMNS, BLOCK_ROWS)
    parts = [strongest(patterns_of(lines_table_of([batch]))) for batch in batches]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def interval_rows(entries: pa.Table) -> pa.Table:
    """Rows of the table `intervals` for rows of `entries`."""
    found = strongest(patterns_of(lines_table_of(entries.to_batches())))
    columns = [entries["id"].combine_chunks(), pa.array(found.astype(np.int16))]
    return pa.Table.from_arrays(columns, schema=INTERVALS_SCHEMA)


def parts_of(intervals: NDArray[np.int64], wanted: NDArray[np.int64]) -> list[Part]:
    """The wanted intervals with the rows of their entries; those without a line are in none."""
    return [(int(one), np.flatnonzero(intervals == one)) for one in wanted if one >= 0]


def blocks_of(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Intervals that are read together."""
    waiting: list[Part] = []
    for one in parts:
        waiting.append(one)
        if sum(len(rows) for _, rows in waiting) >= BLOCK_ROWS:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _told(
    reader: Reader, intervals: NDArray[np.int64], wanted: NDArray[np.int64], advance: Advance
) -> Iterator[Group]:
    """The groups of the wanted intervals; each is reported after it was used."""
    parts = parts_of(intervals, wanted)
    total, done = sum(len(rows) for _, rows in parts), 0
    with threadpool_limits(1):
        for group in groups_of(reader, parts):
            yield group
            done += len(group.ids)
            advance(done, total)


def groups_of(reader: Reader, parts: Iterable[Part]) -> Iterator[Group]:
    """Entries as templates look at them, an interval at a time."""
    for block in blocks_of(parts):
        yield from _read(reader, block)


def _read(reader: Reader, parts: Sequence[Part]) -> Iterator[Group]:
    rows = np.concatenate([rows for _, rows in parts])
    table = reader.take(ENTRIES, rows, ["id", *CRYSTAL_COLUMNS, *LINES_COLUMNS])
    patterns = patterns_of(lines_table_of(table.to_batches()))
    entries = table.select(["id", *CRYSTAL_COLUMNS]).to_pylist()
    first = 0
    for interval, own in parts:
        order = sorted(range(first, first + len(own)), key=lambda row: str(entries[row]["id"]))
        first += len(own)
        yield Group(
            interval,
            tuple(entries[row]["id"] for row in order),
            patterns[order],
            tuple(
                structure_of(Standard.from_stored(crystal_of(entries[row])).primitive)
                for row in order
            ),
        )
