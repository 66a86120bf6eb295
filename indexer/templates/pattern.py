"""Patterns as templates know them: 900 intervals of 0.1° 2θ, Cu Kα1."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from data.lines import LinesTable
from data.profile import lorentz_polarisation, two_theta_deg
from data.radiation import CU_KA
from indexer.templates.template import INTERVAL_DEG, INTERVALS

WAVELENGTH_ANGSTROM = CU_KA.wavelength_angstrom

BLUR = 2.0
"""Standard deviation in intervals by which patterns are blurred before they are compared, so that
lines of slightly different cells meet."""

Patterns = NDArray[np.float32]


def patterns_of(lines: LinesTable) -> Patterns:
    """Square roots of the intensities in each interval, every row of unit length.

    The intensity of a line is its m·|F|² times the Lorentz-polarisation factor; the square root
    keeps a few strong lines from drowning the rest. A crystal without a line below 90° is a row of
    zeros.

    Returns:
        Shape (len(lines), 900).
    """
    angles = two_theta_deg(lines.inv_d2.astype(np.float64), WAVELENGTH_ANGSTROM)
    seen = angles < INTERVALS * INTERVAL_DEG
    intensity = np.zeros(len(angles))
    intensity[seen] = lines.strength[seen] * lorentz_polarisation(angles[seen])
    intervals = np.where(seen, angles / INTERVAL_DEG, 0.0).astype(np.int64)
    return unit(np.sqrt(_summed(lines.offsets, intervals, intensity)))


def strongest(patterns: Patterns) -> NDArray[np.int64]:
    """The interval of the strongest peak of each pattern; -1 where there is none. Shape (n,)."""
    return np.where(patterns.any(axis=1), patterns.argmax(axis=1), -1)


def blurred(patterns: NDArray[np.floating]) -> NDArray[np.float32]:
    """Patterns as they meet each other. Shape (n, 900), as it is given."""
    smooth = gaussian_filter1d(patterns, BLUR, axis=-1, mode="constant")
    return np.asarray(smooth, dtype=np.float32)


def remaining(patterns: Patterns, interval: int) -> Patterns:
    """Blurred patterns of one group without the interval of the strongest peak, of unit length."""
    rest = blurred(patterns)
    rest[..., interval] = 0.0
    return unit(rest)


def unit(rows: NDArray[np.floating]) -> Patterns:
    """Rows of unit length; those of zeros stay as they are."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1.0), dtype=np.float32)


@njit(cache=True, nogil=True)
def _summed(
    offsets: NDArray[np.int64], intervals: NDArray[np.int64], intensity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Intensity of the lines of n entries by interval. Shape (n, 900)."""
    total = np.zeros((len(offsets) - 1, INTERVALS))
    for row in range(len(offsets) - 1):
        for line in range(offsets[row], offsets[row + 1]):
            total[row, intervals[line]] += intensity[line]
    return total
