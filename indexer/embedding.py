"""Vectors of entries as their table has them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.canonical import Standard
from indexer.channel import AnyChannel, ReadsAtoms
from indexer.schema import CRYSTAL_COLUMNS, LINES_COLUMNS, crystal_of, lines_table_of


def columns_of(channel: AnyChannel) -> tuple[str, ...]:
    """What a channel reads of an entry."""
    return CRYSTAL_COLUMNS if isinstance(channel, ReadsAtoms) else LINES_COLUMNS


def embed(channel: AnyChannel, entries: pa.Table) -> NDArray[np.float32]:
    """A channel's vectors of entries, by row. Shape (N, dimension)."""
    if isinstance(channel, ReadsAtoms):
        rows = entries.select(CRYSTAL_COLUMNS).to_pylist()
        return channel.embed_crystals([Standard.from_stored(crystal_of(row)) for row in rows])
    return channel.embed_lines(lines_table_of(entries.to_batches()))
