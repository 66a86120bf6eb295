"""Is a library what it says it is? Asked before publishing, and whenever a user asks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.canonical import Standard
from data.diffraction import lines_of
from data.errors import BraggleError, LibraryError
from data.lines import Lines
from indexer.publishing import ChannelStamp, Published
from indexer.schema import (
    CRYSTAL_COLUMNS,
    ENTRIES,
    LINES_COLUMNS,
    SOURCES,
    crystal_of,
    lines_table_of,
    vectors_table,
)
from indexer.tables import Reader
from indexer.templates.storage import holds_templates, known_templates
from indexer.vectors import VectorIndex, cached_index, make_index, read_vectors, save_index

CANARIES = 16
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


def check_before_publishing(path: Path, published: Published) -> None:
    """Refuse to publish a version that is not whole. Leaves its indexes in the cache.

    Raises:
        LibraryError: a check failed; nothing was published.
    """
    reader = Reader(path, published.tables)
    for check in _structure(reader, published):
        _insist(check, path, published)
    for channel in published.channels:
        save_index(path, published, channel, make_index(_stored(reader, channel)))
        _insist(_index(path, reader, published, channel), path, published)


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
        checks.extend(_structure(reader, published))
        checks.extend(_index(path, reader, published, one) for one in published.channels)
        checks.append(_lines(reader, published))
        if holds_templates(reader):
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


def _structure(reader: Reader, published: Published) -> Iterator[Check]:
    ids = reader.table(ENTRIES, ["id"])["id"].combine_chunks()
    distinct = pc.count_distinct(ids).as_py()
    yield Check("unique entries", distinct == len(ids), f"{len(ids)} rows, {distinct} ids")

    with_source = pc.unique(reader.table(SOURCES, ["id"])["id"])
    missing = len(ids) - pc.sum(pc.is_in(ids, value_set=with_source)).as_py()
    strangers = len(with_source) - pc.sum(pc.is_in(with_source, value_set=ids)).as_py()
    yield Check(
        "sources",
        missing == strangers == 0,
        f"{missing} entries without a source, {strangers} sources without an entry",
    )
    for channel in published.channels:
        yield _vectors(reader, channel, ids)
    if holds_templates(reader):
        yield _templates(reader, ids)


def _vectors(reader: Reader, channel: ChannelStamp, ids: pa.Array) -> Check:
    name = f"vectors of {channel.id}"
    table = reader.table(vectors_table(channel.id), ["id", "channel", "version", "sha256"])
    if not table["id"].combine_chunks().equals(ids):
        return Check(name, ok=False, detail=f"{len(table)} rows do not go with {len(ids)} entries")
    made_by = {column: set(pc.unique(table[column]).to_pylist()) for column in table.column_names}
    stamp = {"channel": {channel.id}, "version": {channel.version}, "sha256": {channel.sha256}}
    if any(made_by[column] != value for column, value in stamp.items()):
        return Check(name, ok=False, detail="made by another version of the channel")
    return Check(name, ok=True, detail=f"{len(table)} of version {channel.version}")


def _templates(reader: Reader, ids: pa.Array) -> Check:
    from indexer.templates.verifying import without_members

    templates = known_templates(reader)
    bad = without_members(templates, _rows(ids))
    detail = f"{len(templates) - len(bad)} of {len(templates)} have the members that make them"
    return Check("templates", not bad, detail + (f"; not {', '.join(bad)}" if bad else ""))


def _members_agree(reader: Reader) -> Check:
    """Members of some templates, asked anew."""
    from indexer.templates.verifying import without_agreement, without_members

    rows = _rows(reader.table(ENTRIES, ["id"])["id"])
    templates = known_templates(reader)
    known_bad = without_members(templates, rows)
    whole = [one for one in templates if one.id not in known_bad]
    asked, bad = without_agreement(reader, whole, rows)
    detail = f"{asked - len(bad)} of {asked} agree with their members"
    return Check("template members", not bad, detail + (f"; not {', '.join(bad)}" if bad else ""))


def _rows(ids: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    return {entry_id: row for row, entry_id in enumerate(ids.to_pylist())}


def _index(path: Path, reader: Reader, published: Published, channel: ChannelStamp) -> Check:
    """The index holds Lance's vectors, and finds what exact search finds."""
    name = f"index of {channel.id}"
    stored = _stored(reader, channel)
    batches = reader.batches(vectors_table(channel.id), ["vector"])
    index, warning = cached_index(path, published, channel, batches)
    if warning:
        return Check(name, ok=False, detail=warning)
    if not np.isfinite(stored).all():
        return Check(name, ok=False, detail="a vector holds values that are not finite")
    rows = np.unique(np.linspace(0, len(stored) - 1, CANARIES).astype(np.int64))
    found = sum(_finds(index, stored, row) for row in rows)
    same = len(index) == len(stored) and bool(np.array_equal(index.vectors, stored))
    detail = f"{found} of {len(rows)} canaries found, {len(index)} vectors"
    return Check(name, found == len(rows) and same, detail + ("" if same else " unlike Lance's"))


def _stored(reader: Reader, channel: ChannelStamp) -> NDArray[np.float32]:
    batches = reader.batches(vectors_table(channel.id), ["vector"])
    return read_vectors(batches, channel.dimension)


def _finds(index: VectorIndex, stored: NDArray[np.float32], row: np.int64) -> bool:
    """Whether a row's own vector finds as good a row as exact search does."""
    _, scores = index.nearest(stored[row], 1)
    return bool(abs(scores[0] - (stored @ stored[row]).max()) < 1e-4)


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
