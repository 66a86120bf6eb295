"""The fit that decides: lines of the few hundred best entries against the measured profile."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from data.lines import LinesTable
from data.preparation import Prepared
from search.first_stage import visible

STRAIN_LIMIT = 0.010
"""Cells may be this much longer or shorter than stored."""
ZERO_LIMIT_DEG = 0.12
STRAINS, ZEROS = 41, 5
"""Grid of the search on the lines alone, before the polish on the drawn profile."""
ZEROS_DEG = -ZERO_LIMIT_DEG + 2 * ZERO_LIMIT_DEG * np.arange(ZEROS) / (ZEROS - 1)
RESERVE = 0.05
"""Share of the score that the largest strain or zero shift costs in that search."""
POLISH = 80
"""Entries, the best by drawn profile, whose strain and zero shift are polished."""

LORENTZIAN_SHARE = 0.4
"""Of the pseudo-Voigt that lines are drawn with."""
SHAPE_SPAN = 4.0
"""Lines are drawn to this many widths on either side."""
SHAPE_POINTS = 1024

EXPLAINS = 0.15
"""A measured peak is explained when an entry calculates at least this share of it."""
STRONG = 0.05
"""A calculated line of at least this share of the strongest is missed when it is not there."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ProfileFits:
    """How n entries describe one pattern, each at its best strain and zero shift.

    Attributes:
        strain: relative change of the cell's lengths. Shape (n,).
        zero_shift_deg: added to the calculated 2θ. Shape (n,).
        correlation: cosine of the square-root profiles. Shape (n,).
        explained: share of the measured peaks, weighted by the root of their area, that the entry
            has lines for. Shape (n,).
        lacking: share of the entry's calculated intensity that the pattern does not have.
            Shape (n,).
        lines: lines of the entry in the measured range of at least 1 % of its strongest.
            Shape (n,).
        scale: counts per unit of calculated intensity. Shape (n,).
        matched_peaks, unexplained_peaks, missing_peaks: counts. Shape (n,).
    """

    strain: _FLOAT
    zero_shift_deg: _FLOAT
    correlation: _FLOAT
    explained: _FLOAT
    lacking: _FLOAT
    lines: _FLOAT
    scale: _FLOAT
    matched_peaks: NDArray[np.int64]
    unexplained_peaks: NDArray[np.int64]
    missing_peaks: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.strain)

    def take(self, rows: NDArray[np.int64]) -> ProfileFits:
        """The fits of these entries only, in this order."""
        return ProfileFits(*(getattr(self, field.name)[rows] for field in fields(self)))


def fit_profiles(prepared: Prepared, lines: LinesTable) -> ProfileFits:
    """Fit every crystal of the table to the pattern by strain and zero shift.

    Strain and shift are first sought over a grid on the lines alone, where a line's worth is the
    pattern's smoothed square root at its place; the profile is then drawn, and for the best
    entries both are polished on it.
    """
    root = np.sqrt(visible(prepared))
    root /= float(np.linalg.norm(root)) or 1.0
    step = prepared.step_deg
    smooth = gaussian_filter1d(root, np.sqrt(2.0) * prepared.fwhm_deg / 2.3548 / step)
    line_arrays: tuple[Any, ...] = (
        lines.offsets,
        np.sqrt(lines.inv_d2.astype(np.float64)) / 2,
        lines.strength.astype(np.float64),
    )
    beam: tuple[Any, ...] = (
        np.asarray(prepared.wavelengths_angstrom),
        np.asarray(prepared.weights),
        float(prepared.two_theta_deg[0]),
        step,
        shape_table(),
        prepared.fwhm_deg,
    )
    n = len(lines)
    place: Any = _place
    polish: Any = _polish
    compare: Any = _compare
    placed = place(*line_arrays, beam[0][0], beam[2], step, smooth, ZEROS_DEG)
    polish(*line_arrays, *beam, root, np.arange(n), 0, placed)
    best = np.argsort(-placed[:, 2], kind="stable")[:POLISH]
    polish(*line_arrays, *beam, root, best, 3, placed)
    peaks = prepared.peaks
    seen = compare(
        *line_arrays,
        *beam,
        placed,
        np.maximum(prepared.net, 0.0),
        prepared.sigma,
        peaks.two_theta_deg,
        peaks.area,
        peaks.fwhm_deg,
    )
    counts = seen[:, 4:].astype(np.int64)
    return ProfileFits(*placed.T, *seen[:, :4].T, *counts.T)


