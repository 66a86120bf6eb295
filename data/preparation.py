"""One preparation for measured and simulated patterns alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.pattern import Pattern


@dataclass(frozen=True, eq=False)
class Peaks:
    """What a peak finder saw in a pattern.

    Attributes:
        q_inv_angstrom: position in 1/Å, ascending. Shape (n,).
        area: net area in counts·degree. Shape (n,).
        area_esd: standard uncertainty of `area`. Shape (n,).
        fwhm_deg: full width at half maximum in degrees 2θ. Shape (n,).
    """

    q_inv_angstrom: NDArray[np.float64]
    area: NDArray[np.float64]
    area_esd: NDArray[np.float64]
    fwhm_deg: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.q_inv_angstrom)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A pattern ready to be compared: on 2θ and Q, without background, with its noise known.

    Attributes:
        pattern: what it was made from.
        two_theta_deg: Shape (n,).
        q_inv_angstrom: of the principal wavelength. Shape (n,).
        net: counts without background. Shape (n,).
        background: counts. Shape (n,).
        sigma: standard uncertainty of `net`, in counts. Shape (n,).
        peaks: what the peak finder saw.
        fwhm_deg: typical full width at half maximum of the pattern's peaks, degrees 2θ.
    """

    pattern: Pattern
    two_theta_deg: NDArray[np.float64]
    q_inv_angstrom: NDArray[np.float64]
    net: NDArray[np.float64]
    background: NDArray[np.float64]
    sigma: NDArray[np.float64]
    peaks: Peaks
    fwhm_deg: float
