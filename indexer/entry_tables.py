"""The tables whose rows go together, one by one: entries, their intervals, and their vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from indexer.channel import AnyChannel
from indexer.embedding import columns_of, embed
from indexer.publishing import ChannelStamp, Published
from indexer.schema import (
    ENTRIES,
    ENTRIES_SCHEMA,
    INTERVALS,
    INTERVALS_SCHEMA,
    LINES_COLUMNS,
    SOURCES,
    vectors_schema,
    vectors_table,
)
from indexer.tables import Reader, Writer, quoted
from indexer.vectors import vector_rows

BATCH_ROWS = 2048
NAMED = 1000
"""Rows that are named in one condition."""


class EntryTables:
    """Changes all of them alike, so that row i stays the same entry in each.

    Attributes:
        count: of entries.
        unchanged: so many rows, from the first, are as they were published.
        changed: whether anything was written since.
    """

    def __init__(
        self, writer: Writer, channels: Sequence[AnyChannel], stamps: Sequence[ChannelStamp]
    ) -> None:
        """Take hold of them; then `begin` or `resume`.

        Args:
            writer: of all tables.
            channels: that make vectors; none where no entry will come.
            stamps: of the channels whose vectors there are.
        """
        self._writer, self._channels, self._stamps = writer, channels, stamps
        self.count = self.unchanged = 0
        self.changed = False

    def begin(self) -> None:
        """Begin them anew."""
        self.changed = True
        self._writer.start(ENTRIES, ENTRIES_SCHEMA)
        self._writer.start(INTERVALS, INTERVALS_SCHEMA)
        for stamp in self._stamps:
            self._writer.start(vectors_table(stamp.id), vectors_schema(stamp.dimension))

    def resume(self, base: Published, reader: Reader) -> None:
        """Go on from what is published; vectors of another make, and intervals of libraries that
        had none, are made from the lines.
        """
        self.count = self.unchanged = base.entries
        self._writer.rewind(ENTRIES, base.tables[ENTRIES])
        if INTERVALS in base.tables:
            self._writer.rewind(INTERVALS, base.tables[INTERVALS])
        else:
            self._make_intervals(reader)
        for stamp in self._stamps:
            if stamp in base.channels:
                name = vectors_table(stamp.id)
                self._writer.rewind(name, base.tables[name])
        for channel in self._channels:
            if ChannelStamp.of(channel) not in base.channels:
                self._make_vectors(channel, reader)

    def append(
        self,
        entries: pa.Table,
        vectors: Mapping[str, NDArray[np.floating]] | None = None,
        *,
        without: AbstractSet[str] = frozenset(),
    ) -> None:
        """Write entries and what is made of them.

        Args:
            entries: rows of the table.
            vectors: that are made already, by channel.
            without: channels whose vectors come otherwise.
        """
        from indexer.templates.collecting import interval_rows

        self.changed = True
        self.count += entries.num_rows
        self._writer.append(ENTRIES, entries)
        self._writer.append(INTERVALS, interval_rows(entries))
        for channel in self._channels:
            if vectors and channel.id in vectors:
                self._append_vectors(channel, entries, vectors[channel.id])
            elif channel.id not in without:
                self._embed(channel, entries)

    def take_out(self, ids: AbstractSet[str]) -> pa.BooleanArray:
        """Take entries out, and their sources; says of each row whether it has gone."""
        gone = pc.is_in(self._present_ids(), value_set=pa.array(ids, pa.string()))
        self.count -= pc.sum(gone).as_py() or 0
        self.changed, self.unchanged = True, 0
        named = sorted(ids)
        vectors = [vectors_table(one.id) for one in self._stamps]
        for start in range(0, len(named), NAMED):
            condition = f"id IN ({quoted(named[start : start + NAMED])})"
            for name in (ENTRIES, SOURCES, INTERVALS, *vectors):
                self._writer.delete(name, condition)
        return gone

    def were_published(self) -> None:
        """What there is now is what readers see."""
        self.changed, self.unchanged = False, self.count

    def _present_ids(self) -> pa.Array:
        reader = self._writer.reader([ENTRIES])
        return reader.table(ENTRIES, ["id"])["id"].combine_chunks()

    def _make_intervals(self, reader: Reader) -> None:
        from indexer.templates.collecting import interval_rows

        self.unchanged = 0
        self._writer.start(INTERVALS, INTERVALS_SCHEMA)
        for batch in reader.batches(ENTRIES, ["id", *LINES_COLUMNS], BATCH_ROWS):
            self._writer.append(INTERVALS, interval_rows(pa.Table.from_batches([batch])))

    def _make_vectors(self, channel: AnyChannel, reader: Reader) -> None:
        self.changed, self.unchanged = True, 0
        self._writer.start(vectors_table(channel.id), vectors_schema(channel.dimension))
        for batch in reader.batches(ENTRIES, ["id", *columns_of(channel)], BATCH_ROWS):
            self._embed(channel, pa.Table.from_batches([batch]))

    def _embed(self, channel: AnyChannel, entries: pa.Table) -> None:
        self._append_vectors(channel, entries, embed(channel, entries))

    def _append_vectors(
        self, channel: AnyChannel, entries: pa.Table, vectors: NDArray[np.floating]
    ) -> None:
        ids = entries["id"].combine_chunks()
        rows = vector_rows(ChannelStamp.of(channel), ids, vectors)
        self._writer.append(vectors_table(channel.id), rows)
