"""Is a version what it should be? Asked before it is published; `verifying` asks everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import LibraryError
from indexer.index_cache import cached_index, new_index, overgrown, save_index, stored_vectors
from indexer.publishing import ChannelStamp, Published, sha256_of
from indexer.recall import ENOUGH
from indexer.schema import (
    ENTRIES,
    INTERVALS,
    SOURCES,
    vectors_table,
)
from indexer.tables import Reader, present, quoted
from indexer.templates.storage import LOG_COLUMNS, TEMPLATES
from indexer.vectors import FLAT_UP_TO, VectorIndex

CANARIES, NEAR = 16, 10
FEW_LISTS = 3
"""Of a parted index: a vector is in the list that is nearest to it."""


@dataclass(frozen=True)
class Check:
    """One question asked of a library, and its answer in a few words.

    Attributes:
        name: of the question.
        ok: whether all is well.
        detail: of the answer.
        remedy: what to do where it is not, if that is less than to build the library anew.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def check_before_publishing(
    path: Path, published: Published, *, unchanged: int, logged: int, anew: bool
) -> dict[str, float]:
    """Refuse to publish a version that is not whole.

    What this asks costs by what changed: the rows that came are looked at, and of the others no
    more than their ids. `verify` asks everything.

    Args:
        path: of the library.
        published: the version.
        unchanged: so many rows, from the first, are those of the version before; 0 where rows
            were taken out or written anew.
        logged: so many rows of the log of templates are those of the version before.
        anew: whether indexes are made anew where much has come or gone, whatever that costs;
            otherwise this is left to `maintain` where it takes long. An index that finds too
            little, or has less than half of the rows, is made anew in any case.

    Returns:
        Of each channel's index, the part of the 100 nearest of a sample that it finds.

    Raises:
        LibraryError: a check failed; nothing was published.
    """
    reader = Reader(path, published.tables)
    for check in structure(reader, published, unchanged):
        _insist(check, path, published)
    if reader.rows(TEMPLATES) > logged:
        ids = reader.table(ENTRIES, ["id"])["id"].combine_chunks()
        _insist(members_there(reader.tail(TEMPLATES, logged, LOG_COLUMNS), ids), path, published)
    recalls: dict[str, float] = {}
    for channel in published.channels:
        vectors_of = partial(stored_vectors, channel, reader)
        index, _ = cached_index(path, published, channel, reader, glance=True)
        recall = index.recall(vectors_of)
        # Of a build that comes in parts, too, most rows have to be in the main index.
        grown = overgrown(index) and (
            anew or len(index) <= FLAT_UP_TO or index.delta > len(index) / 2
        )
        if grown or recall is None or recall < ENOUGH:
            index = new_index(channel, reader)
            save_index(path, published.version, channel, index, reader)
            recall = index.recall(vectors_of)
        check = _canaries(index, reader, channel)
        if not check.ok:
            # A damaged cache is no reason to refuse a version: it is noticed now, and made again.
            index, _ = cached_index(path, published, channel, reader)
            check = _canaries(index, reader, channel)
        _insist(check, path, published)
        found = recall or 0.0
        detail = f"{found:.1%} of the nearest are found, {ENOUGH:.0%} are asked for"
        _insist(Check(f"index of {channel.id}", found >= ENOUGH, detail), path, published)
        recalls[channel.id] = round(found, 4)
    return recalls


def overgrown_indexes(path: Path, published: Published, reader: Reader) -> list[str]:
    """Channels whose main index should be made anew."""
    found = (
        (channel.id, cached_index(path, published, channel, reader, glance=True)[0])
        for channel in published.channels
    )
    return [channel_id for channel_id, index in found if overgrown(index)]


def _insist(check: Check, path: Path, published: Published) -> None:
    if not check.ok:
        raise LibraryError(
            f"{path}: version {published.version} was not published, {check.name}: "
            f"{check.detail}; the version before it stays"
        )


def hash_files(path: Path, reader: Reader, known: Published | None) -> dict[str, str]:
    """sha256 of every data file; those that `known` names are not read again."""
    before = known.files if known else {}
    return {file: before.get(file) or sha256_of(path / file) for file in reader.files()}


