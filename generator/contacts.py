"""Whether atoms have room: the shortest distances beside what radii say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal

WITHIN = 0.15
"""Tolerances are at most this part of the shortest distance."""
IMAGES = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])


def closest_contact(crystal: Crystal) -> float:
    """The smallest ratio of a distance between atoms to the sum of their covalent radii.

    Radii are those of Cordero et al., Dalton Trans. (2008) 2832, as gemmi carries them. Bonds have
    ratios around 1; atoms at much less than 0.7 overlap. Of a crystal of one atom it is that to
    its own image.

    Args:
        crystal: whose cell is not much longer than its content needs, as a conventional one.
    """
    radii = np.array([gemmi.Element(symbol).covalent_r for symbol in crystal.species])
    sums: NDArray[np.float64] = radii[:, None] + radii[None]
    return min(float((distance / sums).min()) for distance in distances_by_image(crystal))


def safe_tolerances(crystal: Crystal, tolerances: Sequence[float]) -> list[float]:
    """Those tolerances, in Å, at which no atom is taken for its neighbour.

    Where atoms nearly touch, a search for symmetry with a large one does not end.

    Args:
        crystal: as of `closest_contact`.
        tolerances: how far atoms may be from where symmetry would have them.
    """
    shortest = min(float(distance.min()) for distance in distances_by_image(crystal))
    return [one for one in tolerances if one <= WITHIN * shortest]


def distances_by_image(crystal: Crystal) -> Iterator[NDArray[np.float64]]:
    """Of atoms to those of each neighbouring cell, infinite from each to itself. Shape (n, n)."""
    apart = crystal.fractional[:, None] - crystal.fractional[None]
    apart -= np.round(apart)
    for image in IMAGES:
        distance = np.linalg.norm((apart + image) @ crystal.lattice, axis=2)
        if not image.any():
            np.fill_diagonal(distance, np.inf)
        yield distance
