"""Compiled loops of diffraction: which reflections a crystal has, and how strong each is."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

ABSENT_TURN = 0.1
"""A reflection is absent when an operation that keeps it shifts its phase by more than this part
of a turn. Genuine shifts are at least a sixth; a weaker one is left to the sum over the atoms."""

METRIC_TOLERANCE = 1e-6
"""Relative change of the metric by an operation that the lattice is still taken to have."""

_REORDERED = {"reassoc", "contract", "nsz"}
"""Sums over atoms may be reordered, which lets them use vector registers; nothing else may."""


@njit(cache=True, nogil=True)
def reflections(
    lattice: NDArray[np.float64],
    max_inv_d2: float,
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    positions: NDArray[np.float64],
    occupancies: NDArray[np.float64],
    elements: NDArray[np.int64],
    u_angstrom2: NDArray[np.float64],
    gaussians: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int16]]:
    """All reflections with 0 < 1/d² ≤ `max_inv_d2`, one of each set of equivalents.

    About an inversion centre, if there is one, structure factors are real. The phase of an atom
    is a product of three tabulated ones, so the innermost loop, over the atoms, holds no
    trigonometry.

    Args:
        lattice: rows are a, b, c in Å. Shape (3, 3).
        max_inv_d2: in 1/Å².
        rotations, translations: symmetry operations x → R·x + t in fractional coordinates,
            centrings included. Shapes (k, 3, 3) and (k, 3).
        positions: fractional coordinates. Shape (n, 3).
        occupancies: of each atom. Shape (n,).
        elements: row in `gaussians` of each atom. Shape (n,).
        u_angstrom2: mean square displacement of each atom in Å². Shape (n,).
        gaussians: a1 b1 a2 b2 a3 b3 a4 b4 c of the form factor of each element. Shape (e, 9).

    Returns:
        1/d² in 1/Å² (n,), m·|F|² in electrons² (n,), hkl (n, 3); not sorted.
    """
    triangle = _triangle(lattice)
    operations, shifts, centrings, centre, centric = _laue_group(lattice, rotations, translations)
    kinds, kind_elements, kind_u = _kinds(elements, u_angstrom2)

    radius = math.sqrt(max_inv_d2)
    tops = np.empty(3, np.int64)
    for axis in range(3):
        tops[axis] = int(radius * math.sqrt((lattice[axis] ** 2).sum()) + 1e-6)
    table_h = _phases(positions[:, 0] - centre[0], tops[0], occupancies)
    table_k = _phases(positions[:, 1] - centre[1], tops[1], np.ones_like(occupancies))
    table_l = _phases(positions[:, 2] - centre[2], tops[2], np.ones_like(occupancies))

    n = len(elements)
    factors = np.zeros(len(gaussians))
    of_kind = np.empty(len(kind_u))
    weights = np.empty(n)
    phase_hk = np.empty((2, n))
    count = 0
    inv_d2 = np.empty(256)
    strength = np.empty(256)
    hkl = np.empty((256, 3), np.int16)

    for h in range(tops[0] + 1):
        g0 = triangle[0, 0] * h
        rest_k = max_inv_d2 - g0 * g0
        if rest_k < 0.0:
            break
        offset = triangle[1, 0] * h
        reach = math.sqrt(rest_k)
        low_k = math.ceil((-reach - offset) / triangle[1, 1])
        high_k = math.floor((reach - offset) / triangle[1, 1])
        for k in range(max(low_k, 0) if h == 0 else low_k, high_k + 1):
            g1 = offset + triangle[1, 1] * k
            reach = math.sqrt(max(rest_k - g1 * g1, 0.0))
            base = triangle[2, 0] * h + triangle[2, 1] * k
            low_l = math.ceil((-reach - base) / triangle[2, 2])
            high_l = math.floor((reach - base) / triangle[2, 2])
            fresh = True
            for l in range(max(low_l, 1) if h == 0 and k == 0 else low_l, high_l + 1):
                multiplicity = _multiplicity(h, k, l, operations, shifts, centrings, centric)
                if multiplicity == 0:
                    continue

                g2 = base + triangle[2, 2] * l
                q2 = g0 * g0 + g1 * g1 + g2 * g2
                for i in range(len(kind_u)):
                    e = kind_elements[i]
                    if i == 0 or e != kind_elements[i - 1]:
                        factors[e] = _form_factor(gaussians[e], q2 / 4)
                    of_kind[i] = factors[e] * math.exp(-2 * math.pi**2 * kind_u[i] * q2)
                for j in range(n):
                    weights[j] = of_kind[kinds[j]]

                if fresh:
                    _multiply(table_h[h], table_k[abs(k)], 1.0 if k >= 0 else -1.0, phase_hk)
                    fresh = False
                sign = 1.0 if l >= 0 else -1.0
                square = _real_sum(weights, phase_hk, table_l[abs(l)], sign) ** 2
                if not centric:
                    square += _imaginary_sum(weights, phase_hk, table_l[abs(l)], sign) ** 2

                if count == len(inv_d2):
                    inv_d2 = np.concatenate((inv_d2, np.empty_like(inv_d2)))
                    strength = np.concatenate((strength, np.empty_like(strength)))
                    hkl = np.concatenate((hkl, np.empty_like(hkl)))
                inv_d2[count] = q2
                strength[count] = multiplicity * square
                hkl[count, 0], hkl[count, 1], hkl[count, 2] = h, k, l
                count += 1
    return inv_d2[:count], strength[:count], hkl[:count]


@njit(cache=True, nogil=True)
def _triangle(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower triangular T with 1/d² = |T·hkl|². Shape (3, 3)."""
    inverse = np.linalg.inv(lattice)
    metric = inverse.T @ inverse
    t = np.zeros((3, 3))
    t[2, 2] = math.sqrt(metric[2, 2])
    t[2, 1] = metric[1, 2] / t[2, 2]
    t[2, 0] = metric[0, 2] / t[2, 2]
    t[1, 1] = math.sqrt(metric[1, 1] - t[2, 1] ** 2)
    t[1, 0] = (metric[0, 1] - t[2, 0] * t[2, 1]) / t[1, 1]
    t[0, 0] = math.sqrt(metric[0, 0] - t[1, 0] ** 2 - t[2, 0] ** 2)
    return t


