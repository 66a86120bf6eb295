"""A copy of a parted index on a GPU, where FAISS has one (extra `gpu`); the index itself stays.

Files are always those of the processor's index, so that one written on either is read on the other.
"""

from __future__ import annotations

import threading
import warnings
from functools import cache
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

MOST = 2048
"""Neighbours, and parts of an index, that FAISS looks at on a GPU at most."""


class GpuCopy:
    """An index on the first GPU; gives None where the processor has to answer.

    Made when it is first asked. A failure is said once, and the processor answers from then on.
    That there is no GPU, or that too many rows have gone, is said once, too.
    """

    def __init__(self, index: Any) -> None:  # noqa: ANN401 - faiss's stubs lack its wrappers
        """Nothing is copied yet."""
        self._index = index
        self._copy: Any = None
        self._resources: Any = None
        self._failed = self._said_worn = False
        # What a GPU works with is not made for several threads (FAISS, "Threads and asynchronous
        # calls").
        self._lock = threading.Lock()

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        parts: int,
        passed_over: NDArray[np.bool_],
        *,
        filtered: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
        """Scores and positions of the k nearest to each of m queries.

        FAISS selects nothing on a GPU, so that more are asked for and those left out that are to
        be passed over.

        Args:
            queries: shape (m, dimension).
            k: for each.
            parts: of the index to read.
            passed_over: positions that do not count. Shape (positions,).
            filtered: whether that is because they were not asked for.

        Returns:
            Shapes (m, k), position -1 where there are fewer; None where the GPU gives no answer.
        """
        if self._failed or not _there_is_one():
            return None
        most = min(k + int(passed_over.sum()), len(passed_over))
        if most > MOST or parts > MOST:
            if k <= MOST < most and not filtered and not self._said_worn:
                self._said_worn = True
                said_unusable(
                    "more rows have gone since the index was made than it can pass over, some "
                    f"{MOST:,}"
                )
            return None
        try:
            with self._lock:
                copy = self._made()
                options = faiss.SearchParametersIVF(nprobe=parts)  # type: ignore[call-arg]
                scores, found = copy.search(queries, most, params=options)
        except RuntimeError as error:
            self._failed = True
            said_unusable(_reason(error))
            return None
        kept = (found >= 0) & ~passed_over[found]
        order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
        scores, found, kept = (np.take_along_axis(one, order, 1) for one in (scores, found, kept))
        return scores, np.where(kept, found, -1)

    def _made(self) -> Any:  # noqa: ANN401 - as above
        if self._copy is None:
            self._resources = faiss.StandardGpuResources()
            self._copy = faiss.index_cpu_to_gpu(self._resources, 0, self._index)
        return self._copy


def train(index: Any, vectors: NDArray[np.float32]) -> None:  # noqa: ANN401 - as above
    """Part the vectors by k-means, on a GPU where there is one; the index is the same kind."""
    if _there_is_one():
        try:
            index.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(index.d))
            index.train(vectors)
        except RuntimeError as error:
            said_unusable(_reason(error))
        else:
            return
        finally:
            index.clustering_index = None
    index.train(vectors)


def _there_is_one() -> bool:
    """Whether there is a GPU; where there is only the extra for one, that is said."""
    there = bool(faiss.get_num_gpus())
    if not there and hasattr(faiss, "StandardGpuResources"):
        _said_that_there_is_none()
    return there


@cache
def _said_that_there_is_none() -> None:
    said_unusable("FAISS, which is that of the extra `gpu`, finds none")


def _reason(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1]


def said_unusable(reason: str) -> None:
    """Warn that the processor does what the GPU was to do."""
    warnings.warn(f"the GPU cannot be used ({reason}); the processor is", stacklevel=3)
