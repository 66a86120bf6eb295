"""Which entries of a library answer a query, under each notion, without asking them one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.library import Library
from search.agreement import (
    NOTIONS,
    SPECIES_COMPOSITION,
    SPECIES_VOLUME,
    STRICT_COMPOSITION,
    Identity,
    Notion,
    agreement,
    same_cell,
)
from search.kin import namesakes


@dataclass(frozen=True, eq=False)
class Answers:
    """Rows of a library that answer one query.

    Attributes:
        right: rows by notion, each True where the entry is a hit. Shape (N,) each.
        copies: rows that are the truth itself or share its cell. Shape (N,).
        alike: rows of the truth's composition, hydrogen left out, in whatever structure, and those
            of its species, by composition or by a name that the truth's own entries bear: what is
            withheld to ask for what the library lacks. Shape (N,).
    """

    right: dict[Notion, NDArray[np.bool_]]
    copies: NDArray[np.bool_]
    alike: NDArray[np.bool_]


class TruthTable:
    """The identities of a library's entries, laid out for comparison with many truths."""

    def __init__(self, library: Library) -> None:
        self._library, self._rows = library, np.arange(len(library))
        entries = library.entries(self._rows)
        self.identities = [Identity.of(entry.crystal) for entry in entries]
        self.collections = [entry.sources[0].collection for entry in entries]
        symbols = sorted({symbol for entry in entries for symbol in entry.elements})
        self._column = {symbol: i for i, symbol in enumerate(symbols)}
        self._fractions = np.stack([self._vector(one) for one in self.identities])
        self._atoms = np.array([one.atoms for one in self.identities])
        self._volumes = np.array([one.volume_per_atom for one in self.identities])
        self._groups = library.space_group_numbers

    def answers(self, truth: Identity) -> Answers:
        """Rows that answer a query whose truth this is."""
        apart = np.abs(self._fractions - self._vector(truth)).max(axis=1)
        volume = np.abs(self._volumes / truth.volume_per_atom - 1)
        alike = self._groups == truth.crystal.space_group_number
        near = apart <= STRICT_COMPOSITION
        near |= alike & (volume <= SPECIES_VOLUME) & (apart <= SPECIES_COMPOSITION)
        near |= alike & (volume <= SPECIES_VOLUME) & (np.abs(self._atoms / truth.atoms - 1) < 0.02)
        right = {notion: np.zeros(len(near), dtype=bool) for notion in NOTIONS}
        copies = np.zeros(len(near), dtype=bool)
        for row in np.flatnonzero(near):
            for notion in agreement(truth, self.identities[row]):
                right[notion][row] = True
            copies[row] = same_cell(truth, self.identities[row])
        alike = right["species"] | (apart <= STRICT_COMPOSITION)
        alike |= namesakes(self._library, np.flatnonzero(right["strict"]), self._rows)
        return Answers(right, copies, alike)

    def made_of(self, truth: Identity) -> NDArray[np.bool_]:
        """Rows whose every element but hydrogen is one of the truth's. Shape (N,)."""
        foreign = [i for symbol, i in self._column.items() if symbol not in truth.fractions]
        return np.asarray(self._fractions[:, foreign].sum(axis=1) == 0.0)

    def _vector(self, one: Identity) -> NDArray[np.float64]:
        vector = np.zeros(len(self._column) + 1)
        for symbol, fraction in one.fractions.items():
            # Elements that no entry has share the last column; the largest is what differs most.
            column = self._column.get(symbol, len(self._column))
            vector[column] = max(vector[column], fraction)
        return vector
