"""Neighbours of positions in a periodic cell."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]


@njit(cache=True, nogil=True)
def neighbours(
    lattice: _Floats, positions: _Floats, others: _Floats, reach: _Floats, nearest: float
) -> tuple[_Integers, _Integers, _Floats]:
    """Pairs of a position and one of `others`, in whatever cell, that are within reach.

    Args:
        lattice: rows are axes in Å. Shape (3, 3).
        positions: fractional. Shape (p, 3).
        others: fractional. Shape (q, 3).
        reach: greatest distance of each pair in Å. Shape (p, q).
        nearest: pairs that are nearer than this, in Å, are none.

    Returns:
        The position and the other of each pair, by position, and the vector that leads from one to
        the other in Å. Shapes (k,), (k,) and (k, 3).
    """
    reciprocal = np.linalg.inv(lattice)
    width = 1 / np.sqrt((reciprocal**2).sum(axis=0))
    pairs = [(0, 0) for _ in range(0)]
    vectors = [np.zeros(3) for _ in range(0)]
    for i in range(len(positions)):
        for j in range(len(others)):
            apart = others[j] - positions[i]
            extent = reach[i, j] / width
            low = np.ceil(-extent - apart).astype(np.int64)
            high = np.floor(extent - apart).astype(np.int64)
            for h in range(low[0], high[0] + 1):
                for k in range(low[1], high[1] + 1):
                    for m in range(low[2], high[2] + 1):
                        vector = (apart + np.array([h, k, m])) @ lattice
                        distance = math.sqrt(vector @ vector)
                        if nearest <= distance <= reach[i, j]:
                            pairs.append((i, j))
                            vectors.append(vector)
    first = np.zeros(len(pairs), np.int64)
    second = np.zeros(len(pairs), np.int64)
    between = np.zeros((len(pairs), 3))
    for row in range(len(pairs)):
        first[row], second[row] = pairs[row]
        between[row] = vectors[row]
    return first, second, between
