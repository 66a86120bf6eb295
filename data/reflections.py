"""Compiled loops of diffraction: which reflections a crystal has, and how strong each is."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ABSENT_TURN = 0.1
"""A reflection is absent when an operation that keeps it shifts its phase by more than this part
of a turn. Genuine shifts are at least a sixth; a weaker one is left to the sum over the atoms."""

METRIC_TOLERANCE = 1e-6
"""Relative change of the metric by an operation that the lattice is still taken to have."""

_REORDERED = {"reassoc", "contract", "nsz"}
"""Sums over atoms may be reordered, which lets them use vector registers; nothing else may."""


class Atoms(NamedTuple):
    """What diffracts.

    Attributes:
        positions: fractional coordinates. Shape (n, 3).
        occupancies: Shape (n,).
        elements: row of each in the table of form factors. Shape (n,).
        u_angstrom2: mean square displacement in Å². Shape (n,).
    """

    positions: Floats
    occupancies: Floats
    elements: Integers
    u_angstrom2: Floats


class _Laue(NamedTuple):
    """What reflections need of the symmetry.

    Attributes:
        rotations: one of each pair R and -R. Shape (k, 3, 3).
        translations: that go with them, about the centre. Shape (k, 3).
        centrings: pure translations other than 0. Shape (c, 3).
        centre: an inversion centre, or the origin. Shape (3,).
        centric: whether there is an inversion.
    """

    rotations: Integers
    translations: Floats
    centrings: Floats
    centre: Floats
    centric: bool


@njit(cache=True, nogil=True)
def reflections(
    lattice: Floats,
    max_inv_d2: float,
    operations: tuple[Integers, Floats],
    atoms: Atoms,
    gaussians: Floats,
) -> tuple[Floats, Floats, NDArray[np.int16]]:
    """All reflections with 0 < 1/d² ≤ `max_inv_d2`, one of each set of equivalents.

    Args:
        lattice: rows are a, b, c in Å. Shape (3, 3).
        max_inv_d2: in 1/Å².
        operations: of the crystal in this cell, centrings included.
        atoms: of the whole cell.
        gaussians: a1 b1 a2 b2 a3 b3 a4 b4 c of the form factor of each element. Shape (e, 9).

    Returns:
        1/d² in 1/Å² (n,), m·|F|² in electrons² (n,), hkl (n, 3); not sorted.
    """
    laue = _laue_group(lattice, operations)
    hkl, inv_d2, multiplicities = _representatives(lattice, max_inv_d2, laue)
    return inv_d2, multiplicities * _squares(hkl, inv_d2, laue, atoms, gaussians), hkl


@njit(cache=True, nogil=True)
def _laue_group(lattice: Floats, operations: tuple[Integers, Floats]) -> _Laue:
    """Operations that the lattice itself does not have, which a tolerant search may find, are
    left out: they would join lines of different d.
    """
    rotations, translations = operations
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
    for i in range(len(rotations)):
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
    return _Laue(kept[:count], shifts[:count], centrings[:pure], centre, centric)


@njit(cache=True, nogil=True)
def _representatives(
    lattice: Floats, max_inv_d2: float, laue: _Laue
) -> tuple[NDArray[np.int16], Floats, Floats]:
    """Their hkl (n, 3) in the order h, k, l, with h ≥ 0; their 1/d² (n,) and multiplicity (n,).

    No point outside the sphere is visited, however oblique the cell is.
    """
    t = _triangle(lattice)
    count = 0
    hkl = np.empty((256, 3), np.int16)
    inv_d2 = np.empty(256)
    multiplicities = np.empty(256)
    for h in range(int(math.sqrt(max_inv_d2) / t[0, 0]) + 1):
        g0 = t[0, 0] * h
        rest = max(max_inv_d2 - g0 * g0, 0.0)
        low_k, high_k = _between(t[1, 0] * h, t[1, 1], rest)
        for k in range(max(low_k, 0) if h == 0 else low_k, high_k + 1):
            g1 = t[1, 0] * h + t[1, 1] * k
            base = t[2, 0] * h + t[2, 1] * k
            low_l, high_l = _between(base, t[2, 2], max(rest - g1 * g1, 0.0))
            for l in range(max(low_l, 1) if h == k == 0 else low_l, high_l + 1):  # noqa: E741
                multiplicity = _multiplicity(h, k, l, laue)
                if multiplicity == 0:
                    continue
                if count == len(hkl):
                    hkl = np.concatenate((hkl, np.empty_like(hkl)))
                    inv_d2 = np.concatenate((inv_d2, np.empty_like(inv_d2)))
                    multiplicities = np.concatenate((multiplicities, multiplicities))
                g2 = base + t[2, 2] * l
                hkl[count, 0], hkl[count, 1], hkl[count, 2] = h, k, l
                inv_d2[count] = g0 * g0 + g1 * g1 + g2 * g2
                multiplicities[count] = multiplicity
                count += 1
    return hkl[:count], inv_d2[:count], multiplicities[:count]


@njit(cache=True, nogil=True)
def _triangle(lattice: Floats) -> Floats:
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
def _between(offset: float, step: float, square: float) -> tuple[int, int]:
    """First and last integer i with (offset + step·i)² ≤ square."""
    reach = math.sqrt(square)
    return math.ceil((-reach - offset) / step), math.floor((reach - offset) / step)


@njit(cache=True, nogil=True)
def _multiplicity(h: int, k: int, l: int, laue: _Laue) -> int:  # noqa: E741
    """Size of the orbit of hkl under the Laue group; 0 when hkl is not the orbit's representative
    (its greatest member) or is absent.
    """
    for i in range(len(laue.centrings)):
        if _is_turned(h, k, l, laue.centrings[i]):
            return 0
    keepers = 0
    for i in range(len(laue.rotations)):
        r = laue.rotations[i]
        h2 = h * r[0, 0] + k * r[1, 0] + l * r[2, 0]
        k2 = h * r[0, 1] + k * r[1, 1] + l * r[2, 1]
        l2 = h * r[0, 2] + k * r[1, 2] + l * r[2, 2]
        opposite = h2 < 0 or (h2 == 0 and (k2 < 0 or (k2 == 0 and l2 < 0)))
        if opposite:
            h2, k2, l2 = -h2, -k2, -l2
        if h2 > h or (h2 == h and (k2 > k or (k2 == k and l2 > l))):
            return 0
        if h2 == h and k2 == k and l2 == l:
            keepers += 1
            if (laue.centric or not opposite) and _is_turned(h, k, l, laue.translations[i]):
                return 0
    return 2 * len(laue.rotations) // keepers


@njit(cache=True, nogil=True)
def _is_turned(h: int, k: int, l: int, translation: Floats) -> bool:  # noqa: E741
    turn = h * translation[0] + k * translation[1] + l * translation[2]
    return bool(abs(turn - round(turn)) > ABSENT_TURN)


@njit(cache=True, nogil=True)
def _squares(
    hkl: NDArray[np.int16], inv_d2: Floats, laue: _Laue, atoms: Atoms, gaussians: Floats
) -> Floats:
    """|F|² in electrons² of reflections in the order h, k, l. Shape (n,).

    About an inversion centre, if there is one, structure factors are real. The phase of an atom
    is a product of three tabulated ones, so the innermost loop, over the atoms, holds no
    trigonometry.
    """
    n = len(atoms.elements)
    kinds, kind_elements, kind_u = _kinds(atoms.elements, atoms.u_angstrom2)
    x = atoms.positions - laue.centre
    ones = np.ones(n)
    table_h = _phases(x[:, 0], hkl[:, 0], atoms.occupancies)
    table_k = _phases(x[:, 1], hkl[:, 1], ones)
    table_l = _phases(x[:, 2], hkl[:, 2], ones)

    squares = np.empty(len(hkl))
    factors = np.empty(len(gaussians))
    of_kind = np.empty(len(kind_u))
    weights = np.empty(n)
    phase_hk = np.empty((2, n))
    for i in range(len(hkl)):
        h, k, l = hkl[i, 0], hkl[i, 1], hkl[i, 2]  # noqa: E741
        for m in range(len(kind_u)):
            e = kind_elements[m]
            if m == 0 or e != kind_elements[m - 1]:
                factors[e] = _form_factor(gaussians[e], inv_d2[i] / 4)
            of_kind[m] = factors[e] * math.exp(-2 * math.pi**2 * kind_u[m] * inv_d2[i])
        for j in range(n):
            weights[j] = of_kind[kinds[j]]
        if i == 0 or h != hkl[i - 1, 0] or k != hkl[i - 1, 1]:
            _multiply(table_h[h], table_k[abs(k)], 1.0 if k >= 0 else -1.0, phase_hk)
        sign = 1.0 if l >= 0 else -1.0
        squares[i] = _real_sum(weights, phase_hk, table_l[abs(l)], sign) ** 2
        if not laue.centric:
            squares[i] += _imaginary_sum(weights, phase_hk, table_l[abs(l)], sign) ** 2
    return squares


@njit(cache=True, nogil=True)
def _kinds(elements: Integers, u_angstrom2: Floats) -> tuple[Integers, Integers, Floats]:
    """Atoms that scatter alike: the kind of each atom (n,), and the element and displacement of
    each kind (m,), kinds of one element side by side.
    """
    kinds = np.empty_like(elements)
    kind_elements = np.empty_like(elements)
    kind_u = np.empty_like(u_angstrom2)
    count, first = 0, 0
    for j in np.argsort(elements, kind="mergesort"):
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
def _form_factor(gaussians: Floats, s2: float) -> float:
    factor = gaussians[8]
    for i in range(0, 8, 2):
        factor += gaussians[i] * math.exp(-gaussians[i + 1] * s2)
    return float(factor)


@njit(cache=True, nogil=True)
def _phases(x: Floats, indices: NDArray[np.int16], amounts: Floats) -> Floats:
    """Real and imaginary part of amount·exp(2πi·h·x) for h from 0 to the highest index of either
    sign. Shape (highest + 1, 2, n).
    """
    highest = np.abs(indices).max() if len(indices) else 0
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
def _multiply(a: Floats, b: Floats, sign: float, product: Floats) -> None:
    """(a0 + i·a1)·(b0 + i·sign·b1) into `product`; all of shape (2, n)."""
    for j in range(a.shape[1]):
        product[0, j] = a[0, j] * b[0, j] - sign * (a[1, j] * b[1, j])
        product[1, j] = a[1, j] * b[0, j] + sign * (a[0, j] * b[1, j])


@njit(cache=True, nogil=True, fastmath=_REORDERED)
def _real_sum(weights: Floats, a: Floats, b: Floats, sign: float) -> float:
    """Real part of Σ weight·(a0 + i·a1)·(b0 + i·sign·b1); a and b of shape (2, n)."""
    total = 0.0
    for j in range(len(weights)):
        total += weights[j] * (a[0, j] * b[0, j] - sign * (a[1, j] * b[1, j]))
    return total


@njit(cache=True, nogil=True, fastmath=_REORDERED)
def _imaginary_sum(weights: Floats, a: Floats, b: Floats, sign: float) -> float:
    """Imaginary part of the same sum."""
    total = 0.0
    for j in range(len(weights)):
        total += weights[j] * (a[1, j] * b[0, j] + sign * (a[0, j] * b[1, j]))
    return total
