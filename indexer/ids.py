"""The ids of a library's entries, to be asked for some of them, once or very often."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from indexer.tables import present

LOOKS = 16
"""So often a whole column is gone through; after that, sorting it pays."""

ID = re.compile("[0-9a-f]{20}")
BYTES, SORTED_BY = 10, 8


class Ids:
    """A column of ids, none of them twice.

    Memory is what the column takes, and once it is sorted 18 bytes an entry more.
    """

    def __init__(self, column: pa.Array) -> None:
        """Of a column."""
        self._column = column
        self._asked = 0

    def among(self, wanted: AbstractSet[str]) -> set[str]:
        """Which of these are there."""
        self._asked += 1
        if self._asked <= LOOKS:
            return present(self._column, wanted)
        some = list(wanted)
        return {one for one, row in zip(some, self.rows(some), strict=True) if row >= 0}

    def row(self, wanted: str) -> int:
        """The row of one id; -1 where it is not there."""
        self._asked += 1
        if self._asked <= LOOKS:
            return int(pc.index(self._column, pa.scalar(wanted, self._column.type)).as_py())
        return int(self.rows([wanted])[0])

    def rows(self, wanted: Sequence[str]) -> NDArray[np.int64]:
        """The rows of some ids; -1 for those that are not there. Shape (len(wanted),)."""
        found = np.full(len(wanted), -1, np.int64)
        places = [place for place, one in enumerate(wanted) if ID.fullmatch(one)]
        if not places or not len(self._column):
            return found
        head, tail = _halves([wanted[place] for place in places])
        heads, tails, order = self._sorted
        first = np.searchsorted(heads, head, "left")
        last = np.searchsorted(heads, head, "right")
        for place, one, low, high in zip(places, tail, first, last, strict=True):
            alike = np.flatnonzero(tails[low:high] == one)
            if len(alike):
                found[place] = order[low + alike[0]]
        return found

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.int64]]:
        """First eight bytes, ascending, the two others, and the rows that have them."""
        head, tail = _halves(self._column.to_pylist())
        order = np.argsort(head, kind="stable")
        return head[order], tail[order], order


def _halves(ids: Collection[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """The first eight bytes of ids and the last two, as numbers. Shape (n,) each."""
    content = np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, BYTES)
    head = content[:, :SORTED_BY].copy().view(">u8").ravel().astype(np.uint64)
    tail = content[:, SORTED_BY:].copy().view(">u2").ravel().astype(np.uint16)
    return head, tail