@njit(cache=True, nogil=True)
def _laue_group(
    lattice: NDArray[np.float64],
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
) -> tuple[
    NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], bool
]:
    """What reflections need of the operations.

    Operations that the lattice itself does not have, which a tolerant search may find, are left
    out: they would join lines of different d.

    Returns:
        One rotation of each pair R and -R, the identity last (k, 3, 3); their translations about
        the centre (k, 3); pure translations other than 0 (c, 3); an inversion centre, or the
        origin (3,); whether there is an inversion.
    """
    identity = np.eye(3, dtype=np.int64)
    centre = np.zeros(3)
    centric = False
    for i in range(len(rotations)):
        if (rotations[i] == -identity).all():
            centre = translations[i] / 2
            centric = True
            break

    metric = lattice @ lattice.T
    kept = np.empty_like(rotations)
    shifts = np.empty_like(translations)
    centrings = np.empty_like(translations)
    count, pure = 0, 0
    for i in range(len(rotations) - 1, -1, -1):
        r, t = rotations[i], translations[i]
        if (r == identity).all() and np.abs(t - np.round(t)).max() > 1e-3:
            centrings[pure] = t
            pure += 1
        known = False
        for j in range(count):
            if (r == kept[j]).all() or (r == -kept[j]).all():
                known = True
                break
        if known:
            continue
        real = r.astype(np.float64)
        if np.abs(real.T @ metric @ real - metric).max() > METRIC_TOLERANCE * metric.max():
            continue
        kept[count] = r
        shifts[count] = t + real @ centre - centre
        count += 1
    return kept[:count], shifts[:count], centrings[:pure], centre, centric


