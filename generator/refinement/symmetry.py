"""Symmetry that a crystal nearly has."""

from __future__ import annotations

from data.canonical import operations_of, standardize
from data.crystal import Crystal
from data.errors import CrystalError
from generator.contacts import safe_tolerances

TOLERANCES_ANGSTROM = (0.3, 0.2, 0.1)
"""How far atoms may be from where higher symmetry would have them, the farthest first."""


def raised(crystal: Crystal) -> Crystal | None:
    """The crystal with the highest symmetry that it nearly has, None where it is the one it has.

    Args:
        crystal: in the standard setting of its space group.
    """
    own = _symmetry(crystal)
    for tolerance in safe_tolerances(crystal, TOLERANCES_ANGSTROM):
        try:
            found = standardize(crystal, symprec_angstrom=tolerance).crystal
        except CrystalError:  # it repeats within so little that no symmetry can be sought
            continue
        if _symmetry(found) > own and _same_content(found, crystal):
            return found
    return None


def _symmetry(crystal: Crystal) -> float:
    """Operations for an atom of the cell: more of them, or a smaller cell, is higher symmetry."""
    return len(operations_of(crystal.space_group_number)[0]) / len(crystal)


def _same_content(one: Crystal, other: Crystal) -> bool:
    """Whether no atom got lost where atoms are near each other."""
    share = len(one) / len(other)
    return {symbol: round(share * amount, 6) for symbol, amount in other.composition.items()} == {
        symbol: round(amount, 6) for symbol, amount in one.composition.items()
    }