def draw_profile(
    prepared: Prepared,
    inv_d2: _FLOAT,
    strength: _FLOAT,
    *,
    strain: float,
    zero_shift_deg: float,
    fwhm_deg: float | None = None,
) -> _FLOAT:
    """Profile of an entry's lines on the pattern's 2θ axis, per unit scale. Shape (n,)."""
    drawn = np.empty(len(prepared.net))
    draw_lines(
        np.sqrt(inv_d2) / 2,
        strength,
        np.asarray(prepared.wavelengths_angstrom),
        np.asarray(prepared.weights),
        float(prepared.two_theta_deg[0]),
        prepared.step_deg,
        shape_table(),
        prepared.fwhm_deg if fwhm_deg is None else fwhm_deg,
        strain,
        zero_shift_deg,
        drawn,
    )
    return drawn


@cache
def shape_table() -> _FLOAT:
    """A pseudo-Voigt of unit width and area, from its centre to `SHAPE_SPAN` widths."""
    x = np.linspace(0.0, SHAPE_SPAN, SHAPE_POINTS + 1)
    gauss = 2 * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * x**2)
    lorentz = 2 / np.pi / (1 + 4 * x**2)
    return np.asarray((1 - LORENTZIAN_SHARE) * gauss + LORENTZIAN_SHARE * lorentz)


@njit(cache=True, nogil=True, inline="always")
def intensity(strength: float, sine: float) -> float:
    """Strength times Lorentz-polarisation of an unpolarised beam, from sin θ."""
    s2 = sine * sine
    cos2 = 1 - 2 * s2
    value: float = strength * (1 + cos2 * cos2) / (s2 * np.sqrt(1 - s2))
    return value


@njit(cache=True, nogil=True, fastmath=True)
def draw_lines(
    s: _FLOAT,
    strength: _FLOAT,
    wavelengths: _FLOAT,
    weights: _FLOAT,
    start: float,
    step: float,
    shape: _FLOAT,
    fwhm: float,
    strain: float,
    zero: float,
    out: _FLOAT,
) -> None:
    """`draw_profile` for compiled callers: half inverse d in, profile into `out`."""
    out[:] = 0.0
    span = SHAPE_SPAN * fwhm
    scale = (len(shape) - 1) / span
    for j in range(len(s)):
        for w in range(len(wavelengths)):
            sine = s[j] * wavelengths[w] / (1 + strain)
            if sine >= 0.9999:
                continue
            centre = 2 * np.degrees(np.arcsin(sine)) + zero
            first = int(np.ceil((centre - span - start) / step))
            last = int(np.floor((centre + span - start) / step))
            if last < 0 or first >= len(out):
                continue
            area = weights[w] * intensity(strength[j], sine) / fwhm
            for i in range(max(first, 0), min(last, len(out) - 1) + 1):
                out[i] += area * shape[int(abs(start + i * step - centre) * scale)]


@njit(cache=True, nogil=True, fastmath=True)
def _cosine(root: _FLOAT, drawn: _FLOAT) -> float:
    dot = 0.0
    norm = 0.0
    for i in range(len(root)):
        dot += root[i] * np.sqrt(drawn[i])
        norm += drawn[i]
    return dot / np.sqrt(norm) if norm > 0 else 0.0


