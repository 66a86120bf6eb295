"""Taking entries out of a library: what stays is written anew and published as a version."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import LibraryError
from indexer.ingest import LineSettings
from indexer.publishing import one_writer, read_current
from indexer.schema import (
    ENTRIES,
    ENTRIES_SCHEMA,
    SOURCES,
    SOURCES_SCHEMA,
    vectors_schema,
    vectors_table,
)
from indexer.tables import Reader, Writer
from indexer.templates.collecting import collected
from indexer.templates.storage import TEMPLATES, TEMPLATES_SCHEMA
from indexer.writing import BATCH_ROWS, Progress, publish_written


def remove(path: Path, ids: frozenset[str], *, progress: Progress | None = None) -> None:
    """Publish the library at `path` without some entries. When none is there, nothing happens.

    Rows of `entries` and of the vectors stand in the same order, and templates lean on their
    members; so each table is written anew without the entries, and templates are collected anew.
    Earlier versions stay readable.

    Raises:
        LibraryError: someone else is writing, nothing would be left, or the new version is not
            whole.
    """
    with one_writer(path):
        base = read_current(path)
        reader = Reader(path, base.tables)
        known = set(reader.table(ENTRIES, ["id"])["id"].to_pylist())
        if not known & ids:
            return
        if known <= ids:
            raise LibraryError(
                f"{path}: without these no entry would be left; remove the library's folder instead"
            )
        writer = Writer(path)
        schemas = {ENTRIES: ENTRIES_SCHEMA, SOURCES: SOURCES_SCHEMA} | {
            vectors_table(stamp.id): vectors_schema(stamp.dimension) for stamp in base.channels
        }
        for name, schema in schemas.items():
            _write_kept(reader, writer, name, schema, ids)
        writer.start(TEMPLATES, TEMPLATES_SCHEMA)

        def advance(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total, "templates")

        writer.append(TEMPLATES, collected(Reader(path, writer.versions()), advance))
        settings = LineSettings(base.d_min_angstrom, base.floor)
        publish_written(path, writer, base.version + 1, base.channels, settings, before=None)


def _write_kept(
    reader: Reader, writer: Writer, name: str, schema: pa.Schema, ids: frozenset[str]
) -> None:
    writer.start(name, schema)
    gone = pa.array(sorted(ids), pa.string())
    for batch in reader.batches(name, schema.names, BATCH_ROWS):
        kept = batch.filter(pc.invert(pc.is_in(batch["id"], value_set=gone)))
        writer.append(name, pa.Table.from_batches([kept]))