@njit(cache=True, nogil=True)
def _multiplicity(
    h: int,
    k: int,
    l: int,
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    centrings: NDArray[np.float64],
    centric: bool,
) -> int:
    """Size of the orbit of hkl under the Laue group; 0 when hkl is not the orbit's representative
    (its greatest member) or is absent.
    """
    for i in range(len(centrings)):
        turn = h * centrings[i, 0] + k * centrings[i, 1] + l * centrings[i, 2]
        if abs(turn - round(turn)) > ABSENT_TURN:
            return 0
    keepers = 0
    for i in range(len(rotations)):
        r = rotations[i]
        h2 = h * r[0, 0] + k * r[1, 0] + l * r[2, 0]
        k2 = h * r[0, 1] + k * r[1, 1] + l * r[2, 1]
        l2 = h * r[0, 2] + k * r[1, 2] + l * r[2, 2]
        turned = h2 < 0 or (h2 == 0 and (k2 < 0 or (k2 == 0 and l2 < 0)))
        if turned:
            h2, k2, l2 = -h2, -k2, -l2
        if h2 > h or (h2 == h and (k2 > k or (k2 == k and l2 > l))):
            return 0
        if h2 == h and k2 == k and l2 == l:
            keepers += 1
            if centric or not turned:
                turn = h * translations[i, 0] + k * translations[i, 1] + l * translations[i, 2]
                if abs(turn - round(turn)) > ABSENT_TURN:
                    return 0
    return 2 * len(rotations) // keepers


@njit(cache=True, nogil=True)
def _kinds(
    elements: NDArray[np.int64], u_angstrom2: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Atoms that scatter alike: the kind of each atom (n,), and the element and displacement of
    each kind (m,), kinds of one element side by side.
    """
    order = np.argsort(elements, kind="mergesort")
    kinds = np.empty_like(elements)
    kind_elements = np.empty_like(elements)
    kind_u = np.empty_like(u_angstrom2)
    count, first = 0, 0
    for j in order:
        if count and elements[j] != kind_elements[count - 1]:
            first = count
        kind = first
        while kind < count and kind_u[kind] != u_angstrom2[j]:
            kind += 1
        if kind == count:
            kind_elements[count] = elements[j]
            kind_u[count] = u_angstrom2[j]
            count += 1
        kinds[j] = kind
    return kinds, kind_elements[:count], kind_u[:count]


@njit(cache=True, nogil=True)
def _form_factor(gaussians: NDArray[np.float64], s2: float) -> float:
    factor = gaussians[8]
    for i in range(0, 8, 2):
        factor += gaussians[i] * math.exp(-gaussians[i + 1] * s2)
    return float(factor)


@njit(cache=True, nogil=True)
def _phases(
    x: NDArray[np.float64], highest: int, amounts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Real and imaginary part of amount·exp(2πi·h·x), h from 0. Shape (highest + 1, 2, n)."""
    cosine, sine = np.cos(2 * math.pi * x), np.sin(2 * math.pi * x)
    table = np.empty((highest + 1, 2, len(x)))
    table[0, 0] = amounts
    table[0, 1] = 0.0
    for h in range(highest):
        for j in range(len(x)):
            real, imaginary = table[h, 0, j], table[h, 1, j]
            table[h + 1, 0, j] = real * cosine[j] - imaginary * sine[j]
            table[h + 1, 1, j] = real * sine[j] + imaginary * cosine[j]
    return table


@njit(cache=True, nogil=True)
def _multiply(
    a: NDArray[np.float64], b: NDArray[np.float64], sign: float, product: NDArray[np.float64]
) -> None:
    """(a0 + i·a1)·(b0 + i·sign·b1) into `product`; all of shape (2, n)."""
    for j in range(a.shape[1]):
        product[0, j] = a[0, j] * b[0, j] - sign * (a[1, j] * b[1, j])
        product[1, j] = a[1, j] * b[0, j] + sign * (a[0, j] * b[1, j])


@njit(cache=True, nogil=True, fastmath=_REORDERED)
def _real_sum(
    weights: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], sign: float
) -> float:
    """Real part of Σ weight·(a0 + i·a1)·(b0 + i·sign·b1); a and b of shape (2, n)."""
    total = 0.0
    for j in range(len(weights)):
        total += weights[j] * (a[0, j] * b[0, j] - sign * (a[1, j] * b[1, j]))
    return total


@njit(cache=True, nogil=True, fastmath=_REORDERED)
def _imaginary_sum(
    weights: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], sign: float
) -> float:
    """Imaginary part of the same sum."""
    total = 0.0
    for j in range(len(weights)):
        total += weights[j] * (a[1, j] * b[0, j] + sign * (a[0, j] * b[1, j]))
    return total
