"""The first stages alone, over lines and vectors that need not be those of a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.crystal import Crystal
from data.lines import LinesTable
from data.preparation import Prepared
from indexer.channel import AnyChannel, ReadsAtoms
from indexer.learned import LearnedChannel
from indexer.physical import PhysicalChannel
from search.first_stage import FUSED_DEPTH, StickIndex
from search.free_cell import lines_in
from search.fusion import fuse
from search.searcher import Searcher

EXHAUSTIVE, FUSED = "exhaustive", "fused"
ONE_VECTOR = f"{PhysicalChannel.id}_one_vector"
"""The physical channel when it asks one question of a pattern, that without strain."""


@dataclass(frozen=True, eq=False)
class FirstStages:
    """What ranks entries before anything is fitted.

    Attributes:
        sticks: lines of N entries.
        channels: by name.
        vectors: of the entries, by channel. Shape (N, dimension) each.
    """

    sticks: StickIndex
    channels: Mapping[str, AnyChannel]
    vectors: Mapping[str, NDArray[np.float32]]

    @classmethod
    def of(cls, searcher: Searcher) -> FirstStages:
        """As a library has them."""
        vectors = {name: searcher.library.vectors(name) for name in searcher.channels}
        return cls(searcher.sticks, searcher.channels, vectors)

    @classmethod
    def in_cells(
        cls,
        searcher: Searcher,
        crystals: Sequence[Crystal],
        lattices: NDArray[np.float64],
    ) -> FirstStages:
        """Made anew with the entries' cells exchanged for others.

        Args:
            searcher: whose channels, and whose library's lines.
            crystals: of the library's N entries.
            lattices: rows a, b, c in Å. Shape (N, 3, 3).
        """
        lines = lines_in(searcher.library.lines, lattices)
        changed = [
            replace(crystal, lattice=lattice)
            for crystal, lattice in zip(crystals, lattices, strict=True)
        ]
        vectors = {
            name: _embedded(channel, lines, changed) for name, channel in searcher.channels.items()
        }
        return cls(StickIndex.of(lines), searcher.channels, vectors)

    @property
    def names(self) -> tuple[str, ...]:
        """Every stage that `orders` gives, the exhaustive one first."""
        names = [EXHAUSTIVE, *self.channels]
        if PhysicalChannel.id in self.channels:
            names.insert(names.index(PhysicalChannel.id) + 1, ONE_VECTOR)
        if LearnedChannel.id in self.channels:
            names.append(FUSED)
        return tuple(names)

    def orders(self, prepared: Prepared, count: int) -> dict[str, NDArray[np.int64]]:
        """Rows by stage, best first. Shape (≤ count,) each.

        A channel's entries go by their best over its questions; the exhaustive stage and the
        learned channel are fused.
        """
        depth = max(count, FUSED_DEPTH)
        orders = {EXHAUSTIVE: self.sticks.nearest(prepared, depth)}
        for name, channel in self.channels.items():
            scores = self.vectors[name] @ channel.embed_pattern(prepared).T
            orders[name] = _best(scores.max(axis=1), depth)
            if name == PhysicalChannel.id:
                orders[ONE_VECTOR] = _best(scores[:, 0], depth)
        if LearnedChannel.id in self.channels:
            orders[FUSED] = fuse([orders[EXHAUSTIVE], orders[LearnedChannel.id]], count)
        return {name: orders[name][:count] for name in self.names}


def _embedded(
    channel: AnyChannel, lines: LinesTable, crystals: Sequence[Crystal]
) -> NDArray[np.float32]:
    if isinstance(channel, ReadsAtoms):
        return channel.embed_crystals([Standard.from_stored(one) for one in crystals])
    return channel.embed_lines(lines)


def _best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    return np.argsort(-scores, kind="stable")[:count]
