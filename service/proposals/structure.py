"""A crystal's unit cell as the page's script draws it: atoms, bonds, edges."""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal

BOND = 1.14
"""Atoms are joined up to this part of the sum of their covalent radii."""
MOST_ATOMS = 600
"""Drawn; of larger cells, only those inside the cell."""
ON_THE_EDGE = 1e-3
SAME_ANGSTROM = 0.4
"""Atoms closer than this share a site."""


def drawn_cell(crystal: Crystal) -> dict[str, Any]:
    """Atoms of the cell, those on its faces repeated, and the bonds between them.

    Positions are in Å about the middle of the cell.
    """
    place, owner = _with_faces(crystal)
    if len(place) > MOST_ATOMS:
        place, owner = crystal.fractional, np.arange(len(crystal))
    at = (place - 0.5) @ crystal.lattice
    symbols = [crystal.species[i] for i in owner]
    radii = np.array([gemmi.Element(symbol).covalent_r for symbol in symbols])
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    edges = [
        (a, b) for a in range(8) for b in range(a + 1, 8)
        if np.abs(corners[a] - corners[b]).sum() == 1
    ]  # fmt: skip
    return {
        "atoms": [
            [symbol, *np.round(position, 3).tolist(), round(float(radius), 2)]
            for symbol, position, radius in zip(symbols, at, radii, strict=True)
        ],
        "bonds": _bonds(at, radii, symbols).tolist(),
        "corners": np.round((corners - 0.5) @ crystal.lattice, 3).tolist(),
        "edges": edges,
    }


def _with_faces(crystal: Crystal) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Fractional coordinates in [0, 1], 1 where the same atom is at 0; whose they are."""
    places, owners = [], []
    for i, fractional in enumerate(crystal.fractional):
        inside = np.where(fractional > 1 - ON_THE_EDGE, fractional - 1, fractional)
        ends = [(0.0, 1.0) if abs(value) < ON_THE_EDGE else (0.0,) for value in inside]
        for x in ends[0]:
            for y in ends[1]:
                for z in ends[2]:
                    places.append(inside + np.array([x, y, z]))
                    owners.append(i)
    return np.array(places), np.array(owners)


def _bonds(
    at: NDArray[np.float64], radii: NDArray[np.float64], symbols: list[str]
) -> NDArray[np.int64]:
    """Pairs of atoms that touch; of metals only where there is nothing else. Shape (m, 2)."""
    distance = np.linalg.norm(at[:, None] - at[None], axis=2)
    near = (distance < BOND * (radii[:, None] + radii[None])) & (distance > SAME_ANGSTROM)
    metal = np.array([gemmi.Element(symbol).is_metal for symbol in symbols])
    if not metal.all():
        near &= ~(metal[:, None] & metal[None])
    return np.argwhere(np.triu(near, 1))
