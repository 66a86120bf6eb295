"""FAISS indexes on disk: a cache that can go, of which every version of a library makes use.

An index file has no checksum of its own and FAISS loads altered bytes silently, so a stamp lies
beside it, with the sha256 of the file and of the list of rows that it covers. Rows are named by
the data file that they lie in and their place there, which never change; so an index that was made
for one version serves every other one, whose rows it lacks or has too many are told from them.
"""

from __future__ import annotations

import hashlib
import json
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.publishing import CACHE, ChannelStamp, Published, digest_of, write_atomically
from indexer.recall import Noted
from indexer.schema import vectors_table
from indexer.tables import PLACE_BITS, Layout, Reader
from indexer.vectors import VectorIndex, make_index, read_vectors, rows_since

OVERGROWN = 0.2
"""Part of the entries that may have come, or gone, since the main index was made."""


_loaded: weakref.WeakValueDictionary[tuple[object, ...], faiss.Index] = (
    weakref.WeakValueDictionary()
)
"""What readers of this process hold: a version that is published next shares its main index."""


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A main index, the rows that it covers, and what is known of what it finds."""

    main: faiss.Index
    covered: Layout
    noted: Noted | None


def cached_index(
    path: Path,
    published: Published,
    channel: ChannelStamp,
    reader: Reader,
    *,
    glance: bool = False,
) -> tuple[VectorIndex, str | None]:
    """The index of a channel: a main one from the cache with what changed since, or made anew.

    Args:
        path: library folder.
        published: the version that is read.
        channel: whose vectors.
        reader: of its tables.
        glance: read from the disk only what is searched, and do not compare the file with its
            checksum.

    Returns:
        The index, and a warning when there was a cache that had to be refused.
    """
    warning = None
    for stamp_file in _stamps(path, channel.id, published.version):
        try:
            loaded = _load(stamp_file, channel, glance=glance)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, IndexError):
            file = stamp_file.with_suffix(".faiss")
            warning = f"{file}: the index does not match its library and was made again"
            continue
        if loaded is not None:
            return _joined(loaded, channel, reader), warning
    index = new_index(channel, reader)
    # A reader of a folder it may not write to, or of a full disk, works without the cache.
    with suppress(OSError):
        save_index(path, published.version, channel, index, reader)
    return index, warning


def new_index(channel: ChannelStamp, reader: Reader) -> VectorIndex:
    """An index over all of a channel's vectors."""
    return make_index(stored_vectors(channel, reader))


