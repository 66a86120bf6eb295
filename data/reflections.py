"""Compiled loops of diffraction: which reflections a crystal has, and how strong each is."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

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
    """What diffracts, in ascending order of `elements`.

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
def keeps_metric(metric: Floats, rotation: Integers) -> bool:
    """Whether a rotation of fractional coordinates leaves all lengths and angles as they are.

    Args:
        metric: scalar products of a, b, c in Å². Shape (3, 3).
        rotation: Shape (3, 3).
    """
    largest = max(metric[0, 0], metric[1, 1], metric[2, 2])
    for i in range(3):
        for j in range(3):
            turned = 0.0
            for k in range(3):
                for m in range(3):
                    turned += rotation[k, i] * metric[k, m] * rotation[m, j]
            if abs(turned - metric[i, j]) > METRIC_TOLERANCE * largest:
                return False
    return True


@njit(cache=True, nogil=True)
def reflections(
    metrics: tuple[Floats, Floats],
    max_inv_d2: float,
    operations: tuple[Integers, Floats],
    atoms: Atoms,
    gaussians: Floats,
) -> tuple[Floats, Floats, NDArray[np.int16]]:
    """All reflections with 0 < 1/d² ≤ `max_inv_d2`, one of each set of equivalents.

    Args:
        metrics: scalar products of a, b, c in Å² and those of the reciprocal vectors in 1/Å².
            Shapes (3, 3).
        max_inv_d2: in 1/Å².
        operations: of the crystal in this cell, centrings included.
        atoms: of the whole cell.
        gaussians: a1 b1 a2 b2 a3 b3 a4 b4 c of the form factor of each element. Shape (e, 9).

    Returns:
        1/d² in 1/Å² (n,), m·|F|² in electrons² (n,), hkl (n, 3); not sorted.
    """
    laue = _laue_group(metrics[0], operations)
    hkl, inv_d2, strengths = _representatives(metrics[1], max_inv_d2, laue)
    _multiply_squares(strengths, hkl, inv_d2, (laue, atoms, gaussians))
    return inv_d2, strengths, hkl


@njit(cache=True, nogil=True)
def _laue_group(metric: Floats, operations: tuple[Integers, Floats]) -> _Laue:
    """Operations that the lattice itself does not have, which a tolerant search may find, are
    left out: they would join lines of different d.
    """
    rotations, translations = operations
    identity = np.zeros((3, 3), np.int64)
    centre = np.zeros(3)
    identity[0, 0] = identity[1, 1] = identity[2, 2] = 1
    centric = False
    for i in range(len(rotations)):
        if _same(rotations[i], identity, -1):
            for axis in range(3):
                centre[axis] = translations[i, axis] / 2
            centric = True
            break

    kept = np.empty_like(rotations)
    shifts = np.empty_like(translations)
    centrings = np.empty_like(translations)
    count, pure = 0, 0
    for i in range(len(rotations)):
        r, t = rotations[i], translations[i]
        if _same(r, identity, 1) and not _is_whole(t):
            _copied(t, centrings[pure])
            pure += 1
        known = False
        for j in range(count):
            known = known or _same(r, kept[j], 1) or _same(r, kept[j], -1)
        if known or not keeps_metric(metric, r):
            continue
        _copied(r, kept[count])
        for axis in range(3):
            turned = r[axis, 0] * centre[0] + r[axis, 1] * centre[1] + r[axis, 2] * centre[2]
            shifts[count, axis] = t[axis] + turned - centre[axis]
        count += 1
    return _Laue(kept[:count], shifts[:count], centrings[:pure], centre, centric)


@njit(cache=True, nogil=True)
def _is_whole(translation: Floats) -> bool:
    away = 0.0
    for axis in range(3):
        away += abs(translation[axis] - round(translation[axis]))
    return away < 1e-3


@njit(cache=True, nogil=True)
def _same(rotation: Integers, other: Integers, sign: int) -> bool:
    for i in range(3):
        for j in range(3):
            if rotation[i, j] != sign * other[i, j]:
                return False
    return True


