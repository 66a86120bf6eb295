"""The columns of the tables, and the way between them and crystals, lines and sources.

`entries` has one row a crystal, `sources` one row for every place a crystal was read from (names
go with the place, so that adding a source never changes an entry), and `vectors_<channel>` one
row an entry. `intervals` says of each entry where its strongest peak is, for templates. Rows are
appended to, and taken out of, `entries`, `intervals` and `vectors_<channel>` alike, so that row i
is the same entry in all of them. `ledger` has a row for each file that was ever offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.crystal import Crystal
from data.lines import Lines, LinesTable
from data.record import Source

ENTRIES = "entries"
SOURCES = "sources"
INTERVALS = "intervals"
LEDGER = "ledger"

ENTRIES_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("formula", pa.string(), nullable=False),
        pa.field("elements", pa.list_(pa.string()), nullable=False),
        pa.field("amounts", pa.list_(pa.float64()), nullable=False),
        pa.field("space_group_number", pa.int16(), nullable=False),
        pa.field("space_group", pa.string(), nullable=False),
        pa.field("volume_angstrom3", pa.float64(), nullable=False),
        pa.field("density_g_cm3", pa.float64(), nullable=False),
        pa.field("n_atoms", pa.int32(), nullable=False),
        pa.field("lattice", pa.list_(pa.float64(), 9), nullable=False),
        pa.field("species", pa.list_(pa.string()), nullable=False),
        pa.field("occupancies", pa.list_(pa.float64()), nullable=False),
        pa.field("fractional", pa.list_(pa.float64()), nullable=False),
        pa.field("u_iso_angstrom2", pa.list_(pa.float64()), nullable=False),
        pa.field("n_lines", pa.int32(), nullable=False),
        pa.field("inv_d2", pa.list_(pa.float32()), nullable=False),
        pa.field("strength", pa.list_(pa.float32()), nullable=False),
        pa.field("hkl", pa.list_(pa.int16()), nullable=False),
    ]
)

SOURCES_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("collection", pa.string(), nullable=False),
        pa.field("identifier", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("licence", pa.string(), nullable=False),
        pa.field("names", pa.list_(pa.string()), nullable=False),
        pa.field("file", pa.string(), nullable=False),
    ]
)

INTERVALS_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("interval", pa.int16(), nullable=False),
    ]
)

LEDGER_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("member", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("entries", pa.list_(pa.string()), nullable=False),
        pa.field("library_version", pa.int64(), nullable=False),
        pa.field("channels", pa.list_(pa.string()), nullable=False),
        pa.field("braggle", pa.string(), nullable=False),
        pa.field("at", pa.string(), nullable=False),
    ]
)

CRYSTAL_COLUMNS = (
    "lattice",
    "species",
    "occupancies",
    "fractional",
    "u_iso_angstrom2",
    "space_group_number",
)
LINES_COLUMNS = ("n_lines", "inv_d2", "strength", "hkl")


def vectors_table(channel_id: str) -> str:
    """Name of the table that holds a channel's vectors."""
    return f"vectors_{channel_id}"


def vectors_schema(dimension: int) -> pa.Schema:
    """Columns of a channel's table: every vector names what made it."""
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("channel", pa.string(), nullable=False),
            pa.field("version", pa.string(), nullable=False),
            pa.field("sha256", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), dimension), nullable=False),
        ]
    )


def crystal_columns(crystal: Crystal) -> dict[str, Any]:
    """A crystal as the cells of a row."""
    return {
        "lattice": crystal.lattice.ravel(),
        "species": list(crystal.species),
        "occupancies": crystal.occupancies,
        "fractional": crystal.fractional.ravel(),
        "u_iso_angstrom2": crystal.u_iso_angstrom2,
        "space_group_number": crystal.space_group_number,
    }


def crystal_of(row: Mapping[str, Any]) -> Crystal:
    """The crystal that `crystal_columns` took apart."""
    return Crystal(
        np.array(row["lattice"], dtype=np.float64).reshape(3, 3),
        tuple(row["species"]),
        np.array(row["occupancies"], dtype=np.float64),
        np.array(row["fractional"], dtype=np.float64).reshape(-1, 3),
        np.array(row["u_iso_angstrom2"], dtype=np.float64),
        int(row["space_group_number"]),
    )


def lines_columns(lines: Lines) -> dict[str, Any]:
    """Lines as the cells of a row."""
    return {
        "n_lines": len(lines),
        "inv_d2": lines.inv_d2.astype(np.float32),
        "strength": lines.strength.astype(np.float32),
        "hkl": lines.hkl.astype(np.int16).ravel(),
    }


def lines_table_of(batches: Sequence[pa.RecordBatch]) -> LinesTable:
    """The lines of entries read with `LINES_COLUMNS`, without going through Python objects."""
    if not batches:
        return LinesTable.of([])
    counts = np.concatenate([flat(batch["n_lines"]) for batch in batches])
    return LinesTable(
        np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
        np.concatenate([flat(batch["inv_d2"]) for batch in batches]),
        np.concatenate([flat(batch["strength"]) for batch in batches]),
        np.concatenate([flat(batch["hkl"]) for batch in batches]).reshape(-1, 3),
    )


def flat(array: pa.Array) -> NDArray[Any]:
    """The values of a column of numbers, or of lists of numbers one after another, uncopied."""
    if pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    values: NDArray[Any] = array.to_numpy(zero_copy_only=True)
    return values


def source_of(row: Mapping[str, Any]) -> Source:
    """The source of a row of `sources`."""
    return Source(row["collection"], row["identifier"], row["reference"], row["licence"])
