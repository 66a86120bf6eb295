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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from data.errors import LibraryError
from indexer.channel import AnyChannel
from indexer.entry_tables import BATCH_ROWS
from indexer.ingest import LineSettings
from indexer.profiles import Profile, channels_of, profile_of
from indexer.publishing import ChannelStamp, Published, is_library, may_build_in, one_writer
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
SAMPLE = 4096
"""Rows of a table by which its size in a bundle is told."""


@dataclass(frozen=True)
class BundleInfo:
    """What a bundle says of itself; nothing of it was compared with its checksums.

    Attributes:
        library: what it was called where it was exported.
        version: of that library.
        published_at: UTC time, ISO 8601.
        entries: how many it holds.
        profile: what they are, `powder` or `2d`.
        channels: ids of the channels whose vectors it holds.
        made_anew: ids of the channels whose vectors an import makes.
        bytes: of the file.
        braggle: the version that published it.
    """

    library: str
    version: int
    published_at: str
    entries: int
    profile: Profile
    channels: tuple[str, ...]
    made_anew: tuple[str, ...]
    bytes: int
    braggle: str


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
    tables = _tables(published, reader)
    done, total = 0, sum(map(reader.rows, tables))

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        report(done, total, "rows")

    advance(0)
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
            for name in tables:
                with archive.open(f"{name}.arrows", "w", force_zip64=True) as opened:
                    manifest["sha256"][name] = _write(opened, reader, name, advance)
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        temporary.replace(file)
    except OSError as error:
        raise LibraryError(f"{file}: the bundle cannot be written ({error})") from None
    finally:  # whoever interrupts this must not find gigabytes later
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def bundle_bytes(published: Published, reader: Reader) -> int:
    """About how large a bundle of a version would be, from rows spread over its tables.

    Raises:
        LibraryError: the library is damaged.
    """
    size = 0.0
    for name in _tables(published, reader):
        total = reader.rows(name)
        rows = np.unique(np.linspace(0, total - 1, SAMPLE).astype(np.int64))
        sink = io.BytesIO()
        with _stream(sink, reader.schema(name)) as stream:
            stream.write_table(reader.take(name, rows, reader.schema(name).names))
        size += len(sink.getbuffer()) * total / len(rows)
    return round(size)


