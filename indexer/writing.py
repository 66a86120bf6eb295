"""One change to a library, from records to a published version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from operator import length_hint
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import LibraryError
from indexer.channel import AnyChannel, ReadsAtoms
from indexer.checking import check_before_publishing, hash_files
from indexer.index_cache import drop_old_indexes
from indexer.ingest import Chunk, Item, LineSettings, digest_all
from indexer.ledger import ledger_rows
from indexer.publishing import (
    ChannelStamp,
    Deed,
    Published,
    TemplatesState,
    keep_base,
    one_writer,
    publish,
    publish_anew,
    read_current,
)
from indexer.schema import (
    CRYSTAL_COLUMNS,
    ENTRIES,
    ENTRIES_SCHEMA,
    INTERVALS,
    INTERVALS_SCHEMA,
    LEDGER,
    LEDGER_SCHEMA,
    LINES_COLUMNS,
    SOURCES,
    SOURCES_SCHEMA,
    crystal_of,
    lines_table_of,
    vectors_schema,
    vectors_table,
)
from indexer.tables import Reader, Writer, quoted
from indexer.tallying import SOURCE_KEY, Change, Tally
from indexer.templates.storage import TEMPLATES, TEMPLATES_SCHEMA, holds_templates
from indexer.vectors import vector_rows

Progress = Callable[[int, int | None, str], None]
"""Called with how many are done, of how many (None when that is not known), and the stage."""

BATCH_ROWS = 2048
BATCH_BYTES = 64 * 2**20
PART_ENTRIES = 20_000
PART_S = 300.0
"""After so many new entries, or seconds, what there is so far is published."""
MUCH = 0.1
"""An addition of this part of all entries pays for new indexes."""
NAMED = 1000
"""Rows that are named in one condition."""


def write(
    path: Path,
    items: Iterable[Item],
    channels: Sequence[AnyChannel],
    *,
    fresh: bool,
    verb: str,
    progress: Progress | None = None,
    workers: int | None = None,
    dry_run: bool = False,
) -> Change:
    """Add records to the library at `path`, or make its content anew, and publish the result.

    Much is published in parts, except over a library that is replaced. Vectors that another
    version of a channel made are made again from the stored lines, and so are templates that are
    missing or of another make. When nothing changes, nothing is published.

    Args:
        path: of the library.
        items: records, and files, of which those that the ledger knows are not read.
        channels: that make vectors.
        fresh: make the library anew.
        verb: "build" or "add", for the history.
        progress: called with done, total and stage.
        workers: processes that work out crystals.
        dry_run: count what would be done, and write nothing.

    Raises:
        LibraryError: the folder cannot be written to, someone else is writing, nothing could be
            read into a fresh library, a channel of the library is not among `channels`, or the
            new version is not whole.
    """
    report = progress or silent
    if dry_run:
        base = None if fresh else read_current(path)
        return _tallied(path, base, items, report, workers)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(f"{path}: no library can be made here ({error})") from None
    with one_writer(path):
        last = _last_published(path, fresh=fresh)
        writing = Writing(
            path,
            channels,
            None if fresh else last,
            version=1 + (last.version if last else 0),
            verb=verb,
        )
        in_parts = last is None or not fresh
        for chunk in _chunks(writing.tally, items, writing.settings, report, workers):
            writing.take(chunk)
            if in_parts and writing.is_much:
                writing.publish(report, finished=False)
        writing.finish(report)
        report(1, 1, "checking")
    return writing.tally.change


def _chunks(
    tally: Tally,
    items: Iterable[Item],
    settings: LineSettings,
    report: Progress,
    workers: int | None,
) -> Iterator[Chunk]:
    total = length_hint(items) or None
    read = 0
    report(0, total, "crystals")
    with closing(digest_all(tally.unread(items), settings, workers=workers)) as chunks:
        for chunk in chunks:
            yield chunk
            read += chunk.read
            report(read + tally.skipped, total, "crystals")
    if tally.skipped:
        report(read + tally.skipped, total, "crystals")


def _tallied(
    path: Path,
    base: Published | None,
    items: Iterable[Item],
    report: Progress,
    workers: int | None,
) -> Change:
    tally = Tally(Reader(path, base.tables) if base else None)
    settings = LineSettings(base.d_min_angstrom, base.floor) if base else LineSettings()
    for chunk in _chunks(tally, items, settings, report, workers):
        tally.take(chunk)
    tally.settle()
    return tally.change


class Writing:
    """The state of a change: what it began with, what waits to be written, what was published.

    Attributes:
        tally: what is new.
        settings: of the lines.
        version: that is published next.
    """

    def __init__(
        self,
        path: Path,
        channels: Sequence[AnyChannel] | None,
        base: Published | None,
        *,
        version: int,
        verb: str,
        settings: LineSettings | None = None,
    ) -> None:
        """Begin under the folder's lock.

        Args:
            path: of the library.
            channels: that make vectors; None where no entry will come.
            base: what is continued; None begins anew.
            version: that is published next.
            verb: what the history says was done.
            settings: of the lines, where it is begun anew.
        """
        self.path, self.version, self.verb = path, version, verb
        self.channels = tuple(channels or ())
        self.stamps = tuple(ChannelStamp.of(channel) for channel in self.channels)
        if channels is None and base is not None:
            self.stamps = base.channels
        self.base = base
        self.writer = Writer(path)
        self.changed = base is None
        self.settings = settings or LineSettings()
        self.templates = TemplatesState(0)
        self._reader = Reader(path, base.tables) if base else None
        self.tally = Tally(self._reader)
        self._counted: dict[str, int] = {}
        self._pending: list[Chunk] = []
        self._added = 0
        self._unchanged = self._logged = 0
        self._entries = 0
        self._since = time.monotonic()
        if base is None or self._reader is None:
            self._begin()
        else:
            self._continue(base, self._reader)

    def _begin(self) -> None:
        self.writer.start(ENTRIES, ENTRIES_SCHEMA)
        self.writer.start(INTERVALS, INTERVALS_SCHEMA)
        self.writer.start(TEMPLATES, TEMPLATES_SCHEMA)
        self.writer.start(SOURCES, SOURCES_SCHEMA)
        self.writer.start(LEDGER, LEDGER_SCHEMA)
        for stamp in self.stamps:
            self.writer.start(vectors_table(stamp.id), vectors_schema(stamp.dimension))

    def _continue(self, base: Published, reader: Reader) -> None:
        given = {stamp.id for stamp in self.stamps}
        for stored in base.channels:
            if stored.id not in given:
                raise LibraryError(
                    f"{self.path}: the library has vectors of channel {stored.id}, which is not "
                    "at hand to make those of new entries; install what it needs"
                )
        keep_base(self.path, base)
        self.settings = LineSettings(base.d_min_angstrom, base.floor)
        self._entries = self._unchanged = base.entries
        self.writer.rewind(ENTRIES, base.tables[ENTRIES])
        self._sources_with_files(base, reader)
        if holds_templates(reader):
            self.writer.rewind(TEMPLATES, base.tables[TEMPLATES])
            self._logged = base.tables[TEMPLATES].rows
            seen = base.templates.rows
            self.templates = replace(base.templates, rows=base.entries if seen is None else seen)
        else:
            self.changed = True
            self.writer.start(TEMPLATES, TEMPLATES_SCHEMA)
        if LEDGER in base.tables:
            self.writer.rewind(LEDGER, base.tables[LEDGER])
        else:
            self.writer.start(LEDGER, LEDGER_SCHEMA)
        self._continue_rows(base, reader)

    def _continue_rows(self, base: Published, reader: Reader) -> None:
        """Tables whose rows go with those of the entries, one by one."""
        if INTERVALS in base.tables:
            self.writer.rewind(INTERVALS, base.tables[INTERVALS])
        else:
            self._make_intervals(reader)
        for stamp in self.stamps:
            if stamp in base.channels:
                name = vectors_table(stamp.id)
                self.writer.rewind(name, base.tables[name])
        for channel in self.channels:
            stamp = ChannelStamp.of(channel)
            if stamp in base.channels:
                continue
            name = vectors_table(stamp.id)
            self.changed, self._unchanged = True, 0
            self.writer.start(name, vectors_schema(stamp.dimension))
            columns = CRYSTAL_COLUMNS if isinstance(channel, ReadsAtoms) else LINES_COLUMNS
            for batch in reader.batches(ENTRIES, ["id", *columns], BATCH_ROWS):
                self._embed(channel, stamp, pa.Table.from_batches([batch]))

    def _sources_with_files(self, base: Published, reader: Reader) -> None:
        """Older libraries do not say which file a source was read from."""
        if reader.has(SOURCES, "file"):
            self.writer.rewind(SOURCES, base.tables[SOURCES])
            return
        self.writer.start(SOURCES, SOURCES_SCHEMA)
        rows = reader.table(SOURCES, SOURCES_SCHEMA.names[:-1])
        columns = [*rows.columns, pa.repeat("", len(rows))]
        self.writer.append(SOURCES, pa.Table.from_arrays(columns, schema=SOURCES_SCHEMA))

    def _make_intervals(self, reader: Reader) -> None:
        """Older libraries do not keep them."""
        from indexer.templates.collecting import interval_rows

        self._unchanged = 0
        self.writer.start(INTERVALS, INTERVALS_SCHEMA)
        for batch in reader.batches(ENTRIES, ["id", *LINES_COLUMNS], BATCH_ROWS):
            self.writer.append(INTERVALS, interval_rows(pa.Table.from_batches([batch])))

    @property
    def is_much(self) -> bool:
        """Whether so much waits to be published that it should not be lost."""
        waits = self.changed or bool(self._pending)
        return waits and (self._added >= PART_ENTRIES or time.monotonic() - self._since > PART_S)

    def take(self, chunk: Chunk) -> None:
        """Keep what is new of a chunk, and write when enough has gathered."""
        new = self.tally.take(chunk)
        self._added += new.entries.num_rows
        self._pending.append(new)
        rows = sum(one.entries.num_rows for one in self._pending)
        size = sum(one.entries.nbytes for one in self._pending)
        if rows >= BATCH_ROWS or size >= BATCH_BYTES:
            self._flush()

    def finish(self, report: Progress) -> None:
        """Write the rest, extend the templates, and publish; when nothing changed, nothing is."""
        self._flush()
        self._settle()
        if self.base and not (self.changed or self._open_part):
            self._note(self.base)
            return
        if not self._entries:
            problems = self.tally.change.problems
            raise LibraryError(
                f"{self.path}: no crystal could be read, so no library was made; "
                + (
                    f"the first of {len(problems)} problems: {problems[0]}"
                    if problems
                    else "name a source that holds crystals"
                )
            )
        self.extend_templates(report)
        self.publish(report, finished=True)

    def _note(self, base: Published) -> None:
        """Note what became of files where no entry or source came of it: in the version that is
        published, which holds what it held, so that nobody needs to read it again.
        """
        if not self.tally.outcomes:
            return
        self._log_files(base.version)
        tables = {**base.tables, LEDGER: self.writer.versions()[LEDGER]}
        files = hash_files(self.path, Reader(self.path, tables), base)
        self.writer.tag_versions(f"v{base.version}", {LEDGER: tables[LEDGER]})
        self.base = replace(base, tables=tables, files=files)
        publish_anew(self.path, self.base)

    def _log_files(self, version: int) -> None:
        channels = [f"{one.id} {one.version}" for one in self.stamps]
        self.writer.append(LEDGER, ledger_rows(self.tally.outcomes, version, channels))
        self.tally.outcomes.clear()

    @property
    def _open_part(self) -> bool:
        return self.base is not None and not self.base.deed.finished

    def publish(
        self,
        report: Progress,
        *,
        finished: bool,
        counts: dict[str, int] | None = None,
        anew: bool = False,
    ) -> None:
        """Check what was written, and make it what readers see.

        Args:
            report: takes progress.
            finished: False where more is to come.
            counts: for the history; what was tallied since the last part when not given.
            anew: whether indexes are made anew, whatever it costs, where much has come or gone.

        Raises:
            LibraryError: it is not whole; nothing was published.
        """
        self._flush()
        self._settle()
        if not self._entries:
            return
        report(0, 1, "checking")
        self._log_files(self.version)
        if counts is None:
            total = self.tally.change.counts
            counts = {name: n - self._counted.get(name, 0) for name, n in total.items()}
            self._counted = total
        deed = Deed.of(self.verb, {name: n for name, n in counts.items() if n}, finished=finished)
        before = self.base
        seen = None if self.templates.rows == self._entries else self.templates.rows
        self.base = publish_written(
            self.path,
            self.writer,
            self.version,
            self.stamps,
            self.settings,
            deed,
            replace(self.templates, rows=seen),
            before=before,
            unchanged=self._unchanged,
            logged=self._logged,
            anew=anew or (finished and self.tally.change.added > MUCH * self._entries),
        )
        self._logged = self.base.tables[TEMPLATES].rows
        self.version += 1
        self.changed, self._added = False, 0
        self._unchanged = self._entries
        self._since = time.monotonic()

    def take_out(self, ids: set[str]) -> None:
        """Take entries out of every table."""
        present = self._present_ids()
        gone = pc.is_in(present, value_set=pa.array(ids, pa.string()))
        seen = self.templates.rows or 0
        gone_seen = pc.sum(gone[:seen]).as_py() or 0
        self.templates = replace(
            self.templates, rows=seen - gone_seen, stale=self.templates.stale + gone_seen
        )
        self._entries -= pc.sum(gone).as_py() or 0
        self._unchanged = 0
        self.changed = True
        named = sorted(ids)
        for start in range(0, len(named), NAMED):
            condition = f"id IN ({quoted(named[start : start + NAMED])})"
            for name in (
                ENTRIES,
                SOURCES,
                INTERVALS,
                *(vectors_table(one.id) for one in self.stamps),
            ):
                self.writer.delete(name, condition)

    def compact(self, name: str) -> None:
        """Write a table anew, without what was deleted of it."""
        self.writer.compact(name)
        self.changed, self._unchanged = True, 0

    def extend_templates(self, report: Progress, *, anew: bool = False) -> None:
        """Make the templates go with all entries, or collect them anew."""
        seen = 0 if anew else self.templates.rows
        if seen == self._entries:
            return
        from indexer.templates.collecting import collected, extended

        reader = Reader(self.path, self.writer.versions())

        def advance(done: int, total: int) -> None:
            report(done, total, "templates")

        if seen:
            rows, crowded = extended(reader, seen, advance)
            stale = self.templates.stale + crowded
        else:
            rows, stale = collected(reader, advance), 0
            if anew:
                self.writer.start(TEMPLATES, TEMPLATES_SCHEMA)
                self._logged = 0
        self.writer.append(TEMPLATES, rows)
        self.templates = TemplatesState(self._entries, stale)
        self.changed = True

    def _settle(self) -> None:
        """Drop what changed files give no more."""
        stale, without = self.tally.settle()
        named = sorted(stale)
        for start in range(0, len(named), NAMED):
            conditions = (
                "("
                + " AND ".join(
                    f"{name} = {quoted([value])}"
                    for name, value in zip(SOURCE_KEY, key, strict=True)
                )
                + ")"
                for key in named[start : start + NAMED]
            )
            self.writer.delete(SOURCES, " OR ".join(conditions))
            self.changed = True
        if without:
            self.take_out(without)

    def _present_ids(self) -> pa.Array:
        versions = {ENTRIES: self.writer.versions()[ENTRIES]}
        return Reader(self.path, versions).table(ENTRIES, ["id"])["id"].combine_chunks()

    def _flush(self) -> None:
        if not self._pending:
            return
        entries = pa.Table.from_batches([one.entries for one in self._pending])
        sources = pa.Table.from_batches([one.sources for one in self._pending])
        self._pending.clear()
        if sources.num_rows == 0:
            return
        self.changed = True
        self.writer.append(SOURCES, sources)
        if entries.num_rows:
            self.append_entries(entries)

    def append_entries(self, entries: pa.Table, *, without: AbstractSet[str] = frozenset()) -> None:
        """Write entries and what is made of them, but the vectors of some channels."""
        from indexer.templates.collecting import interval_rows

        self.changed = True
        self._entries += entries.num_rows
        self.writer.append(ENTRIES, entries)
        self.writer.append(INTERVALS, interval_rows(entries))
        for channel, stamp in zip(self.channels, self.stamps, strict=True):
            if stamp.id not in without:
                self._embed(channel, stamp, entries)

    def _embed(self, channel: AnyChannel, stamp: ChannelStamp, entries: pa.Table) -> None:
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
    deed: Deed,
    templates: TemplatesState,
    *,
    before: Published | None,
    unchanged: int,
    logged: int,
    anew: bool,
) -> Published:
    """Check what was written, and make it what readers see.

    Args:
        path: of the library.
        writer: what wrote its tables.
        version: the new one.
        stamps: of the channels whose vectors it has.
        settings: of its lines.
        deed: what led to it.
        templates: how far they go.
        before: what was published before and whose files may be part of it.
        unchanged: see `check_before_publishing`.
        logged: see there.
        anew: see there.

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
        deed=deed,
        templates=templates,
    )
    check_before_publishing(path, published, unchanged=unchanged, logged=logged, anew=anew)
    # Tagged first: from the moment it is published no clean-up may take it away.
    writer.tag(f"v{version}")
    publish(path, published)
    drop_old_indexes(path, stamps)
    return published


def silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""


def _last_published(path: Path, *, fresh: bool) -> Published | None:
    """The published version; None when there is none, or when a damaged one is replaced."""
    try:
        return read_current(path)
    except LibraryError:
        if fresh:
            return None
        raise
