"""Whether a crystal holds molecules of a kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import gemmi
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from data.canonical import Standard
from data.crystal import Crystal
from generator.contacts import IMAGES

BOND = 1.2
"""Atoms that are nearer than this part of the sum of their covalent radii are bonded."""


def holds_ligands(crystal: Crystal, ligands: Sequence[Mapping[str, float]]) -> bool:
    """Whether each ligand is there: atoms bonded to each other, metals taken away.

    Molecules are told by their atoms, hydrogen aside, and not by their bonds.

    Args:
        crystal: fully occupied, in the standard setting of its space group.
        ligands: atoms of each element in one molecule.
    """
    primitive = Standard.from_stored(crystal).primitive
    rows = [i for i, one in enumerate(primitive.species) if not _is_passed_over(one)]
    found = Counter(_molecules(primitive, rows))
    wanted = [_atoms(one) for one in ligands]
    return all(found[one] for one in wanted if one)


def _is_passed_over(symbol: str) -> bool:
    return symbol == "H" or bool(gemmi.Element(symbol).is_metal)


def _atoms(amounts: Mapping[str, float]) -> frozenset[tuple[str, int]]:
    return frozenset(
        (symbol, round(amount)) for symbol, amount in amounts.items() if not _is_passed_over(symbol)
    )


def _molecules(crystal: Crystal, rows: list[int]) -> list[frozenset[tuple[str, int]]]:
    """Atoms of each molecule that some atoms of the crystal make."""
    if not rows:
        return []
    place = crystal.fractional[rows]
    radius = np.array([gemmi.Element(crystal.species[i]).covalent_r for i in rows])
    apart = place[:, None] - place[None]
    apart -= np.round(apart)
    shortest = np.min(
        [np.linalg.norm((apart + image) @ crystal.lattice, axis=2) for image in IMAGES], axis=0
    )
    bonded = coo_array(shortest < BOND * (radius[:, None] + radius[None]))
    _, molecule = connected_components(bonded, directed=False)
    symbols = np.array([crystal.species[i] for i in rows])
    return [
        frozenset(Counter(symbols[molecule == number].tolist()).items())
        for number in np.unique(molecule)
    ]