@njit(cache=True, nogil=True)
def _representatives(
    reciprocal_metric: Floats, max_inv_d2: float, laue: _Laue
) -> tuple[NDArray[np.int16], Floats, Floats]:
    """Their hkl (n, 3) in the order h, k, l, with h ≥ 0; their 1/d² (n,) and multiplicity (n,).

    No point outside the sphere is visited, however oblique the cell is.
    """
    t = _triangle(reciprocal_metric)
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
                    hkl = _copied(hkl, np.empty((2 * count, 3), np.int16))
                    inv_d2 = _copied(inv_d2, np.empty(2 * count))
                    multiplicities = _copied(multiplicities, np.empty(2 * count))
                g2 = base + t[2, 2] * l
                hkl[count, 0], hkl[count, 1], hkl[count, 2] = h, k, l
                inv_d2[count] = g0 * g0 + g1 * g1 + g2 * g2
                multiplicities[count] = multiplicity
                count += 1
    return hkl[:count], inv_d2[:count], multiplicities[:count]


@njit(cache=True, nogil=True)
def _copied(values: Any, room: Any) -> Any:  # noqa: ANN401 - two contiguous arrays of one type
    """Room, its beginning filled with the values; this compiles faster than slices do."""
    source, target = values.ravel(), room.ravel()
    for i in range(len(source)):
        target[i] = source[i]
    return room


@njit(cache=True, nogil=True)
def _triangle(metric: Floats) -> Floats:
    """Lower triangular T with 1/d² = |T·hkl|². Shape (3, 3)."""
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
def _multiply_squares(
    strengths: Floats,
    hkl: NDArray[np.int16],
    inv_d2: Floats,
    scatterers: tuple[_Laue, Atoms, Floats],
) -> None:
    """Multiply `strengths` (n,) by |F|² in electrons², in place, in the order h, k, l.

    About an inversion centre, if there is one, structure factors are real. The phase of an atom
    is a product of three tabulated ones, so the innermost loop, over the atoms, holds no
    trigonometry.
    """
    laue, atoms, gaussians = scatterers
    n = len(atoms.elements)
    kinds, kind_elements, kind_u = _kinds(atoms.elements, atoms.u_angstrom2)
    tables = [phases(atoms.positions, axis, laue.centre[axis], hkl) for axis in range(3)]

    of_kind = np.empty(len(kind_u))
    weights = np.empty(n)
    phase_hk = np.empty((2, n))
    factor = 0.0
    for i in range(len(hkl)):
        h, k, l = hkl[i, 0], hkl[i, 1], hkl[i, 2]  # noqa: E741
        for m in range(len(kind_u)):
            if m == 0 or kind_elements[m] != kind_elements[m - 1]:
                factor = _form_factor(gaussians[kind_elements[m]], inv_d2[i] / 4)
            of_kind[m] = factor * math.exp(-2 * math.pi**2 * kind_u[m] * inv_d2[i])
        for j in range(n):
            weights[j] = atoms.occupancies[j] * of_kind[kinds[j]]
        if i == 0 or h != hkl[i - 1, 0] or k != hkl[i - 1, 1]:
            multiply(tables[0][h], tables[1][abs(k)], 1.0 if k >= 0 else -1.0, phase_hk)
        sign = 1.0 if l >= 0 else -1.0
        square = _real_sum(weights, phase_hk, tables[2][abs(l)], sign) ** 2
        if not laue.centric:
            square += _imaginary_sum(weights, phase_hk, tables[2][abs(l)], sign) ** 2
        strengths[i] *= square


@njit(cache=True, nogil=True)
def _kinds(elements: Integers, u_angstrom2: Floats) -> tuple[Integers, Integers, Floats]:
    """Atoms that scatter alike: the kind of each atom (n,), and the element and displacement of
    each kind (m,), kinds of one element side by side.
    """
    kinds = np.empty_like(elements)
    kind_elements = np.empty_like(elements)
    kind_u = np.empty_like(u_angstrom2)
    count, first = 0, 0
    for j in range(len(elements)):
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
def phases(positions: Floats, axis: int, centre: float, hkl: NDArray[np.int16]) -> Floats:
    """Real and imaginary part of exp(2πi·h·x) along one axis, for h from 0 to the highest index
    of either sign. Shape (highest + 1, 2, n).
    """
    highest = 0
    for i in range(len(hkl)):
        highest = max(highest, abs(hkl[i, axis]))
    table = np.empty((highest + 1, 2, len(positions)))
    for j in range(len(positions)):
        turn = 2 * math.pi * (positions[j, axis] - centre)
        cosine, sine = math.cos(turn), math.sin(turn)
        real, imaginary = 1.0, 0.0
        for h in range(highest + 1):
            table[h, 0, j] = real
            table[h, 1, j] = imaginary
            real, imaginary = real * cosine - imaginary * sine, real * sine + imaginary * cosine
    return table


@njit(cache=True, nogil=True)
def multiply(a: Floats, b: Floats, sign: float, product: Floats) -> None:
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