def look_into(
    file: Path | IO[bytes],
    name: str,
    path: Path,
    channels: Sequence[AnyChannel] | None = None,
) -> BundleInfo:
    """What would be imported; of the bundle only what it says of itself is read.

    Args:
        file: of the bundle.
        name: what the file is called.
        path: of the library.
        channels: that would make vectors; those of the bundle's profile when None.

    Raises:
        LibraryError: the file is no bundle, or of a newer Braggle; or something is in the way.
    """
    _insist_on_room(path)
    with _opened(file, name) as archive:
        manifest = _manifest(archive, name)
        profile, channels, fits = _channels(manifest, channels)
        return BundleInfo(
            library=manifest["library"],
            version=manifest["version"],
            published_at=manifest["published_at"],
            entries=manifest["entries"],
            profile=profile,
            channels=tuple(one["id"] for one in manifest["channels"]),
            made_anew=tuple(one.id for one in channels if one not in fits),
            bytes=sum(one.compress_size for one in archive.infolist()),
            braggle=manifest["braggle"],
        )


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
        LibraryError: the file is no bundle, altered, or of a newer Braggle; or something is in the
            way, or the library cannot be written.
    """
    _insist_on_room(path)
    report = progress or silent
    with _opened(file, str(file)) as archive:
        manifest = _manifest(archive, str(file))
        _compare(archive, manifest, str(file), report)
        path.mkdir(parents=True, exist_ok=True)
        with one_writer(path):
            _fill(path, archive, manifest, channels, report)


def _insist_on_room(path: Path) -> None:
    if is_library(path) or not may_build_in(path):
        raise LibraryError(f"{path}: something is there already; name a new folder")


@contextmanager
def _opened(file: Path | IO[bytes], name: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (OSError, zipfile.BadZipFile, pa.ArrowException, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise LibraryError(f"{name}: no bundle that can be read ({reason}); export it again") from (
            error
        )


def _tables(published: Published, reader: Reader) -> list[str]:
    """Those that go into a bundle."""
    tables = [ENTRIES, SOURCES, *(vectors_table(one.id) for one in published.channels)]
    return [*tables, LEDGER] if reader.rows(LEDGER) else tables


def _channels(
    manifest: dict[str, Any], channels: Sequence[AnyChannel] | None
) -> tuple[Profile, Sequence[AnyChannel], Sequence[AnyChannel]]:
    """What a bundle is of, the channels that it gets, and those of them whose vectors it has."""
    stored = {ChannelStamp(**one) for one in manifest["channels"]}
    profile = profile_of(one.id for one in stored)
    channels = channels_of(profile) if channels is None else channels
    return profile, channels, [one for one in channels if ChannelStamp.of(one) in stored]


def _fill(
    path: Path,
    archive: zipfile.ZipFile,
    manifest: dict[str, Any],
    channels: Sequence[AnyChannel] | None,
    report: Progress,
) -> None:
    profile, channels, fits = _channels(manifest, channels)
    settings = LineSettings(manifest["d_min_angstrom"], manifest["floor"], profile)
    writing = Writing(path, channels, None, version=1, verb="import", settings=settings)
    total = manifest["entries"]
    report(0, total, "crystals")
    done = 0
    for batch in _batches(archive, ENTRIES, ENTRIES_SCHEMA):
        writing.entries.append(batch, without={one.id for one in fits})
        done += len(batch)
        report(done, total, "crystals")
    for channel in fits:
        name = vectors_table(channel.id)
        for batch in _batches(archive, name, vectors_schema(channel.dimension)):
            writing.writer.append(name, batch)
    for name, schema in ((SOURCES, SOURCES_SCHEMA), (LEDGER, LEDGER_SCHEMA)):
        if name in manifest["sha256"]:
            for batch in _batches(archive, name, schema):
                writing.writer.append(name, batch)
    writing.extend_templates(report)
    writing.publish(report, finished=True, counts={"added": done}, anew=True)


def _manifest(archive: zipfile.ZipFile, file: str) -> dict[str, Any]:
    """What is in a bundle."""
    manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    if int(manifest["braggle_bundle"]) > BUNDLE_FORMAT:
        raise LibraryError(
            f"{file}: the bundle has format {manifest['braggle_bundle']}, this Braggle reads up to "
            f"{BUNDLE_FORMAT}; upgrade Braggle"
        )
    return manifest


def _compare(
    archive: zipfile.ZipFile, manifest: dict[str, Any], file: str, report: Progress
) -> None:
    """Compare all of a bundle with its checksums."""
    total = len(manifest["sha256"])
    for done, (name, sha256) in enumerate(manifest["sha256"].items()):
        report(done, total, "checksums")
        with archive.open(f"{name}.arrows") as opened:
            found = hashlib.sha256()
            while block := opened.read(BLOCK):
                found.update(block)
        if found.hexdigest() != sha256:
            raise LibraryError(f"{file}: {name} is altered; copy or export the bundle again")
    report(total, total, "checksums")


def _batches(archive: zipfile.ZipFile, name: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """A table of a bundle, in the columns that a library has now."""
    with archive.open(f"{name}.arrows") as opened, pa.ipc.open_stream(opened) as stream:
        for batch in stream:
            columns = [
                batch[field.name] if field.name in batch.schema.names else pa.repeat("", len(batch))
                for field in schema
            ]
            yield pa.Table.from_arrays(columns, names=schema.names).cast(schema)


def _write(opened: IO[bytes], reader: Reader, name: str, advance: Callable[[int], None]) -> str:
    sink = _Hashing(opened)
    with _stream(sink, reader.schema(name)) as stream:
        for batch in reader.batches(name, reader.schema(name).names, BATCH_ROWS):
            stream.write_batch(batch)
            advance(len(batch))
    return sink.sha256.hexdigest()


def _stream(sink: Any, schema: pa.Schema) -> Any:  # noqa: ANN401 - pyarrow has no types
    return pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd"))


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
