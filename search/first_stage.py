"""The first stage: every entry compared with the pattern, quickly, to find a few hundred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from data.lines import LinesTable
from data.preparation import Prepared
from search.fusion import fuse

LN_Q_MIN, LN_Q_MAX, LN_Q_STEP = np.log(0.15), np.log(13.0), 5e-4
"""The axis on which an isotropic strain is a translation, from d = 42 Å to 0.48 Å."""

MAX_STRAIN = 0.006
"""Entries are tried with their cells up to this much longer or shorter."""

STRONGEST_LINES = 250
"""Weaker lines of an entry do not change its place among the first few hundred."""

NOISE_CLIP = 1.5
"""The net curve counts only above this many standard uncertainties."""

MERGE_WIDTHS = 1.2
"""Lines closer than this many widths count as one, whose intensity is their sum."""

SCREENED = 1_000
"""Entries that vectors find for their lines to be compared, where there are too many for all."""

FUSED_DEPTH = 200
"""Entries of each first stage that are made one list."""

_FLOAT = NDArray[np.float32]
_INT = NDArray[np.int64]

_BINS = int((LN_Q_MAX - LN_Q_MIN) / LN_Q_STEP) + 1
_SHIFTS = round(MAX_STRAIN / LN_Q_STEP)


def visible(prepared: Prepared) -> NDArray[np.float64]:
    """The net curve less `NOISE_CLIP` standard uncertainties, in counts. Shape (n,)."""
    return np.maximum(prepared.net - NOISE_CLIP * prepared.sigma, 0.0)


@dataclass(frozen=True, eq=False)
class StickIndex:
    """The strongest lines of N entries on the ln Q axis.

    Attributes:
        offsets: entry i owns offsets[i]:offsets[i + 1]. Shape (N + 1,).
        bins: place on the ln Q axis. Shape (M,), int32.
        strength: m·|F|². Shape (M,), float32.
    """

    offsets: _INT
    bins: NDArray[np.int32]
    strength: _FLOAT

    @classmethod
    def of(cls, lines: LinesTable) -> StickIndex:
        """Keep the strongest lines of each entry, by their intensity at small angles."""
        ln_q = np.log(2 * np.pi) + 0.5 * np.log(np.maximum(lines.inv_d2, 1e-6))
        bins = np.rint((ln_q - LN_Q_MIN) / LN_Q_STEP).astype(np.int32)
        keep = _strongest(lines.offsets, lines.strength / lines.inv_d2, STRONGEST_LINES)
        keep &= (bins > _SHIFTS) & (bins < _BINS - _SHIFTS - 1)
        kept = np.concatenate([[0], np.cumsum(keep)])
        return cls(kept[lines.offsets], bins[keep], lines.strength[keep])

    def correlate(self, prepared: Prepared, rows: _INT | None = None) -> _FLOAT:
        """Cosine between the square roots of measured and calculated profile, best over strains.

        Written for lines that do not overlap: the calculated profile is a sum of peaks of the
        pattern's own width, and its square root that of each alone, so that the integral over
        the profile becomes a sum over lines of the pattern's smoothed square root.

        Args:
            prepared: the query.
            rows: entries to compare; all when None.

        Returns:
            Scores from 0 to about 1; 0 where the pattern has no place for a line. Shape (N,) or
            (len(rows),).
        """
        if rows is None:
            rows = np.arange(len(self.offsets) - 1)
        response, weight, reach = _response(prepared)
        covered = np.flatnonzero(weight)
        if len(covered) == 0:
            return np.zeros(len(rows), np.float32)
        scores: _FLOAT = _correlate(
            self.offsets,
            self.bins,
            self.strength,
            rows,
            response,
            weight,
            reach,
            covered[0] + _SHIFTS,
            covered[-1] - _SHIFTS,
            _SHIFTS,
        )
        return scores

    def nearest(self, prepared: Prepared, count: int, rows: _INT | None = None) -> _INT:
        """The rows whose lines agree best, best first; see `correlate`. Shape (≤ count,)."""
        score = self.correlate(prepared, rows)
        best = np.argsort(-score, kind="stable")[:count]
        return best if rows is None else rows[best]


def screened(sticks: StickIndex, prepared: Prepared, near: _INT, count: int) -> _INT:
    """Entries that vectors find near, compared line by line, and both orders made one.

    Args:
        sticks: of these entries.
        prepared: the query.
        near: `SCREENED` rows or so, those with the nearest vectors first.
        count: of rows to return.
    """
    depth = max(count, FUSED_DEPTH)
    return fuse([near[:depth], near[sticks.nearest(prepared, depth)]], count)


def _response(prepared: Prepared) -> tuple[_FLOAT, _FLOAT, NDArray[np.int32]]:
    """The pattern's answer to a line of unit area at each place of the ln Q axis.

    Returns:
        The smoothed square-root curve over the norm of the unsmoothed one, and the
        Lorentz-polarisation factor, both zero outside the measured range; the steps over which
        lines merge. Shape (bins,) each.
    """
    root = np.sqrt(visible(prepared))
    norm = float(np.sqrt((root**2).sum())) or 1.0
    # The square root of a Gaussian of σ is one of √2 σ; unit norm makes the sum a cosine.
    sigma = np.sqrt(2.0) * prepared.fwhm_deg / 2.3548 / prepared.step_deg
    smooth = gaussian_filter1d(root, sigma) * np.sqrt(2 * np.sqrt(np.pi) * sigma)
    q = np.exp(LN_Q_MIN + LN_Q_STEP * np.arange(_BINS))
    sine = q * prepared.wavelengths_angstrom[0] / (4 * np.pi)
    theta = np.arcsin(np.minimum(sine, 1.0))
    measured = prepared.two_theta_deg
    two_theta = 2 * np.degrees(theta)
    inside = (sine < 0.999) & (two_theta >= measured[0]) & (two_theta <= measured[-1])
    response = np.where(inside, np.interp(two_theta, measured, smooth) / norm, 0.0)
    with np.errstate(divide="ignore"):
        lorentz = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    weight = np.where(inside, lorentz, 0.0)
    merged = MERGE_WIDTHS * np.radians(prepared.fwhm_deg)
    reach = merged / 2 / np.tan(np.maximum(theta, 1e-3)) / LN_Q_STEP
    return (
        response.astype(np.float32),
        weight.astype(np.float32),
        np.minimum(reach, 100).astype(np.int32),
    )


@njit(cache=True, nogil=True)
def _strongest(offsets: _INT, value: _FLOAT, most: int) -> NDArray[np.bool_]:
    """Which lines are among the greatest `most` of their entry. Shape (M,)."""
    keep = np.zeros(len(value), np.bool_)
    for i in range(len(offsets) - 1):
        first, last = offsets[i], offsets[i + 1]
        if last - first <= most:
            keep[first:last] = True
        else:
            least = np.partition(value[first:last], last - first - most)[last - first - most]
            room = most
            for j in range(first, last):
                keep[j] = value[j] > least
                room -= keep[j]
            for j in range(first, last):
                if room > 0 and value[j] == least:
                    keep[j] = True
                    room -= 1
    return keep


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def _correlate(
    offsets: _INT,
    bins: NDArray[np.int32],
    strength: _FLOAT,
    rows: _INT,
    response: _FLOAT,
    weight: _FLOAT,
    reach: NDArray[np.int32],
    low: int,
    high: int,
    shifts: int,
) -> _FLOAT:
    """Scores of `rows` from the lines that lie from bin `low` to `high`. Shape (len(rows),)."""
    scores = np.zeros(len(rows), np.float32)
    for k in prange(len(rows)):
        row = rows[k]
        sums = np.zeros(2 * shifts + 1, np.float32)
        norm = np.float32(0.0)
        last = offsets[row + 1]
        j = offsets[row]
        while j < last:
            place = bins[j]
            if place < low or place > high:
                j += 1
                continue
            # Intensities of lines that overlap add, not their roots.
            area = strength[j] * weight[place]
            moment = area * place
            end = place + reach[place]
            j += 1
            while j < last and bins[j] <= end:
                more = strength[j] * weight[place]
                area += more
                moment += more * bins[j]
                j += 1
            if area <= 0:
                continue
            amplitude = np.sqrt(area)
            norm += area
            start = int(moment / area + 0.5) - shifts
            for s in range(2 * shifts + 1):
                sums[s] += amplitude * response[start + s]
        if norm > 0:
            scores[k] = sums.max() / np.sqrt(norm)
    return scores
