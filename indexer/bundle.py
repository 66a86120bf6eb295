"""A library as one file, to be handed on: a zip archive of Arrow streams with their checksums.

It holds crystals, lines, sources, vectors and the ledger of one version. Columns are looked up by
name, so that a bundle outlives the format of the libraries it is made from and into; vectors of
another make than this Braggle's, and templates, are made anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from data.errors import LibraryError
from indexer.channel import AnyChannel
from indexer.entry_tables import BATCH_ROWS
from indexer.ingest import LineSettings
from indexer.profiles import channels_of, profile_of
from indexer.publishing import ChannelStamp, Published, one_writer
from indexer.schema import (
    ENTRIES,
    ENTRIES_SCHEMA,
    LEDGER,
    LEDGER_SCHEMA,
    SOURCES,
    SOURCES_SCHEMA,
    vectors_schema,
    vectors_table,
)
from indexer.tables import Reader
from indexer.writing import Progress, Writing, silent

BUNDLE_FORMAT = 1
SUFFIX = ".braggle"
MANIFEST = "manifest.json"
BLOCK = 2**20


def export(
    path: Path, published: Published, reader: Reader, file: Path, progress: Progress | None = None
) -> None:
    """Write a version of a library as a bundle; what was there is replaced once it is whole.

    Args:
        path: of the library.
        published: the version.
        reader: of its tables.
        file: to write.
        progress: called with done, total and stage.

    Raises:
        LibraryError: the file cannot be written, or the library is damaged.
    """
    report = progress or silent
    tables = [ENTRIES, SOURCES, *(vectors_table(one.id) for one in published.channels)]
    tables += [LEDGER] if reader.rows(LEDGER) else []
    manifest: dict[str, Any] = {
        "braggle_bundle": BUNDLE_FORMAT,
        "library": path.name,
        "version": published.version,
        "published_at": published.published_at,
        "entries": published.entries,
        "d_min_angstrom": published.d_min_angstrom,
        "floor": published.floor,
        "channels": [asdict(one) for one in published.channels],
        "braggle": published.deed.braggle,
        "sha256": {},
    }
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for done, name in enumerate(tables):
                report(done, len(tables), "tables")
                with archive.open(f"{name}.arrows", "w", force_zip64=True) as opened:
                    manifest["sha256"][name] = _write(opened, reader, name)
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        temporary.replace(file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise LibraryError(f"{file}: the bundle cannot be written ({error})") from None
    report(len(tables), len(tables), "tables")


def import_bundle(
    file: Path,
    path: Path,
    channels: Sequence[AnyChannel] | None = None,
    progress: Progress | None = None,
) -> None:
    """Make a library of a bundle, in a folder where there is none.

    Args:
        file: of the bundle.
        path: of the library.
        channels: that make vectors; those of the bundle's profile when None.
        progress: called with done, total and stage.

    Raises:
        LibraryError: the file is no bundle, altered, or of a newer Braggle; or the library cannot
            be written.
    """
    report = progress or silent
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _manifest(archive, file)
            path.mkdir(parents=True, exist_ok=True)
            with one_writer(path):
                _fill(path, archive, manifest, channels, report)
    except (OSError, zipfile.BadZipFile, pa.ArrowException, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise LibraryError(f"{file}: no bundle that can be read ({reason}); export it again") from (
            error
        )


def _fill(
    path: Path,
    archive: zipfile.ZipFile,
    manifest: dict[str, Any],
    channels: Sequence[AnyChannel] | None,
    report: Progress,
) -> None:
    stored = {ChannelStamp(**one) for one in manifest["channels"]}
    profile = profile_of(one.id for one in stored)
    channels = channels_of(profile) if channels is None else channels
    fits = {one for one in map(ChannelStamp.of, channels) if one in stored}
    settings = LineSettings(manifest["d_min_angstrom"], manifest["floor"], profile)
    writing = Writing(path, channels, None, version=1, verb="import", settings=settings)
    total = manifest["entries"]
    report(0, total, "crystals")
    done = 0
    for batch in _batches(archive, ENTRIES, ENTRIES_SCHEMA):
        writing.entries.append(batch, without={one.id for one in fits})
        done += len(batch)
        report(done, total, "crystals")
    for stamp in fits:
        name = vectors_table(stamp.id)
        for batch in _batches(archive, name, vectors_schema(stamp.dimension)):
            writing.writer.append(name, batch)
    for name, schema in ((SOURCES, SOURCES_SCHEMA), (LEDGER, LEDGER_SCHEMA)):
        if name in manifest["sha256"]:
            for batch in _batches(archive, name, schema):
                writing.writer.append(name, batch)
    writing.extend_templates(report)
    writing.publish(report, finished=True, counts={"added": done}, anew=True)


def _manifest(archive: zipfile.ZipFile, file: Path) -> dict[str, Any]:
    """What is in a bundle, once it was compared with its checksums."""
    manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    if int(manifest["braggle_bundle"]) > BUNDLE_FORMAT:
        raise LibraryError(
            f"{file}: the bundle has format {manifest['braggle_bundle']}, this Braggle reads up to "
            f"{BUNDLE_FORMAT}; upgrade Braggle"
        )
    for name, sha256 in manifest["sha256"].items():
        with archive.open(f"{name}.arrows") as opened:
            found = hashlib.sha256()
            while block := opened.read(BLOCK):
                found.update(block)
        if found.hexdigest() != sha256:
            raise LibraryError(f"{file}: {name} is altered; copy or export the bundle again")
    return manifest


def _batches(archive: zipfile.ZipFile, name: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """A table of a bundle, in the columns that a library has now."""
    with archive.open(f"{name}.arrows") as opened, pa.ipc.open_stream(opened) as stream:
        for batch in stream:
            columns = [
                batch[field.name] if field.name in batch.schema.names else pa.repeat("", len(batch))
                for field in schema
            ]
            yield pa.Table.from_arrays(columns, names=schema.names).cast(schema)


def _write(opened: IO[bytes], reader: Reader, name: str) -> str:
    sink = _Hashing(opened)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, reader.schema(name), options=options) as stream:
        for batch in reader.batches(name, reader.schema(name).names, BATCH_ROWS):
            stream.write_batch(batch)
    return sink.sha256.hexdigest()


class _Hashing(io.RawIOBase):
    """Hands bytes on and hashes them."""

    def __init__(self, opened: IO[bytes]) -> None:
        self._opened = opened
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self.sha256.update(data)
        return self._opened.write(data)
