"""What a space group leaves free of a crystal: coordinates of its sites, and its cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data.canonical import crystal_system, operations_of
from data.crystal import Crystal
from generator.candidate import Task
from generator.cell_fit import TIES, cell_logarithms, lattice_of

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]

INVARIANT = 0.5
"""Directions of a site that symmetry keeps have eigenvalue 1 in the mean of its operations, all
others 0."""
SAME_SITE_ANGSTROM = 0.4
"""An image so near is the atom itself."""


@dataclass(frozen=True, eq=False)
class Freedom:
    """How the atoms and the cell of a crystal may move without breaking its symmetry.

    Attributes:
        moves: change of the fractional coordinates of all n atoms when one of p free coordinates
            moves its site by 1 Å. Shape (p, n, 3).
        sites: number of the site each atom belongs to, from 0. Shape (n,).
        lattice_points: atoms that no centring joins, one of each lattice point's. Shape (n / c,).
        ties: what each of a, b, c, α, β, γ follows, as of `generator.cell_fit.TIES`. Shape (6,).
    """

    moves: _FLOAT
    sites: _INT
    lattice_points: _INT
    ties: _INT

    @classmethod
    def of(cls, crystal: Crystal) -> Freedom:
        """Of an ordered crystal in the standard setting of its space group."""
        rotations, translations = operations_of(crystal.space_group_number)
        goes_to = _images(crystal, rotations, translations)
        n = len(crystal)
        sites = np.full(n, -1)
        moves: list[_FLOAT] = []
        for first in range(n):
            if sites[first] >= 0:
                continue
            site = sites.max() + 1
            operation_to = np.full(n, -1)
            operation_to[goes_to[::-1, first]] = np.arange(len(rotations))[::-1]
            orbit = np.flatnonzero(operation_to >= 0)
            sites[orbit] = site
            for direction in _kept(rotations[goes_to[:, first] == first], crystal.lattice):
                move = np.zeros((n, 3))
                move[orbit] = rotations[operation_to[orbit]] @ direction
                moves.append(move)
        pure = (rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))
        lattice_points = np.unique(goes_to[pure].min(axis=0))
        ties = np.array(TIES[crystal_system(crystal.space_group_number)], np.int64)
        return cls(np.array(moves).reshape(-1, n, 3), sites, lattice_points, ties)

    def moved(self, crystal: Crystal, by_angstrom: _FLOAT, cell_change: _FLOAT) -> Crystal:
        """The crystal with its free coordinates and its cell changed.

        Args:
            crystal: whose freedom this is.
            by_angstrom: of each free coordinate. Shape (p,).
            cell_change: of the logarithms of the free lengths and of the free angles in radians,
                by the numbers of `ties`. Shape (6,).
        """
        change = np.where(self.ties >= 0, cell_change[self.ties], 0.0)
        fractional = crystal.fractional + np.einsum("p,pnx->nx", by_angstrom, self.moves)
        lattice = lattice_of(cell_logarithms(crystal.lattice) + change, crystal.lattice)
        return replace(crystal, lattice=lattice, fractional=fractional - np.floor(fractional))


@lru_cache(maxsize=64)
def freedom_of(crystal: Crystal) -> Freedom:
    """`Freedom.of`, kept for crystals that were asked about lately."""
    return Freedom.of(crystal)


def freedom_to_fit(task: Task, crystal: Crystal) -> float:
    """Free coordinates for each peak of the pattern: what a crystal could fit with if all wrong."""
    return len(freedom_of(crystal).moves) / max(len(task.prepared.peaks), 1)


def free_parameters(crystal: Crystal) -> int:
    """Numbers that describe a structure: its free lengths and angles, and its free coordinates.

    Counted without `Freedom`, which compares every atom with every other.
    """
    rotations, translations = operations_of(crystal.space_group_number)
    image = np.einsum("kij,nj->nki", rotations, crystal.fractional) + translations
    apart = image - crystal.fractional[:, None]
    stays = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice, axis=2) < SAME_SITE_ANGSTROM
    # The mean of the operations that keep a site projects on what it is free to do; each atom has
    # its part in the coordinates of its orbit.
    free = stays @ np.trace(rotations, axis1=1, axis2=2) / len(rotations)
    ties = TIES[crystal_system(crystal.space_group_number)]
    return len({tie for tie in ties if tie >= 0}) + round(float(free.sum()))


def _images(crystal: Crystal, rotations: _INT, translations: _FLOAT) -> _INT:
    """The atom that each of k operations sends each atom to. Shape (k, n)."""
    kinds = np.unique(crystal.species, return_inverse=True)[1]
    other = kinds[:, None] != kinds[None]
    found = np.empty((len(rotations), len(crystal)), np.int64)
    for i, (rotation, translation) in enumerate(zip(rotations, translations, strict=True)):
        image = crystal.fractional @ rotation.T + translation
        apart = image[:, None] - crystal.fractional[None]
        distance = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice, axis=2)
        found[i] = np.where(other, np.inf, distance).argmin(axis=1)
    return found


def _kept(rotations: _INT, lattice: _FLOAT) -> _FLOAT:
    """Fractional steps of 1 Å, at right angles, that operations of a site keep. Shape (d, 3)."""
    mean = lattice.T @ rotations.mean(axis=0) @ np.linalg.inv(lattice.T)
    value, vector = np.linalg.eigh((mean + mean.T) / 2)
    return np.asarray(vector[:, value > INVARIANT].T @ np.linalg.inv(lattice))
