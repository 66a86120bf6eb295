"""The Lance tables of a library: read at the versions that were published, written by one writer.

Reading goes through `lance`, whose import takes a third of LanceDB's; writing goes through LanceDB.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import LibraryError
from indexer.publishing import NOTHING_LOST, TABLES, TableVersion, sha256_of

os.environ.setdefault("LANCEDB_LOG", "error")  # else every new table warns that it is new


FRAGMENT_ROWS = 131_072
"""Of a data file after compaction; larger ones are left as they are."""
WORN = 0.1
"""Part of a table's rows that may have been deleted."""

VERSIONS_OF_TABLE, TAGS = "_versions", "_refs/tags"
LAST_VERSION = 2**64 - 1
TAG_KEYS = frozenset({"branch", "version", "createdAt", "updatedAt", "manifestSize", "metadata"})

PLACE_BITS = 32
PLACE = (1 << PLACE_BITS) - 1


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the rows of a table lie. A data file is never changed, so that this tells a row from
    every other one that the table ever had or will have.

    Attributes:
        files: names of the data files.
        places: of each row the number of its file, shifted by `PLACE_BITS`, and its place in that;
            ascending. Shape (rows,).
    """

    files: tuple[str, ...]
    places: NDArray[np.int64]

    def rows_in(self, now: Layout) -> NDArray[np.int64]:
        """The row in `now` of each row of this layout; -1 where it is not there. Shape (rows,)."""
        count = len(self.places)
        if now.files[: len(self.files)] == self.files and np.array_equal(
            now.places[:count], self.places
        ):
            return np.arange(count)
        known = {file: number for number, file in enumerate(now.files)}
        numbers = np.array([known.get(file, -1) for file in self.files], np.int64)
        wanted = numbers[self.places >> PLACE_BITS] << PLACE_BITS | self.places & PLACE
        rows = np.minimum(np.searchsorted(now.places, wanted), len(now.places) - 1)
        return np.where(now.places[rows] == wanted, rows, -1)


class Reader:
    """The tables of a library folder at fixed versions; what is written later is not seen."""

    def __init__(self, path: Path, versions: Mapping[str, TableVersion]) -> None:
        import lance

        self._path, self._versions = path, dict(versions)
        self._datasets: dict[str, Any] = {}
        for name, table in versions.items():
            with self.damage(name):
                folder = table_folder(path, name)
                # Lance panics over some manifests that are damaged, and believes others.
                if table.sha256 and sha256_of(_manifest(folder, table.version)) != table.sha256:
                    raise OSError("its manifest is altered")
                dataset = lance.dataset(str(folder), version=table.version)
                rows = dataset.count_rows()
            if rows != table.rows:
                raise LibraryError(
                    f"{path}: table {name} has {rows} rows, {table.rows} were published; "
                    "restore the folder from a copy, or build the library again"
                )
            self._datasets[name] = dataset

    def __reduce__(self) -> tuple[type[Reader], tuple[Path, dict[str, TableVersion]]]:
        """Opened anew in another process."""
        return Reader, (self._path, self._versions)

    def only(self, *names: str) -> Reader:
        """Of some of the tables."""
        return Reader(self._path, {name: self._versions[name] for name in names})

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

    def tail(self, name: str, first_row: int, columns: Sequence[str]) -> pa.Table:
        """Rows from `first_row` on."""
        with self.damage(name):
            return self._datasets[name].to_table(columns=list(columns), offset=first_row)

    def has(self, name: str, column: str) -> bool:
        """Whether there is such a table with such a column."""
        return name in self._datasets and column in self._datasets[name].schema.names

    def schema(self, name: str) -> pa.Schema:
        """Columns of a table."""
        return self._datasets[name].schema

    def rows(self, name: str) -> int:
        """How many rows a table has; none where there is no such table."""
        return int(self._datasets[name].count_rows()) if name in self._datasets else 0

    def is_worn(self, name: str, fragments: int) -> bool:
        """Whether compacting a table would leave out much, or make few files of many."""
        parts = self._datasets[name].get_fragments()
        deleted = sum(part.num_deletions for part in parts)
        small = sum(part.physical_rows < FRAGMENT_ROWS / 2 for part in parts)
        return bool(deleted > WORN * self._datasets[name].count_rows() or small > fragments)

    def layout(self, name: str) -> Layout:
        """Where the rows of a table lie."""
        with self.damage(name):
            fragments = self._datasets[name].get_fragments()
            places = [np.zeros(0, np.int64)]
            for number, fragment in enumerate(fragments):
                if fragment.num_deletions:
                    scanner = fragment.scanner(columns=[], with_row_address=True)
                    place = scanner.to_table()["_rowaddr"].to_numpy().astype(np.int64) & PLACE
                else:
                    place = np.arange(fragment.physical_rows, dtype=np.int64)
                places.append(place | number << PLACE_BITS)
            files = tuple(fragment.data_files()[0].path for fragment in fragments)
        return Layout(files, np.concatenate(places))

    def metadata(self, name: str) -> dict[bytes, bytes]:
        """What the columns of a table are said to be; nothing for a table that is not there."""
        dataset = self._datasets.get(name)
        return {} if dataset is None else dict(dataset.schema.metadata or {})

    def files(self) -> list[str]:
        """The data files of all tables, and those that say what was deleted of them, as paths in
        the library.
        """
        found = []
        for name, dataset in self._datasets.items():
            for fragment in dataset.get_fragments():
                found += [f"{TABLES}/{name}.lance/data/{one.path}" for one in fragment.data_files()]
                if deleted := fragment.deletion_file():
                    found.append(f"{TABLES}/{name}.lance/{deleted}")
        return found

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
        with _as_refusal(self._path, name):
            table = self._database.open_table(name)
            if table.version != published.version:
                table.checkout(published.version)
                table.restore()
        self._tables[name] = table

    def start(self, name: str, schema: pa.Schema) -> None:
        """Begin a table anew; its earlier versions stay readable."""
        with _as_refusal(self._path, name):
            self._tables[name] = self._database.create_table(name, schema=schema, mode="overwrite")

    def append(self, name: str, rows: pa.Table) -> None:
        """Add rows at the end."""
        if rows.num_rows:
            with _as_refusal(self._path, name):
                self._tables[name].add(rows)

    def delete(self, name: str, condition: str) -> None:
        """Take out the rows that meet a condition; the others keep their order."""
        with _as_refusal(self._path, name):
            self._tables[name].delete(condition)

    def versions(self) -> dict[str, TableVersion]:
        """The tables as they are now."""
        found = {}
        for name, table in self._tables.items():
            with _as_refusal(self._path, name):
                number = int(table.version)
                manifest = _manifest(table_folder(self._path, name), number)
                found[name] = TableVersion(number, int(table.count_rows()), sha256_of(manifest))
        return found

    def reader(self, names: Iterable[str] | None = None) -> Reader:
        """Tables as they are now, all or some."""
        versions = self.versions()
        return Reader(self._path, {name: versions[name] for name in names or versions})

    def tag(self, label: str) -> None:
        """Name the present versions, which keeps clean-ups from removing them."""
        self.tag_versions(label, self.versions())

    def tag_versions(self, label: str, versions: Mapping[str, TableVersion]) -> None:
        """Name versions of tables, in place of what the name stood for."""
        for name, table in versions.items():
            with _as_refusal(self._path, name):
                self._drop_damaged_tags(name)
                tags = self._dataset(name).tags
                known = tags.list().get(label)
                if known is None:
                    tags.create(label, table.version)
                elif known["version"] != table.version:
                    tags.update(label, table.version)

    def compact(self, name: str) -> None:
        """Write a table anew as few files, without what was deleted; rows keep their order."""
        with _as_refusal(self._path, name):
            self._dataset(name).optimize.compact_files(target_rows_per_fragment=FRAGMENT_ROWS)
            self._tables[name].checkout_latest()

    def clean(self, labels: AbstractSet[str], current: Mapping[str, TableVersion]) -> None:
        """Remove the versions of all tables that bear none of some names, and the files that only
        they need; tables that no kept version has go as a whole.

        Nobody else writes while the folder's lock is held, so that files which belong to no version
        are leftovers of a writer that was cut off.
        """
        for folder in sorted((self._path / TABLES).glob("*.lance")):
            name = folder.stem
            if name in current:
                self.rewind(name, current[name])
            with _as_refusal(self._path, name):
                dataset = self._dataset(name)
                tags = dataset.tags.list()
                for label in tags.keys() - labels:
                    dataset.tags.delete(label)
                if not tags.keys() & labels and name not in current:
                    self._database.drop_table(name)
                    continue
                dataset.cleanup_old_versions(
                    older_than=timedelta(0),
                    delete_unverified=True,
                    error_if_tagged_old_versions=False,
                )

    def _dataset(self, name: str) -> Any:  # noqa: ANN401 - Lance has no types
        import lance

        return lance.dataset(str(table_folder(self._path, name)))

    def _drop_damaged_tags(self, name: str) -> None:
        """Remove tags that Lance cannot read, and over which it would do nothing at all; upkeep
        tags every kept version anew before anything goes.
        """
        for label, version in tags_of(self._path, name).items():
            if version is None:
                (table_folder(self._path, name) / TAGS / f"{label}.json").unlink()


def table_folder(path: Path, name: str) -> Path:
    """Where a table of a library lies."""
    return path / TABLES / f"{name}.lance"


def tags_of(path: Path, name: str) -> dict[str, int | None]:
    """The version that each tag of a table names; None for a tag that is damaged."""
    found: dict[str, int | None] = {}
    for file in (table_folder(path, name) / TAGS).glob("*.json"):
        try:
            tag = json.loads(file.read_bytes())
            whole = isinstance(tag, dict) and tag.keys() >= TAG_KEYS
            found[file.stem] = int(tag["version"]) if whole else None
        except (OSError, ValueError, TypeError):
            found[file.stem] = None
    return found


def _manifest(folder: Path, version: int) -> Path:
    """The file that says what a version of a table is made of; older Lances named it plainly."""
    file = folder / VERSIONS_OF_TABLE / f"{LAST_VERSION - version:020d}.manifest"
    return file if file.exists() else file.with_name(f"{version}.manifest")


@contextmanager
def _as_damage(path: Path, name: str) -> Iterator[None]:
    with _as_library_error(
        f"{path}: table {name} cannot be used",
        "restore the folder from a copy, or build the library again",
    ):
        yield


@contextmanager
def _as_refusal(path: Path, name: str) -> Iterator[None]:
    with _as_library_error(f"{path}: table {name} cannot be changed", NOTHING_LOST):
        yield


@contextmanager
def _as_library_error(what: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # A panic of Lance's is no Exception.
        known = isinstance(error, OSError | ValueError | RuntimeError | pa.ArrowException)
        if not known and type(error).__name__ != "PanicException":
            raise
        system = re.search(r"os error (\d+)", str(error))
        reason = os.strerror(int(system[1])) if system else str(error).split("\n")[0]
        raise LibraryError(f"{what} ({' '.join(reason.split())[:160]}); {remedy}") from error


def present(ids: pa.Array | pa.ChunkedArray, wanted: Iterable[str]) -> set[str]:
    """Which of some ids are among many."""
    few = pa.array(wanted, pa.string())
    return set(ids.filter(pc.is_in(ids, value_set=few)).to_pylist()) if len(few) else set()


def quoted(values: Iterable[str]) -> str:
    """Texts as a condition lists them."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)
