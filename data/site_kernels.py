"""Compiled loops over atom sites: orbits, neighbours on one site, sums over pairs."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, nogil=True)
def _apply(rotation: Floats, translation: Floats, x: Floats, out: Floats) -> None:
    for i in range(3):
        out[i] = translation[i]
        for j in range(3):
            out[i] += rotation[i, j] * x[j]


@njit(cache=True, nogil=True)
def _distance2(x: Floats, y: Floats, lattice: Floats, difference: Floats) -> float:
    """Squared distance in Å² of y from its image nearest to x; `difference` takes y - x."""
    for i in range(3):
        difference[i] = y[i] - x[i]
        difference[i] -= np.round(difference[i])
    total = 0.0
    for j in range(3):
        part = 0.0
        for i in range(3):
            part += difference[i] * lattice[i, j]
        total += part * part
    return total


@njit(cache=True, nogil=True)
def _onto_special_position(
    x: Floats, operations: tuple[Floats, Floats], lattice: Floats, tolerance2: float
) -> Floats:
    """Mean of the images of x within the tolerance of it."""
    rotations, translations = operations
    image, difference, shift = np.empty(3), np.empty(3), np.zeros(3)
    near = 0
    for k in range(len(rotations)):
        _apply(rotations[k], translations[k], x, image)
        if _distance2(x, image, lattice, difference) < tolerance2:
            shift += difference
            near += 1
    return x + shift / max(near, 1)


@njit(cache=True, nogil=True)
def keep_metric(rotations: Floats, metric: Floats, tolerance: float) -> bool:
    """Whether every rotation of fractional columns leaves the metric of the cell as it is, within a
    part of the product of the two lengths.

    Args:
        rotations: Shape (k, 3, 3).
        metric: scalar products of a, b, c in Å². Shape (3, 3).
        tolerance: relative.
    """
    for r in rotations:
        for i in range(3):
            for j in range(3):
                turned = 0.0
                for k in range(3):
                    for m in range(3):
                        turned += r[k, i] * metric[k, m] * r[m, j]
                allowed = tolerance * math.sqrt(metric[i, i] * metric[j, j])
                if not abs(turned - metric[i, j]) < allowed:
                    return False
    return True


@njit(cache=True, nogil=True)
def orbits(
    fractional: Floats,
    operations: tuple[Floats, Floats],
    lattice: Floats,
    tolerance2: float,
    limit: int,
) -> tuple[Floats, Integers]:
    """See `data.sites.orbits`."""
    rotations, translations = operations
    images = np.empty((min(limit, len(fractional) * len(rotations)) + 1, 3))
    site_of = np.empty(len(images), np.int64)
    image, difference = np.empty(3), np.empty(3)
    n = 0
    for site in range(len(fractional)):
        x = _onto_special_position(fractional[site], operations, lattice, tolerance2)
        first = n
        for k in range(len(rotations)):
            _apply(rotations[k], translations[k], x, image)
            known = False
            for other in range(first, n):
                if _distance2(images[other], image, lattice, difference) < tolerance2:
                    known = True
                    break
            if known:
                continue
            for i in range(3):
                images[n, i] = max(image[i] - math.floor(image[i] + 1e-9), 0.0)
            site_of[n] = site
            n += 1
            if n > limit:
                return images[:n], site_of[:n]
    return images[:n], site_of[:n]


@njit(cache=True, nogil=True)
def orbit_leaders(
    fractional: Floats,
    kinds: Integers,
    operations: tuple[Floats, Floats],
    lattice: Floats,
    tolerance2: float,
) -> Integers:
    """First row of the orbit of each row.

    Args:
        fractional: of all rows of a cell. Shape (n, 3).
        kinds: an operation takes a row onto one of its kind. Shape (n,).
        operations: rotations (k, 3, 3), acting on fractional columns, and translations (k, 3).
        lattice: Shape (3, 3).
        tolerance2: squared distance in Å² up to which an image is a row.

    Returns:
        Shape (n,), or (0,) where an image is no row of the kind, or of another orbit.
    """
    rotations, translations = operations
    leaders = np.full(len(fractional), -1)
    image, difference = np.empty(3), np.empty(3)
    for row in range(len(fractional)):
        if leaders[row] >= 0:
            continue
        for k in range(len(rotations)):
            _apply(rotations[k], translations[k], fractional[row], image)
            nearest, least = -1, np.inf
            for other in range(len(fractional)):
                if kinds[other] == kinds[row]:
                    square = _distance2(fractional[other], image, lattice, difference)
                    if square < least:
                        nearest, least = other, square
            if least > tolerance2 or leaders[nearest] not in (-1, row):
                return leaders[:0]
            leaders[nearest] = row
    return leaders


@njit(cache=True, nogil=True)
def _root(parents: Integers, row: int) -> int:
    while parents[row] != row:
        row = parents[row]
    return row


@njit(cache=True, nogil=True)
def grouped(fractional: Floats, lattice: Floats, tolerance: float) -> Integers:
    """See `data.sites.grouped`; neighbours are looked for along the longest axis."""
    spacings = _spacings(lattice)
    axis = int(np.argmax(spacings))
    along = fractional[:, axis] - np.floor(fractional[:, axis])
    order = np.argsort(along, kind="mergesort")
    n = len(order)
    parents = np.arange(n)
    difference = np.empty(3)
    for start in range(n):
        row = order[start]
        for step in range(1, n):
            other = order[(start + step) % n]
            gap = along[other] - along[row]
            if start + step >= n:
                gap += 1.0
            if gap > tolerance / spacings[axis]:
                break
            near = _distance2(fractional[row], fractional[other], lattice, difference)
            if near < tolerance * tolerance:
                a, b = _root(parents, row), _root(parents, other)
                parents[max(a, b)] = min(a, b)
    count = 0
    numbers = np.empty(n, np.int64)
    for row in range(n):
        first = _root(parents, row)
        if first == row:
            numbers[row] = count
            count += 1
        else:
            numbers[row] = numbers[first]
    return numbers


@njit(cache=True, nogil=True)
def _spacings(lattice: Floats) -> Floats:
    """Of the planes that the other two vectors span, in Å. Shape (3,)."""
    spacings = np.empty(3)
    for i in range(3):
        b, c = lattice[(i + 1) % 3], lattice[(i + 2) % 3]
        volume = square = 0.0
        for x in range(3):
            y, z = (x + 1) % 3, (x + 2) % 3
            normal = b[y] * c[z] - b[z] * c[y]
            volume += lattice[i, x] * normal
            square += normal * normal
        spacings[i] = abs(volume) / math.sqrt(square)
    return spacings


@njit(cache=True, nogil=True)
def _add_images(
    difference: Floats,
    lattice: Floats,
    spacings: Floats,
    waves: tuple[Floats, float],
    out: Floats,
) -> None:
    """Add (1 - r²/reach²)³ cos(q r) of all images of a difference; r = 0 is left out."""
    wave_numbers, reach = waves
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for i in range(3):
        low[i] = math.ceil(-reach / spacings[i] - difference[i])
        high[i] = math.floor(reach / spacings[i] - difference[i])
    for u in range(low[0], high[0] + 1):
        for v in range(low[1], high[1] + 1):
            for w in range(low[2], high[2] + 1):
                r2 = 0.0
                for j in range(3):
                    part = (difference[0] + u) * lattice[0, j] + (difference[1] + v) * lattice[1, j]
                    r2 += (part + (difference[2] + w) * lattice[2, j]) ** 2
                if r2 < reach * reach and r2 > 1e-6:
                    fade = (1.0 - r2 / (reach * reach)) ** 3
                    for k in range(len(out)):
                        out[k] += fade * math.cos(wave_numbers[k] * math.sqrt(r2))


@njit(cache=True, nogil=True)
def pair_sums(
    fractional: Floats, weights: Floats, lattice: Floats, waves: tuple[Floats, float]
) -> Floats:
    """Smooth sums over all pairs of atoms, the first of them in one cell.

    Sum k is Σ_i Σ_j w_ki w_kj (1 - r²/reach²)³ cos(q_k r) with j over the whole crystal and
    0 < r < reach.

    Args:
        fractional: Shape (n, 3).
        weights: Shape (m, n).
        lattice: rows in Å, best Niggli-reduced. Shape (3, 3).
        waves: q in 1/Å, shape (m,), and the reach in Å.

    Returns:
        Shape (m,).
    """
    inverse = np.linalg.inv(lattice)
    spacings = np.empty(3)
    for i in range(3):
        spacings[i] = 1.0 / math.sqrt(inverse[0, i] ** 2 + inverse[1, i] ** 2 + inverse[2, i] ** 2)
    # Along the widest axis a pair is met once, from the atom before to the atom within reach.
    axis = int(np.argmax(spacings))
    order = np.argsort(fractional[:, axis])
    window = waves[1] / spacings[axis]
    whole = window >= 0.5
    n = len(fractional)
    sums = np.zeros(len(weights))
    found, difference = np.empty(len(weights)), np.empty(3)
    for start in range(n):
        first = order[start]
        for step in range(n - start if whole else n):
            second = order[(start + step) % n]
            for i in range(3):
                difference[i] = fractional[second, i] - fractional[first, i]
            if not whole and difference[axis] + (start + step >= n) > window:
                break
            found[:] = 0.0
            _add_images(difference, lattice, spacings, waves, found)
            for k in range(len(sums)):
                times = 1.0 if first == second else 2.0
                sums[k] += times * weights[k, first] * weights[k, second] * found[k]
    return sums
