"""Is a library what it says it is? Asked before publishing, and whenever a user asks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.canonical import Standard
from data.diffraction import lines_of
from data.errors import BraggleError, LibraryError
from data.lines import Lines
from indexer.index_cache import cached_index, new_index, overgrown, save_index, stored_vectors
from indexer.publishing import ChannelStamp, Published
from indexer.recall import DEPTH, ENOUGH, nearest_exactly, sample
from indexer.schema import (
    CRYSTAL_COLUMNS,
    ENTRIES,
    INTERVALS,
    LINES_COLUMNS,
    SOURCES,
    crystal_of,
    lines_table_of,
    vectors_table,
)
from indexer.tables import Reader, present, quoted
from indexer.templates.storage import LOG_COLUMNS, TEMPLATES, holds_templates, known_templates
from indexer.vectors import FLAT_UP_TO, VectorIndex

CANARIES, NEAR = 16, 10
FEW_LISTS = 8
"""Of a parted index: a vector is in the list that is nearest to it."""
SAMPLE = 24


@dataclass(frozen=True)
class Check:
    """One question asked of a library, and its answer in a few words."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class VerifyReport:
    """What `Library.verify` found."""

    path: str
    version: int
    entries: int
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)


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
            little is made anew in any case.

    Returns:
        Of each channel's index, the part of the 100 nearest of a sample that it finds.

    Raises:
        LibraryError: a check failed; nothing was published.
    """
    reader = Reader(path, published.tables)
    for check in _structure(reader, published, unchanged):
        _insist(check, path, published)
    if reader.rows(TEMPLATES) > logged:
        ids = reader.table(ENTRIES, ["id"])["id"].combine_chunks()
        _insist(_templates(reader.tail(TEMPLATES, logged, LOG_COLUMNS), ids), path, published)
    recalls: dict[str, float] = {}
    for channel in published.channels:
        vectors_of = partial(stored_vectors, channel, reader)
        index, _ = cached_index(path, published, channel, reader, glance=True)
        recall = index.recall(vectors_of)
        grown = overgrown(index) and (anew or len(index) <= FLAT_UP_TO)
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


def verify(path: Path, published: Published, reader: Reader) -> VerifyReport:
    """Ask everything; damage is an answer here, not an error."""
    checks: list[Check] = [_files(path, reader, published)]
    try:
        checks.extend(_structure(reader, published, 0))
        checks.extend(_index(path, reader, published, one) for one in published.channels)
        checks.append(_lines(reader, published))
        if holds_templates(reader):
            checks.append(_templates(reader.table(TEMPLATES, LOG_COLUMNS)))
            checks.append(_members_agree(reader))
    except LibraryError as error:
        checks.append(Check("readable", ok=False, detail=str(error)))
    return VerifyReport(str(path), published.version, published.entries, tuple(checks))


def hash_files(path: Path, reader: Reader, known: Published | None) -> dict[str, str]:
    """sha256 of every data file; those that `known` names are not read again."""
    before = known.files if known else {}
    return {file: before.get(file) or _sha256(path / file) for file in reader.files()}


def _files(path: Path, reader: Reader, published: Published) -> Check:
    bad = []
    for file in reader.files():
        try:
            if _sha256(path / file) != published.files.get(file):
                bad.append(file)
        except OSError:
            bad.append(file)
    detail = f"altered: {', '.join(bad)}" if bad else f"{len(published.files)} unaltered"
    return Check("data files", not bad, detail)


def _structure(reader: Reader, published: Published, unchanged: int) -> Iterator[Check]:
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


def _templates(log: pa.Table, ids: pa.Array | None = None) -> Check:
    from indexer.templates.verifying import without_members

    bad, total = without_members(log, ids)
    detail = f"{total - len(bad)} of {total} have the members that make them"
    return Check("templates", not bad, detail + (f"; not {', '.join(bad)}" if bad else ""))


def _members_agree(reader: Reader) -> Check:
    """Members of some templates, asked anew."""
    from indexer.templates.verifying import without_agreement, without_members

    ids = reader.table(ENTRIES, ["id"])["id"].combine_chunks()
    rows = {entry_id: row for row, entry_id in enumerate(ids.to_pylist())}
    known_bad, _ = without_members(reader.table(TEMPLATES, LOG_COLUMNS))
    whole = [one for one in known_templates(reader) if one.id not in known_bad]
    asked, bad = without_agreement(reader, whole, rows)
    detail = f"{asked - len(bad)} of {asked} agree with their members"
    return Check("template members", not bad, detail + (f"; not {', '.join(bad)}" if bad else ""))


def _index(path: Path, reader: Reader, published: Published, channel: ChannelStamp) -> Check:
    """The index holds Lance's vectors, and finds what exact search finds."""
    name = f"index of {channel.id}"
    stored = stored_vectors(channel, reader)
    index, warning = cached_index(path, published, channel, reader)
    if warning:
        return Check(name, ok=False, detail=warning)
    if not np.isfinite(stored).all():
        return Check(name, ok=False, detail="a vector holds values that are not finite")
    rows = np.unique(np.linspace(0, len(stored) - 1, CANARIES).astype(np.int64))
    found = sum(_finds(index, stored, row) for row in rows)
    recall = _recall(index, stored)
    same = len(index) == len(stored) and bool(np.array_equal(index.vectors, stored))
    detail = f"{found} of {len(rows)} canaries found, {len(index)} vectors, recall {recall:.4f}"
    if index.delta or index.gone:
        detail += f", {index.delta} of them and {index.gone} gone since the index was made"
    ok = found == len(rows) and same and recall >= ENOUGH
    return Check(name, ok, detail + ("" if same else " unlike Lance's"))


