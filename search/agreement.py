"""When is a hit a hit: three notions, from the same crystal to the same diffraction."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from data.crystal import Crystal
from data.pymatgen_bridge import to_pymatgen

Notion = Literal["strict", "species", "twin"]
NOTIONS: tuple[Notion, ...] = ("strict", "species", "twin")

STRICT_COMPOSITION, STRICT_VOLUME = 0.02, 0.06
SPECIES_COMPOSITION, SPECIES_VOLUME = 0.12, 0.08
MATCHER_VOLUME = 0.3
"""Structures whose volumes an atom differ by more are not worth matching."""
SAME_CELL = 2e-4
"""Cells that agree to this in lengths and volume come from one refinement."""


@dataclass(frozen=True, eq=False)
class Identity:
    """What of a crystal decides whether another is the same, the same species, or a twin.

    Hydrogen is ignored throughout: many sources leave it out.

    Attributes:
        crystal: conventional cell in the standard setting.
        fractions: share of each element among the atoms.
        atoms: occupied atoms in the cell.
    """

    crystal: Crystal
    fractions: Mapping[str, float]
    atoms: float

    @classmethod
    def of(cls, crystal: Crystal) -> Identity:
        """Of a crystal in the standard setting."""
        amounts = {e: n for e, n in crystal.composition.items() if e != "H"} or {"H": 1.0}
        atoms = sum(amounts.values())
        return cls(crystal, {e: amount / atoms for e, amount in amounts.items()}, atoms)

    @property
    def volume_per_atom(self) -> float:
        """In Å³."""
        return self.crystal.volume_angstrom3 / self.atoms


def agreement(truth: Identity, found: Identity) -> frozenset[Notion]:
    """The notions under which `found` answers a query whose truth is `truth`.

    strict: the same space group, atomic fractions within 0.02 and volume an atom within 6 %, or
    pymatgen's StructureMatcher. species: the same space group, fractions within 0.12, volume an
    atom within 8 %. twin: the same space group and atom count, volume within 8 %, whatever the
    elements. Each includes the one before.
    """
    same_group = truth.crystal.space_group_number == found.crystal.space_group_number
    elements = set(truth.fractions) | set(found.fractions)
    apart = max(abs(truth.fractions.get(e, 0.0) - found.fractions.get(e, 0.0)) for e in elements)
    volume = abs(found.volume_per_atom / truth.volume_per_atom - 1)
    if apart <= STRICT_COMPOSITION and (
        (same_group and volume <= STRICT_VOLUME)
        or (volume <= MATCHER_VOLUME and _matches(truth.crystal, found.crystal))
    ):
        return frozenset(NOTIONS)
    if same_group and apart <= SPECIES_COMPOSITION and volume <= SPECIES_VOLUME:
        return frozenset({"species", "twin"})
    same_count = abs(found.atoms / truth.atoms - 1) < 0.02
    if same_group and same_count and volume <= SPECIES_VOLUME:
        return frozenset({"twin"})
    return frozenset()


def same_cell(truth: Identity, found: Identity) -> bool:
    """Whether two crystals have one cell to the last digits: copies, not independent samples."""
    mine, other = sorted(truth.crystal.cell[:3]), sorted(found.crystal.cell[:3])
    lengths = max(abs(a / b - 1) for a, b in zip(mine, other, strict=True))
    volume = abs(truth.crystal.volume_angstrom3 / found.crystal.volume_angstrom3 - 1)
    return lengths < SAME_CELL and volume < SAME_CELL


def _matches(one: Crystal, other: Crystal) -> bool:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    if one.is_ordered != other.is_ordered:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(StructureMatcher().fit(to_pymatgen(one), to_pymatgen(other)))
