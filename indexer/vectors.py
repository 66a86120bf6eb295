"""Nearest vectors of one channel: a main index that stays as it was made, and what came since.

Rows that were appended after the main index was made are the delta, which is compared one by one;
positions of the main index whose rows have gone since are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import LibraryError, QueryError
from indexer.gpu import GpuCopy, train
from indexer.publishing import ChannelStamp
from indexer.recall import AIM, DEPTH, SPARE, Noted, nearest_exactly, sample
from indexer.schema import flat, vectors_schema

FLAT_UP_TO = 100_000
"""Entries that are all compared: a few milliseconds, and the fit that follows costs far more."""
LISTS_A_ROOT = 2
"""Larger indexes are parted into so many times the square root of their entries."""
PROBED = 1 / 6
"""Part of the lists that a query reads, at least; more where that does not find enough."""
MORE = 1.5
"""So many times more are tried next."""
TRAINED_ON, ROUNDS = 64, 8
"""Vectors a list that k-means sees, and how often it goes over them."""

Rows = NDArray[np.int64]


class VectorIndex:
    """Nearest vectors by inner product, which is the cosine because vectors have unit length.

    Small ones are exact (flat). Large ones are parted by k-means (inverted file), and a query
    reads the parts nearest to it, unless it asks for certain rows: then it reads them all.
    """

    def __init__(
        self,
        main: faiss.Index,
        rows: Rows | None = None,
        delta: NDArray[np.float32] | None = None,
        noted: Noted | None = None,
    ) -> None:
        """Put together what was indexed and what came since.

        Args:
            main: is not changed, and may be shared with indexes of other versions.
            rows: row of each position of `main`, ascending, -1 for those that have gone; when not
                given, a row is its position.
            delta: vectors of all other rows, in their order. Shape (rows not in main, dimension).
            noted: what is known of what a parted `main` finds.
        """
        self.noted = noted
        self._dimension = int(main.d)
        positions = np.arange(main.ntotal, dtype=np.int64) if rows is None else rows
        live = positions >= 0
        self.gone = int(len(live) - live.sum())
        self.delta = 0 if delta is None else len(delta)
        self._count = len(live) - self.gone + self.delta
        self._parts = [_Part(main, positions, live)]
        if delta is not None and len(delta):
            since: Any = faiss.IndexFlatIP(self._dimension)
            since.add(delta)
            others = rows_since(positions, self._count)
            self._parts.append(_Part(since, others, np.ones(len(others), dtype=bool)))

    def __len__(self) -> int:
        return self._count

    @property
    def is_parted(self) -> bool:
        """Whether a search leaves some rows out."""
        return hasattr(self.main, "nlist")

    def recall(self, vectors_of: Callable[[Rows], NDArray[np.float32]]) -> float | None:
        """The part of the 100 nearest of a sample that is found; 1 where all rows are compared.

        Args:
            vectors_of: gives the vectors of some rows, ascending.

        Returns:
            None where it is not known: the index has to be made anew.
        """
        if not self.is_parted:
            return 1.0
        if self.noted is None:
            return None
        rows, live = self.main_rows, self._parts[0].live
        asked = rows[self.noted.asked]
        asked = asked[asked >= 0]
        since = np.zeros((len(asked), 0), np.float32)
        if len(asked) and len(self._parts) > 1:
            delta = self._parts[1].index
            since = delta.search(vectors_of(asked), min(DEPTH, delta.ntotal))[0]
        return self.noted.recall(live, since)

    @property
    def main(self) -> faiss.Index:
        """The index that stays."""
        index: faiss.Index = self._parts[0].index
        return index

    @property
    def main_rows(self) -> Rows:
        """The row of each of its positions, -1 for those that have gone."""
        part = self._parts[0]
        return np.where(part.live, part.rows, -1)

    @property
    def main_vectors(self) -> NDArray[np.float32]:
        """Its vectors by position, read-only. Shape (positions, dimension)."""
        return self._parts[0].vectors()

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """Every vector, row by row, read-only. Shape (N, dimension)."""
        first = self._parts[0]
        if not self.delta and not self.gone:
            return first.vectors()
        every = np.empty((self._count, self._dimension), np.float32)
        for part in self._parts:
            every[part.rows[part.live]] = part.vectors()[part.live]
        every.flags.writeable = False
        return every

    def nearest(
        self,
        vectors: NDArray[np.float32],
        k: int,
        rows: NDArray[np.int64] | None = None,
        *,
        lists: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k rows nearest to any of m query vectors, best first; see `Library.nearest`.

        `lists` of a parted index are read, where it is given.
        """
        queries = np.ascontiguousarray(np.atleast_2d(vectors), dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self._dimension:
            raise QueryError(
                f"query vectors have shape {np.shape(vectors)}, this channel's have length "
                f"{self._dimension}; embed the pattern with the channel that made the library"
            )
        if not np.isfinite(queries).all():
            raise QueryError("a query vector holds a value that is not a finite number")
        wanted = None
        if rows is not None:
            wanted = np.zeros(self._count, dtype=bool)
            wanted[rows] = True
        if k <= 0 or len(queries) == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        parts = [part.nearest(queries, k, wanted, lists) for part in self._parts]
        found, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
        return _best_per_row(found, scores, k)


@dataclass(frozen=True, eq=False)
class _Part:
    """An index and which row each of its positions is.

    Attributes:
        index: of FAISS.
        rows: of each position. Shape (positions,).
        live: False for positions that are passed over. Shape (positions,).
    """

    index: Any  # faiss's stubs lack what its Python wrappers add
    rows: Rows
    live: NDArray[np.bool_]

    @cached_property
    def _on_gpu(self) -> GpuCopy:
        return GpuCopy(self.index)

    def vectors(self) -> NDArray[np.float32]:
        """By position, read-only. Shape (positions, dimension)."""
        if not hasattr(self.index, "nlist"):
            return np.asarray(_Storage(self.index))
        every: NDArray[np.float32] = self.index.reconstruct_n(0, self.index.ntotal)
        every.flags.writeable = False
        return every

    def nearest(
        self,
        queries: NDArray[np.float32],
        k: int,
        wanted: NDArray[np.bool_] | None,
        probed: int | None,
    ) -> tuple[Rows, NDArray[np.float32]]:
        """Up to k rows and scores for each query, one after the other.

        Args:
            queries: shape (m, dimension).
            k: for each.
            wanted: rows to compare, all when not given. Shape (N,).
            probed: lists to read, where the index is parted; by its size when not given.
        """
        asked = self.live if wanted is None else self.live & wanted[self.rows]
        k = min(k, int(asked.sum()))
        if k == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        lists = int(getattr(self.index, "nlist", 0))
        usual = max(_probes(lists), self.index.nprobe) if lists and wanted is None else lists
        read = min(probed or usual, lists)
        # Among few the processor has answered before a GPU has begun.
        got = (
            self._on_gpu.search(queries, k, read, ~asked, filtered=wanted is not None)
            if lists
            else None
        )
        scores, found = got or self._by_processor(queries, k, asked, read)
        places, values = found.ravel(), scores.ravel()
        return self.rows[places[places >= 0]], values[places >= 0]

    def _by_processor(
        self, queries: NDArray[np.float32], k: int, asked: NDArray[np.bool_], read: int
    ) -> tuple[NDArray[np.float32], Rows]:
        options: dict[str, Any] = {"nprobe": read} if read else {}
        if not asked.all():
            bits = np.packbits(asked, bitorder="little")
            options["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
        kind: Any = faiss.SearchParametersIVF if read else faiss.SearchParameters
        return self.index.search(queries, k, params=kind(**options) if options else None)  # type: ignore[no-any-return]


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
        train(index, vectors)
    index.add(vectors)
    return VectorIndex(index, noted=_tuned(index, vectors) if count > FLAT_UP_TO else None)


def _tuned(index: Any, vectors: NDArray[np.float32]) -> Noted:  # noqa: ANN401 - as above
    """Let a search read so many lists that it finds enough, and note what it finds."""
    asked = sample(len(vectors))
    nearest, scores = nearest_exactly(vectors, vectors[asked], DEPTH + SPARE)
    index.nprobe = _probes(index.nlist)
    while True:
        _, got = index.search(vectors[asked], nearest.shape[1])
        found = np.stack([np.isin(*pair) for pair in zip(nearest, got, strict=True)])
        if found[:, :DEPTH].mean() >= AIM or index.nprobe == index.nlist:
            return Noted(asked, nearest, scores, found)
        index.nprobe = min(index.nlist, ceil(MORE * index.nprobe))


def rows_since(rows: Rows, count: int) -> Rows:
    """Those of `count` rows that are not among some, ascending."""
    others = np.ones(count, dtype=bool)
    others[rows[rows >= 0]] = False
    return np.flatnonzero(others)


def _probes(lists: int) -> int:
    return max(8, round(lists * PROBED))


def read_vectors(
    batches: Iterable[pa.RecordBatch], count: int, dimension: int
) -> NDArray[np.float32]:
    """Stored vectors, one a row, held once. Shape (count, dimension)."""
    every = np.empty((count, dimension), np.float32)
    first = 0
    for batch in batches:
        every[first : first + len(batch)] = flat(batch["vector"]).reshape(-1, dimension)
        first += len(batch)
    return every


def vector_rows(channel: ChannelStamp, ids: pa.Array, vectors: NDArray[np.floating]) -> pa.Table:
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
    order = np.lexsort((found, -scores))
    found, scores = found[order], scores[order]
    first = np.sort(np.unique(found, return_index=True)[1])[:k]
    return found[first], scores[first]
