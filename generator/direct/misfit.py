"""How badly atoms describe a pattern and how much they crowd, with the gradient, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from generator.direct.chemistry import WIDTH_ANGSTROM

CROWDING = 1.0
"""What contacts that are too short count for beside the pattern."""
BONDING = 0.1
"""What valences that do not add up count for."""
WIDTH = WIDTH_ANGSTROM
MOST_VALENCE = 1.5
"""Logarithm of the valence of one bond, that a bond however short has."""
FLOOR = 1e-6
"""Of drawn intensity beside the mean, so that roots have slopes."""

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]


class View(NamedTuple):
    """A pattern as the reflections of one cell see it.

    Attributes:
        hkl: indices in the primitive cell. Shape (r, 3).
        factors: of each element at each reflection, in electrons. Shape (e, r).
        begins, sizes: points of the profile that each reflection is drawn to. Shape (r,).
        shapes: what each draws there for |F|² = 1, in rows. Shape (r, longest).
        root: square root of the profile. Shape (p,).
    """

    hkl: _INT
    factors: _FLOAT
    begins: _INT
    sizes: _INT
    shapes: _FLOAT
    root: _FLOAT


class Model(NamedTuple):
    """Atoms of a primitive cell on their sites: x_i = maps_i @ parameters of the site + origins_i.

    Those that scatter come first; see `frame.Orbit`.

    Attributes:
        elements: row in `View.factors`. Shape (n,).
        firsts: where the parameters of its site begin. Shape (n,).
        maps: Shape (n, 3, 3).
        origins: Shape (n, 3).
        weights: in structure factors. Shape (n,).
        scattering: atoms of weights above 0.
        free: parameters in all.
        centric: whether structure factors are real.
        pairs: atoms whose contacts are looked at. Shape (m, 2).
        nearest: distances in Å below which they crowd. Shape (m,).
        counts: what each pair counts for. Shape (m,).
        sites: of the two. Shape (m, 2).
        lengths: of a bond of valence one between them in Å; 0 where they make none. Shape (m,).
        ratios: bonds of an atom of the second site for each of one of the first. Shape (m,).
        reaches: distances in Å beyond which neither matters. Shape (m,).
        charges: formal, without sign, of the sites; 0 where valences are not summed. Shape (s,).
        points: of the sites. Shape (s,).
        basis: of the primitive cell in Å. Shape (3, 3).
        shifts: lattice vectors in Å that may bring atoms within reach. Shape (t, 3).
    """

    elements: _INT
    firsts: _INT
    maps: _FLOAT
    origins: _FLOAT
    weights: _FLOAT
    scattering: int
    free: int
    centric: bool
    pairs: _INT
    nearest: _FLOAT
    counts: _FLOAT
    sites: _INT
    lengths: _FLOAT
    ratios: _FLOAT
    reaches: _FLOAT
    charges: _FLOAT
    points: _FLOAT
    basis: _FLOAT
    shifts: _FLOAT


@njit(cache=True, nogil=True, fastmath=True)
def place(model: Model, parameters: _FLOAT, out: _FLOAT) -> None:
    """Fractional coordinates of the atoms in the primitive cell. Shape (n, 3)."""
    for j in range(len(model.firsts)):
        first = model.firsts[j]
        for i in range(3):
            value = model.origins[j, i]
            for k in range(min(3, model.free - first)):
                value += model.maps[j, i, k] * parameters[first + k]
            out[j, i] = value


@njit(cache=True, nogil=True, fastmath=True)
def misfit(
    view: View, model: Model, used: int, parameters: _FLOAT, gradient: _FLOAT
) -> tuple[float, float]:
    """1 - cosine of the root profiles, plus what atoms do not like; and that cosine alone.

    Args:
        view: the pattern.
        model: the atoms.
        used: the first so many reflections take part.
        parameters: Shape (f,).
        gradient: takes that of the sum. Shape (f,).
    """
    n, m = len(model.firsts), model.scattering
    x = np.empty((n, 3))
    place(model, parameters, x)
    slope = np.zeros((n, 3))
    cosine = 1.0 - _pattern(view, model, used, x[:m], slope)
    total = 1.0 - cosine + bonding(model, x, slope)
    to_parameters(model, slope, gradient)
    return total, cosine


@njit(cache=True, nogil=True, fastmath=True)
def to_parameters(model: Model, slope: _FLOAT, gradient: _FLOAT) -> None:
    """The slope by atoms' coordinates, shape (n, 3), as that by parameters, shape (f,)."""
    gradient[:] = 0.0
    for j in range(len(model.firsts)):
        first = model.firsts[j]
        for k in range(min(3, model.free - first)):
            for i in range(3):
                gradient[first + k] += model.maps[j, i, k] * slope[j, i]


