"""What a library knows about one crystal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.crystal import Crystal
from data.record import Source
from indexer.schema import CRYSTAL_COLUMNS, crystal_of, source_of

ENTRY_COLUMNS = ("id", "formula", "elements", "space_group", "density_g_cm3", *CRYSTAL_COLUMNS)


@dataclass(frozen=True, eq=False)
class Entry:
    """One crystal in a library.

    Attributes:
        id: hash of the canonical crystal, 20 hexadecimal digits.
        crystal: conventional cell, standard setting.
        names: what its sources call it, each name once; may be empty.
        formula: reduced formula.
        elements: symbols, in alphabetical order.
        space_group_number: 1 to 230.
        space_group: Hermann-Mauguin symbol.
        density_g_cm3: calculated from cell and content.
        sources: where it was read from, first come first.
    """

    id: str
    crystal: Crystal
    names: tuple[str, ...]
    formula: str
    elements: tuple[str, ...]
    space_group_number: int
    space_group: str
    density_g_cm3: float
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, row: Mapping[str, Any], sources: Sequence[Mapping[str, Any]]) -> Entry:
        """Put together a row of `entries` and the rows of `sources` with its id."""
        names = dict.fromkeys(name for source in sources for name in source["names"])
        return cls(
            id=row["id"],
            crystal=crystal_of(row),
            names=tuple(names),
            formula=row["formula"],
            elements=tuple(row["elements"]),
            space_group_number=int(row["space_group_number"]),
            space_group=row["space_group"],
            density_g_cm3=float(row["density_g_cm3"]),
            sources=tuple(source_of(source) for source in sources),
        )
