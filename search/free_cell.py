"""Cells that differ from the stored ones in more than size, sought on the lines alone.

The isotropic fit cannot reach a solid solution, or a sample at another temperature, whose axes
change by unlike amounts. Here every strain that symmetry allows is sought for the best entries,
on ever sharper curves, since a line that is off by several widths has no slope to follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from data.lines import Lines, LinesTable
from data.preparation import Prepared
from search.first_stage import visible
from search.mixture.cell import strain_shares, strained_lattice
from search.profile_fit import ProfileFits, intensity

STRAIN_LIMIT = 0.03
"""No length of a cell is changed by more."""
ZERO_LIMIT_DEG = 0.12
BLURS_DEG = (0.6, 0.3, 0.0, 0.0)
"""Widths that peaks are given on the way, at least; at last their own."""
STRAIN_STEPS = (0.004, 0.002, 0.0007, 0.0003)
ZERO_STEPS_DEG = (0.04, 0.03, 0.015, 0.01)
ROUNDS = 8
"""Most rounds of all directions at one blur."""
STARTS = (0.0, -0.01, 0.01)
"""Isotropic strains to begin at, besides that of the isotropic fit."""
RESERVE = 0.1
"""Share of the score that the largest strain costs while one is sought."""
SOUGHT_LINES = 50
"""Strongest lines of an entry that a cell is sought with."""

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]


def seek_cells(
    prepared: Prepared, lines: LinesTable, lattices: _FLOAT, groups: _INT, fits: ProfileFits
) -> _FLOAT:
    """Cells near those that fit best, one for each entry. Rows a, b, c in Å. Shape (n, 3, 3).

    Args:
        prepared: the query.
        lines: of n entries.
        lattices: of their conventional cells. Shape (n, 3, 3).
        groups: space group numbers. Shape (n,).
        fits: isotropic ones, which the search begins at.
    """
    root = np.sqrt(visible(prepared))
    sigma = np.sqrt(2.0) * np.maximum(BLURS_DEG, prepared.fwhm_deg) / 2.3548 / prepared.step_deg
    curves = np.stack([gaussian_filter1d(root, one) for one in sigma])
    half, strength, shares, free = [], [], [], []
    for row, (lattice, group) in enumerate(zip(lattices, groups, strict=True)):
        one = lines[row]
        strongest = np.argsort(-one.strength / one.inv_d2, kind="stable")[:SOUGHT_LINES]
        own = strain_shares(one.hkl[strongest], lattice, int(group))
        half.append(np.sqrt(one.inv_d2[strongest]) / 2)
        strength.append(one.strength[strongest])
        shares.append(np.concatenate([own, np.zeros((6 - len(own), len(strongest)))]))
        free.append(len(own))
    seek: Any = _seek
    strains = seek(
        np.cumsum([0, *map(len, half)]),
        np.concatenate(half).astype(np.float64),
        np.concatenate(strength).astype(np.float64),
        np.ascontiguousarray(np.concatenate(shares, axis=1)),
        np.array(free),
        float(prepared.wavelengths_angstrom[0]),
        float(prepared.two_theta_deg[0]),
        prepared.step_deg,
        curves,
        np.asarray(STRAIN_STEPS),
        np.asarray(ZERO_STEPS_DEG),
        np.stack([np.append(STARTS, strain) for strain in fits.strain]),
        fits.zero_shift_deg,
    )
    return np.stack(
        [
            strained_lattice(lattice, int(group), strain[:count])
            for lattice, group, strain, count in zip(lattices, groups, strains, free, strict=True)
        ]
    )


def lines_in(table: LinesTable, lattices: _FLOAT) -> LinesTable:
    """The same reflections, as strong as before, where other cells put them.

    None come in at the smallest d of a cell that grew.

    Args:
        table: of N crystals.
        lattices: rows a, b, c in Å. Shape (N, 3, 3).
    """
    moved = []
    for row, reciprocal in enumerate(np.linalg.inv(lattices)):
        lines = table[row]
        inv_d2 = ((lines.hkl @ reciprocal.T) ** 2).sum(axis=1)
        order = np.argsort(inv_d2, kind="stable")
        moved.append(Lines(inv_d2[order], lines.strength[order], lines.hkl[order]))
    return LinesTable.of(moved)


def deformation(stored: _FLOAT, fitted: _FLOAT) -> tuple[_FLOAT, _FLOAT]:
    """Mean of the principal strains between cells, and the largest difference from it.

    Args:
        stored: rows a, b, c in Å. Shape (n, 3, 3).
        fitted: the same, in any orientation. Shape (n, 3, 3).

    Returns:
        Shape (n,) each.
    """
    inverse = np.linalg.inv(stored)
    metric = fitted @ fitted.transpose(0, 2, 1)
    strain = (inverse @ metric @ inverse.transpose(0, 2, 1) - np.eye(3)) / 2
    principal = np.sqrt(1 + 2 * np.linalg.eigvalsh(strain)) - 1
    mean = principal.mean(axis=1)
    return mean, np.abs(principal - mean[:, None]).max(axis=1)


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _worth(
    half: _FLOAT,
    amplitude: _FLOAT,
    shares: _FLOAT,
    count: int,
    at: _FLOAT,
    wavelength: float,
    start: float,
    step: float,
    curve: _FLOAT,
) -> float:
    """Worth of a zero shift and strains: what the curve has where they put the lines."""
    total = 0.0
    for j in range(len(half)):
        factor = 1.0
        for k in range(count):
            factor -= 2 * at[1 + k] * shares[k, j]
        sine = half[j] * wavelength * np.sqrt(max(factor, 0.0))
        if sine >= 0.999:
            continue
        place = (2 * np.degrees(np.arcsin(sine)) + at[0] - start) / step
        i = int(place)
        if place >= 0 and i < len(curve) - 1:
            part = place - i
            total += amplitude[j] * ((1 - part) * curve[i] + part * curve[i + 1])
    cost = 0.0
    for k in range(count):
        cost = max(cost, abs(at[1 + k]) / STRAIN_LIMIT)
    value: float = total * (1 - RESERVE * (cost + 0.5 * abs(at[0]) / ZERO_LIMIT_DEG))
    return value


@njit(cache=True, nogil=True, fastmath=True)
def _climb(
    half: _FLOAT,
    amplitude: _FLOAT,
    shares: _FLOAT,
    count: int,
    at: _FLOAT,
    wavelength: float,
    start: float,
    step: float,
    curve: _FLOAT,
    zero_step: float,
    strain_step: float,
) -> float:
    """Move zero shift and strains, one by one and lengths together, while that gains; in place."""
    lengths = min(count, 3)
    best = _worth(half, amplitude, shares, count, at, wavelength, start, step, curve)
    for _ in range(ROUNDS):
        before = best
        for direction in range(count + 2):
            for times in (-2.0, -1.0, 1.0, 2.0):
                new = at.copy()
                if direction == 0:
                    new[0] += times * zero_step
                elif direction <= count:
                    new[direction] += times * strain_step
                else:
                    new[1 : 1 + lengths] += times * strain_step
                if abs(new[0]) > ZERO_LIMIT_DEG or np.abs(new[1:]).max() > STRAIN_LIMIT:
                    continue
                value = _worth(half, amplitude, shares, count, new, wavelength, start, step, curve)
                if value > best * (1 + 1e-9):
                    best = value
                    at[:] = new
        if best == before:
            break
    return best


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def _seek(
    offsets: _INT,
    half_inv_d: _FLOAT,
    strength: _FLOAT,
    shares: _FLOAT,
    counts: _INT,
    wavelength: float,
    start: float,
    step: float,
    curves: _FLOAT,
    strain_steps: _FLOAT,
    zero_steps: _FLOAT,
    begin: _FLOAT,
    zeros: _FLOAT,
) -> _FLOAT:
    """Best strains of each entry, those that are not free zero. Shape (n, 6)."""
    n = len(offsets) - 1
    found = np.zeros((n, 6))
    end = start + step * (curves.shape[1] - 1)
    for e in prange(n):
        first, last = offsets[e], offsets[e + 1]
        half = half_inv_d[first:last]
        own = shares[:, first:last]
        count = counts[e]
        amplitude = np.zeros(last - first)
        for j in range(last - first):
            sine = half[j] * wavelength
            if sine < 0.999:
                centre = 2 * np.degrees(np.arcsin(sine))
                if start - 1.0 <= centre <= end + 1.0:
                    amplitude[j] = np.sqrt(intensity(strength[first + j], sine))
        highest = -1.0
        for b in range(begin.shape[1]):
            at = np.zeros(7)
            at[1 : 1 + min(count, 3)] = begin[e, b]
            if b == begin.shape[1] - 1:
                at[0] = zeros[e]
            best = 0.0
            for level in range(len(curves)):
                best = _climb(
                    half,
                    amplitude,
                    own,
                    count,
                    at,
                    wavelength,
                    start,
                    step,
                    curves[level],
                    zero_steps[level],
                    strain_steps[level],
                )
            if best > highest:
                highest = best
                found[e] = at[1:]
    return found
