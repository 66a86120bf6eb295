"""Broad humps under the peaks: what a glass, a polymer, a film or a holder scatters.

Air scatter, fluorescence and a slope make a background that is convex: it falls off at small
angles and bends upwards wherever it bends. A hump does not. So the lower edge of a pattern, freed
of what the peaks' tails may add at most, is described once by convex curves alone and once by
these and broad Gaussian curves; where only the second will do, there are humps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import nnls
from scipy.signal import find_peaks, peak_widths

from data.preparation import Peaks, Prepared

WIDTHS_DEG = (5.0, 8.0, 12.0)
"""Full widths at half maximum of the Gaussian curves that humps are put together from."""

Q_RANGE_INV_ANGSTROM = (0.5, 4.0)
"""Where maxima of glasses, liquids and polymers lie, about 13 to 1.6 Å."""

KNOTS = 17
LEAST_WINDOW_DEG, MOST_WINDOW_DEG, WINDOW_WIDTHS = 1.5, 4.0, 8.0
"""A window is so many widths of a peak long, within limits; its lowest quarter tells its lower
edge."""

EDGE_ERROR, TAIL_ERROR = 0.02, 0.3
"""Relative uncertainty of the lower edge and of the tails that were taken off it."""

LEAST_MISFIT, LEAST_GAIN, LEAST_HEIGHT, LEAST_AREA_PERCENT = 5.0, 4.0, 0.4, 30.0
"""Humps are told where the mean square misfit of convex curves is that large, Gaussian curves
lower it by that factor, the highest stands that much above the background, relative to it, and
they make up that share of the area; many weak lines under each other look like less."""

WIDEST_PEAK, WIDEST_PEAK_DEG = 4.0, 3.0
"""What is wider, in units of the typical peak or in degrees, is no peak: the baseline did not
follow it."""

LEAST_PROMINENCE = 0.15
"""Of a single hump, relative to the highest."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True)
class Hump:
    """One broad maximum.

    Attributes:
        two_theta_deg: where it is highest.
        fwhm_deg: full width at half of its prominence, degrees 2θ.
        over_background: its height relative to the smooth background under it.
    """

    two_theta_deg: float
    fwhm_deg: float
    over_background: float


@dataclass(frozen=True, eq=False)
class Humps:
    """All broad maxima of a pattern.

    Attributes:
        each: in order of 2θ.
        area_percent: of all humps, of the area of humps and peaks together.
        smooth: the background under the humps, counts. Shape (n,), as the prepared pattern.
        curve: the humps alone, counts. Shape (n,).
    """

    each: tuple[Hump, ...]
    area_percent: float
    smooth: _FLOAT
    curve: _FLOAT


def find_humps(prepared: Prepared) -> Humps | None:
    """Broad maxima of the background; None where convex curves describe it."""
    axis = prepared.two_theta_deg
    places = _places(prepared)
    if len(axis) < 3 * KNOTS or not len(places):
        return None
    at, edge, error = _lower_edge(prepared)
    _, plain = _fit(_convex(at, axis), edge, error)
    if plain < LEAST_MISFIT:
        return None
    both = np.concatenate([_convex(at, axis), _gaussian(at, places)])
    amounts, bent = _fit(both, edge, error)
    if plain < LEAST_GAIN * bent:
        return None
    convex = len(both) - len(places)
    smooth = amounts[:convex] @ _convex(axis, axis)
    curve = amounts[convex:] @ _gaussian(axis, places)
    each = _single(axis, smooth, curve)
    area = float(curve.sum()) * prepared.step_deg
    percent = 100 * area / max(area + float(_sharp(prepared).area.sum()), 1e-300)
    highest = max((hump.over_background for hump in each), default=0.0)
    if highest < LEAST_HEIGHT or percent < LEAST_AREA_PERCENT:
        return None
    return Humps(each, percent, smooth, curve)


def _sharp(prepared: Prepared) -> Peaks:
    """The peaks that are none of the humps."""
    widest = min(WIDEST_PEAK * prepared.fwhm_deg, WIDEST_PEAK_DEG)
    return prepared.peaks[prepared.peaks.fwhm_deg < widest]


