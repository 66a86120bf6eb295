"""One preparation for measured and simulated patterns alike: grid, background, noise, peaks, Q.

What a measured pattern goes through here is also what simulated ones go through before they are
compared with it or learned from; a preparation that differs between the two is what makes
retrieval trained on simulated patterns fail on measured ones.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from pybaselines.utils import ParameterWarning
from pybaselines.whittaker import arpls
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from scipy.signal import find_peaks, peak_widths

from data.errors import PatternError
from data.k_beta import find_copies, k_beta_of
from data.pattern import Pattern

POINTS_PER_FWHM = 5.0
"""The working grid has about this many points over the width of a peak: fewer lose shape, more
only cost time."""

ARPLS_STIFFNESS = 1e5
"""Penalty of the asymmetrically reweighted baseline on the working grid. With about five points a
peak width it follows humps wider than some twenty widths and leaves peaks alone."""

NOISE_WINDOW, NOISE_QUARTILE = 9, 0.544
"""Points over which noise is compared with counts, enough to average where few were counted and
few enough to fit between peaks; and what the lower quartile of windows then shows of it."""

PEAK_SIGNIFICANCE = 4.0
"""A peak stands this many standard uncertainties out of the smoothed net curve, above nothing and
above its neighbourhood; of a few thousand points that noise makes, one in some does."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Peaks:
    """What a peak finder saw in a pattern.

    Attributes:
        q_inv_angstrom: position in 1/Å for the principal wavelength, ascending. Shape (n,).
        two_theta_deg: position in degrees. Shape (n,).
        area: net area in counts·degree, of the whole Kα doublet. Shape (n,).
        area_esd: standard uncertainty of `area`. Shape (n,).
        fwhm_deg: full width at half maximum in degrees 2θ. Shape (n,).
    """

    q_inv_angstrom: _FLOAT
    two_theta_deg: _FLOAT
    area: _FLOAT
    area_esd: _FLOAT
    fwhm_deg: _FLOAT

    def __len__(self) -> int:
        return len(self.q_inv_angstrom)

    def __getitem__(self, part: slice | NDArray[np.bool_]) -> Peaks:
        return Peaks(*(getattr(self, field.name)[part] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A pattern ready to be compared: evenly spaced in 2θ, without background, noise known.

    Attributes:
        pattern: what it was made from.
        wavelengths_angstrom: principal wavelength first; Kβ last, where its line was seen.
        weights: of the wavelengths, summing to one.
        two_theta_deg: evenly spaced. Shape (n,).
        q_inv_angstrom: of the principal wavelength. Shape (n,).
        counts: measured counts, averaged over the points each grid point stands for. Shape (n,).
        net: counts without background; noise may make it negative. Shape (n,).
        background: counts. Shape (n,).
        sigma: standard uncertainty of `net`, in counts. Shape (n,).
        peaks: what the peak finder saw, Kα2 companions and copies by Kβ left out.
        fwhm_deg: typical full width at half maximum of the peaks, degrees 2θ.
        k_beta: intensity of the Kβ line over that of Kα; 0 where none was seen.
    """

    pattern: Pattern
    wavelengths_angstrom: tuple[float, ...]
    weights: tuple[float, ...]
    two_theta_deg: _FLOAT
    q_inv_angstrom: _FLOAT
    counts: _FLOAT
    net: _FLOAT
    background: _FLOAT
    sigma: _FLOAT
    peaks: Peaks
    fwhm_deg: float
    k_beta: float = 0.0

    @property
    def step_deg(self) -> float:
        """Distance of two points in degrees 2θ."""
        return float(self.two_theta_deg[1] - self.two_theta_deg[0])

    def up_to(self, q_inv_angstrom: float) -> Prepared:
        """The part of it below a Q in 1/Å; itself when all of it is."""
        points = int(np.searchsorted(self.q_inv_angstrom, q_inv_angstrom))
        if points == len(self.q_inv_angstrom):
            return self
        part = slice(points)
        curves = ("two_theta_deg", "q_inv_angstrom", "counts", "net", "background", "sigma")
        shorter = {name: getattr(self, name)[part] for name in curves}
        peaks = self.peaks[: int(np.searchsorted(self.peaks.q_inv_angstrom, q_inv_angstrom))]
        return replace(self, **shorter, peaks=peaks)


def prepare(pattern: Pattern) -> Prepared:
    """Lay a pattern on an even 2θ grid, take its background off and find its peaks.

    The background is an asymmetrically reweighted penalised baseline (arPLS: Baek et al.,
    Analyst 140 (2015) 250) on a grid of five points a peak width, so that one stiffness serves
    laboratory and synchrotron patterns. Noise is the file's esd, else Poisson, rescaled by what
    second differences of the curve show (counts may be rates, or smoothed).

    Raises:
        PatternError: fewer than 20 points lie between 0.2 and 179° 2θ.
    """
    wavelengths: tuple[float, ...] = (pattern.wavelength_angstrom,)
    weights: tuple[float, ...] = (1.0,)
    if pattern.radiation is not None:
        wavelengths = pattern.radiation.wavelengths_angstrom
        weights = pattern.radiation.weights
    usable = (pattern.two_theta_deg > 0.2) & (pattern.two_theta_deg < 179.0)
    two_theta = pattern.two_theta_deg[usable]
    counts = pattern.counts[usable]
    if len(two_theta) < 20:
        raise PatternError(
            f"{pattern.name}: {len(two_theta)} points lie between 0.2 and 179° 2θ and at least 20 "
            "are needed; check the axis and the wavelength"
        )
    sigma = _noise(counts, None if pattern.esd is None else pattern.esd[usable])

    measured_step = float(np.median(np.diff(two_theta)))
    width = _typical_fwhm(two_theta, counts, sigma, measured_step)
    step = max(width / POINTS_PER_FWHM, measured_step)
    two_theta, counts, sigma = _regrid(two_theta, counts, sigma, step)
    background = _background(counts)
    net = counts - background
    q = 4 * np.pi * np.sin(np.radians(two_theta / 2)) / wavelengths[0]
    peaks = _find_peaks(two_theta, net, sigma, width, wavelengths)
    line = k_beta_of(wavelengths[0])
    beta = line and find_copies(
        line,
        wavelengths[0],
        peaks.two_theta_deg,
        peaks.area,
        peaks.area_esd,
        np.maximum(peaks.fwhm_deg, width),
        first_deg=float(two_theta[0]),
    )
    if beta:
        wavelengths = (*wavelengths, beta.wavelength_angstrom)
        weights = tuple(one / (1 + beta.ratio) for one in (*weights, beta.ratio))
        peaks = peaks[~beta.copies]
    return Prepared(
        pattern,
        wavelengths,
        weights,
        two_theta,
        q,
        counts,
        net,
        background,
        sigma,
        peaks,
        width,
        beta.ratio if beta else 0.0,
    )


def _noise(counts: _FLOAT, esd: _FLOAT | None) -> _FLOAT:
    """Standard uncertainty of each count. Shape (n,)."""
    if esd is not None:
        known = np.isfinite(esd) & (esd > 0)
        if known.mean() > 0.9:
            return np.where(known, esd, np.median(esd[known]))
    highest = float(counts.max())
    if highest <= 0:
        return np.ones_like(counts)
    second = (counts[:-2] - 2 * counts[1:-1] + counts[2:]) / np.sqrt(6.0)
    square = uniform_filter1d(second**2, NOISE_WINDOW)
    mean = uniform_filter1d(counts[1:-1], NOISE_WINDOW)
    counted = mean > 1e-9 * highest
    # Peaks bend the curve: the windows between them tell.
    shown = np.quantile(square[counted] / mean[counted], 0.25) if counted.any() else 0.0
    # Smoothed curves show no noise at all; trust them to one part in a thousand, not further.
    gain = max(float(shown) / NOISE_QUARTILE, 1e-6 * highest)
    # Where nothing happened to be counted, something was expected all the same.
    wide = uniform_filter1d(counts, max(len(counts) // 50, NOISE_WINDOW))
    floor = max(float(np.quantile(wide, 0.25)), 1e-3 * highest)
    return np.sqrt(gain * np.maximum(counts, floor))


def _background(counts: _FLOAT) -> _FLOAT:
    """Counts that are not of peaks, nowhere above the highest point. Shape (n,)."""
    with warnings.catch_warnings():
        # A curve without noise or background leaves no points to fit; the last baseline stands.
        warnings.simplefilter("ignore", ParameterWarning)
        background, _ = arpls(counts, lam=ARPLS_STIFFNESS, max_iter=40, tol=2e-3)
    return np.asarray(np.minimum(background, max(float(counts.max()), 1.0)))


def _typical_fwhm(two_theta: _FLOAT, counts: _FLOAT, sigma: _FLOAT, step: float) -> float:
    """Width of the pattern's prominent peaks, in degrees 2θ.

    Peaks are sought on the curve smoothed as little as its noise allows; their widths are
    corrected for that smoothing, and the lower quartile weighted by prominence is taken, since
    overlap widens some peaks and narrows none.
    """
    best: tuple[float, float] | None = None
    for smooth in (1.0, 2.0, 4.0, 8.0):
        curve = gaussian_filter1d(counts, smooth)
        noise = sigma / np.sqrt(2 * np.sqrt(np.pi) * smooth)
        where, found = find_peaks(curve, prominence=5 * noise, width=1)
        if len(where) == 0:
            continue
        widths, *_ = peak_widths(curve, where, rel_height=0.5)
        prominence = found["prominences"]
        strong = prominence > 0.1 * prominence.max()
        true = np.sqrt(np.maximum(widths[strong] ** 2 - (2.355 * smooth) ** 2, 0.25))
        order = np.argsort(true)
        share = np.cumsum(prominence[strong][order])
        width = float(true[order][np.searchsorted(share, 0.4 * share[-1])])
        if width >= 1.5 * smooth:
            best = (width, smooth)
            break
        best = best or (width, smooth)
    span = float(two_theta[-1] - two_theta[0])
    width = best[0] * step if best else span / 500
    return float(np.clip(width, 1.5 * step, span / 25))


def _regrid(
    two_theta: _FLOAT, counts: _FLOAT, sigma: _FLOAT, step: float
) -> tuple[_FLOAT, _FLOAT, _FLOAT]:
    """Average onto an even grid; cells that no point falls into are interpolated."""
    cells = int((two_theta[-1] - two_theta[0]) / step) + 1
    grid = two_theta[0] + step * np.arange(cells)
    cell = np.clip(np.rint((two_theta - two_theta[0]) / step).astype(int), 0, cells - 1)
    hits = np.bincount(cell, minlength=cells)
    filled = hits > 0
    mean = np.bincount(cell, counts, cells)[filled] / hits[filled]
    spread = np.sqrt(np.bincount(cell, sigma**2, cells)[filled]) / hits[filled]
    # Points fall unevenly into cells; centring them keeps positions right.
    centre = np.bincount(cell, two_theta, cells)[filled] / hits[filled]
    return grid, np.interp(grid, centre, mean), np.interp(grid, centre, spread)


def _find_peaks(
    two_theta: _FLOAT, net: _FLOAT, sigma: _FLOAT, width: float, wavelengths: tuple[float, ...]
) -> Peaks:
    """Local maxima of the net curve, smoothed by a third of a peak width."""
    step = float(two_theta[1] - two_theta[0])
    smooth = max(width / step / 3.0, 0.6)
    curve = gaussian_filter1d(net, smooth)
    noise = sigma / np.sqrt(2 * np.sqrt(np.pi) * smooth)
    where, _ = find_peaks(
        curve, prominence=PEAK_SIGNIFICANCE * noise, height=PEAK_SIGNIFICANCE * noise
    )
    if len(where) == 0:
        none = np.zeros(0)
        return Peaks(none, none, none, none, none)
    spans = peak_widths(curve, where, rel_height=0.5)[0]
    fwhm = step * np.sqrt(np.maximum(spans**2 - (2.355 * smooth) ** 2, 1.0))
    left, centre, right = curve[where - 1], curve[where], curve[where + 1]
    offset = 0.5 * (left - right) / np.minimum(left - 2 * centre + right, -1e-12)
    position = two_theta[where] + step * np.clip(offset, -0.5, 0.5)
    area, variance = _areas(two_theta, net, sigma, position, fwhm)
    partner = _companions(position, area, fwhm, wavelengths)
    paired = np.flatnonzero(partner >= 0)
    area[paired] += area[partner[paired]]
    variance[paired] += variance[partner[paired]]
    own = ~np.isin(np.arange(len(position)), partner)
    q = 4 * np.pi * np.sin(np.radians(position / 2)) / wavelengths[0]
    return Peaks(q[own], position[own], area[own], np.sqrt(variance[own]), fwhm[own])


def _areas(
    two_theta: _FLOAT, net: _FLOAT, sigma: _FLOAT, position: _FLOAT, fwhm: _FLOAT
) -> tuple[_FLOAT, _FLOAT]:
    """Net area and its variance within ±1.2 widths, cut half-way to the neighbours."""
    middle = (position[1:] + position[:-1]) / 2
    low = np.maximum(position - 1.2 * fwhm, np.concatenate([[-np.inf], middle]))
    high = np.minimum(position + 1.2 * fwhm, np.concatenate([middle, [np.inf]]))
    step = float(two_theta[1] - two_theta[0])
    first = np.searchsorted(two_theta, low)
    last = np.maximum(np.searchsorted(two_theta, high), first + 1)
    total = np.concatenate([[0.0], np.cumsum(net)])
    squares = np.concatenate([[0.0], np.cumsum(sigma**2)])
    area = step * (total[last] - total[first])
    return np.maximum(area, 0.0), step**2 * (squares[last] - squares[first])


def _companions(
    position: _FLOAT, area: _FLOAT, fwhm: _FLOAT, wavelengths: tuple[float, ...]
) -> NDArray[np.intp]:
    """Of each peak the index of its Kα2 partner, about half as strong, or -1. Shape (n,)."""
    partner = np.full(len(position), -1)
    if len(wavelengths) < 2:
        return partner
    sine = np.sin(np.radians(position / 2)) * wavelengths[1] / wavelengths[0]
    expected = 2 * np.degrees(np.arcsin(np.minimum(sine, 1.0)))
    for i, place in enumerate(expected):
        if i in partner:
            continue
        near = np.flatnonzero(np.abs(position - place) < 0.3 * fwhm[i])
        near = near[near > i]
        ratio = area[near] / max(area[i], 1e-300)
        near = near[(ratio > 0.3) & (ratio < 0.75)]
        if len(near):
            partner[i] = near[0]
    return partner
