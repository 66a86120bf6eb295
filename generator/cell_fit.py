"""Cells that make crystals' lines fall on a measured pattern, symmetry kept.

Each crystal is fitted by itself: lengths and angles that its crystal system leaves free, and the
zero shift, so that the cosine of the square roots of drawn and measured profile is greatest.
Profiles are first blurred until cells a few percent off still overlap, then sharpened step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from data.canonical import crystal_system
from data.lines import LinesTable
from data.preparation import Prepared
from search.first_stage import visible
from search.profile_fit import SHAPE_SPAN, intensity, shape_table

BLURS = (12.0, 5.0, 2.2, 1.0)
"""Widths of the profiles that are compared, in units of the pattern's own."""
SPREADS = (0.02, 0.008, 0.003, 0.001)
"""How far lengths (relative) and angles (radians) are moved at random at each of them."""
TRIES = (30, 24, 20, 20)
"""Moves that are tried there, for each quantity that is free."""
LENGTH_LIMIT = 0.08
"""Lengths may differ by so much from where they began."""
SCANNED = 33
"""Sizes of the whole cell that are tried first."""
STARTS = 3
"""Of which so many are gone on with."""
FARTHEST = 0.1
"""Lengths and angles never move farther from where they began."""
ZERO_LIMIT_DEG, ZERO_SPREAD = 0.1, 0.3
"""Of the zero shift: its limit, and its moves in widths of a line."""
SHARP = 2
"""The last levels, at which the zero shift is fitted, too."""
SPAN = 2.5
"""Lines are drawn to this many widths on either side."""
DRAWS = 4096
STRONGEST = 160
"""Lines that take part."""

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]

TIES = {
    "cubic": (0, 0, 0, -1, -1, -1),
    "hexagonal": (0, 0, 1, -1, -1, -1),
    "trigonal": (0, 0, 1, -1, -1, -1),
    "tetragonal": (0, 0, 1, -1, -1, -1),
    "orthorhombic": (0, 1, 2, -1, -1, -1),
    "monoclinic": (0, 1, 2, -1, 3, -1),
    "triclinic": (0, 1, 2, 3, 4, 5),
}
"""Which free quantity each of a, b, c, α, β, γ of the standard setting follows; -1 is fixed."""


@dataclass(frozen=True, eq=False)
class CellFits:
    """Crystals in the cells that describe a pattern best.

    Attributes:
        lattices: rows a, b, c in Å. Shape (n, 3, 3).
        zero_shift_deg: added to the calculated 2θ. Shape (n,).
        correlation: cosine of the square-root profiles. Shape (n,).
    """

    lattices: _FLOAT
    zero_shift_deg: _FLOAT
    correlation: _FLOAT


class _Levels(NamedTuple):
    """A pattern at each blur, as compiled code reads it.

    Attributes:
        roots: square roots of the profiles, of unit norm, one after the other.
        begins: where each begins, and the last ends. Shape (levels + 1,).
        steps, widths: of their points and of their lines, in degrees. Shape (levels,).
        start: of the 2θ axis in degrees.
        wavelengths, weights: of the beam.
        shape: of a line, as `shape_table` has it.
    """

    roots: _FLOAT
    begins: _INT
    steps: _FLOAT
    widths: _FLOAT
    start: float
    wavelengths: _FLOAT
    weights: _FLOAT
    shape: _FLOAT


