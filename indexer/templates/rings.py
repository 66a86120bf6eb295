"""Benzene rings, which mark positions where there are no metals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from indexer.templates.neighbours import neighbours

AROMATIC_BOND_ANGSTROM = (1.30, 1.46)
"""Between carbons of a ring: 1.39 Å, give or take."""

FLAT_ANGSTROM = 0.1
"""Root mean square distance of a ring's carbons from their plane."""

_Floats = NDArray[np.float64]


def benzene_rings(lattice: _Floats, carbons: _Floats) -> _Floats:
    """Centres of the flat rings of six carbons at aromatic distances.

    Args:
        lattice: rows are axes in Å. Shape (3, 3).
        carbons: fractional coordinates. Shape (n, 3).

    Returns:
        Fractional coordinates in [0, 1), one row for each ring of the cell. Shape (r, 3).
    """
    low, high = AROMATIC_BOND_ANGSTROM
    n = len(carbons)
    first, second, vectors = neighbours(lattice, carbons, carbons, np.full((n, n), high), low)
    bonds: list[list[tuple[int, _Floats]]] = [[] for _ in range(n)]
    for i, j, vector in zip(first.tolist(), second.tolist(), vectors, strict=True):
        bonds[i].append((j, vector))
    inverse = np.linalg.inv(lattice)
    centres = np.zeros((0, 3))
    for start in range(n):
        for corners in _rings_through(start, bonds):
            middle = corners.mean(axis=0)
            if np.linalg.svd(corners - middle)[1][2] > FLAT_ANGSTROM * 6**0.5:
                continue
            centre = carbons[start] + middle @ inverse
            apart = centre - centres
            # Each ring is found from all its corners, both ways round.
            if not (np.linalg.norm((apart - np.round(apart)) @ lattice, axis=1) < 0.1).any():
                centres = np.concatenate([centres, centre[None] % 1.0])
    return centres


def _rings_through(start: int, bonds: list[list[tuple[int, _Floats]]]) -> Iterator[_Floats]:
    """Closed walks of six bonds: places of their atoms from the first, in Å. Shape (6, 3) each."""

    def walk(atom: int, places: list[_Floats]) -> Iterator[_Floats]:
        for following, vector in bonds[atom]:
            place = places[-1] + vector
            if len(places) == 6:
                if following == start and np.linalg.norm(place) < 1e-3:
                    yield np.array(places)
            elif all(np.linalg.norm(place - known) > 0.5 for known in places):
                yield from walk(following, [*places, place])

    yield from walk(start, [np.zeros(3)])
