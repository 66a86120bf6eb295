"""Vectors of one channel and the FAISS index over them, kept on disk as a cache that can go.

The index file has no checksum of its own and FAISS loads altered bytes silently, so a stamp lies
beside it: library version, Lance version of the vectors, channel, count and sha256 of the file.
An index whose stamp does not match is refused and made again from the Lance table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import LibraryError, QueryError
from indexer.publishing import CACHE, ChannelStamp, Published, write_atomically
from indexer.schema import flat, vectors_schema, vectors_table

FLAT_UP_TO = 100_000
"""Entries that are all compared: a few milliseconds, and the fit that follows costs far more."""
LISTS_A_ROOT = 2
"""Larger indexes are parted into so many times the square root of their entries."""
PROBED = 1 / 6
"""Part of the lists that a query reads."""
TRAINED_ON, ROUNDS = 64, 8
"""Vectors a list that k-means sees, and how often it goes over them."""


class VectorIndex:
    """Nearest vectors by inner product, which is the cosine because vectors have unit length.

    Small ones are exact (flat). Large ones are parted by k-means (inverted file), and a query
    reads the parts nearest to it, unless it asks for certain rows: then it reads them all.
    """

    def __init__(self, index: faiss.Index) -> None:
        self._index: Any = index  # faiss's stubs lack what its Python wrappers add
        self._lists = int(getattr(index, "nlist", 0))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Every vector, row by row, read-only. Shape (N, dimension)."""
        if not self._lists:
            return np.asarray(_Storage(self._index))
        self._index.make_direct_map()
        every: NDArray[np.float32] = self._index.reconstruct_n(0, len(self))
        every.flags.writeable = False
        return every

    def nearest(
        self, vectors: NDArray[np.float32], k: int, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k rows nearest to any of m query vectors, best first; see `Library.nearest`."""
        queries = np.ascontiguousarray(np.atleast_2d(vectors), dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self._index.d:
            raise QueryError(
                f"query vectors have shape {np.shape(vectors)}, this channel's have length "
                f"{self._index.d}; embed the pattern with the channel that made the library"
            )
        if not np.isfinite(queries).all():
            raise QueryError("a query vector holds a value that is not a finite number")
        k = min(k, len(self) if rows is None else len(rows))
        if k <= 0 or len(queries) == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        options: dict[str, Any] = {}
        if rows is not None:
            wanted = np.zeros(len(self), dtype=bool)
            wanted[rows] = True
            bits = np.packbits(wanted, bitorder="little")
            options["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
        if self._lists:
            options["nprobe"] = self._lists if rows is not None else _probes(self._lists)
        kind: Any = faiss.SearchParametersIVF if self._lists else faiss.SearchParameters
        scores, found = self._index.search(queries, k, params=kind(**options) if options else None)
        return _best_per_row(found.ravel(), scores.ravel(), k)


class _Storage:
    """The memory of a flat index as numpy sees it; an array over it keeps the index alive."""

    def __init__(self, index: Any) -> None:  # noqa: ANN401 - as above
        self._index = index
        values = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
        self.__array_interface__ = {
            "version": 3,
            "shape": (index.ntotal, index.d),
            "typestr": values.dtype.str,
            "data": (values.ctypes.data, True),
        }


def make_index(vectors: NDArray[np.float32]) -> VectorIndex:
    """An index over vectors of shape (N, dimension): flat, or parted where there are many."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    count, dimension = vectors.shape
    index: Any = faiss.IndexFlatIP(dimension)
    if count > FLAT_UP_TO:
        lists = round(LISTS_A_ROOT * count**0.5)
        # Half precision is what the library stores.
        index = faiss.IndexIVFScalarQuantizer(
            index, dimension, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        index.by_residual = False
        index.cp.max_points_per_centroid = TRAINED_ON
        index.cp.niter = ROUNDS
        index.train(vectors)
    index.add(vectors)
    return VectorIndex(index)


def _probes(lists: int) -> int:
    return max(8, round(lists * PROBED))


def cached_index(
    path: Path, published: Published, channel: ChannelStamp, batches: Iterable[pa.RecordBatch]
) -> tuple[VectorIndex, str | None]:
    """The index of a channel from the cache, or made from Lance and put there.

    Args:
        path: library folder.
        published: the version that is read.
        channel: whose vectors.
        batches: the column `vector` of the channel's table; read only when the cache is no good.

    Returns:
        The index, and a warning when there was a cache that had to be refused.
    """
    file, stamp_file = cache_files(path, channel.id, published.version)
    warning = None
    if stamp_file.exists():
        try:
            content = np.fromfile(file, dtype=np.uint8)
            stamp = json.loads(stamp_file.read_text())
            if stamp == _stamp(published, channel, content):
                return VectorIndex(faiss.deserialize_index(content)), None
        except (OSError, ValueError, RuntimeError):
            pass
        warning = f"{file}: the index does not match its library and was made again"
    index = make_index(read_vectors(batches, channel.dimension))
    # A reader of a folder it may not write to, or of a full disk, works without the cache.
    with suppress(OSError):
        save_index(path, published, channel, index)
    return index, warning


def save_index(path: Path, published: Published, channel: ChannelStamp, index: VectorIndex) -> None:
    """Put an index and its stamp into the cache.

    Raises:
        OSError: the folder cannot be written to.
    """
    file, stamp_file = cache_files(path, channel.id, published.version)
    file.parent.mkdir(exist_ok=True)
    content = faiss.serialize_index(index._index)  # noqa: SLF001 - the same module's class
    write_atomically(file, content.data)
    stamp = _stamp(published, channel, content)
    write_atomically(stamp_file, json.dumps(stamp, indent=1).encode())


def drop_old_indexes(path: Path, keep_from_version: int) -> None:
    """Remove the cached indexes of earlier versions; a reader of one makes it again."""
    for stamp_file in (path / CACHE).glob("*.json"):
        version = stamp_file.stem.rpartition("-")[2]
        if version.isdigit() and int(version) < keep_from_version:
            for file in (stamp_file, stamp_file.with_suffix(".faiss")):
                with suppress(OSError):
                    file.unlink()


def cache_files(path: Path, channel_id: str, version: int) -> tuple[Path, Path]:
    """Where the index of a channel lies, and its stamp."""
    file = path / CACHE / f"{channel_id}-{version}.faiss"
    return file, file.with_suffix(".json")


def read_vectors(batches: Iterable[pa.RecordBatch], dimension: int) -> NDArray[np.float32]:
    """Stored vectors, one a row. Shape (N, dimension)."""
    parts = [flat(batch["vector"]).astype(np.float32) for batch in batches]
    if not parts:
        return np.zeros((0, dimension), np.float32)
    return np.concatenate(parts).reshape(-1, dimension)


def vector_rows(channel: ChannelStamp, ids: pa.Array, vectors: NDArray[np.float32]) -> pa.Table:
    """Rows of a channel's table.

    Raises:
        LibraryError: the channel gave something other than finite vectors of its dimension.
    """
    expected = (len(ids), channel.dimension)
    if vectors.shape != expected or not np.isfinite(vectors).all():
        raise LibraryError(
            f"channel {channel.id} gave vectors of shape {vectors.shape} for {expected}, or values "
            "that are not finite; nothing was published"
        )
    values = pa.array(np.ascontiguousarray(vectors, dtype=np.float16).ravel())
    columns = [
        ids,
        pa.repeat(channel.id, len(ids)),
        pa.repeat(channel.version, len(ids)),
        pa.repeat(channel.sha256, len(ids)),
        pa.FixedSizeListArray.from_arrays(values, channel.dimension),
    ]
    return pa.Table.from_arrays(columns, schema=vectors_schema(channel.dimension))


def _best_per_row(
    found: NDArray[np.int64], scores: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each row once, with its best score, best first; rows of equal score in row order."""
    found, scores = found[found >= 0], scores[found >= 0]
    order = np.lexsort((found, -scores))
    found, scores = found[order], scores[order]
    first = np.sort(np.unique(found, return_index=True)[1])[:k]
    return found[first], scores[first]


def _stamp(
    published: Published, channel: ChannelStamp, content: NDArray[np.uint8]
) -> dict[str, Any]:
    table = published.tables[vectors_table(channel.id)]
    return {
        "library_version": published.version,
        "table_version": table.version,
        "count": table.rows,
        "channel": asdict(channel),
        "sha256": hashlib.sha256(content.data).hexdigest(),
    }
