"""What the encoders read: a square-root profile over ln Q, and how a crystal's lines give one.

Without torch, which looking up does not need; `drawing` does the same in bulk for training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.lines import Lines
from data.profile import lorentz_polarisation
from indexer.encoders.axis import (
    BINS,
    LN_Q_START,
    NOISE_CLIP,
    REFERENCE_WAVELENGTH_ANGSTROM,
    STEP,
    axis_ln_q,
    line_shape,
)

if TYPE_CHECKING:
    from data.preparation import Prepared

_FLOAT = NDArray[np.float32]


def lorentz_polarisation_of_q(q: NDArray[np.float64]) -> NDArray[np.float64]:
    """At the reference wavelength, levelled off near 2θ = 180°. Shape of `q`."""
    theta = np.arcsin(np.minimum(q * REFERENCE_WAVELENGTH_ANGSTROM / (4 * np.pi), 0.95))
    return lorentz_polarisation(np.degrees(2 * theta))


def profile_of_pattern(prepared: Prepared) -> _FLOAT:
    """A pattern's profile and where it was measured. Shape (2, BINS)."""
    net = np.maximum(prepared.net - NOISE_CLIP * prepared.sigma, 0.0)
    height = net / lorentz_polarisation(prepared.two_theta_deg)
    ln_q = np.log(prepared.q_inv_angstrom)
    # Half a bin to either side: where points lie closer than bins, a bin sees more than one.
    places = axis_ln_q()
    heights = [
        np.interp(places + shift, ln_q, height, left=0.0, right=0.0)
        for shift in (-STEP / 3, 0.0, STEP / 3)
    ]
    weight = lorentz_polarisation_of_q(np.exp(places))
    root = np.sqrt(np.mean(heights, axis=0) * weight)
    covered = (places >= ln_q[0]) & (places <= ln_q[-1])
    return np.asarray(levelled(np.stack([root, covered])[None])[0])


def profile_of_lines(lines: Lines) -> _FLOAT:
    """A crystal's profile, measured everywhere. Shape (2, BINS)."""
    q = 2 * np.pi * np.sqrt(np.maximum(lines.inv_d2, 1e-9))
    place = (np.log(q) - LN_Q_START) / STEP - 0.5
    seen = (place >= 0) & (place < BINS - 1)
    area = lines.strength[seen] * lorentz_polarisation_of_q(q[seen])
    root = np.sqrt(drawn(place[seen], area))
    return np.asarray(levelled(np.stack([root, np.ones(BINS)])[None])[0])


def drawn(place: NDArray[np.float64], area: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lines of these areas at these bins, counted from 0 and between them, each of one shape.

    Args:
        place: at least 0 and below BINS - 1. Shape (n,).
        area: Shape (n,).

    Returns:
        Shape (BINS,).
    """
    return _drawn(place, area, line_shape())


@njit(cache=True, nogil=True)
def _drawn(
    place: NDArray[np.float64], area: NDArray[np.float64], shape: NDArray[np.float64]
) -> NDArray[np.float64]:
    reach = len(shape) // 2
    comb, curve = np.zeros(BINS + 2 * reach), np.zeros(BINS)
    for line in range(len(place)):
        first = int(place[line])
        share = place[line] - first
        comb[reach + first] += area[line] * (1 - share)
        comb[reach + first + 1] += area[line] * share
    for offset in range(len(shape)):
        shifted, height = comb[offset : offset + BINS], shape[offset]
        for i in range(BINS):
            curve[i] += height * shifted[i]
    return curve


def levelled(profiles: NDArray[np.float64]) -> _FLOAT:
    """Profiles brought to a root mean square of one where they were measured. (B, 2, BINS)."""
    root, covered = profiles[:, 0], profiles[:, 1]
    square = (root**2).sum(axis=1) / np.maximum(covered.sum(axis=1), 1.0)
    level = np.sqrt(np.maximum(square, 1e-30))[:, None]
    return np.stack([root / level, covered], axis=1).astype(np.float32)
