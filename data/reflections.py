"""Compiled loops of diffraction: which reflections a crystal has, and how strong each is."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

ABSENT_PHASE = 0.1
"""A reflection is absent when an operation that keeps it shifts its phase by more than this part
of a turn. Genuine shifts are at least a sixth; a weaker one is left to the sum over the atoms."""

_SUMS = {"reassoc", "contract", "nsz"}
"""Sums over atoms may be reordered, which lets them use vector registers; nothing else may."""


@njit(cache=True, nogil=True)
def _multiplicity(
    h: int,
    k: int,
    l: int,
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    centric: bool,
) -> int:
    """Size of the orbit of hkl under the Laue group, or 0 when hkl is not the orbit's
    representative (its greatest member) or is absent.
    """
    kept = 0
    for i in range(len(rotations)):
        r = rotations[i]
        h2 = h * r[0, 0] + k * r[1, 0] + l * r[2, 0]
        k2 = h * r[0, 1] + k * r[1, 1] + l * r[2, 1]
        l2 = h * r[0, 2] + k * r[1, 2] + l * r[2, 2]
        if h2 < 0 or (h2 == 0 and (k2 < 0 or (k2 == 0 and l2 < 0))):
            sign = -1
        else:
            sign = 1
        h2, k2, l2 = sign * h2, sign * k2, sign * l2
        if h2 > h or (h2 == h and (k2 > k or (k2 == k and l2 > l))):
            return 0
        if h2 == h and k2 == k and l2 == l:
            kept += 1
            if sign == 1 or centric:
                turn = h * translations[i, 0] + k * translations[i, 1] + l * translations[i, 2]
                if abs(turn - round(turn)) > ABSENT_PHASE:
                    return 0
    return 2 * len(rotations) // kept


@njit(cache=True, nogil=True, fastmath=_SUMS)
def _complex_sum(
    weights: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    sign: float,
) -> tuple[float, float]:
    """Σ weight·(a0 + i·a1)·(b0 + i·sign·b1) over the atoms; a, b of shape (2, n)."""
    real = 0.0
    imaginary = 0.0
    for j in range(len(weights)):
        real += weights[j] * (a[0, j] * b[0, j] - sign * (a[1, j] * b[1, j]))
        imaginary += weights[j] * (a[1, j] * b[0, j] + sign * (a[0, j] * b[1, j]))
    return real, imaginary


@njit(cache=True, nogil=True, fastmath=_SUMS)
def _real_sum(
    weights: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    sign: float,
) -> float:
    """The real part of `_complex_sum`."""
    real = 0.0
    for j in range(len(weights)):
        real += weights[j] * (a[0, j] * b[0, j] - sign * (a[1, j] * b[1, j]))
    return real


@njit(cache=True, nogil=True)
def _powers(x: NDArray[np.float64], highest: int) -> NDArray[np.float64]:
    """cos and sin of 2π·h·x for h from 0 to `highest`. Shape (highest + 1, 2, n)."""
    table = np.empty((highest + 1, 2, len(x)))
    for j in range(len(x)):
        turn = 2 * math.pi * x[j]
        cosine, sine = math.cos(turn), math.sin(turn)
        real, imaginary = 1.0, 0.0
        for h in range(highest + 1):
            table[h, 0, j] = real
            table[h, 1, j] = imaginary
            real, imaginary = real * cosine - imaginary * sine, real * sine + imaginary * cosine
    return table


@njit(cache=True, nogil=True)
def reflections(
    triangle: NDArray[np.float64],
    max_inv_d2: float,
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    centrings: NDArray[np.float64],
    positions: NDArray[np.float64],
    amounts: NDArray[np.float64],
    kinds: NDArray[np.int64],
    kind_elements: NDArray[np.int64],
    kind_u: NDArray[np.float64],
    gaussians: NDArray[np.float64],
    centric: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int16]]:
    """All reflections with 0 < 1/d² ≤ `max_inv_d2`, one of each set of equivalents.

    The phase of an atom is a product of three tabulated ones, so the innermost loop, over the
    atoms, holds no trigonometry (Rollett, Computing Methods in Crystallography, 1965, ch. 5).

    Args:
        triangle: lower triangular T with 1/d² = |T·hkl|². Shape (3, 3).
        max_inv_d2: in 1/Å².
        rotations, translations: operations x → R·x + t in fractional coordinates, one for each
            rotation; when `centric` one for each pair R and -R. Shapes (k, 3, 3) and (k, 3).
        centrings: pure translations other than 0. Shape (c, 3).
        positions: fractional coordinates, about an inversion centre when `centric`. Shape (n, 3).
        amounts: occupancy of each atom. Shape (n,).
        kinds: each atom's kind, an element with a displacement. Shape (n,).
        kind_elements: row in `gaussians` of each kind. Shape (m,).
        kind_u: mean square displacement of each kind in Å². Shape (m,).
        gaussians: a1 b1 a2 b2 a3 b3 a4 b4 c of each element. Shape (e, 9).
        centric: whether the structure factors are real.

    Returns:
        1/d² in 1/Å² (n,), m·|F|² in electrons² (n,), hkl (n, 3); not sorted.
    """
    radius = math.sqrt(max_inv_d2)
    top_h = int(radius / triangle[0, 0])
    # |k| ≤ |b|/d and |l| ≤ |c|/d: bounds of the tables, from the inverse of the triangle.
    inverse = np.linalg.inv(triangle)
    top_k = int(radius * math.sqrt((inverse[1] ** 2).sum()) + 1e-6)
    top_l = int(radius * math.sqrt((inverse[2] ** 2).sum()) + 1e-6)
    table_h = _powers(np.ascontiguousarray(positions[:, 0]), top_h)
    table_k = _powers(np.ascontiguousarray(positions[:, 1]), top_k)
    table_l = _powers(np.ascontiguousarray(positions[:, 2]), top_l)

    n = len(amounts)
    factors = np.empty(len(gaussians))
    of_kind = np.empty(len(kind_u))
    weights = np.empty(n)
    phase_hk = np.empty((2, n))
    room = 256
    count = 0
    inv_d2 = np.empty(room)
    strength = np.empty(room)
    hkl = np.empty((room, 3), np.int16)

    for h in range(top_h + 1):
        g0 = triangle[0, 0] * h
        left = max(max_inv_d2 - g0 * g0, 0.0)
        middle = -triangle[1, 0] * h / triangle[1, 1]
        reach = math.sqrt(left) / triangle[1, 1]
        first_k = math.ceil(middle - reach)
        if h == 0:
            first_k = max(first_k, 0)
        for k in range(first_k, math.floor(middle + reach) + 1):
            g1 = triangle[1, 0] * h + triangle[1, 1] * k
            rest = max(left - g1 * g1, 0.0)
            base = triangle[2, 0] * h + triangle[2, 1] * k
            middle_l = -base / triangle[2, 2]
            reach_l = math.sqrt(rest) / triangle[2, 2]
            first_l = math.ceil(middle_l - reach_l)
            if h == 0 and k == 0:
                first_l = max(first_l, 1)
            fresh = True
            for l in range(first_l, math.floor(middle_l + reach_l) + 1):
                absent = False
                for i in range(len(centrings)):
                    turn = h * centrings[i, 0] + k * centrings[i, 1] + l * centrings[i, 2]
                    if abs(turn - round(turn)) > ABSENT_PHASE:
                        absent = True
                        break
                if absent:
                    continue
                multiplicity = _multiplicity(h, k, l, rotations, translations, centric)
                if multiplicity == 0:
                    continue

                g2 = base + triangle[2, 2] * l
                q2 = g0 * g0 + g1 * g1 + g2 * g2
                s2 = q2 / 4
                for e in range(len(gaussians)):
                    factors[e] = gaussians[e, 8]
                    for i in range(0, 8, 2):
                        factors[e] += gaussians[e, i] * math.exp(-gaussians[e, i + 1] * s2)
                for i in range(len(kind_u)):
                    damping = math.exp(-8 * math.pi**2 * kind_u[i] * s2)
                    of_kind[i] = factors[kind_elements[i]] * damping
                for j in range(n):
                    weights[j] = amounts[j] * of_kind[kinds[j]]

                if fresh:
                    a, b = table_h[h], table_k[abs(k)]
                    sign = 1.0 if k >= 0 else -1.0
                    for j in range(n):
                        phase_hk[0, j] = a[0, j] * b[0, j] - sign * (a[1, j] * b[1, j])
                        phase_hk[1, j] = a[1, j] * b[0, j] + sign * (a[0, j] * b[1, j])
                    fresh = False
                sign = 1.0 if l >= 0 else -1.0
                if centric:
                    square = _real_sum(weights, phase_hk, table_l[abs(l)], sign) ** 2
                else:
                    real, imaginary = _complex_sum(weights, phase_hk, table_l[abs(l)], sign)
                    square = real * real + imaginary * imaginary

                if count == room:
                    room *= 2
                    inv_d2 = _grown(inv_d2, room)
                    strength = _grown(strength, room)
                    longer = np.empty((room, 3), np.int16)
                    longer[:count] = hkl
                    hkl = longer
                inv_d2[count] = q2
                strength[count] = multiplicity * square
                hkl[count, 0], hkl[count, 1], hkl[count, 2] = h, k, l
                count += 1
    return inv_d2[:count], strength[:count], hkl[:count]


@njit(cache=True, nogil=True)
def _grown(values: NDArray[np.float64], room: int) -> NDArray[np.float64]:
    longer = np.empty(room)
    longer[: len(values)] = values
    return longer
