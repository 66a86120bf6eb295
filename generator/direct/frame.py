"""A space group in the reduced primitive cell of given axes: reflections and images of sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from data.canonical import operations_of
from data.crystal import Crystal
from data.reflections import Atoms, reflections
from generator.direct.wyckoff import GENERIC, SAME, Position, positions_of

SHIFTS = np.array(list(product((-2, -1, 0, 1, 2), repeat=3)), dtype=np.float64)

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]

_POINT = Atoms(np.zeros((1, 3)), np.ones(1), np.zeros(1, np.int64), np.zeros(1))
_UNITY = np.array([[0.0] * 8 + [1.0]])
"""An atom at the origin that scatters as much as one electron at one point."""


@dataclass(frozen=True, eq=False)
class Orbit:
    """All points of a position in the primitive cell: x_i = maps_i @ parameters + origins_i.

    Where the group has an inversion at the origin, points come in pairs, first all firsts.

    Attributes:
        free: parameters that there are.
        maps: Shape (n, 3, 3); columns beyond `free` are zero.
        origins: Shape (n, 3).
        weights: what each counts for in structure factors: of centric groups 2 for one of a pair,
            0 for the other, 1 for a point that is its own image. Shape (n,).
    """

    free: int
    maps: _FLOAT
    origins: _FLOAT
    weights: _FLOAT

    def __len__(self) -> int:
        return len(self.origins)


@dataclass(frozen=True, eq=False)
class Frame:
    """A conventional cell with its space group, seen from its reduced primitive cell.

    Attributes:
        number: of the space group.
        lattice: conventional, rows in Å. Shape (3, 3).
        primitive: rows are primitive vectors in terms of the conventional. Shape (3, 3).
    """

    number: int
    lattice: _FLOAT
    primitive: _FLOAT

    @classmethod
    def of(cls, number: int, lattice: _FLOAT) -> Frame:
        """The three shortest lattice vectors that are independent span the lattice."""
        rotations, translations = operations_of(number)
        pure = (rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))
        vectors = (translations[pure][:, None] + SHIFTS).reshape(-1, 3)
        vectors = vectors[np.argsort(np.linalg.norm(vectors @ lattice, axis=1), kind="stable")]
        first = vectors[1]
        second = next(one for one in vectors[2:] if np.abs(np.cross(first, one)).max() > SAME)
        normal = np.cross(first, second)
        volume = 1.0 / pure.sum()
        third = next(one for one in vectors[2:] if abs(abs(normal @ one) - volume) < SAME)
        return cls(number, lattice, np.stack([first, second, third * np.sign(normal @ third)]))

    @property
    def basis(self) -> _FLOAT:
        """Primitive vectors in Å. Shape (3, 3)."""
        return np.asarray(self.primitive @ self.lattice)

    @property
    def centrings(self) -> int:
        """Primitive cells in the conventional one."""
        return round(1.0 / abs(float(np.linalg.det(self.primitive))))

    @property
    def centric(self) -> bool:
        """Whether there is an inversion at the origin."""
        rotations, translations = operations_of(self.number)
        inverted = (rotations == -np.eye(3, dtype=np.int64)).all(axis=(1, 2))
        return bool((np.abs(translations[inverted] % 1.0) < SAME).all(axis=1).any())

    def reflections(self, q_max_inv_angstrom: float) -> tuple[_FLOAT, _FLOAT, _INT]:
        """1/d² in 1/Å² ascending, multiplicity, and indices in the primitive cell. Shape (n, …)."""
        metric = self.lattice @ self.lattice.T
        limit = (q_max_inv_angstrom / (2 * np.pi)) ** 2
        both = metric, np.asarray(np.linalg.inv(metric), dtype=np.float64)
        inv_d2, many, hkl = reflections(both, limit, operations_of(self.number), _POINT, _UNITY)
        order = np.argsort(inv_d2, kind="stable")
        indices = np.rint(hkl[order] @ self.primitive.T).astype(np.int64)
        return inv_d2[order], many[order], indices

    def orbit(self, position: Position) -> Orbit:
        """The points of a position in the primitive cell."""
        rotations, translations = operations_of(self.number)
        to_primitive = np.linalg.inv(self.primitive).T
        rotation = rotations[position.images].astype(np.float64)
        maps = np.zeros((len(rotation), 3, 3))
        maps[:, :, : position.free] = to_primitive @ rotation @ position.basis.T
        origins = (rotation @ position.origin + translations[position.images]) @ to_primitive.T
        generic = np.where(np.arange(3) < position.free, GENERIC, 0.0)
        points = _wrapped(maps @ generic + origins)
        _, first = np.unique(np.rint(points / SAME).astype(np.int64), axis=0, return_index=True)
        first = np.sort(first)
        points = points[first]
        weights = np.ones(len(first))
        if self.centric:
            partner = np.array([_nearest(points, -point) for point in points])
            weights = np.where(
                partner == np.arange(len(first)),
                1.0,
                np.where(partner > np.arange(len(first)), 2.0, 0.0),
            )
        order = np.argsort(-weights, kind="stable")
        return Orbit(position.free, maps[first][order], origins[first][order], weights[order])

    def orbits(self) -> tuple[Orbit, ...]:
        """Of all positions of the group."""
        return tuple(self.orbit(one) for one in positions_of(self.number))

    def crystal(self, points: _FLOAT, species: Sequence[str]) -> Crystal:
        """The conventional cell of atoms at places of the primitive one, shape (n, 3)."""
        rotations, translations = operations_of(self.number)
        pure = translations[(rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))]
        whole = (points @ self.primitive + pure[:, None]).reshape(-1, 3)
        whole -= np.floor(whole)
        whole[whole > 1 - 1e-9] = 0.0
        every = tuple(species) * len(pure)
        n = len(every)
        return Crystal(self.lattice, every, np.ones(n), whole, np.full(n, np.nan), self.number)


def _wrapped(points: _FLOAT) -> _FLOAT:
    return np.asarray(points - np.floor(points + SAME / 2))


def _nearest(points: _FLOAT, point: _FLOAT) -> int:
    apart = points - point
    return int(np.abs(apart - np.round(apart)).max(axis=1).argmin())


@cache
def centrings_of(number: int) -> int:
    """Primitive cells in the conventional cell of a space group."""
    rotations, _ = operations_of(number)
    return int((rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2)).sum())
