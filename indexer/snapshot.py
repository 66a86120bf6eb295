"""A published version of a library, to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from data.errors import LibraryError, QueryError
from data.lines import LinesTable
from indexer.catalogue import (
    FACTS_COLUMNS,
    SOURCES_COLUMNS,
    Catalogue,
    Filters,
    Order,
    Statistics,
)
from indexer.channel import Channel
from indexer.compositions import Compositions
from indexer.conditions import Condition
from indexer.entry import ENTRY_COLUMNS, Entry
from indexer.history import hold
from indexer.ids import Ids
from indexer.index_cache import cached_index, stored_vectors
from indexer.profiles import Profile
from indexer.publishing import ChannelStamp, size_of
from indexer.schema import (
    ENTRIES,
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


class Snapshot:
    """A published version of a library. It does not change when a new version is published.

    Row i is the same entry everywhere in one version. Columns are read when first asked for and
    kept; they are read-only and may be shared between threads.
    """

    def __init__(
        self, path: Path, *, version: int | None = None, change: Change | None = None
    ) -> None:
        """Use `open`, or `build` and `add` of `Library`."""
        self.path = path
        self.change = change
        self._published = hold(path, self, version)
        self._reader = Reader(path, self._published.tables)
        self._indexes: dict[str, VectorIndex] = {}
        self._warnings: list[str] = []

    @classmethod
    def open(cls, path: Path | str, *, version: int | None = None) -> Self:
        """The library as published last, or a version that is kept.

        Raises:
            LibraryError: there is none, it is damaged, or a newer Braggle made it.
            QueryError: the version is not kept.
        """
        return cls(Path(path), version=version)

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
        row = self._ids.row(entry_id)
        if row < 0:
            raise QueryError(
                f"{self.path}: no entry has the id {entry_id!r}; ids are 20 hexadecimal digits"
            )
        return row

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

    def verify(self, *, progress: Progress | None = None) -> VerifyReport:
        """Check files, uniqueness, vectors, indexes and, for a sample, lines against crystals.

        Args:
            progress: called with done, total and stage.
        """
        return verify(self.path, self._published, self._reader, progress)

    @cached_property
    def _ids(self) -> Ids:
        return Ids(self._reader.table(ENTRIES, ["id"])["id"].combine_chunks())

    @cached_property
    def _catalogue(self) -> Catalogue:
        reader = self._reader  # a catalogue that held its snapshot would outlive it
        return Catalogue(
            reader.table(ENTRIES, FACTS_COLUMNS),
            lambda: reader.table(SOURCES, SOURCES_COLUMNS),
            lambda: reader.batches(ENTRIES, STRUCTURE_COLUMNS),
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
