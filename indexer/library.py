"""A versioned folder of crystals that one writer changes and many readers use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import LibraryError, QueryError
from data.lines import LinesTable
from indexer.adding import Engine, write
from indexer.catalogue import (
    FACTS_COLUMNS,
    SOURCES_COLUMNS,
    Catalogue,
    Filters,
    Order,
    Statistics,
)
from indexer.channel import AnyChannel, Channel
from indexer.cluster import joined_cluster
from indexer.compositions import Compositions
from indexer.conditions import Condition
from indexer.entry import ENTRY_COLUMNS, Entry
from indexer.history import KeptVersion, history, hold, rollback
from indexer.index_cache import cached_index, stored_vectors
from indexer.ingest import Item
from indexer.ledger import LedgerRow, read_ledger
from indexer.maintaining import KEEP_DAYS, KEEP_LAST, Upkeep, maintain
from indexer.profiles import POWDER, Profile, channels_of
from indexer.publishing import ChannelStamp, is_library, may_build_in, read_current, size_of
from indexer.removing import remove
from indexer.schema import (
    ENTRIES,
    LEDGER,
    LINES_COLUMNS,
    SOURCES,
    flat,
    lines_table_of,
)
from indexer.structures import STRUCTURE_COLUMNS
from indexer.tables import Reader
from indexer.tallying import Change
from indexer.templates.storage import holds_templates, known_templates
from indexer.templates.template import Template
from indexer.vectors import VectorIndex
from indexer.verifying import VerifyReport, verify
from indexer.writing import Progress

LINES_HELD = 60_000
"""Entries up to which a process that searches holds all lines: some 300 MB."""


@dataclass(frozen=True)
class LibraryInfo:
    """A library at a glance.

    Attributes:
        path, version, published_at, entries: which library this is.
        sources: how many records its entries were read from.
        profile: what its entries are, `powder` or `2d`.
        bytes_on_disk: of the whole folder, earlier versions and caches included.
        channels: what made its vectors.
        statistics: what it holds.
    """

    path: str
    version: int
    published_at: str
    entries: int
    sources: int
    profile: Profile
    bytes_on_disk: int
    channels: tuple[ChannelStamp, ...]
    statistics: Statistics


class Library:
    """A published version of a library. It does not change when a new version is published.

    Row i is the same entry everywhere in one version. Columns are read when first asked for and
    kept; they are read-only and may be shared between threads.
    """

    def __init__(
        self, path: Path, *, version: int | None = None, change: Change | None = None
    ) -> None:
        """Use `open`, `build` or `add`."""
        self.path = path
        self.change = change
        self._published = hold(path, self, version)
        self._reader = Reader(path, self._published.tables)
        self._indexes: dict[str, VectorIndex] = {}
        self._warnings: list[str] = []

    @classmethod
    def open(cls, path: Path | str, *, version: int | None = None) -> Library:
        """The library as published last, or a version that is kept.

        Raises:
            LibraryError: there is none, it is damaged, or a newer Braggle made it.
            QueryError: the version is not kept.
        """
        return cls(Path(path), version=version)

    @classmethod
    def build(
        cls,
        records: Iterable[Item],
        path: Path | str,
        *,
        channels: Sequence[AnyChannel] | None = None,
        replace: bool = False,
        progress: Progress | None = None,
        workers: int | None = None,
        engine: Engine = "local",
        profile: Profile = POWDER,
    ) -> Library:
        """Make a library of records; `.change` says what became of them.

        A large one is published in parts, and a build that was cut off goes on from there.

        Args:
            records: a stream of records, or of files that hold them; those with a length tell
                `progress` the total.
            path: a folder that does not exist, is empty, or holds an unfinished build.
            channels: that make vectors; those of the profile by default.
            replace: allows an existing library, whose readers keep their version.
            progress: called with done, total (or None) and stage.
            workers: processes; one a core by default.
            engine: what works out crystals: processes of this machine ("local"), or a Ray cluster
                ("ray"), which needs the extra `distributed`.
            profile: "2d" makes a library of sheets: layered crystals are exfoliated, those that
                are neither layered nor sheets left out, and lines are in the plane.

        Raises:
            LibraryError: something else is in the way, or no record could be read.
        """
        folder = Path(path)
        goes_on = is_library(folder) and not replace and read_current(folder).is_unfinished_build
        if goes_on and channels is None and read_current(folder).profile != profile:
            raise LibraryError(
                f"{folder}: an unfinished build of the profile {read_current(folder).profile}; go "
                "on with that, or say --replace"
            )
        if is_library(folder) and not replace and not goes_on:
            raise LibraryError(
                f"{folder}: there is a library already; add to it with `braggle library add`, "
                "or say --replace to build it anew"
            )
        if not may_build_in(folder) and not is_library(folder):
            raise LibraryError(f"{folder}: not empty and no library; name an empty or a new folder")
        with joined_cluster() if engine == "ray" else nullcontext():
            change = write(
                folder,
                records,
                channels_of(profile) if channels is None else channels,
                fresh=not goes_on,
                verb="build",
                progress=progress,
                workers=workers,
                engine=engine,
            )
        return cls(folder, change=change)

    def add(
        self,
        records: Iterable[Item],
        *,
        channels: Sequence[AnyChannel] | None = None,
        progress: Progress | None = None,
        workers: int | None = None,
        dry_run: bool = False,
    ) -> Library:
        """Add records to what is published now, and return that new version.

        A crystal that is there already gets a further source. A file that was offered before with
        the same content is skipped; where its content has changed, it takes the place of what it
        gave before. This object goes on reading its own version; arguments are those of `build`.
        After a dry run `.change` says what would be done.

        Raises:
            LibraryError: someone else is writing, or the library is damaged.
        """
        change = write(
            self.path,
            records,
            channels_of(self.profile) if channels is None else channels,
            fresh=False,
            verb="add",
            progress=progress,
            workers=workers,
            dry_run=dry_run,
        )
        return Library(self.path, change=change)

    def remove(self, entry_ids: Collection[str], *, progress: Progress | None = None) -> Library:
        """Take entries out of what is published now, and return that new version.

        This object goes on reading its own version.

        Args:
            entry_ids: which; those that are not there any more are passed over.
            progress: called with done, total and stage.

        Raises:
            LibraryError: someone else is writing, or nothing would be left.
        """
        remove(self.path, frozenset(entry_ids), progress=progress)
        return Library(self.path)

    def rollback(self, version: int) -> Library:
        """Publish a kept version again, as a new version, and return that; nothing is lost.

        Raises:
            LibraryError: someone else is writing, or the version is damaged.
            QueryError: the version is not kept, or published now.
        """
        rollback(self.path, version)
        return Library(self.path)

    def maintain(
        self,
        *,
        channels: Sequence[AnyChannel] | None = None,
        keep_last: int = KEEP_LAST,
        keep_days: float = KEEP_DAYS,
        progress: Progress | None = None,
        dry_run: bool = False,
    ) -> Upkeep:
        """Put what is published now in order, and let old versions go; see `maintaining.maintain`.

        Raises:
            LibraryError: someone else is writing, or the library is damaged.
        """
        return maintain(
            self.path,
            channels_of(self.profile) if channels is None else channels,
            keep_last=keep_last,
            keep_days=keep_days,
            progress=progress,
            dry_run=dry_run,
        )

    def export(self, file: Path | str, *, progress: Progress | None = None) -> Path:
        """Write this version as a bundle: one file to be handed on.

        Args:
            file: to write, or a folder for it.
            progress: called with done, total and stage.

        Returns:
            The file.

        Raises:
            LibraryError: it cannot be written.
        """
        from indexer.bundle import SUFFIX, export

        place = Path(file)
        if place.is_dir():
            place /= f"{self.path.resolve().name}-{self.version}{SUFFIX}"
        export(self.path, self._published, self._reader, place, progress)
        return place

    @classmethod
    def import_bundle(
        cls,
        file: Path | str,
        path: Path | str,
        *,
        channels: Sequence[AnyChannel] | None = None,
        progress: Progress | None = None,
    ) -> Library:
        """Make a library of a bundle, in a folder where there is none.

        Raises:
            LibraryError: the file is no bundle or altered, or something is in the way.
        """
        from indexer.bundle import import_bundle

        folder = Path(path)
        if is_library(folder) or not may_build_in(folder):
            raise LibraryError(f"{folder}: something is there already; name a new folder")
        import_bundle(Path(file), folder, channels, progress)
        return cls(folder)

    def history(self) -> tuple[KeptVersion, ...]:
        """The versions that are kept, whatever is published now the last of them."""
        return history(self.path)

    def ledger(self, *, failed: bool = False, since: int = 0) -> list[LedgerRow]:
        """What became of every file that was offered, first come first.

        Args:
            failed: only those that cannot be read, as they are now.
            since: leave out so many rows.
        """
        return read_ledger(self._reader, failed=failed, since=since)

    @property
    def ledger_length(self) -> int:
        """How many rows the ledger has."""
        return self._reader.rows(LEDGER)

    def __len__(self) -> int:
        return self._published.entries

    @property
    def version(self) -> int:
        """Counts up with every change."""
        return self._published.version

    @property
    def profile(self) -> Profile:
        """What it is of: "powder", or sheets, "2d"."""
        return self._published.profile

    @property
    def published_at(self) -> str:
        """When this version was published: UTC time, ISO 8601."""
        return self._published.published_at

    @property
    def d_min_angstrom(self) -> float:
        """How far the lines go."""
        return self._published.d_min_angstrom

    @property
    def channels(self) -> tuple[ChannelStamp, ...]:
        """What made the vectors."""
        return self._published.channels

    def holds(self, channel: Channel) -> bool:
        """Whether the library's vectors were made by exactly this channel.

        Only then may a pattern's vectors be compared with them; adding to the library, even
        nothing, makes them again.
        """
        return ChannelStamp.of(channel) in self.channels

    @property
    def warnings(self) -> tuple[str, ...]:
        """What had to be mended while reading, one sentence each."""
        return tuple(self._warnings)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Entry ids by row."""
        return tuple(self._reader.table(ENTRIES, ["id"])["id"].to_pylist())

    @cached_property
    def lines(self) -> LinesTable:
        """Lines of every entry."""
        return lines_table_of(list(self._reader.batches(ENTRIES, LINES_COLUMNS)))

    def lines_of(self, rows: NDArray[np.int64]) -> LinesTable:
        """Lines of some entries, in the order of `rows`.

        Those of a large library are read from the disk as they are asked for: held, they would take
        gigabytes, and every new version as many seconds.
        """
        if self.holds_lines or "lines" in self.__dict__:
            return self.lines.take(rows)
        return lines_table_of(self._reader.take(ENTRIES, rows, LINES_COLUMNS).to_batches())

    @property
    def holds_lines(self) -> bool:
        """Whether the library is small enough for the lines of all its entries to be held."""
        return len(self) <= LINES_HELD

    @cached_property
    def lattices(self) -> NDArray[np.float64]:
        """Conventional cells, rows a, b, c in Å. Shape (N, 3, 3)."""
        return self._column("lattice").reshape(-1, 3, 3)

    @cached_property
    def space_group_numbers(self) -> NDArray[np.int64]:
        """1 to 230. Shape (N,)."""
        return self._column("space_group_number").astype(np.int64)

    @cached_property
    def volumes(self) -> NDArray[np.float64]:
        """Of the conventional cells, in Å³. Shape (N,)."""
        return self._column("volume_angstrom3")

    @cached_property
    def compositions(self) -> Compositions:
        """Atoms of each element in the conventional cells, by row."""
        return Compositions(self._reader.table(ENTRIES, ["elements", "amounts"]))

    @cached_property
    def templates(self) -> tuple[Template, ...]:
        """The template collection, by interval of the strongest peak.

        Raises:
            LibraryError: the library was made without one, or it is of another make.
        """
        if not holds_templates(self._reader):
            raise LibraryError(
                f"{self.path}: the library has no templates as they are made now; "
                "`braggle library maintain` makes them"
            )
        templates = known_templates(self._reader)
        return tuple(sorted(templates, key=lambda one: (one.interval, one.kind, one.id)))

    def entry(self, row: int) -> Entry:
        """One entry."""
        return self.entries([row])[0]

    def entries(self, rows: Sequence[int] | NDArray[np.int64]) -> tuple[Entry, ...]:
        """Some entries, in the order of `rows`.

        Raises:
            QueryError: a row that the library does not have.
        """
        wanted = [int(row) for row in rows]
        for row in wanted:
            if not 0 <= row < len(self):
                raise QueryError(f"{self.path}: row {row} is not in 0 to {len(self) - 1}")
        if not wanted:
            return ()
        found = self._reader.take(ENTRIES, wanted, ENTRY_COLUMNS).to_pylist()
        quoted = ", ".join(f"'{one['id']}'" for one in found)
        columns = ["id", "collection", "identifier", "reference", "licence", "names"]
        sources: dict[str, list[dict[str, Any]]] = {one["id"]: [] for one in found}
        for source in self._reader.where(SOURCES, f"id IN ({quoted})", columns).to_pylist():
            sources[source["id"]].append(source)
        return tuple(Entry.of(one, sources[one["id"]]) for one in found)

    def names(self, rows: Sequence[int] | NDArray[np.int64]) -> tuple[frozenset[str], ...]:
        """Names of some entries in all their sources, in lower case, in the order of `rows`."""
        ids = self._reader.take(ENTRIES, rows, ["id"])["id"].to_pylist()
        quoted = ", ".join(f"'{one}'" for one in ids)
        names: dict[str, set[str]] = {one: set() for one in ids}
        if ids:
            for source in self._reader.where(
                SOURCES, f"id IN ({quoted})", ["id", "names"]
            ).to_pylist():
                names[source["id"]].update(name.lower() for name in source["names"])
        return tuple(frozenset(names[one]) for one in ids)

    def row(self, entry_id: str) -> int:
        """The row of an entry.

        Raises:
            QueryError: no entry has this id.
        """
        try:
            return self._rows[entry_id]
        except KeyError:
            raise QueryError(
                f"{self.path}: no entry has the id {entry_id!r}; ids are 20 hexadecimal digits"
            ) from None

    def select(self, filters: Filters) -> NDArray[np.int64]:
        """Rows that pass the filters, ascending."""
        return self._catalogue.select(filters)

    def where(self, condition: Condition | None, order: Order = ()) -> NDArray[np.int64]:
        """Rows for which a condition is true, or all rows, by some columns and then by row."""
        return self._catalogue.where(condition, order)

    def structures(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """What structure databases say of some entries, the columns of `indexer.conditions`."""
        return self._catalogue.structures(rows)

    def vectors_of(self, channel_id: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """A channel's vectors of some rows, ascending. Shape (len(rows), dimension)."""
        return stored_vectors(self._stamp(channel_id), self._reader, rows)

    def vectors(self, channel_id: str) -> NDArray[np.float32]:
        """A channel's vectors, read-only. Shape (N, dimension)."""
        return self._index(channel_id).vectors

    def nearest(
        self,
        channel_id: str,
        vectors: NDArray[np.float32],
        k: int,
        rows: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k entries nearest to a query, by their best cosine over its vectors.

        Args:
            channel_id: whose vectors.
            vectors: of the query. Shape (m, dimension) or (dimension,).
            k: at most so many.
            rows: search among these only.

        Returns:
            Rows and scores, best first; equal scores in row order. Shape (≤ k,) each.

        Raises:
            QueryError: the library has no such channel, or the vectors are not of its kind.
        """
        return self._index(channel_id).nearest(vectors, k, rows)

    def info(self) -> LibraryInfo:
        """The library at a glance."""
        published = self._published
        sources = self._reader.table(SOURCES, ["id", "collection", "licence"])
        return LibraryInfo(
            path=str(self.path),
            version=published.version,
            published_at=published.published_at,
            entries=len(self),
            sources=len(sources),
            profile=self.profile,
            bytes_on_disk=size_of(self.path),
            channels=published.channels,
            statistics=self._catalogue.statistics(sources),
        )

    def load(self, channel_id: str) -> None:
        """Read a channel's index, which the first look-up would otherwise wait for.

        Raises:
            QueryError: the library has no such channel.
        """
        self._index(channel_id)

    def verify(self) -> VerifyReport:
        """Check files, uniqueness, vectors, indexes and, for a sample, lines against crystals."""
        return verify(self.path, self._published, self._reader)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {entry_id: row for row, entry_id in enumerate(self.ids)}

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue(
            self._reader.table(ENTRIES, FACTS_COLUMNS),
            lambda: self._reader.table(SOURCES, SOURCES_COLUMNS),
            lambda: self._reader.batches(ENTRIES, STRUCTURE_COLUMNS),
        )

    def _column(self, name: str) -> NDArray[np.float64]:
        table = self._reader.table(ENTRIES, [name])
        values = np.concatenate([flat(batch[name]) for batch in table.to_batches()])
        values.setflags(write=False)
        return values

    def _stamp(self, channel_id: str) -> ChannelStamp:
        stamps = {stamp.id: stamp for stamp in self.channels}
        if channel_id not in stamps:
            raise QueryError(
                f"{self.path}: no vectors of channel {channel_id!r}; "
                f"there are: {', '.join(stamps) or 'none'}"
            )
        return stamps[channel_id]

    def _index(self, channel_id: str) -> VectorIndex:
        if channel_id not in self._indexes:
            index, warning = cached_index(
                self.path, self._published, self._stamp(channel_id), self._reader
            )
            if warning:
                self._warnings.append(warning)
            self._indexes[channel_id] = index
        return self._indexes[channel_id]