def fit_cells(
    prepared: Prepared,
    lines: LinesTable,
    lattices: _FLOAT,
    space_groups: _INT,
    *,
    thorough: bool = True,
    reach: float = LENGTH_LIMIT,
) -> CellFits:
    """Fit the cells of n crystals to a pattern.

    Strengths of the lines are kept as they are.

    Args:
        prepared: the pattern.
        lines: of the crystals in the cells they begin with.
        lattices: these cells, in the standard setting of their space group. Shape (n, 3, 3).
        space_groups: 1 to 230. Shape (n,).
        thorough: False tries sizes of the whole cell alone, on the most blurred profile.
        reach: lengths may differ by so much from where they began, relatively; a small one keeps
            a cell that is known.
    """
    cells = np.array([cell_logarithms(lattice) for lattice in lattices]).reshape(-1, 6)
    ties = np.array([TIES[crystal_system(int(number))] for number in space_groups], np.int64)
    value = (lines.strength / lines.inv_d2).astype(np.float64)
    keep = _strongest(lines.offsets, value, STRONGEST)
    draws = np.random.default_rng(0).normal(size=DRAWS)
    fitted = _fit(
        np.concatenate([[0], np.cumsum(keep)])[lines.offsets],
        lines.hkl[keep].astype(np.float64),
        lines.strength[keep].astype(np.float64),
        cells,
        ties.reshape(-1, 6),
        _levels(prepared),
        draws,
        thorough,
        reach,
    )
    found = [lattice_of(row[:6], old) for row, old in zip(fitted, lattices, strict=True)]
    return CellFits(np.array(found).reshape(-1, 3, 3), fitted[:, 6], fitted[:, 7])


def profile_cosines(
    prepared: Prepared, lines: LinesTable, lattices: _FLOAT, zero_shifts_deg: _FLOAT
) -> _FLOAT:
    """What `CellFits.correlation` is of n crystals that stay as they are. Shape (n,).

    Args:
        prepared: the pattern.
        lines: of the crystals.
        lattices: their cells. Shape (n, 3, 3).
        zero_shifts_deg: added to the calculated 2θ. Shape (n,).
    """
    levels = _levels(prepared)
    drawn = np.empty(levels.begins[-1])
    found = np.empty(len(lattices))
    for i, lattice in enumerate(lattices):
        own = lines[i]
        value = (own.strength / own.inv_d2).astype(np.float64)
        keep = _strongest(np.array([0, len(value)]), value, STRONGEST)
        found[i] = _cosine(
            own.hkl[keep].astype(np.float64),
            own.strength[keep].astype(np.float64),
            cell_logarithms(lattice),
            zero_shifts_deg[i],
            levels,
            len(BLURS) - 1,
            np.empty(int(keep.sum())),
            drawn,
        )
    return found


def _levels(prepared: Prepared) -> _Levels:
    net = visible(prepared)
    roots, steps, widths = [], [], []
    for blur in BLURS:
        sigma = np.sqrt(max(blur**2 - 1.0, 0.0)) * prepared.fwhm_deg / 2.3548 / prepared.step_deg
        blurred = gaussian_filter1d(net, sigma, mode="constant") if sigma else net
        stride = max(int(blur), 1)
        root = np.sqrt(np.maximum(blurred[::stride], 0.0))
        roots.append(root / (np.linalg.norm(root) or 1.0))
        steps.append(stride * prepared.step_deg)
        widths.append(blur * prepared.fwhm_deg)
    return _Levels(
        np.concatenate(roots),
        np.cumsum([0, *map(len, roots)]),
        np.array(steps),
        np.array(widths),
        float(prepared.two_theta_deg[0]),
        np.asarray(prepared.wavelengths_angstrom),
        np.asarray(prepared.weights),
        shape_table(),
    )


def cell_logarithms(lattice: _FLOAT) -> _FLOAT:
    """Logarithms of a, b, c, and the angles in radians. Shape (6,)."""
    lengths = np.linalg.norm(lattice, axis=1)
    a, b, c = lattice / lengths[:, None]
    return np.array([*np.log(lengths), *np.arccos(np.clip([b @ c, a @ c, a @ b], -1.0, 1.0))])


def lattice_of(cell: _FLOAT, before: _FLOAT) -> _FLOAT:
    """A cell laid out as the lattice it came from was. Shape (3, 3)."""
    turned = _rows(cell_logarithms(before))
    return np.asarray(_rows(cell) @ np.linalg.solve(turned, before))


def _rows(cell: _FLOAT) -> _FLOAT:
    a, b, c = np.exp(cell[:3])
    cos_a, cos_b, cos_c = np.cos(cell[3:])
    sin_c = np.sin(cell[5])
    x = cos_b
    y = (cos_a - cos_b * cos_c) / sin_c
    z = np.sqrt(max(1 - x * x - y * y, 1e-6))
    return np.array([[a, 0, 0], [b * cos_c, b * sin_c, 0], [c * x, c * y, c * z]])