def _recall(index: VectorIndex, stored: NDArray[np.float32]) -> float:
    """Part of the 100 nearest of a sample that the index finds; as near as one of them counts."""
    queries = stored[sample(len(stored))]
    _, scores = nearest_exactly(stored, queries, DEPTH)
    found = [index.nearest(query, DEPTH)[1] for query in queries]
    return float(
        np.mean(
            [
                (one >= exact[-1] - 1e-4).sum() / len(exact)
                for one, exact in zip(found, scores, strict=True)
            ]
        )
    )


def _finds(index: VectorIndex, stored: NDArray[np.float32], row: np.int64) -> bool:
    """Whether a row's own vector finds as good a row as exact search does."""
    _, scores = index.nearest(stored[row], 1)
    return bool(abs(scores[0] - (stored @ stored[row]).max()) < 1e-4)


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


def _lines(reader: Reader, published: Published) -> Check:
    """Lines of some entries, worked out again from their crystals."""
    rows = np.unique(np.linspace(0, published.entries - 1, SAMPLE).astype(np.int64))
    table = reader.take(ENTRIES, rows, ["id", *CRYSTAL_COLUMNS, *LINES_COLUMNS])
    stored = lines_table_of(table.to_batches())
    bad = []
    for i, row in enumerate(table.select(["id", *CRYSTAL_COLUMNS]).to_pylist()):
        try:
            standard = Standard.from_stored(crystal_of(row))
            lines = lines_of(
                standard.crystal,
                d_min_angstrom=published.d_min_angstrom,
                floor=published.floor,
                operations=(standard.rotations, standard.translations),
            )
            same = _same_lines(stored[i], lines)
        except BraggleError:
            same = False
        if not same:
            bad.append(row["id"])
    detail = f"{len(rows) - len(bad)} of {len(rows)} as stored"
    return Check("lines", not bad, detail + (f"; not {', '.join(bad)}" if bad else ""))


def _same_lines(stored: Lines, lines: Lines) -> bool:
    """Whether each of the strongest lines of either has its place and strength in the other."""

    def at(some: Lines, inv_d2: float) -> float:
        return float(some.strength[np.abs(some.inv_d2 - inv_d2) < 1e-5 * inv_d2].sum())

    positions = [
        some.inv_d2[row] for some in (stored, lines) for row in np.argsort(-some.strength)[:20]
    ]
    return all(np.isclose(at(stored, x), at(lines, x), rtol=1e-3) for x in positions)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
