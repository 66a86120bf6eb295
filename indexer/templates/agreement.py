"""When two shapes have the same atom classes and relative coordinates.

No origin, choice or order of axes, orientation or hand enters. Polyhedra agree when their corners
can be paired so that all distances agree: that needs no rotation. Frameworks agree when one can be
described by axes so near the other's that, after some shift, every position has its partner nearby.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from indexer.templates.shapes import Framework, Polyhedron, Shape

LENGTH_TOLERANCE = 0.06
"""Part by which axes may differ in length, once both cells have one volume a position."""

COSINE_TOLERANCE = 0.08
"""By which cosines of the angles between axes may differ: some five degrees."""

POSITION_TOLERANCE = 0.15
"""Distance of a position from its partner, in the mean spacing (V/n)^(1/3) of positions."""

POLYHEDRON_TOLERANCE = 0.15
"""By which distances in a polyhedron may differ, in the mean distance of corners from the centre:
the edges of an octahedron and of a trigonal prism differ by more."""

MOST_STEPS = 20_000
"""After which the search for a pairing of corners ends without one."""

_Floats = NDArray[np.float64]


def agree(one: Shape, other: Shape) -> bool:
    """Whether two shapes are of one kind and agree in classes and relative coordinates."""
    if one.classes != other.classes:
        return False
    if isinstance(one, Polyhedron) and isinstance(other, Polyhedron):
        return bool(
            _can_be_paired(one.distances, other.distances, POLYHEDRON_TOLERANCE, MOST_STEPS)
        )
    if isinstance(one, Framework) and isinstance(other, Framework):
        return one.non_metals == other.non_metals and bool(
            _same_framework(
                (one.lattice @ one.lattice.T, one.coordinates),
                (other.lattice @ other.lattice.T, other.coordinates),
                (LENGTH_TOLERANCE, COSINE_TOLERANCE, POSITION_TOLERANCE),
            )
        )
    return False


@njit(cache=True, nogil=True)
def _can_be_paired(one: _Floats, other: _Floats, tolerance: float, most_steps: int) -> bool:
    """Whether points can be paired so that all distances agree; the first ones are a pair.

    Depth-first search: a corner takes the next partner whose distances to the partners of all
    corners before it fit, and hands back when there is none. Shape (1 + m, 1 + m) each.
    """
    points = len(one)
    partner = np.zeros(points, np.int64)
    taken = np.zeros(points, np.bool_)
    at = 1
    for _ in range(most_steps):
        if at == points:
            return True
        if at == 0:
            return False
        taken[partner[at]] = False
        found = False
        for j in range(partner[at] + 1, points):
            if taken[j]:
                continue
            found = True
            for i in range(at):
                if abs(one[at, i] - other[j, partner[i]]) > tolerance:
                    found = False
                    break
            if found:
                partner[at] = j
                taken[j] = True
                break
        if found:
            at += 1
        else:
            partner[at] = 0
            at -= 1
    return False


@njit(cache=True, nogil=True)
def _same_framework(
    one: tuple[_Floats, _Floats],
    other: tuple[_Floats, _Floats],
    tolerances: tuple[float, float, float],
) -> bool:
    """Try every basis of the other lattice that looks like the first.

    Args:
        one: metric tensor, shape (3, 3), and positions, shape (n, 3).
        other: the same.
        tolerances: of lengths, of cosines of angles, of positions.
    """
    metric, positions = one
    lengths = np.sqrt(np.diag(metric))
    count = np.zeros(3, np.int64)
    axes = np.zeros((3, 27, 3))
    # Reduced cells of near-by lattices are joined by whole numbers of at most one.
    for which in range(27):
        axis = np.array([which // 9 - 1.0, which // 3 % 3 - 1.0, which % 3 - 1.0])
        length = math.sqrt(axis @ other[0] @ axis)
        for i in range(3):
            if abs(length / lengths[i] - 1) <= tolerances[0]:
                axes[i, count[i]] = axis
                count[i] += 1
    basis = np.zeros((3, 3))
    for a in range(count[0]):
        basis[0] = axes[0, a]
        for b in range(count[1]):
            basis[1] = axes[1, b]
            if not _same_angle(metric, other[0], basis, 0, 1, tolerances[1]):
                continue
            for c in range(count[2]):
                basis[2] = axes[2, c]
                if (
                    _same_angle(metric, other[0], basis, 0, 2, tolerances[1])
                    and _same_angle(metric, other[0], basis, 1, 2, tolerances[1])
                    and abs(abs(np.linalg.det(basis)) - 1) < 0.1
                    and _shifted_onto(
                        metric, positions, other[1] @ np.linalg.inv(basis), tolerances[2]
                    )
                ):
                    return True
    return False


@njit(cache=True, nogil=True)
def _same_angle(
    metric: _Floats, other: _Floats, basis: _Floats, i: int, j: int, tolerance: float
) -> bool:
    u, v = basis[i], basis[j]
    cosine = (u @ other @ v) / math.sqrt((u @ other @ u) * (v @ other @ v))
    wanted = metric[i, j] / math.sqrt(metric[i, i] * metric[j, j])
    return bool(abs(cosine - wanted) <= tolerance)


@njit(cache=True, nogil=True)
def _shifted_onto(metric: _Floats, positions: _Floats, others: _Floats, tolerance: float) -> bool:
    """Whether some shift brings each of `others` near a position of its own. Shape (n, 3) each."""
    n = len(positions)
    apart = np.zeros((n, 3))
    difference = np.zeros(3)
    taken = np.zeros(n, np.bool_)
    for anchor in range(n):
        shift = positions[0] - others[anchor]
        taken[:] = False
        paired = 0
        for i in range(n):
            # The anchor may be off by as much as its partner is, so twice as far is near enough.
            best = -1
            nearest = (2 * tolerance) ** 2
            for j in range(n):
                if taken[j]:
                    continue
                for axis in range(3):
                    d = others[j, axis] + shift[axis] - positions[i, axis]
                    difference[axis] = d - round(d)
                distance2 = float(difference @ metric @ difference)
                if distance2 <= nearest:
                    nearest = distance2
                    best = j
                    apart[i] = difference
            if best < 0:
                break
            taken[best] = True
            paired += 1
        if paired == n and _spread(metric, apart) <= tolerance:
            return True
    return False


@njit(cache=True, nogil=True)
def _spread(metric: _Floats, apart: _Floats) -> float:
    """Greatest distance of vectors from their mean. Shape (n, 3)."""
    greatest = 0.0
    mean = apart.sum(axis=0) / len(apart)
    for i in range(len(apart)):
        off = apart[i] - mean
        greatest = max(greatest, float(off @ metric @ off))
    return math.sqrt(greatest)