@njit(cache=True, nogil=True)
def _strongest(offsets: _INT, value: _FLOAT, most: int) -> NDArray[np.bool_]:
    keep = np.ones(len(value), np.bool_)
    for i in range(len(offsets) - 1):
        first, last = offsets[i], offsets[i + 1]
        if last - first > most:
            least = np.partition(value[first:last], last - first - most)[last - first - most]
            for j in range(first, last):
                keep[j] = value[j] >= least
    return keep


@njit(cache=True, nogil=True, fastmath=True)
def _half_inv_d(hkl: _FLOAT, cell: _FLOAT, out: _FLOAT) -> None:
    """Half of 1/d of each plane, from the logarithms of lengths and the angles."""
    ca, cb, cc = np.cos(cell[3]), np.cos(cell[4]), np.cos(cell[5])
    sa2, sb2, sc2 = 1 - ca * ca, 1 - cb * cb, 1 - cc * cc
    volume = max(1 - ca * ca - cb * cb - cc * cc + 2 * ca * cb * cc, 1e-9)
    ia, ib, ic = np.exp(-cell[0]), np.exp(-cell[1]), np.exp(-cell[2])
    g11, g22, g33 = sa2 * ia * ia / volume, sb2 * ib * ib / volume, sc2 * ic * ic / volume
    g12 = 2 * (ca * cb - cc) * ia * ib / volume
    g13 = 2 * (ca * cc - cb) * ia * ic / volume
    g23 = 2 * (cb * cc - ca) * ib * ic / volume
    for j in range(len(hkl)):
        h, k, m = hkl[j, 0], hkl[j, 1], hkl[j, 2]
        square = g11 * h * h + g22 * k * k + g33 * m * m + g12 * h * k + g13 * h * m + g23 * k * m
        out[j] = 0.5 * np.sqrt(max(square, 0.0))


@njit(cache=True, nogil=True, fastmath=True)
def _cosine(
    hkl: _FLOAT,
    strength: _FLOAT,
    cell: _FLOAT,
    zero: float,
    at: _Levels,
    level: int,
    half: _FLOAT,
    drawn: _FLOAT,
) -> float:
    """Of the square roots of the profile that a crystal draws and the measured one.

    `half` and `drawn` are room to work in, for lines and points.
    """
    _half_inv_d(hkl, cell, half)
    root = at.roots[at.begins[level] : at.begins[level + 1]]
    step, width = at.steps[level], at.widths[level]
    n = len(root)
    drawn[:n] = 0.0
    span = SPAN * width
    scale = (len(at.shape) - 1) / (SHAPE_SPAN * width)
    beams = len(at.wavelengths) if level == len(at.steps) - 1 else 1
    for j in range(len(half)):
        for w in range(beams):
            sine = half[j] * at.wavelengths[w]
            if sine >= 0.999 or sine <= 1e-4:
                continue
            centre = 2 * np.degrees(np.arcsin(sine)) + zero - at.start
            first = max(int(np.ceil((centre - span) / step)), 0)
            last = min(int(np.floor((centre + span) / step)), n - 1)
            if last < first:
                continue
            area = at.weights[w] * intensity(strength[j], sine)
            for i in range(first, last + 1):
                drawn[i] += area * at.shape[int(abs(i * step - centre) * scale)]
    dot = 0.0
    norm = 0.0
    for i in range(n):
        dot += root[i] * np.sqrt(drawn[i])
        norm += drawn[i]
    return dot / np.sqrt(norm) if norm > 0 else 0.0


@njit(cache=True, nogil=True)
def _moved(cell: _FLOAT, ties: _INT, change: _FLOAT, out: _FLOAT) -> None:
    for i in range(6):
        out[i] = cell[i] + (change[ties[i]] if ties[i] >= 0 else 0.0)


@njit(cache=True, nogil=True)
def _size(s: int, reach: float) -> float:
    return reach * (2 * s / (SCANNED - 1) - 1)


