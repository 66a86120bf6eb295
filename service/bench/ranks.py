"""Where the first hit of each query stands, and what share of queries has one near the top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from search.agreement import NOTIONS
from service.bench.truth import Answers

STAGE_HITS = (1, 10, 50, 200)
"""Depths at which first stages are measured."""
MISSED = 10**9
"""The rank of a hit that is not there."""


@dataclass
class Ranks:
    """Rank from 0 of the first hit of each query, by what was ranked and notion."""

    by: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    def note(self, what: str, order: NDArray[np.int64], answers: Answers) -> None:
        """Add a query whose rows were ranked in this order, best first."""
        for notion in NOTIONS:
            hits = np.flatnonzero(answers.right[notion][order])
            self._list(what, notion).append(int(hits[0]) if len(hits) else MISSED)

    def fail(self, what: str) -> None:
        """Add a query that could not be asked; it counts as a miss."""
        for notion in NOTIONS:
            self._list(what, notion).append(MISSED)

    def table(self, what: str, notion: str, depths: Sequence[int]) -> dict[str, float]:
        """Share of queries with a hit at each depth, and the mean of 1/rank; empty of none."""
        ranks = np.array(self._list(what, notion), dtype=float)
        if len(ranks) == 0:
            return {}
        table = {f"hit@{depth}": round(float((ranks < depth).mean()), 4) for depth in depths}
        table["mrr"] = round(float((1 / (1 + ranks)).mean()), 4)
        return table

    def _list(self, what: str, notion: str) -> list[int]:
        return self.by.setdefault(what, {}).setdefault(notion, [])
