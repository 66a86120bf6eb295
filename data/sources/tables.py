"""CIFs in a column of a table, and Braggle's own Parquet layout."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import LibraryError
from data.offered import Offered
from data.record import Problem, Record
from data.sources.packed import is_packed, read_packed
from data.sources.stream import SourceStream

CIF_COLUMN = "cif"
IDENTIFIER_COLUMNS = ("material_id", "identifier", "id", "name")
"""The first of these that a table has names its rows."""

MAX_FIELD_BYTES = 64 * 2**20

DAMAGE = (pa.ArrowException, OSError, ValueError)


def open_csv(path: Path) -> SourceStream:
    """Each row's CIF.

    Raises:
        LibraryError: the table has no column `cif`, or cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            columns = next(csv.reader(file), [])
    except (OSError, csv.Error) as error:
        raise LibraryError(f"{path}: not a readable table ({error}); save it as CSV") from None
    _require_column(path, columns)
    return SourceStream.of_files(str(path), _csv_rows(path))


def _csv_rows(path: Path) -> Iterator[Offered]:
    csv.field_size_limit(MAX_FIELD_BYTES)
    row, seen = 0, set[str]()
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            for row, values in enumerate(csv.DictReader(file), 1):
                yield _row(path, row, values, seen)
    except (OSError, csv.Error) as error:
        problem = Problem(f"{path.name}, row {row + 1}", 0, f"not CSV from here on ({error})")
        yield _unreadable(path, problem, f"row {row + 1}")


def open_parquet(path: Path) -> SourceStream:
    """Each row's crystal: from its column `cif`, or in Braggle's own layout.

    Raises:
        LibraryError: the file is no Parquet, or holds neither.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise LibraryError(f"{path}: not a readable Parquet file ({reason})") from None
    if is_packed(schema):
        return SourceStream(str(path), _guarded(path, read_packed(path)), rows)
    _require_column(path, schema.names)
    return SourceStream.of_files(str(path), _parquet_rows(path, schema.names), rows)


def _parquet_rows(path: Path, names: list[str]) -> Iterator[Offered]:
    wanted = [name for name in (CIF_COLUMN, *IDENTIFIER_COLUMNS) if name in names]
    row, seen = 0, set[str]()
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256, columns=wanted):
                for values in batch.to_pylist():
                    row += 1
                    yield _row(path, row, values, seen)
    except DAMAGE as error:
        yield _unreadable(path, _damaged(path, error), f"row {row + 1}")


def _guarded(path: Path, items: Iterator[Record | Problem]) -> Iterator[Record | Problem]:
    """The items; damage met on the way is the last of them."""
    try:
        yield from items
    except DAMAGE as error:
        yield _damaged(path, error)


def _damaged(path: Path, error: Exception) -> Problem:
    reason = str(error).splitlines()[0]
    return Problem(path.name, 0, f"damaged from here on ({reason}); make the file anew")


def _unreadable(path: Path, problem: Problem, member: str) -> Offered:
    return Offered.unreadable(problem, path=str(path.absolute()), member=member)


def _row(path: Path, row: int, values: Mapping[str, Any], seen: set[str]) -> Offered:
    """The CIF of one row, named by the row's identifier where it has one.

    An identifier that was seen before in the table is told from it by the number of the row.
    """
    given = (values.get(column) for column in IDENTIFIER_COLUMNS)
    identifier = next((str(value) for value in given if value not in (None, "")), "")
    where = f"{path.name}, row {row}" + (f" ({identifier})" if identifier else "")
    text = values.get(CIF_COLUMN)
    name = identifier or f"row {row}"
    member = f"{name}, row {row}" if name in seen else name
    seen.add(name)
    if not isinstance(text, str) or not text.strip():
        problem = Problem(where, 0, "the column cif is empty; give the text of a CIF")
        return _unreadable(path, problem, member)
    return Offered.of(
        text.encode("utf-8", "surrogatepass"),
        where,
        path=str(path.absolute()),
        member=member,
        row=(path.name, name),
    )


def _require_column(path: Path, columns: list[str]) -> None:
    if CIF_COLUMN not in columns:
        listed = ", ".join(columns[:8]) + (", …" if len(columns) > 8 else "")
        raise LibraryError(
            f"{path}: no column {CIF_COLUMN!r} (it has: {listed or 'none'}); "
            "name the column that holds the CIF texts cif"
        )
