"""What a parted index finds of what exact search finds.

For a sample of the rows their true nearest are noted when the index is made, and which of them lie
in parts that a search reads. As long as the index stays, what comes since is compared one by one
and what has gone is passed over, so that the recall of every later version follows from these notes
and from what came, at a cost that does not go with the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

SAMPLE = 64
"""Rows whose neighbours are noted."""
DEPTH = 100
"""Of the nearest, so many count."""
SPARE = 50
"""More are noted, to take the place of those that go."""
ENOUGH = 0.99
"""The recall that a version must have."""
AIM = 0.993
"""The recall that an index is made with, so that what comes and goes leaves it enough."""
BLOCK = 65_536

_INT = NDArray[np.int64]
_FLOAT = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Noted:
    """The neighbours of a sample, by positions in a main index.

    Attributes:
        asked: whose neighbours. Shape (s,).
        nearest: of each, the best first, itself among them. Shape (s, k).
        scores: their inner products. Shape (s, k).
        found: which of them a search reads. Shape (s, k).
    """

    asked: _INT
    nearest: _INT
    scores: _FLOAT
    found: NDArray[np.bool_]

    def recall(self, live: NDArray[np.bool_], of_delta: _FLOAT) -> float | None:
        """Part of the `DEPTH` nearest that is found, where some have gone and others come.

        Args:
            live: whether each position of the index is there still. Shape (positions,).
            of_delta: scores of what came since, the best first, which is all found; those of the
                rows in `asked` that are there still. Shape (live ones of `asked`, any).

        Returns:
            None where too much has gone to tell.
        """
        there = live[self.asked]
        nearest, scores, found = (part[there] for part in (self.nearest, self.scores, self.found))
        every = np.hstack([np.where(live[nearest], scores, -np.inf), of_delta])
        is_found = np.hstack([found, np.ones(of_delta.shape, bool)])
        order = np.argsort(-every, axis=1, kind="stable")[:, :DEPTH]
        least = np.take_along_axis(every, order[:, -1:], axis=1)[:, 0]
        # Below the last that was noted, others of the main index may be nearer.
        told = (least >= scores[:, -1]) & np.isfinite(least)
        if 2 * told.sum() < len(self.asked):
            return None
        return float(np.take_along_axis(is_found, order, axis=1)[told].mean())

    def to_json(self) -> dict[str, Any]:
        """As a stamp holds it."""
        return {
            "asked": self.asked.tolist(),
            "nearest": self.nearest.tolist(),
            "scores": [[round(float(one), 6) for one in row] for row in self.scores],
            "found": [np.flatnonzero(row).tolist() for row in self.found],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read back what `to_json` gave.

        Raises:
            KeyError, ValueError, TypeError, IndexError: it did not give that.
        """
        nearest = np.array(body["nearest"], np.int64)
        found = np.zeros(nearest.shape, bool)
        for row, places in enumerate(body["found"]):
            found[row, places] = True
        return cls(
            np.array(body["asked"], np.int64), nearest, np.array(body["scores"], np.float32), found
        )


def sample(count: int) -> _INT:
    """Some of so many rows, from all over."""
    return np.unique(np.linspace(0, count - 1, SAMPLE).astype(np.int64))


def nearest_exactly(vectors: _FLOAT, queries: _FLOAT, k: int) -> tuple[_INT, _FLOAT]:
    """The k rows nearest to each of m queries, the best first, and their inner products; some
    thousand rows are looked at together. Shape (m, k) each.
    """
    best: _INT = np.zeros((len(queries), 0), np.int64)
    scores: _FLOAT = np.zeros((len(queries), 0), np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = queries @ vectors[start : start + BLOCK].T
        rows = np.broadcast_to(np.arange(start, start + block.shape[1]), block.shape)
        best, scores = np.hstack([best, rows]), np.hstack([scores, block])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(best, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
    return best, scores
