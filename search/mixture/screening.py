"""Which of many entries would explain most of what a hypothesis leaves over, quickly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from data.lines import LinesTable
from data.preparation import Prepared
from search.profile_fit import ZEROS_DEG, draw_lines, place_lines, shape_table

WIDTHS = (0.8, 1.2, 1.8)
"""Widths tried, in units of the pattern's typical one: phases of one sample differ in theirs."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Screening:
    """What each of n entries would add to a fit.

    Attributes:
        gain: decrease of the fit's misfit. Shape (n,).
        strain: of all lengths. Shape (n,).
        zero_shift_deg: Shape (n,).
        fwhm_deg: Shape (n,).
    """

    gain: _FLOAT
    strain: _FLOAT
    zero_shift_deg: _FLOAT
    fwhm_deg: _FLOAT


def screen(
    prepared: Prepared,
    lines: LinesTable,
    *,
    left: _FLOAT,
    weight: _FLOAT,
    present: _FLOAT,
    zero_shift_deg: float | None,
) -> Screening:
    """Strain, width and gain of every entry of a table, each added alone.

    The strain is sought on the lines alone against the square root of what is left over; then
    the profile is drawn in a few widths and its gain is that of linear least squares with the
    present curves' amounts free.

    Args:
        prepared: the query.
        lines: of n entries.
        left: net counts less those calculated. Shape (m,).
        weight: of each point. Shape (m,).
        present: curves that are fitted already. Shape (p, m).
        zero_shift_deg: known from phases already found; sought when None.
    """
    noise = 1 / np.sqrt(weight)
    root = np.sqrt(np.maximum(left - 0.5 * noise, 0.0))
    smooth = gaussian_filter1d(root, np.sqrt(2.0) * prepared.fwhm_deg / 2.3548 / prepared.step_deg)
    weighted = present * weight
    # An orthonormal basis of the present curves, in the metric of the weights.
    if len(present):
        upper = np.linalg.svd(present * np.sqrt(weight), full_matrices=False)
        basis = upper[2][upper[1] > 1e-9 * upper[1][0]]
    else:
        basis = np.zeros((0, weighted.shape[1]))
    kernel: Any = _screen
    found = kernel(
        lines.offsets,
        np.sqrt(lines.inv_d2.astype(np.float64)) / 2,
        lines.strength.astype(np.float64),
        np.asarray(prepared.wavelengths_angstrom),
        np.asarray(prepared.weights),
        float(prepared.two_theta_deg[0]),
        prepared.step_deg,
        shape_table(),
        ZEROS_DEG if zero_shift_deg is None else np.array([zero_shift_deg]),
        prepared.fwhm_deg * np.asarray(WIDTHS),
        smooth,
        left * np.sqrt(weight),
        np.sqrt(weight),
        basis,
    )
    return Screening(*found.T)


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def _screen(
    offsets: NDArray[np.int64],
    half_inv_d: _FLOAT,
    strength: _FLOAT,
    wavelengths: _FLOAT,
    weights: _FLOAT,
    start: float,
    step: float,
    shape: _FLOAT,
    zeros: _FLOAT,
    widths: _FLOAT,
    smooth: _FLOAT,
    left: _FLOAT,
    root_weight: _FLOAT,
    basis: _FLOAT,
) -> _FLOAT:
    """Columns: gain, strain, zero shift, width. Shape (n, 4)."""
    n = len(offsets) - 1
    size = len(left)
    out = np.zeros((n, 4))
    for k in prange(n):
        s = half_inv_d[offsets[k] : offsets[k + 1]]
        st = strength[offsets[k] : offsets[k + 1]]
        strain, zero = place_lines(s, st, wavelengths[0], start, step, smooth, zeros)
        drawn = np.empty(size)
        out[k, 1], out[k, 2], out[k, 3] = strain, zero, widths[0]
        for w in range(len(widths)):
            draw_lines(
                s, st, wavelengths, weights, start, step, shape, widths[w], strain, zero, drawn
            )
            for i in range(size):
                drawn[i] *= root_weight[i]
            for p in range(len(basis)):
                along = 0.0
                for i in range(size):
                    along += basis[p, i] * drawn[i]
                for i in range(size):
                    drawn[i] -= along * basis[p, i]
            dot = 0.0
            norm = 0.0
            for i in range(size):
                dot += drawn[i] * left[i]
                norm += drawn[i] * drawn[i]
            if norm > 0 and dot > 0 and 0.5 * dot * dot / norm > out[k, 0]:
                out[k, 0] = 0.5 * dot * dot / norm
                out[k, 3] = widths[w]
    return out
