"""Crystals as one Parquet file: small, read without parsing CIF, the same bytes for the same rows.

A row is a whole unit cell. Fractional coordinates are integers of 1/120 000 000: every
decimal of seven digits and every multiple of 1/3, 1/8 and 1/12 is exact, so special positions
stay special.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.crystal import Crystal
from data.errors import CrystalError
from data.formula import reduced_formula
from data.record import Problem, Record, Source

COORDINATE_UNITS = 120_000_000

SCHEMA = pa.schema(
    [
        ("collection", pa.string()),
        ("identifier", pa.string()),
        ("names", pa.list_(pa.string())),
        ("formula", pa.string()),
        ("reference", pa.string()),
        ("licence", pa.string()),
        ("space_group_number", pa.uint8()),
        ("lattice_angstrom", pa.list_(pa.float64(), 9)),
        ("atomic_numbers", pa.list_(pa.uint8())),
        ("coordinates", pa.list_(pa.int32())),
        ("occupancies", pa.list_(pa.float64())),
        ("u_iso_angstrom2", pa.list_(pa.float64())),
    ],
    metadata={"braggle": "crystals", "coordinate_units": str(COORDINATE_UNITS)},
)
"""`occupancies` is null where every site is full, `u_iso_angstrom2` where none is known;
`lattice_angstrom` holds a, b, c one after the other, `coordinates` x, y, z atom by atom."""

_ROWS_PER_GROUP = 1024


def _row(record: Record) -> dict[str, Any]:
    crystal, source = record.crystal, record.source
    known = np.isfinite(crystal.u_iso_angstrom2).any()
    integers = np.rint(crystal.fractional * COORDINATE_UNITS).astype(np.int64) % COORDINATE_UNITS
    return {
        "collection": source.collection,
        "identifier": source.identifier,
        "names": list(record.names),
        "formula": reduced_formula(crystal.composition),
        "reference": source.reference,
        "licence": source.licence,
        "space_group_number": crystal.space_group_number,
        "lattice_angstrom": crystal.lattice.round(12).ravel(),
        "atomic_numbers": [gemmi.Element(symbol).atomic_number for symbol in crystal.species],
        "coordinates": integers.ravel().astype(np.int32),
        "occupancies": None if (crystal.occupancies == 1.0).all() else crystal.occupancies,
        "u_iso_angstrom2": crystal.u_iso_angstrom2.round(6) if known else None,
    }


def write_packed(records: Iterable[Record], path: Path) -> int:
    """Write the records to a Parquet file, through a temporary file beside it.

    Returns:
        How many were written.
    """
    table = pa.Table.from_pylist([_row(record) for record in records], schema=SCHEMA)
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            pq.write_table(
                table,
                file,
                row_group_size=_ROWS_PER_GROUP,
                compression="zstd",
                compression_level=19,
                use_dictionary=True,
            )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return int(table.num_rows)


def is_packed(schema: pa.Schema) -> bool:
    """Whether a Parquet file of this schema holds crystals in the layout above."""
    return set(SCHEMA.names) <= set(schema.names)


def read_packed(path: Path) -> Iterator[Record | Problem]:
    """Read what `write_packed` wrote, a group of rows at a time.

    Raises:
        OSError, pyarrow.ArrowException: the file is damaged.
    """
    with pq.ParquetFile(path) as file:
        units = int((file.schema_arrow.metadata or {}).get(b"coordinate_units", COORDINATE_UNITS))
        row = 0
        for batch in file.iter_batches(batch_size=_ROWS_PER_GROUP, columns=SCHEMA.names):
            for values in _rows(batch.cast(SCHEMA)):
                row += 1
                try:
                    yield _record(values, units)
                except (CrystalError, TypeError, ValueError) as error:
                    yield Problem(f"{path.name}, row {row}", 0, str(error))


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a batch; numbers stay NumPy arrays, which is ten times faster than lists."""
    numeric = ("atomic_numbers", "coordinates", "occupancies", "u_iso_angstrom2")
    columns = {
        name: batch.column(name) if name in numeric else batch.column(name).to_pylist()
        for name in SCHEMA.names
    }
    for index in range(batch.num_rows):
        row = {name: column[index] for name, column in columns.items()}
        for name in numeric:
            values = row[name].values
            row[name] = None if values is None else values.to_numpy(zero_copy_only=False)
        yield row


def _record(row: dict[str, Any], units: int) -> Record:
    numbers = row["atomic_numbers"]
    n = len(numbers)
    occupancies, u_iso = row["occupancies"], row["u_iso_angstrom2"]
    crystal = Crystal(
        lattice=np.array(row["lattice_angstrom"], dtype=np.float64).reshape(3, 3),
        species=tuple(gemmi.Element(int(number)).name for number in numbers),
        occupancies=np.ones(n) if occupancies is None else occupancies,
        fractional=row["coordinates"].reshape(-1, 3) / units,
        u_iso_angstrom2=np.full(n, np.nan) if u_iso is None else u_iso,
        space_group_number=row["space_group_number"],
    )
    source = Source(row["collection"], row["identifier"], row["reference"], row["licence"])
    return Record(crystal, tuple(row["names"]), source)