@njit(cache=True, nogil=True)
def _climb(
    hkl: _FLOAT,
    strength: _FLOAT,
    cell: _FLOAT,
    ties: _INT,
    at: _Levels,
    draws: _FLOAT,
    half: _FLOAT,
    drawn: _FLOAT,
    change: _FLOAT,
    reach: float,
) -> tuple[float, float]:
    """Random moves that are kept where they gain, from blurred to sharp; `change` in place.

    The last quantity of a move is the zero shift, in widths of a line, once lines are sharp.
    """
    free = ties.max() + 1
    narrowed = reach / LENGTH_LIMIT
    trial = np.empty(6)
    proposal = change.copy()
    zero = 0.0
    best = -1.0
    drawn_at = 0
    for level in range(len(at.steps)):
        sharp = level >= len(at.steps) - SHARP
        _moved(cell, ties, change, trial)
        best = _cosine(hkl, strength, trial, zero, at, level, half, drawn)
        spread = narrowed * SPREADS[level]
        for turn in range(TRIES[level] * (free + 1)):
            one = turn % (free + 2)  # one quantity, or all of them twice
            proposal[:] = change
            for i in range(free):
                if one >= free or one == i:
                    proposal[i] += spread * draws[drawn_at % DRAWS]
                    drawn_at += 1
            shift = zero
            if sharp and one >= free:
                shift += ZERO_SPREAD * at.widths[level] * draws[drawn_at % DRAWS]
                drawn_at += 1
            if np.abs(proposal).max() > narrowed * FARTHEST or abs(shift) > ZERO_LIMIT_DEG:
                continue
            _moved(cell, ties, proposal, trial)
            found = _cosine(hkl, strength, trial, shift, at, level, half, drawn)
            if found > best:
                best, zero = found, shift
                change[:] = proposal
                spread *= 1.3
            else:
                spread *= 0.96
    return best, zero


@njit(cache=True, nogil=True)
def _fit_one(
    hkl: _FLOAT,
    strength: _FLOAT,
    cell: _FLOAT,
    ties: _INT,
    at: _Levels,
    draws: _FLOAT,
    thorough: bool,  # noqa: FBT001 - compiled
    reach: float,
    out: _FLOAT,
) -> None:
    half, drawn = np.empty(len(hkl)), np.empty(at.begins[-1])
    trial = np.empty(6)
    value = np.empty(SCANNED)
    for s in range(SCANNED):
        trial[:] = cell
        trial[:3] += _size(s, reach)
        value[s] = _cosine(hkl, strength, trial, 0.0, at, 0, half, drawn)
    s = int(np.argmax(value))
    out[:6] = cell
    out[:3] += _size(s, reach)
    out[6], out[7] = 0.0, value[s]
    if not thorough:
        return
    out[7] = -1.0
    for _ in range(STARTS):
        s = int(np.argmax(value))
        if value[s] <= 0.0:
            break
        # What lies on the same slope is the same start.
        value[max(s - 3, 0) : s + 4] = -1.0
        change = np.zeros(6)
        for i in range(3):
            change[ties[i]] = _size(s, reach)
        best, zero = _climb(hkl, strength, cell, ties, at, draws, half, drawn, change, reach)
        if best > out[7]:
            out[6], out[7] = zero, best
            _moved(cell, ties, change, out[:6])


@njit(cache=True, nogil=True, parallel=True)
def _fit(
    offsets: _INT,
    hkl: _FLOAT,
    strength: _FLOAT,
    cells: _FLOAT,
    ties: _INT,
    at: _Levels,
    draws: _FLOAT,
    thorough: bool,  # noqa: FBT001 - compiled
    reach: float,
) -> _FLOAT:
    """Columns: logarithms of lengths, angles, zero shift, cosine. Shape (n, 8)."""
    n = len(offsets) - 1
    out = np.empty((n, 8))
    for k in prange(n):
        part = slice(offsets[k], offsets[k + 1])
        _fit_one(hkl[part], strength[part], cells[k], ties[k], at, draws, thorough, reach, out[k])
    return out
