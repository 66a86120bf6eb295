"""How far the distances of atoms on their sites are from those predicted, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from generator.direct.goal import joins
from generator.direct.misfit import Model, bonding, place, to_parameters

WORTH = 2.0
"""What the mean square relative error of distances counts for beside crowding and valences."""

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]


class Target(NamedTuple):
    """Predicted distances, as those of every two elements are spread.

    Attributes:
        kinds: row in `sums` of the distances between two elements. Shape (e, e).
        sums: integrals of the distances in ascending order, from none to a growing share of them;
            the last is their mean. Shape (kinds, steps + 1).
        images: the lattice vectors of the neighbouring cells, and 0. Shape (27, 3).
    """

    kinds: _INT
    sums: _FLOAT
    images: _FLOAT


@njit(cache=True, nogil=True, fastmath=True)
def mismatch(
    target: Target, model: Model, _used: int, parameters: _FLOAT, gradient: _FLOAT
) -> tuple[float, float]:
    """Mean square relative error of the sorted distances and what atoms do not like; and the first.

    Distances between two elements are sorted, as the predicted ones are, and compared in that
    order (the Wasserstein distance of the two), so that it does not matter which atom of an
    element is which.

    Args:
        target: predicted distances.
        model: the atoms.
        parameters: Shape (f,).
        gradient: takes that of the sum. Shape (f,).
    """
    n = len(model.firsts)
    x = np.empty((n, 3))
    place(model, parameters, x)
    slope = np.zeros((n, 3))
    apart = _apart(target, model, x, slope)
    total = WORTH * apart + bonding(model, x, slope)
    to_parameters(model, slope, gradient)
    return total, apart


@njit(cache=True, nogil=True, fastmath=True)
def _apart(target: Target, model: Model, x: _FLOAT, slope: _FLOAT) -> float:
    """The mean square relative error; its slope times `WORTH` is added."""
    count = len(model.pairs)
    vector = np.empty((count, 3))
    length = np.empty(count)
    kind = np.empty(count, np.int64)
    z = np.empty(3)
    basis, images = model.basis, target.images
    everything = 0.0
    for p in range(count):
        i, j = model.pairs[p, 0], model.pairs[p, 1]
        kind[p] = target.kinds[model.elements[i], model.elements[j]]
        everything += model.counts[p]
        for k in range(3):
            z[k] = x[j, k] - x[i, k]
            z[k] -= np.rint(z[k])
        c0 = z[0] * basis[0, 0] + z[1] * basis[1, 0] + z[2] * basis[2, 0]
        c1 = z[0] * basis[0, 1] + z[1] * basis[1, 1] + z[2] * basis[2, 1]
        c2 = z[0] * basis[0, 2] + z[1] * basis[1, 2] + z[2] * basis[2, 2]
        least = np.inf
        for m in range(len(images)):
            d0, d1, d2 = c0 + images[m, 0], c1 + images[m, 1], c2 + images[m, 2]
            square = d0 * d0 + d1 * d1 + d2 * d2
            if square < least:
                least = square
                vector[p, 0], vector[p, 1], vector[p, 2] = d0, d1, d2
        length[p] = max(np.sqrt(least), 1e-3)
    order = np.argsort(length)
    kinds, steps = target.sums.shape[0], target.sums.shape[1] - 1
    totals, passed = np.zeros(kinds), np.zeros(kinds)
    for p in range(count):
        totals[kind[p]] += model.counts[p]
    found = 0.0
    for q in range(count):
        p = order[q]
        own = kind[p]
        begin = passed[own] / totals[own]
        passed[own] += model.counts[p]
        end = min(passed[own] / totals[own], 1.0)
        wanted = (_at(target.sums[own], end * steps) - _at(target.sums[own], begin * steps)) / max(
            end - begin, 1e-9
        )
        off = length[p] / wanted - 1.0
        weight = model.counts[p] / everything
        found += weight * off * off
        pull = WORTH * 2.0 * weight * off / (wanted * length[p])
        i, j = model.pairs[p, 0], model.pairs[p, 1]
        for k in range(3):
            part = pull * (
                vector[p, 0] * basis[k, 0] + vector[p, 1] * basis[k, 1] + vector[p, 2] * basis[k, 2]
            )
            slope[j, k] += part
            slope[i, k] -= part
    return found


@njit(cache=True, nogil=True, fastmath=True)
def _at(sums: _FLOAT, place: float) -> float:
    """A table's value between its entries."""
    first = min(int(place), len(sums) - 2)
    return float(sums[first] + (place - first) * (sums[first + 1] - sums[first]))


joins(Target, mismatch)