@njit(cache=True, nogil=True, fastmath=True)
def place_lines(
    half_inv_d: _FLOAT,
    strength: _FLOAT,
    wavelength: float,
    start: float,
    step: float,
    smooth: _FLOAT,
    zeros: _FLOAT,
) -> tuple[float, float]:
    """Strain and zero shift at which an entry's lines alone lie best, for compiled callers.

    Each line counts by the root of its intensity times the curve at its place.

    Args:
        half_inv_d: half inverse d of the lines in 1/Å, ascending. Shape (m,).
        strength: of the lines. Shape (m,).
        wavelength: in Å.
        start: of the curve's axis, in degrees 2θ.
        step: of the curve's axis, in degrees 2θ.
        smooth: root of the pattern, smoothed by the width of a line. Shape (n,).
        zeros: shifts tried, in degrees 2θ; the middle one costs nothing.
    """
    end = start + step * (len(smooth) - 1)
    centre = np.empty(len(half_inv_d))
    slope = np.empty(len(half_inv_d))
    amplitude = np.empty(len(half_inv_d))
    used = 0
    top = 0.0
    for j in range(len(half_inv_d)):
        sine = half_inv_d[j] * wavelength
        if sine > 0.999:
            continue
        at = 2 * np.degrees(np.arcsin(sine))
        if at < start - 0.5 or at > end + 0.5:
            continue
        value = intensity(strength[j], sine)
        # Ascending lines: weak ones seen before a stronger one stay, which does no harm.
        if value < 2e-3 * top:
            continue
        top = max(top, value)
        centre[used] = at
        slope[used] = 2 * np.degrees(sine / np.sqrt(1 - sine * sine))
        amplitude[used] = np.sqrt(value)
        used += 1
    best = -1.0
    best_strain = 0.0
    middle = zeros[len(zeros) // 2]
    best_zero = middle
    totals = np.empty(len(zeros))
    for a in range(STRAINS):
        strain = -STRAIN_LIMIT + 2 * STRAIN_LIMIT * a / (STRAINS - 1)
        totals[:] = 0.0
        for j in range(used):
            moved = centre[j] - slope[j] * strain
            for b in range(len(zeros)):
                place = (moved + zeros[b] - start) / step
                i = int(place)
                if place >= 0 and i < len(smooth) - 1:
                    part = place - i
                    totals[b] += amplitude[j] * ((1 - part) * smooth[i] + part * smooth[i + 1])
        for b in range(len(zeros)):
            cost = abs(strain) / STRAIN_LIMIT + abs(zeros[b] - middle) / ZERO_LIMIT_DEG
            value = totals[b] * (1 - RESERVE * cost)
            if value > best:
                best, best_strain, best_zero = value, strain, zeros[b]
    return best_strain, best_zero


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def _place(
    offsets: NDArray[np.int64],
    half_inv_d: _FLOAT,
    strength: _FLOAT,
    wavelength: float,
    start: float,
    step: float,
    smooth: _FLOAT,
    zeros: _FLOAT,
) -> _FLOAT:
    """Best strain and zero shift of each entry on its lines alone. Shape (n, 3), last column 0."""
    n = len(offsets) - 1
    placed = np.zeros((n, 3))
    for k in prange(n):
        part = slice(offsets[k], offsets[k + 1])
        placed[k, 0], placed[k, 1] = place_lines(
            half_inv_d[part], strength[part], wavelength, start, step, smooth, zeros
        )
    return placed


@njit(cache=True, nogil=True, parallel=True)
def _polish(
    offsets: NDArray[np.int64],
    half_inv_d: _FLOAT,
    strength: _FLOAT,
    wavelengths: _FLOAT,
    weights: _FLOAT,
    start: float,
    step: float,
    shape: _FLOAT,
    fwhm: float,
    root: _FLOAT,
    rows: NDArray[np.int64],
    rounds: int,
    placed: _FLOAT,
) -> None:
    """Move strain and zero shift by halving steps while the drawn profile gains; in place."""
    for r in prange(len(rows)):
        k = rows[r]
        s = half_inv_d[offsets[k] : offsets[k + 1]]
        st = strength[offsets[k] : offsets[k + 1]]
        strain, zero = placed[k, 0], placed[k, 1]
        drawn = np.empty(len(root))
        draw_lines(s, st, wavelengths, weights, start, step, shape, fwhm, strain, zero, drawn)
        best = _cosine(root, drawn)
        steps = np.array([STRAIN_LIMIT / STRAINS, ZERO_LIMIT_DEG / ZEROS])
        for _ in range(rounds):
            for axis in range(2):
                for sign in (-1.0, 1.0):
                    a = strain + (sign * steps[0] if axis == 0 else 0.0)
                    b = zero + (sign * steps[1] if axis == 1 else 0.0)
                    if abs(a) > STRAIN_LIMIT or abs(b) > ZERO_LIMIT_DEG:
                        continue
                    draw_lines(s, st, wavelengths, weights, start, step, shape, fwhm, a, b, drawn)
                    value = _cosine(root, drawn)
                    if value > best:
                        best, strain, zero = value, a, b
                        break
            steps /= 2
        placed[k, 0], placed[k, 1], placed[k, 2] = strain, zero, best


@njit(cache=True, nogil=True, parallel=True)
def _compare(  # noqa: PLR0912, PLR0915 - one pass over an entry, compiled
    offsets: NDArray[np.int64],
    half_inv_d: _FLOAT,
    strength: _FLOAT,
    wavelengths: _FLOAT,
    weights: _FLOAT,
    start: float,
    step: float,
    shape: _FLOAT,
    fwhm: float,
    placed: _FLOAT,
    net: _FLOAT,
    sigma: _FLOAT,
    peak_at: _FLOAT,
    peak_area: _FLOAT,
    peak_fwhm: _FLOAT,
) -> _FLOAT:
    """What of the pattern each entry explains, and what of the entry the pattern lacks.

    Returns:
        Columns: explained, lacking, lines, scale, matched, unexplained, missing. Shape (n, 7).
    """
    n = len(offsets) - 1
    out = np.zeros((n, 7))
    size = len(net)
    for k in prange(n):
        s = half_inv_d[offsets[k] : offsets[k + 1]]
        st = strength[offsets[k] : offsets[k + 1]]
        strain, zero = placed[k, 0], placed[k, 1]
        drawn = np.empty(size)
        draw_lines(s, st, wavelengths, weights, start, step, shape, fwhm, strain, zero, drawn)
        dot = 0.0
        norm = 0.0
        for i in range(size):
            dot += np.sqrt(drawn[i] * net[i])
            norm += drawn[i]
        if dot <= 0:  # no line where anything was measured
            out[k, 1] = 1.0
            out[k, 5] = len(peak_at)
            continue
        # In the square-root metric one textured line does not run away with the scale.
        scale = (dot / norm) ** 2
        lost = 0.0
        for i in range(size):
            drawn[i] *= scale
            lost += max(drawn[i] - net[i] - 2 * sigma[i], 0.0)
        have = 0.0
        total = 0.0
        for p in range(len(peak_at)):
            reach = max(peak_fwhm[p], fwhm) / 2
            low = max(int((peak_at[p] - reach - start) / step), 0)
            high = min(int((peak_at[p] + reach - start) / step) + 1, size)
            calculated = drawn[low:high].sum()
            measured = net[low:high].sum()
            weight = np.sqrt(peak_area[p])
            total += weight
            if calculated > EXPLAINS * measured:
                have += weight
                out[k, 4] += 1
            else:
                out[k, 5] += 1
        top = 0.0
        worth = np.zeros(len(s))
        for j in range(len(s)):
            sine = s[j] * wavelengths[0] / (1 + strain)
            if sine < 0.999:
                place = (2 * np.degrees(np.arcsin(sine)) + zero - start) / step
                if place >= 1 and place < size - 2:
                    worth[j] = intensity(st[j], sine)
                    top = max(top, worth[j])
        for j in range(len(s)):
            if worth[j] < 0.01 * top or top <= 0:
                continue
            out[k, 2] += 1
            sine = s[j] * wavelengths[0] / (1 + strain)
            i = int(np.round((2 * np.degrees(np.arcsin(sine)) + zero - start) / step))
            if worth[j] >= STRONG * top and drawn[i] > 3 * sigma[i]:
                around = (net[i - 1] + net[i] + net[i + 1]) / 3
                if around < 0.1 * drawn[i]:
                    out[k, 6] += 1
        out[k, 0] = have / total if total > 0 else 0.0
        out[k, 1] = lost / (scale * norm)
        out[k, 3] = scale
    return out
