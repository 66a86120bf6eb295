"""Distance matrices of crystals: to the nearest image, atoms in an order of their own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from generator.distance.features import rank_of_number

IMAGES = np.array(list(product((-1.0, 0.0, 1.0), repeat=3)))
SAME_ANGSTROM = 0.02
"""Distances that differ by less do not tell atoms apart."""

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]


def distance_matrix(lattice: _FLOAT, fractional: _FLOAT) -> _FLOAT:
    """Distances in Å from each atom to the nearest image of each other. Shape (n, n).

    The diagonal is 0, as in pymatgen's `distance_matrix`: an atom's own images do not count.

    Args:
        lattice: rows in Å, of a reduced cell. Shape (3, 3).
        fractional: Shape (n, 3).
    """
    apart = fractional[:, None] - fractional[None]
    apart -= np.round(apart)
    vectors = (apart[:, :, None] + IMAGES) @ lattice
    found: _FLOAT = np.sqrt((vectors**2).sum(axis=-1)).min(axis=-1)
    np.fill_diagonal(found, 0.0)
    return found


def ordered(number: Sequence[int] | _INT, distances: _FLOAT) -> _INT:
    """The order in which a network reads the atoms: by element, then by what is near.

    Elements ascend by electronegativity. The first atom is that of the first element whose
    distances, sorted by element, are the least; after it each element's atoms come in the order of
    their distances to those that came before, so that equal crystals have equal matrices.

    Args:
        number: atomic numbers. Shape (n,).
        distances: as of `distance_matrix`. Shape (n, n).

    Returns:
        Indices of the atoms. Shape (n,).
    """
    ranks = rank_of_number()[np.asarray(number)]
    coarse = np.rint(distances / SAME_ANGSTROM).astype(np.int64)
    by_element = np.lexsort((np.arange(len(ranks)), ranks))
    roots = by_element[ranks[by_element] == ranks.min()]
    first = min(roots.tolist(), key=lambda i: _profile(ranks, coarse[i], i))
    placed = [first]
    left = [i for i in by_element.tolist() if i != first]
    while left:
        own = [i for i in left if ranks[i] == ranks[left[0]]]
        near = min(own, key=lambda i: (coarse[i, placed].tolist(), i))
        placed.append(near)
        left.remove(near)
    return np.array(placed)


def _profile(ranks: _INT, row: _INT, own: int) -> list[int]:
    """Distances from one atom, ascending within each element."""
    others = np.arange(len(ranks)) != own
    return [int(one) for one in row[others][np.lexsort((row[others], ranks[others]))]]