def structure(reader: Reader, published: Published, unchanged: int) -> Iterator[Check]:
    """Whether the rows of all tables go together; of the first `unchanged` that is known."""
    ids = reader.table(ENTRIES, ["id"])["id"].combine_chunks()
    new = ids[unchanged:]
    twice = len(new) - pc.count_distinct(new).as_py() + len(present(ids[:unchanged], new))
    detail = f"{len(ids)} rows, {len(ids) - twice} ids"
    yield Check("unique entries", not twice, detail)

    if unchanged:
        of_new = f"id IN ({quoted(new.to_pylist())})"
        with_source = reader.where(SOURCES, of_new, ["id"])["id"] if len(new) else new
        strangers = 0
    else:
        with_source = pc.unique(reader.table(SOURCES, ["id"])["id"])
        strangers = len(with_source) - pc.sum(pc.is_in(with_source, value_set=ids)).as_py()
    missing = len(new) - (pc.sum(pc.is_in(new, value_set=with_source)).as_py() or 0)
    yield Check(
        "sources",
        missing == strangers == 0,
        f"{missing} entries without a source, {strangers} sources without an entry",
    )
    if reader.has(INTERVALS, "id"):
        table = reader.tail(INTERVALS, unchanged, ["id"])
        same = table["id"].combine_chunks().equals(new) and reader.rows(INTERVALS) == len(ids)
        yield Check("intervals", same, f"{len(table)} rows for {len(new)} entries")
    for channel in published.channels:
        yield _vectors(reader, channel, ids, unchanged)


def _vectors(reader: Reader, channel: ChannelStamp, ids: pa.Array, unchanged: int) -> Check:
    name, table_name = f"vectors of {channel.id}", vectors_table(channel.id)
    table = reader.tail(table_name, unchanged, ["id", "channel", "version", "sha256"])
    rows = reader.rows(table_name)
    if rows != len(ids) or not table["id"].combine_chunks().equals(ids[unchanged:]):
        return Check(name, ok=False, detail=f"{rows} rows do not go with {len(ids)} entries")
    made_by = {column: set(pc.unique(table[column]).to_pylist()) for column in table.column_names}
    stamp = {"channel": channel.id, "version": channel.version, "sha256": channel.sha256}
    if any(made_by[column] - {value} for column, value in stamp.items()):
        return Check(name, ok=False, detail="made by another version of the channel")
    return Check(name, ok=True, detail=f"{len(ids)} of version {channel.version}")


def members_there(log: pa.Table, ids: pa.Array | None = None) -> Check:
    """Whether the templates of a log have enough members, and those only that there are."""
    from indexer.templates.verifying import without_members

    bad, total = without_members(log, ids)
    detail = f"{total - len(bad)} of {total} have the members that make them"
    return Check("templates", not bad, detail + (f"; not {', '.join(bad)}" if bad else ""))


def _canaries(index: VectorIndex, reader: Reader, channel: ChannelStamp) -> Check:
    """Rows of the main index and rows that came since find what exact search would find first: a
    vector as near as they are to themselves. What is found has the score that Lance's vectors give.
    """
    name, count = f"index of {channel.id}", len(index)
    if count != reader.rows(vectors_table(channel.id)):
        return Check(name, ok=False, detail=f"{count} vectors are not as many as Lance's")
    of_main, of_delta = (
        np.linspace(first, last - 1, CANARIES).astype(np.int64)
        for first, last in ((0, count), (count - min(index.delta or count, count), count))
    )
    rows = np.unique(np.concatenate([of_main, of_delta]))
    asked = stored_vectors(channel, reader, rows)
    if not np.isfinite(asked).all():
        return Check(name, ok=False, detail="a vector holds values that are not finite")
    answers = [index.nearest(one, NEAR, lists=FEW_LISTS) for one in asked]
    near = np.unique(np.concatenate([found for found, _ in answers]))
    stored = stored_vectors(channel, reader, near)
    right = 0
    for one, (found, scores) in zip(asked, answers, strict=True):
        exact = stored[np.searchsorted(near, found)] @ one
        itself = float(one @ one)
        right += bool(
            len(found) and scores[0] > itself - 1e-4 and np.allclose(scores, exact, atol=1e-4)
        )
    detail = f"{right} of {len(rows)} canaries found, {count} vectors"
    return Check(name, right == len(rows), detail)
