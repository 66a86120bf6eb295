"""One change to a library, from records to a published version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import length_hint
from pathlib import Path

import pyarrow as pa

from data.errors import LibraryError
from data.record import Problem, Record
from indexer.channel import AnyChannel, ReadsAtoms
from indexer.checking import check_before_publishing, hash_files
from indexer.ingest import Chunk, LineSettings, digest_all
from indexer.publishing import (
    ChannelStamp,
    Published,
    one_writer,
    publish,
    read_current,
)
from indexer.schema import (
    CRYSTAL_COLUMNS,
    ENTRIES,
    ENTRIES_SCHEMA,
    LINES_COLUMNS,
    SOURCES,
    SOURCES_SCHEMA,
    crystal_of,
    lines_table_of,
    vectors_schema,
    vectors_table,
)
from indexer.tables import Reader, Writer
from indexer.templates.storage import (
    TEMPLATES,
    TEMPLATES_SCHEMA,
    holds_templates,
    known_templates,
)
from indexer.vectors import drop_old_indexes, vector_rows

Progress = Callable[[int, int | None, str], None]
"""Called with how many are done, of how many (None when that is not known), and the stage."""

BATCH_ROWS = 2048
BATCH_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Change:
    """What a write did.

    Attributes:
        added: new entries.
        merged: records whose crystal was there and that became a further source of it.
        known: records that were there already, crystal and source.
        problems: what could not be read, and why.
    """

    added: int
    merged: int
    known: int
    problems: tuple[Problem, ...]


def write(
    path: Path,
    records: Iterable[Record | Problem],
    channels: Sequence[AnyChannel],
    *,
    fresh: bool,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Change:
    """Add records to the library at `path`, or make its content anew, and publish the result.

    Vectors that another version of a channel made are made again from the stored lines, and so are
    templates that are missing or of another make. When nothing changes, nothing is published.

    Raises:
        LibraryError: the folder cannot be written to, someone else is writing, nothing could be
            read into a fresh library, a channel of the library is not among `channels`, or the
            new version is not whole.
    """
    report = progress or _silent
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(f"{path}: no library can be made here ({error})") from None
    with one_writer(path):
        last = _last_published(path, fresh=fresh)
        writing = _Writing(path, channels, None if fresh else last)
        total = length_hint(records) or None
        done = 0
        report(0, total, "crystals")
        with closing(digest_all(records, writing.settings, workers=workers)) as chunks:
            for chunk in chunks:
                writing.take(chunk)
                done += chunk.read
                report(done, total, "crystals")
        try:
            change = writing.finish(1 + (last.version if last else 0), report)
        except OSError as error:
            raise LibraryError(
                f"{path}: the new version cannot be written ({error}); the one before it stays"
            ) from None
        report(1, 1, "checking")
    return change


@dataclass
class _Writing:
    """The state of a change: what is known, what waits to be written, what was counted."""

    path: Path
    channels: Sequence[AnyChannel]
    base: Published | None
    pending: list[Chunk] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    added: int = 0
    merged: int = 0
    known: int = 0

    def __post_init__(self) -> None:
        self.stamps = tuple(ChannelStamp.of(channel) for channel in self.channels)
        self.settings = LineSettings()
        self.writer = Writer(self.path)
        self.ids: set[str] = set()
        self.keys: set[tuple[str, str, str]] = set()
        self.changed = self.base is None
        self.templates_up_to = 0
        if self.base is None:
            self.writer.start(ENTRIES, ENTRIES_SCHEMA)
            self.writer.start(TEMPLATES, TEMPLATES_SCHEMA)
            self.writer.start(SOURCES, SOURCES_SCHEMA)
            for stamp in self.stamps:
                self.writer.start(vectors_table(stamp.id), vectors_schema(stamp.dimension))
        else:
            self._continue(self.base)

    def _continue(self, base: Published) -> None:
        given = {stamp.id for stamp in self.stamps}
        for stored in base.channels:
            if stored.id not in given:
                raise LibraryError(
                    f"{self.path}: the library has vectors of channel {stored.id}, which is not "
                    "at hand to make those of new entries; install what it needs"
                )
        self.settings = LineSettings(base.d_min_angstrom, base.floor)
        reader = Reader(self.path, base.tables)
        self.ids.update(reader.table(ENTRIES, ["id"])["id"].to_pylist())
        keys = reader.table(SOURCES, ["id", "collection", "identifier"])
        self.keys.update(zip(*(column.to_pylist() for column in keys.columns), strict=True))
        self.writer.rewind(ENTRIES, base.tables[ENTRIES])
        self.writer.rewind(SOURCES, base.tables[SOURCES])
        if holds_templates(reader):
            self.writer.rewind(TEMPLATES, base.tables[TEMPLATES])
            self.templates_up_to = base.entries
        else:
            self.changed = True
            self.writer.start(TEMPLATES, TEMPLATES_SCHEMA)
        for channel, stamp in zip(self.channels, self.stamps, strict=True):
            name = vectors_table(stamp.id)
            if stamp in base.channels:
                self.writer.rewind(name, base.tables[name])
                continue
            self.changed = True
            self.writer.start(name, vectors_schema(stamp.dimension))
            columns = CRYSTAL_COLUMNS if isinstance(channel, ReadsAtoms) else LINES_COLUMNS
            for batch in reader.batches(ENTRIES, ["id", *columns], BATCH_ROWS):
                self._embed(channel, stamp, pa.Table.from_batches([batch]))

    def take(self, chunk: Chunk) -> None:
        """Keep what is new of a chunk, and write when enough has gathered."""
        self.problems.extend(chunk.problems)
        keys = zip(
            *(chunk.sources[name].to_pylist() for name in ("id", "collection", "identifier")),
            strict=True,
        )
        new_entry, new_source = [], []
        for key in keys:
            new_entry.append(key[0] not in self.ids)
            new_source.append(key not in self.keys)
            self.ids.add(key[0])
            self.keys.add(key)
        self.added += sum(new_entry)
        self.merged += sum(new_source) - sum(new_entry)
        self.known += len(new_source) - sum(new_source)
        self.pending.append(
            Chunk(
                chunk.read,
                chunk.entries.filter(pa.array(new_entry, pa.bool_())),
                chunk.sources.filter(pa.array(new_source, pa.bool_())),
                (),
            )
        )
        rows = sum(one.entries.num_rows for one in self.pending)
        size = sum(one.entries.nbytes for one in self.pending)
        if rows >= BATCH_ROWS or size >= BATCH_BYTES:
            self._flush()

    def finish(self, version: int, report: Progress) -> Change:
        """Write the rest, check the whole, and make it what readers see."""
        self._flush()
        change = Change(self.added, self.merged, self.known, tuple(self.problems))
        if not self.changed:
            return change
        if not self.ids:
            raise LibraryError(
                f"{self.path}: no crystal could be read, so no library was made; "
                + (
                    f"the first of {len(self.problems)} problems: {self.problems[0]}"
                    if self.problems
                    else "name a source that holds crystals"
                )
            )
        self._collect_templates(report)
        report(0, 1, "checking")
        publish_written(
            self.path, self.writer, version, self.stamps, self.settings, before=self.base
        )
        return change

    def _flush(self) -> None:
        if not self.pending:
            return
        entries = pa.Table.from_batches([one.entries for one in self.pending])
        sources = pa.Table.from_batches([one.sources for one in self.pending])
        self.pending.clear()
        if sources.num_rows == 0:
            return
        self.changed = True
        self.writer.append(ENTRIES, entries)
        self.writer.append(SOURCES, sources)
        for channel, stamp in zip(self.channels, self.stamps, strict=True):
            self._embed(channel, stamp, entries)

    def _collect_templates(self, report: Progress) -> None:
        if self.templates_up_to == len(self.ids):
            return
        from indexer.templates.collecting import collected, extended

        reader = Reader(self.path, self.writer.versions())

        def advance(done: int, total: int) -> None:
            report(done, total, "templates")

        if self.templates_up_to == 0:
            rows = collected(reader, advance)
        else:
            rows = extended(reader, known_templates(reader), self.templates_up_to, advance)
        self.writer.append(TEMPLATES, rows)

    def _embed(self, channel: AnyChannel, stamp: ChannelStamp, entries: pa.Table) -> None:
        if entries.num_rows == 0:
            return
        if isinstance(channel, ReadsAtoms):
            rows = entries.select(CRYSTAL_COLUMNS).to_pylist()
            vectors = channel.embed_crystals([crystal_of(row) for row in rows])
        else:
            vectors = channel.embed_lines(lines_table_of(entries.to_batches()))
        ids = entries["id"].combine_chunks()
        self.writer.append(vectors_table(stamp.id), vector_rows(stamp, ids, vectors))


def publish_written(
    path: Path,
    writer: Writer,
    version: int,
    stamps: tuple[ChannelStamp, ...],
    settings: LineSettings,
    *,
    before: Published | None,
) -> None:
    """Check what was written, and make it what readers see.

    Args:
        path: of the library.
        writer: what wrote its tables.
        version: the new one.
        stamps: of the channels whose vectors it has.
        settings: of its lines.
        before: what was published before and whose files may be part of it.

    Raises:
        LibraryError: it is not whole; nothing was published.
    """
    tables = writer.versions()
    published = Published(
        version=version,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        tables=tables,
        files=hash_files(path, Reader(path, tables), before),
        channels=stamps,
        d_min_angstrom=settings.d_min_angstrom,
        floor=settings.floor,
    )
    check_before_publishing(path, published)
    # Tagged first: from the moment it is published no clean-up may take it away.
    writer.tag(f"v{version}")
    publish(path, published)
    drop_old_indexes(path, keep_from_version=version - 1)


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""


def _last_published(path: Path, *, fresh: bool) -> Published | None:
    """The published version; None when there is none, or when a damaged one is replaced."""
    try:
        return read_current(path)
    except LibraryError:
        if fresh:
            return None
        raise
