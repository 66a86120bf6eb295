"""Wyckoff positions of the space groups, derived from their operations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from data.canonical import operations_of

GENERIC = np.array([0.1361, 0.2927, 0.0573])
"""Parameters of a point that lies on nothing special."""
SAME = 1e-4
"""Fractional coordinates that differ by less are equal."""
NEIGHBOURS = np.array(list(product((-1, 0, 1), repeat=3)), dtype=np.float64)
FINEST = 24
"""Points of full symmetry have coordinates that are multiples of one part of this."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Position:
    """Points of one kind of site symmetry: x = origin + parameters @ basis.

    Attributes:
        multiplicity: points in the conventional cell.
        basis: directions that are free. Shape (f, 3), f from 0 to 3.
        origin: a point of it, fractional. Shape (3,).
        images: operations of the group that make all points of one, each point once.
            Shape (multiplicity,).
    """

    multiplicity: int
    basis: _FLOAT
    origin: _FLOAT
    images: NDArray[np.int64]

    @property
    def free(self) -> int:
        """Coordinates that symmetry leaves free."""
        return len(self.basis)

    def at(self, parameters: _FLOAT) -> _FLOAT:
        """The first of its points. Shape (3,)."""
        return np.asarray(self.origin + parameters @ self.basis)


@cache
def positions_of(number: int) -> tuple[Position, ...]:
    """Wyckoff positions of a space group in the standard setting, those of fewest points first.

    Every line of special points is the axis of a rotation, every plane a mirror, and every single
    point lies on an inversion or rotoinversion, or where axes meet.
    """
    rotations, translations = operations_of(number)
    spaces = _fixed(rotations.astype(np.float64), translations)
    lines = [one for one in spaces if len(one[0]) == 1]
    spaces += _meetings(lines)
    spaces.append((np.eye(3), np.zeros(3)))
    found: list[Position] = []
    for basis, origin in spaces:
        position = _position(basis, origin, rotations, translations)
        if not any(_equivalent(position, other, rotations, translations) for other in found):
            found.append(position)
    return tuple(sorted(found, key=lambda one: (one.multiplicity, one.free)))


def _fixed(rotations: _FLOAT, translations: _FLOAT) -> list[tuple[_FLOAT, _FLOAT]]:
    """Directions and a point of what single operations leave where it is, each once."""
    spaces: dict[tuple[float, ...], tuple[_FLOAT, _FLOAT]] = {}
    for rotation, translation in zip(rotations, translations, strict=True):
        power, powers = rotation, [np.eye(3)]
        while np.abs(power - np.eye(3)).max() > SAME:
            powers.append(power)
            power = power @ rotation
        mean = np.mean(powers, axis=0)
        basis = _directions(mean)
        if len(basis) == 3:
            continue
        inverse = np.linalg.pinv(np.eye(3) - rotation)
        for shift in translation + NEIGHBOURS:
            if np.abs(mean @ shift).max() > SAME:
                continue  # a screw axis or a glide plane
            origin = _reduced(basis, inverse @ shift)
            key = (*basis.ravel().tolist(), *np.round(origin, 4).tolist())
            spaces.setdefault(key, (basis, origin))
    return list(spaces.values())


def _directions(projector: _FLOAT) -> _FLOAT:
    """Shortest whole vectors that span what a projection leaves, with a column each where one has
    1 and the others 0. Shape (f, 3).
    """
    rank = round(float(np.trace(projector)))
    if rank in {0, 3}:
        return np.eye(3)[:rank]
    steps = [np.array(one, float) for one in product((0, 1, -1, 2, -2), repeat=3) if any(one)]
    inside = [one for one in steps if np.abs(projector @ one - one).max() < SAME]
    inside.sort(key=lambda one: (np.abs(one).sum(), tuple(-one)))
    for chosen in combinations(inside[:8], rank):
        basis = np.array(chosen)
        if _pivots(basis) is not None:
            return basis
    raise ArithmeticError(f"no whole directions for {projector.tolist()}")


def _pivots(basis: _FLOAT) -> list[int] | None:
    """Columns of which each direction has one for itself, where it is 1. Length f."""
    pivots = []
    for i, row in enumerate(basis):
        others = np.delete(basis, i, axis=0)
        alone = [c for c in range(3) if abs(row[c] - 1) < SAME and not np.abs(others[:, c]).any()]
        if not alone:
            return None
        pivots.append(alone[0])
    return pivots


def _reduced(basis: _FLOAT, point: _FLOAT) -> _FLOAT:
    """The point that stands for a space and its translates. Shape (3,)."""
    point = point.copy()
    for row, pivot in zip(basis, _pivots(basis) or [], strict=True):
        point -= point[pivot] * row
    point -= np.floor(point + SAME)
    return np.round(point * FINEST) / FINEST


def _meetings(lines: list[tuple[_FLOAT, _FLOAT]]) -> list[tuple[_FLOAT, _FLOAT]]:
    """Points where two axes, or their translates, meet."""
    points: dict[tuple[float, ...], _FLOAT] = {}
    for (one, start), (other, end) in combinations(lines, 2):
        across = np.cross(one[0], other[0])
        if not np.abs(across).any():
            continue
        apart = end - start + NEIGHBOURS
        for gap in apart[np.abs(apart @ across) < SAME]:
            along, *_ = np.linalg.lstsq(np.stack([one[0], -other[0]], axis=1), gap, rcond=None)
            point = _reduced(np.zeros((0, 3)), start + along[0] * one[0])
            points.setdefault(tuple(point.tolist()), point)
    return [(np.zeros((0, 3)), point) for point in points.values()]


def _position(
    basis: _FLOAT, origin: _FLOAT, rotations: NDArray[np.int64], translations: _FLOAT
) -> Position:
    point = origin + GENERIC[: len(basis)] @ basis
    images = rotations @ point + translations
    keys = np.round((images - np.floor(images + SAME)) / SAME).astype(np.int64)
    _, first = np.unique(keys, axis=0, return_index=True)
    return Position(len(first), basis, origin, np.sort(first))


def _equivalent(
    one: Position, other: Position, rotations: NDArray[np.int64], translations: _FLOAT
) -> bool:
    """Whether an operation takes one to the other."""
    if one.multiplicity != other.multiplicity or one.free != other.free:
        return False
    images = rotations @ one.at(GENERIC[: one.free]) + translations
    return bool(_on(other, images).any())


def points_at(number: int, position: Position, point: _FLOAT) -> bool:
    """Whether an operation of a space group takes a point to a position."""
    rotations, translations = operations_of(number)
    return bool(_on(position, rotations @ point + translations).any())


def _on(position: Position, points: _FLOAT) -> NDArray[np.bool_]:
    """Which of the points, shape (n, 3), lie on the first space of a position. Shape (n,)."""
    away = points - position.origin
    for row, pivot in zip(position.basis, _pivots(position.basis) or [], strict=True):
        away -= away[:, pivot, None] * row
    return np.asarray(np.abs(away - np.round(away)).max(axis=1) < SAME)