@njit(cache=True, nogil=True, fastmath=True)
def _phases(x: _FLOAT, hkl: _INT, used: int, real: _FLOAT, imaginary: _FLOAT) -> None:
    """exp(2πi h·x) of each reflection and atom, as products of three tabulated ones."""
    m = len(x)
    high = np.zeros(3, np.int64)
    for r in range(used):
        for i in range(3):
            high[i] = max(high[i], abs(hkl[r, i]))
    top = high.max()
    c = np.empty((3, 2 * top + 1, m))
    s = np.empty((3, 2 * top + 1, m))
    for i in range(3):
        for j in range(m):
            turn = 2 * np.pi * x[j, i]
            c1, s1 = np.cos(turn), np.sin(turn)
            a, b = 1.0, 0.0
            for k in range(high[i] + 1):
                c[i, top + k, j], s[i, top + k, j] = a, b
                c[i, top - k, j], s[i, top - k, j] = a, -b
                a, b = a * c1 - b * s1, a * s1 + b * c1
    for r in range(used):
        c0, s0 = c[0, top + hkl[r, 0]], s[0, top + hkl[r, 0]]
        c1_, s1_ = c[1, top + hkl[r, 1]], s[1, top + hkl[r, 1]]
        c2, s2 = c[2, top + hkl[r, 2]], s[2, top + hkl[r, 2]]
        for j in range(m):
            a = c0[j] * c1_[j] - s0[j] * s1_[j]
            b = c0[j] * s1_[j] + s0[j] * c1_[j]
            real[r, j] = a * c2[j] - b * s2[j]
            imaginary[r, j] = a * s2[j] + b * c2[j]


@njit(cache=True, nogil=True, fastmath=True)
def _pattern(  # noqa: C901, PLR0912 - forth and back through one profile, compiled
    view: View, model: Model, used: int, x: _FLOAT, slope: _FLOAT
) -> float:
    """1 - cosine of the root profiles; its slope is added."""
    m = len(x)
    real, imaginary = np.empty((used, m)), np.empty((used, m))
    _phases(x, view.hkl, used, real, imaginary)
    a, b = np.zeros(used), np.zeros(used)
    worth = np.empty((used, m))
    for r in range(used):
        for j in range(m):
            worth[r, j] = model.weights[j] * view.factors[model.elements[j], r]
        total = 0.0
        for j in range(m):
            total += worth[r, j] * real[r, j]
        a[r] = total
        if not model.centric:
            total = 0.0
            for j in range(m):
                total += worth[r, j] * imaginary[r, j]
            b[r] = total
    end = 0
    for r in range(used):
        end = max(end, view.begins[r] + view.sizes[r])
    drawn = np.zeros(end)
    for r in range(used):
        square = a[r] * a[r] + b[r] * b[r]
        first = view.begins[r]
        for i in range(view.sizes[r]):
            drawn[first + i] += square * view.shapes[r, i]
    norm = 0.0
    for i in range(end):
        norm += drawn[i]
    if norm <= 0.0:
        return 1.0
    floor = FLOOR * norm / end
    norm += floor * end
    dot, measured = 0.0, 0.0
    for i in range(end):
        drawn[i] = np.sqrt(drawn[i] + floor)
        dot += view.root[i] * drawn[i]
        measured += view.root[i] * view.root[i]
    scale = 1.0 / np.sqrt(norm)
    unit = 1.0 / np.sqrt(max(measured, 1e-12))
    cosine = dot * scale * unit
    # d(cosine)/d(drawn intensity), point by point.
    for i in range(end):
        drawn[i] = 0.5 * scale * (view.root[i] * unit / drawn[i] - cosine * scale)
    for r in range(used):
        first = view.begins[r]
        pull = 0.0
        for i in range(view.sizes[r]):
            pull += view.shapes[r, i] * drawn[first + i]
        pull *= -2.0 * 2.0 * np.pi
        pa, pb = pull * a[r], pull * b[r]
        h, k, l = view.hkl[r, 0], view.hkl[r, 1], view.hkl[r, 2]  # noqa: E741
        for j in range(m):
            turn = worth[r, j] * (pb * real[r, j] - pa * imaginary[r, j])
            slope[j, 0] += turn * h
            slope[j, 1] += turn * k
            slope[j, 2] += turn * l
    return float(1.0 - cosine)


