"""The crystals of a library that others may be made from, by their anonymous formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data.canonical import Standard
from data.crystal import Crystal
from generator.chemistry import AtomicVolumes
from indexer.library import Library

Anonymous = tuple[int, ...]


def anonymous(composition: Mapping[str, float]) -> Anonymous:
    """Shares of the elements in ten-thousandths, ascending, whatever the elements are."""
    total = sum(composition.values())
    return tuple(sorted(round(10_000 * amount / total) for amount in composition.values()))


@dataclass(frozen=True, eq=False)
class Mould:
    """A known crystal that elements may be exchanged in.

    Attributes:
        id: of its entry.
        crystal: in its standard setting, every site fully occupied.
        formula: reduced.
        primitive_atoms: in the primitive cell.
    """

    id: str
    crystal: Crystal
    formula: str
    primitive_atoms: int


class MouldPool:
    """The ordered crystals of a library, found by anonymous formula."""

    def __init__(self, library: Library) -> None:
        """Nothing is read before it is asked for."""
        self.library = library

    @cached_property
    def volumes(self) -> AtomicVolumes:
        """Of atoms, as in the crystals of the library."""
        return AtomicVolumes.of(self.library.compositions, self.library.volumes)

    @cached_property
    def _rows(self) -> dict[Anonymous, list[int]]:
        rows: dict[Anonymous, list[int]] = {}
        for row, composition in enumerate(self.library.compositions):
            rows.setdefault(anonymous(composition), []).append(row)
        return rows

    def alike(
        self,
        composition: Mapping[str, float],
        *,
        most_atoms: int,
        without: frozenset[str] = frozenset(),
    ) -> list[Mould]:
        """Crystals of the same anonymous formula.

        Args:
            composition: of what is sought.
            most_atoms: of the primitive cell.
            without: reduced formulas that are left out.
        """
        wanted = self._rows.get(anonymous(composition), [])
        moulds = []
        for entry in self.library.entries(np.array(wanted, np.int64)):
            if entry.formula in without or not entry.crystal.is_ordered:
                continue
            atoms = len(Standard.from_stored(entry.crystal).primitive)
            if atoms <= most_atoms:
                moulds.append(Mould(entry.id, entry.crystal, entry.formula, atoms))
        return moulds
