"""One change to a library, from what was published last to what is published next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import LibraryError
from indexer.channel import AnyChannel
from indexer.entry_tables import BATCH_ROWS, NAMED, EntryTables
from indexer.ingest import Chunk, LineSettings
from indexer.ledger import ledger_rows
from indexer.profiles import SHEETS, profile_of
from indexer.publishing import ChannelStamp, Deed, Published, TemplatesState, keep_base
from indexer.releasing import release, release_table
from indexer.schema import LEDGER, LEDGER_SCHEMA, SOURCES, SOURCES_SCHEMA
from indexer.tables import Reader, Writer, quoted
from indexer.tallying import SOURCE_KEY, Tally
from indexer.templates.storage import TEMPLATES, TEMPLATES_SCHEMA, holds_templates

Progress = Callable[[int, int | None, str], None]
"""Called with how many are done, of how many (None when that is not known), and the stage."""

BATCH_BYTES = 64 * 2**20
PART_ENTRIES, PART_OF_ALL = 20_000, 0.1
PART_S = 300.0
"""After so many new entries, such a part of all, or seconds, what there is so far is published."""
MUCH = 0.1
"""An addition of this part of all entries pays for new indexes."""


def silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""


class Writing:
    """The state of a change: what it began with, what waits to be written, what was published.

    Attributes:
        tally: what is new.
        entries: the tables that hold a row for each.
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
        self.entries = EntryTables(self.writer, self.channels, self.stamps)
        self._changed = False
        self.settings = settings or LineSettings(
            profile=profile_of(stamp.id for stamp in self.stamps)
        )
        self.templates = TemplatesState(0)
        self._reader = Reader(path, base.tables) if base else None
        self.tally = Tally(self._reader)
        self._counted: dict[str, int] = {}
        self._pending: list[Chunk] = []
        self._added = 0
        self._logged = 0
        self._since = time.monotonic()
        if base is None or self._reader is None:
            self._begin()
        else:
            self._continue(base, self._reader)

    def _begin(self) -> None:
        self.entries.begin()
        self.writer.start(TEMPLATES, TEMPLATES_SCHEMA)
        self.writer.start(SOURCES, SOURCES_SCHEMA)
        self.writer.start(LEDGER, LEDGER_SCHEMA)

    def _continue(self, base: Published, reader: Reader) -> None:
        given = {stamp.id for stamp in self.stamps}
        for stored in base.channels:
            if stored.id not in given:
                raise LibraryError(
                    f"{self.path}: the library has vectors of channel {stored.id}, which is not "
                    "at hand to make those of new entries; install what it needs"
                )
        keep_base(self.path, base)
        self.settings = LineSettings(base.d_min_angstrom, base.floor, base.profile)
        self._sources_with_files(base, reader)
        if holds_templates(reader):
            self.writer.rewind(TEMPLATES, base.tables[TEMPLATES])
            self._logged = base.tables[TEMPLATES].rows
            seen = base.templates.rows
            self.templates = replace(base.templates, rows=base.entries if seen is None else seen)
        else:
            self._changed = True
            self.writer.start(TEMPLATES, TEMPLATES_SCHEMA)
        if LEDGER in base.tables:
            self.writer.rewind(LEDGER, base.tables[LEDGER])
        else:
            self.writer.start(LEDGER, LEDGER_SCHEMA)
        self.entries.resume(base, reader)

    def _sources_with_files(self, base: Published, reader: Reader) -> None:
        """Older libraries do not say which file a source was read from."""
        if reader.has(SOURCES, "file"):
            self.writer.rewind(SOURCES, base.tables[SOURCES])
            return
        self.writer.start(SOURCES, SOURCES_SCHEMA)
        rows = reader.table(SOURCES, SOURCES_SCHEMA.names[:-1])
        columns = [*rows.columns, pa.repeat("", len(rows))]
        self.writer.append(SOURCES, pa.Table.from_arrays(columns, schema=SOURCES_SCHEMA))

    @property
    def changed(self) -> bool:
        """Whether there is something to publish that readers would see."""
        return self._changed or self.entries.changed

    @property
    def is_much(self) -> bool:
        """Whether so much waits to be published that it should not be lost."""
        if not (self.changed or self._pending):
            return False
        # Checking a part costs by what there is: parts that grow with it keep that in proportion.
        part = max(PART_ENTRIES, PART_OF_ALL * self.entries.count)
        return self._added >= part or time.monotonic() - self._since > PART_S

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
        if not self.entries.count:
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
        if self.tally.outcomes:
            self._log_files(base.version)
            self.base = release_table(self.path, self.writer, LEDGER, base)

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
        if not self.entries.count:
            return
        added = self.tally.change.added
        # A build ends with good indexes, however little is left of one that was cut off.
        pays = finished and (self.verb == "build" or added > MUCH * self.entries.count)
        report(0, 1, "checking")
        self._log_files(self.version)
        if counts is None:
            total = self.tally.change.counts
            counts = {name: n - self._counted.get(name, 0) for name, n in total.items()}
            self._counted = total
        deed = Deed.of(self.verb, {name: n for name, n in counts.items() if n}, finished=finished)
        before = self.base
        seen = None if self.templates.rows == self.entries.count else self.templates.rows
        self.base = release(
            self.path,
            self.writer,
            self.version,
            self.stamps,
            self.settings,
            deed,
            replace(self.templates, rows=seen),
            before=before,
            unchanged=self.entries.unchanged,
            logged=self._logged,
            anew=anew or pays,
        )
        self._logged = self.base.tables[TEMPLATES].rows
        if not finished:
            self.tally.go_on_from(Reader(self.path, self.base.tables))
        self.version += 1
        self.entries.were_published()
        self._changed, self._added = False, 0
        self._since = time.monotonic()

    def take_out(self, ids: set[str]) -> None:
        """Take entries out of every table."""
        gone = self.entries.take_out(ids)
        seen = self.templates.rows or 0
        gone_seen = pc.sum(gone[:seen]).as_py() or 0
        self.templates = replace(
            self.templates, rows=seen - gone_seen, stale=self.templates.stale + gone_seen
        )

    def compact(self, name: str) -> None:
        """Write a table anew, without what was deleted of it."""
        self.writer.compact(name)
        self._changed, self.entries.unchanged = True, 0

    def extend_templates(self, report: Progress, *, anew: bool = False) -> None:
        """Make the templates go with all entries, or collect them anew."""
        seen = 0 if anew else self.templates.rows
        if seen == self.entries.count:
            return
        if self.settings.profile == SHEETS:
            # Templates are of crystals that fill space; what is proposed from them would, too.
            self.templates = TemplatesState(self.entries.count)
            return
        from indexer.templates.collecting import collected, extended

        reader = self.writer.reader()

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
        self.templates = TemplatesState(self.entries.count, stale)
        self._changed = True

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
            self._changed = True
        if without:
            self.take_out(without)

    def _flush(self) -> None:
        if not self._pending:
            return
        entries = pa.Table.from_batches([one.entries for one in self._pending])
        sources = pa.Table.from_batches([one.sources for one in self._pending])
        vectors = {
            name: np.concatenate([one.vectors[name] for one in self._pending])
            for name in self._pending[0].vectors
        }
        self._pending.clear()
        if sources.num_rows == 0:
            return
        self._changed = True
        self.writer.append(SOURCES, sources)
        if entries.num_rows:
            self.entries.append(entries, vectors)
