"""The axis that encoders read profiles on, and the shape lines are drawn with; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LN_Q_START, STEP, BINS = float(np.log(0.35)), 1e-3, 2880
"""The axis: Q from 0.35 to 6.2 1/Å, a thousandth of Q a bin."""

REFERENCE_WAVELENGTH_ANGSTROM = 1.5406
"""Whose Lorentz-polarisation all profiles carry."""

LINE_FWHM_BINS = 4.0
"""Width that the lines of a crystal are drawn with, the same everywhere on ln Q."""

NOISE_CLIP = 1.5
"""A pattern counts only above this many standard uncertainties."""

Q_MIN_INV_ANGSTROM, Q_MAX_INV_ANGSTROM = 0.35, 4.5
MOST_WAVES = 3000
"""The waves that the tower over atoms reads: the longest of a crystal in this range of Q."""

WIDTHS_ANGSTROM2 = (1.5, 6.0, 20.0, 70.0)
"""Its form factors are sums of Gaussians exp(-w·(Q/4π)²) of these widths."""

FAINTEST = 1e-6
"""Part of its highest answer that is added everywhere before the square root."""


def axis_ln_q() -> NDArray[np.float64]:
    """Middle of each bin. Shape (BINS,)."""
    return np.asarray(LN_Q_START + STEP * (np.arange(BINS) + 0.5))


def line_shape() -> NDArray[np.float64]:
    """A Gaussian of height one. Shape (2r + 1,)."""
    reach = int(1.7 * LINE_FWHM_BINS)
    offset = np.arange(-reach, reach + 1) / LINE_FWHM_BINS
    return np.asarray(np.exp(-4 * np.log(2) * offset**2))