def _places(prepared: Prepared) -> _FLOAT:
    """Centre and full width of each Gaussian curve, all of it within the scan. Shape (g, 2)."""
    first, last = prepared.two_theta_deg[[0, -1]]
    every = [
        (centre, width)
        for width in WIDTHS_DEG
        for centre in np.arange(first + width / 2, last - width / 2, width / 5)
    ]
    places = np.array(every).reshape(-1, 2)
    q = 4 * np.pi * np.sin(np.radians(places[:, 0] / 2)) / prepared.wavelengths_angstrom[0]
    low, high = Q_RANGE_INV_ANGSTROM
    return np.asarray(places[(q > low) & (q < high)])


def _lower_edge(prepared: Prepared) -> tuple[_FLOAT, _FLOAT, _FLOAT]:
    """Positions, counts and their uncertainty between the peaks, tails taken off. Shapes (w,)."""
    axis, peaks = prepared.two_theta_deg, _sharp(prepared)
    half = np.maximum(peaks.fwhm_deg, prepared.fwhm_deg) / 2
    # No peak has longer tails than a Lorentzian one of its width and area.
    tails = np.zeros(len(axis))
    for centre, reach, area in zip(peaks.two_theta_deg, half, peaks.area, strict=True):
        tails += area / (np.pi * reach) / (1 + ((axis - centre) / reach) ** 2)
    smoothing = prepared.fwhm_deg / prepared.step_deg
    curve = gaussian_filter1d(prepared.counts, smoothing)
    noise = prepared.sigma / np.sqrt(2 * np.sqrt(np.pi) * smoothing)
    length = np.clip(WINDOW_WIDTHS * prepared.fwhm_deg, LEAST_WINDOW_DEG, MOST_WINDOW_DEG)
    window = ((axis - axis[0]) / length).astype(int)
    rows = []
    for part in np.split(np.arange(len(axis)), np.flatnonzero(np.diff(window)) + 1):
        low = part[np.argsort(curve[part])[: max(len(part) // 4, 1)]]
        counts, tail = float((curve - tails)[low].mean()), float(tails[low].mean())
        error = np.sqrt(
            (noise[low] ** 2).mean() + (EDGE_ERROR * counts) ** 2 + (TAIL_ERROR * tail) ** 2
        )
        rows.append((float(axis[low].mean()), counts, float(error)))
    at, edge, error = np.array(rows).T
    return at, edge, error


def _convex(at: _FLOAT, axis: _FLOAT) -> _FLOAT:
    """Curves whose sums in amounts above zero are all convex and not negative. Shape (c, w)."""
    knots = np.linspace(axis[0], axis[-1], KNOTS)[:, None]
    falling, rising = np.maximum(knots[1:] - at, 0.0), np.maximum(at - knots[:-1], 0.0)
    return np.concatenate([falling, rising, np.ones((1, len(at)))])


def _gaussian(at: _FLOAT, places: _FLOAT) -> _FLOAT:
    """Gaussian curves of height one. Shape (g, w)."""
    away = (at - places[:, :1]) / places[:, 1:]
    return np.asarray(np.exp(-4 * np.log(2) * away**2))


def _fit(curves: _FLOAT, edge: _FLOAT, error: _FLOAT) -> tuple[_FLOAT, float]:
    """Amounts not below zero, and the mean square misfit in units of the uncertainty."""
    weighted = curves / error
    size = np.maximum(np.linalg.norm(weighted, axis=1), 1e-12)
    amounts, misfit = nnls((weighted / size[:, None]).T, edge / error, maxiter=30 * len(curves))
    return amounts / size, float(misfit) ** 2 / len(edge)


def _single(axis: _FLOAT, smooth: _FLOAT, curve: _FLOAT) -> tuple[Hump, ...]:
    """The maxima of the humps' curve."""
    padded = np.concatenate([[0.0], curve, [0.0]])
    where, _ = find_peaks(padded, prominence=max(LEAST_PROMINENCE * curve.max(), 1e-300))
    widths = peak_widths(padded, where, rel_height=0.5)[0] * (axis[1] - axis[0])
    return tuple(
        Hump(float(axis[i]), float(width), float(curve[i] / max(smooth[i], 1e-12)))
        for i, width in zip(where - 1, widths, strict=True)
    )
