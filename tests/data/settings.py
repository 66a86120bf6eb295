"""The same crystal written otherwise: other axes, origin, order, a larger cell, noise."""

from __future__ import annotations

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from tests.crystals import expand

SYSTEMS = {
    "triclinic": (5.1, 6.3, 7.7, 81.0, 97.0, 103.0),
    "monoclinic": (5.1, 6.3, 7.7, 90.0, 97.0, 90.0),
    "orthorhombic": (5.1, 6.3, 7.7, 90.0, 90.0, 90.0),
    "tetragonal": (5.1, 5.1, 7.7, 90.0, 90.0, 90.0),
    "trigonal": (5.1, 5.1, 7.7, 90.0, 90.0, 120.0),
    "hexagonal": (5.1, 5.1, 7.7, 90.0, 90.0, 120.0),
    "cubic": (8.3, 8.3, 8.3, 90.0, 90.0, 90.0),
}


def general_crystal(number: int) -> Crystal:
    """Two species on general positions of a space group, in gemmi's reference setting."""
    group = gemmi.find_spacegroup_by_number(number)
    sites = [("Sr", 0.0713, 0.1571, 0.2237), ("O", 0.4127, 0.3391, 0.0829)]
    return expand(SYSTEMS[group.crystal_system_str()], group.xhm(), sites)  # type: ignore[arg-type]


def rewritten(
    crystal: Crystal, rng: np.random.Generator, *, copies: int = 1, noise_angstrom: float = 0.0
) -> Crystal:
    """The crystal in a random basis and orientation, with another origin and order of its atoms.

    Args:
        crystal: whatever it is.
        rng: where chance comes from.
        copies: how many cells go into one, along one axis.
        noise_angstrom: standard deviation of what is added to each Cartesian coordinate.
    """
    multiple = np.diag(rng.permutation([1, 1, copies]))
    tiled = _tiled(crystal, multiple)
    change = _unimodular(rng)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    lattice = change @ tiled.lattice
    noise = rng.normal(size=(len(tiled), 3)) * noise_angstrom @ np.linalg.inv(lattice)
    fractional = tiled.fractional @ np.linalg.inv(change) + rng.random(3) + noise
    order = rng.permutation(len(tiled))
    return Crystal(
        lattice=lattice @ rotation,
        species=tuple(tiled.species[row] for row in order),
        occupancies=tiled.occupancies[order],
        fractional=wrapped(fractional[order]),
        u_iso_angstrom2=tiled.u_iso_angstrom2[order],
    )


def wrapped(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = fractional - np.floor(fractional)
    return np.where(inside >= 1.0, 0.0, inside)


def _tiled(crystal: Crystal, multiple: NDArray[np.int64]) -> Crystal:
    cells = np.argwhere(np.ones(np.diag(multiple)))
    fractional = (crystal.fractional[None] + cells[:, None]) / np.diag(multiple)
    return Crystal(
        lattice=multiple @ crystal.lattice,
        species=crystal.species * len(cells),
        occupancies=np.tile(crystal.occupancies, len(cells)),
        fractional=fractional.reshape(-1, 3),
        u_iso_angstrom2=np.tile(crystal.u_iso_angstrom2, len(cells)),
    )


def _unimodular(rng: np.random.Generator) -> NDArray[np.int64]:
    change = np.eye(3, dtype=np.int64)[rng.permutation(3)]
    for _ in range(3):
        i, j = rng.choice(3, 2, replace=False)
        shear = np.eye(3, dtype=np.int64)
        shear[i, j] = rng.integers(-1, 2)
        change = shear @ change
    return change