def stored_vectors(
    channel: ChannelStamp, reader: Reader, rows: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """A channel's vectors as Lance has them, of all rows or of some. Shape (rows, dimension)."""
    name = vectors_table(channel.id)
    if rows is None:
        batches = reader.batches(name, ["vector"])
        return read_vectors(batches, reader.rows(name), channel.dimension)
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and rows[-1] == reader.rows(name) - 1:
        table = reader.tail(name, int(rows[0]), ["vector"])
    else:
        table = reader.take(name, rows, ["vector"])
    return read_vectors(table.to_batches(), len(table), channel.dimension)


def overgrown(index: VectorIndex) -> bool:
    """Whether too much has come or gone since the main index was made."""
    return index.delta + index.gone > OVERGROWN * len(index)


def save_index(
    path: Path, version: int, channel: ChannelStamp, index: VectorIndex, reader: Reader
) -> None:
    """Put a main index into the cache, with its stamp.

    Args:
        path: of the library.
        version: by which the index is called.
        channel: whose vectors.
        index: rows are numbered as the reader has them.
        reader: tells where they lie.

    Raises:
        OSError: the folder cannot be written to.
    """
    layout, rows = reader.layout(vectors_table(channel.id)), index.main_rows
    # Positions whose rows have gone are in a file that there is not.
    gone = np.int64(len(layout.files) << PLACE_BITS)
    places = np.where(rows >= 0, layout.places[rows], gone)
    stamp_file = path / CACHE / f"{channel.id}-{version}.json"
    stamp_file.parent.mkdir(exist_ok=True)
    content = faiss.serialize_index(_packed(index))
    write_atomically(stamp_file.with_suffix(".faiss"), content.data)
    write_atomically(stamp_file.with_suffix(".rows"), places.tobytes())
    stamp = {
        "library_version": version,
        "channel": asdict(channel),
        "count": len(places),
        "bytes": len(content),
        "files": [*layout.files, ""],
        "sha256": _sha256(content),
        "rows_sha256": _sha256(places),
        **({"noted": index.noted.to_json()} if index.noted else {}),
    }
    document = {**stamp, "stamp_sha256": digest_of(stamp)}
    write_atomically(stamp_file, json.dumps(document).encode())


def drop_loose_files(path: Path) -> None:
    """Remove what belongs to no stamp: leftovers of who was cut off while he saved an index."""
    for file in (path / CACHE).glob("*.*"):
        if not file.with_suffix(".json").exists():
            with suppress(OSError):
                file.unlink()


def drop_old_indexes(path: Path, channels: tuple[ChannelStamp, ...]) -> None:
    """Remove all cached indexes but the newest of each channel, which serves every version."""
    keep = {next(_stamps(path, one.id, None), None) for one in channels}
    for stamp_file in (path / CACHE).glob("*.json"):
        if stamp_file not in keep:
            for file in (stamp_file, *(stamp_file.with_suffix(end) for end in (".faiss", ".rows"))):
                with suppress(OSError):
                    file.unlink()


def _stamps(path: Path, channel_id: str, version: int | None) -> Iterator[Path]:
    """Stamps of a channel's indexes: up to a version the newest first, then those of later ones."""
    found: list[tuple[int, Path]] = []
    for file in (path / CACHE).glob(f"{channel_id}-*.json"):
        stem, _, number = file.stem.rpartition("-")
        if stem == channel_id and number.isdecimal():
            found.append((int(number), file))
    newest_first = sorted(found, reverse=True)
    yield from (file for number, file in newest_first if version is None or number <= version)
    yield from (file for number, file in newest_first if version is not None and number > version)


def _load(stamp_file: Path, channel: ChannelStamp, *, glance: bool) -> _Loaded | None:
    """An index and what is known of it; None when it is another channel's, or of an old Braggle.

    Raises:
        OSError, ValueError, RuntimeError, KeyError, TypeError, IndexError: it is damaged.
    """
    text = stamp_file.read_text()
    stamp: dict[str, Any] = json.loads(text)
    if "table_version" in stamp:
        return None
    if stamp.pop("stamp_sha256") != digest_of(stamp):
        raise ValueError("the stamp is altered")
    if stamp["channel"] != asdict(channel):
        return None
    places = np.fromfile(stamp_file.with_suffix(".rows"), dtype=np.int64)
    if _sha256(places) != stamp["rows_sha256"]:
        raise ValueError("the rows are altered")
    file = stamp_file.with_suffix(".faiss")
    status = file.stat()
    key = (str(file.absolute()), status.st_mtime_ns, status.st_ino, stamp["sha256"])
    index = _loaded.get(key)
    if index is None and glance:
        if status.st_size != stamp["bytes"]:
            raise ValueError("the index is of another size")
        index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
    if index is None:
        content = np.fromfile(file, dtype=np.uint8)
        if _sha256(content) != stamp["sha256"]:
            raise ValueError("the index is altered")
        index = _unpacked(faiss.deserialize_index(content))
        _loaded[key] = index
    if not index.ntotal == len(places) == stamp["count"]:
        raise ValueError("the index is of another length")
    noted = Noted.from_json(stamp["noted"]) if "noted" in stamp else None
    return _Loaded(index, Layout(tuple(stamp["files"]), places), noted)


def _packed(index: VectorIndex) -> Any:  # noqa: ANN401 - faiss's stubs lack its wrappers
    """A main index as it is written: in half precision, which loses nothing, as Lance's vectors
    are halves, too.
    """
    if not isinstance(index.main, faiss.IndexFlat):
        return index.main
    halves: Any = faiss.IndexScalarQuantizer(
        index.main.d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    halves.add(index.main_vectors)
    return halves


def _unpacked(index: Any) -> Any:  # noqa: ANN401 - as above
    """The index as it is searched."""
    if not isinstance(index, faiss.IndexScalarQuantizer):
        return index
    flat: Any = faiss.IndexFlatIP(index.d)
    flat.add(index.reconstruct_n(0, index.ntotal))
    return flat


def _joined(loaded: _Loaded, channel: ChannelStamp, reader: Reader) -> VectorIndex:
    now = reader.layout(vectors_table(channel.id))
    rows = loaded.covered.rows_in(now)
    since = rows_since(rows, len(now.places))
    delta = stored_vectors(channel, reader, since) if len(since) else None
    return VectorIndex(loaded.main, rows, delta, loaded.noted)


def _sha256(content: NDArray[Any]) -> str:
    return hashlib.sha256(content.data).hexdigest()