@njit(cache=True, nogil=True, fastmath=True)
def bonding(  # noqa: PLR0915 - forth and back through the contacts, compiled
    model: Model, x: _FLOAT, slope: _FLOAT
) -> float:
    """Crowding, and how far bond valences are from adding up to charges; its slope is added.

    Crowding is the squares of relative shortfalls of distances, a mean over atoms. Valences are
    exp((r0 - r) / 0.37 Å) of bonds between ions (Brown and Altermatt, Acta Cryst. B41 (1985) 244).
    """
    basis, shifts = model.basis, model.shifts
    room = len(model.pairs) * len(shifts)
    pair_of = np.empty(room, np.int64)
    vector = np.empty((room, 4))
    count = 0
    z = np.empty(3)
    sums = np.zeros(len(model.charges))
    for p in range(len(model.pairs)):
        i, j = model.pairs[p, 0], model.pairs[p, 1]
        reach = model.reaches[p] * model.reaches[p]
        for k in range(3):
            z[k] = x[j, k] - x[i, k]
            z[k] -= np.floor(z[k])
        c0 = z[0] * basis[0, 0] + z[1] * basis[1, 0] + z[2] * basis[2, 0]
        c1 = z[0] * basis[0, 1] + z[1] * basis[1, 1] + z[2] * basis[2, 1]
        c2 = z[0] * basis[0, 2] + z[1] * basis[1, 2] + z[2] * basis[2, 2]
        for n in range(len(shifts)):
            d0, d1, d2 = c0 + shifts[n, 0], c1 + shifts[n, 1], c2 + shifts[n, 2]
            square = d0 * d0 + d1 * d1 + d2 * d2
            if square >= reach:
                continue
            distance = max(np.sqrt(square), 1e-3)
            pair_of[count] = p
            vector[count, 0], vector[count, 1], vector[count, 2] = d0, d1, d2
            vector[count, 3] = distance
            count += 1
            if model.lengths[p] > 0.0:
                valence = np.exp(min((model.lengths[p] - distance) / WIDTH, MOST_VALENCE))
                sums[model.sites[p, 0]] += valence
                sums[model.sites[p, 1]] += valence * model.ratios[p]
    total = 0.0
    share = 1.0 / len(x)
    pulls = np.zeros(len(sums))
    for s in range(len(sums)):
        if model.charges[s] > 0.0:
            off = sums[s] / model.charges[s] - 1.0
            soft = 1.0 / (1.0 + off * off)
            weight = BONDING * share * model.points[s]
            total += weight * off * off * soft
            pulls[s] = weight * 2.0 * off * soft * soft / model.charges[s]
    for c in range(count):
        p = pair_of[c]
        i, j = model.pairs[p, 0], model.pairs[p, 1]
        distance = vector[c, 3]
        pull = 0.0
        if distance < model.nearest[p]:
            short = 1.0 - distance / model.nearest[p]
            weight = CROWDING * share * model.counts[p]
            total += weight * short * short
            pull -= 2.0 * weight * short / model.nearest[p]
        if model.lengths[p] > 0.0:
            exponent = (model.lengths[p] - distance) / WIDTH
            if exponent < MOST_VALENCE:
                both = pulls[model.sites[p, 0]] + pulls[model.sites[p, 1]] * model.ratios[p]
                pull -= both * np.exp(exponent) / WIDTH
        pull /= distance
        for k in range(3):
            part = pull * (
                vector[c, 0] * basis[k, 0] + vector[c, 1] * basis[k, 1] + vector[c, 2] * basis[k, 2]
            )
            slope[j, k] += part
            slope[i, k] -= part
    return total
