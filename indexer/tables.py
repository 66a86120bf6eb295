"""The Lance tables of a library: read at the versions that were published, written by one writer.

Reading goes through `lance`, whose import takes a third of LanceDB's; writing goes through LanceDB.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import LibraryError
from indexer.publishing import TABLES, TableVersion

os.environ.setdefault("LANCEDB_LOG", "error")  # else every new table warns that it is new


class Reader:
    """The tables of a library folder at fixed versions; what is written later is not seen."""

    def __init__(self, path: Path, versions: Mapping[str, TableVersion]) -> None:
        import lance

        self._path = path
        self._datasets: dict[str, Any] = {}
        for name, table in versions.items():
            with self.damage(name):
                uri = str(path / TABLES / f"{name}.lance")
                dataset = lance.dataset(uri, version=table.version)
                rows = dataset.count_rows()
            if rows != table.rows:
                raise LibraryError(
                    f"{path}: table {name} has {rows} rows, {table.rows} were published; "
                    "restore the folder from a copy, or build the library again"
                )
            self._datasets[name] = dataset

    def table(self, name: str, columns: Sequence[str]) -> pa.Table:
        """Columns of a whole table, in row order."""
        with self.damage(name):
            return self._datasets[name].to_table(columns=list(columns))

    def batches(
        self, name: str, columns: Sequence[str], rows: int = 8192
    ) -> Iterator[pa.RecordBatch]:
        """The same, at most so many rows at a time."""
        with self.damage(name):
            yield from self._datasets[name].to_batches(columns=list(columns), batch_size=rows)

    def take(
        self, name: str, rows: NDArray[np.int64] | Sequence[int], columns: Sequence[str]
    ) -> pa.Table:
        """Some rows, in the order given."""
        with self.damage(name):
            return self._datasets[name].take(list(map(int, rows)), columns=list(columns))

    def where(self, name: str, condition: str, columns: Sequence[str]) -> pa.Table:
        """Rows that meet a condition, in row order."""
        with self.damage(name):
            return self._datasets[name].to_table(columns=list(columns), filter=condition)

    def metadata(self, name: str) -> dict[bytes, bytes]:
        """What the columns of a table are said to be; nothing for a table that is not there."""
        dataset = self._datasets.get(name)
        return {} if dataset is None else dict(dataset.schema.metadata or {})

    def files(self) -> list[str]:
        """The data files of all tables, as paths in the library."""
        return [
            f"{TABLES}/{name}.lance/data/{file.path}"
            for name, dataset in self._datasets.items()
            for fragment in dataset.get_fragments()
            for file in fragment.data_files()
        ]

    def damage(self, name: str) -> AbstractContextManager[None]:
        """Errors met while a table's content is used as one clear line that names the table."""
        return _as_damage(self._path, name)


class Writer:
    """The tables of a library folder, changed under the folder's lock.

    Nothing written here is seen by readers before its versions are published; what a writer that
    was interrupted left behind is undone by `rewind`.
    """

    def __init__(self, path: Path) -> None:
        import lancedb

        self._path = path
        self._database = lancedb.connect(path / TABLES)
        self._tables: dict[str, Any] = {}

    def rewind(self, name: str, published: TableVersion) -> None:
        """Open a table as it was published, dropping rows that were written but not published."""
        with _as_damage(self._path, name):
            table = self._database.open_table(name)
            if table.version != published.version:
                table.checkout(published.version)
                table.restore()
        self._tables[name] = table

    def start(self, name: str, schema: pa.Schema) -> None:
        """Begin a table anew; its earlier versions stay readable."""
        with _as_damage(self._path, name):
            self._tables[name] = self._database.create_table(name, schema=schema, mode="overwrite")

    def append(self, name: str, rows: pa.Table) -> None:
        """Add rows at the end."""
        if rows.num_rows:
            with _as_damage(self._path, name):
                self._tables[name].add(rows)

    def versions(self) -> dict[str, TableVersion]:
        """The tables as they are now."""
        return {
            name: TableVersion(int(table.version), int(table.count_rows()))
            for name, table in self._tables.items()
        }

    def tag(self, label: str) -> None:
        """Name the present versions, which keeps clean-ups from removing them."""
        for table in self._tables.values():
            if label in table.tags.list():
                table.tags.update(label, table.version)
            else:
                table.tags.create(label, table.version)


@contextmanager
def _as_damage(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        reason = " ".join(str(error).split("\n")[0].split())[:160]
        raise LibraryError(
            f"{path}: table {name} cannot be used ({reason}); "
            "restore the folder from a copy, or build the library again"
        ) from error
