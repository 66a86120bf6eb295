"""What structure type a crystal is of, as far as symmetry says."""

from __future__ import annotations

import moyopy
import numpy as np

from data.canonical import SYMPREC_ANGSTROM
from data.crystal import Crystal

Prototype = tuple[int, tuple[tuple[tuple[int, str], ...], ...]]


def prototype(crystal: Crystal, *, symprec_angstrom: float = SYMPREC_ANGSTROM) -> Prototype:
    """Space group, and multiplicity and site symmetry of the sites of each element.

    Elements count by where they sit, not by name, so that isotypes are of one prototype. Crystals
    of one prototype need not be isotypes: free coordinates are not looked at.

    Args:
        crystal: fully occupied, in any cell.
        symprec_angstrom: how far atoms may be from where symmetry would have them.
    """
    numbers = {symbol: i + 1 for i, symbol in enumerate(dict.fromkeys(crystal.species))}
    cell = moyopy.Cell(
        crystal.lattice.tolist(),
        crystal.fractional.tolist(),
        [numbers[symbol] for symbol in crystal.species],
    )
    found = moyopy.MoyoDataset(cell, symprec=symprec_angstrom)
    copies = float(np.linalg.det(crystal.lattice) / np.linalg.det(np.array(found.std_cell.basis)))
    sites: dict[str, list[tuple[int, str]]] = {symbol: [] for symbol in numbers}
    orbits = np.array(found.orbits)
    for first in np.unique(orbits):
        many = int((orbits == first).sum())
        sites[crystal.species[first]].append(
            (round(many / abs(copies)), found.site_symmetry_symbols[first])
        )
    return found.number, tuple(sorted(tuple(sorted(theirs)) for theirs in sites.values()))
