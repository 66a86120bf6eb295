"""The Kβ line that a filter lets through: weak copies of the strongest peaks at smaller angles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_KBETA_TO_KALPHA1 = {
    2.28973: 2.08489,
    1.93604: 1.75660,
    1.78900: 1.62083,
    1.54059: 1.39223,
    0.70932: 0.63230,
    0.55942: 0.49708,
}
"""Kβ1,3 of Cr, Fe, Co, Cu, Mo and Ag in Å, by their Kα1 (Hölzer et al. 1997; Bearden 1967)."""

SAME_WAVELENGTH_ANGSTROM = 1e-3
STRONGEST = 5
"""Peaks that are looked at."""
RATIOS = 0.004, 0.4
"""Area of a Kβ peak over its Kα peak: a good filter leaves a percent, none at all a fifth of the
beam, which the smaller angle makes more."""
ALIKE = 1.8
"""Factor by which the ratios of one pattern may differ from their median."""
NEAR_WIDTHS = 0.5
SEEN = 6.0
"""A copy of so many standard uncertainties is seen wherever it lies in the scan."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KBeta:
    """A Kβ line in a pattern.

    Attributes:
        wavelength_angstrom: of it.
        ratio: of areas, to Kα.
        copies: which peaks are of it. Shape (n,).
    """

    wavelength_angstrom: float
    ratio: float
    copies: NDArray[np.bool_]


def k_beta_of(principal_angstrom: float) -> float | None:
    """The Kβ line of the anode whose Kα1 this is, in Å; None for any other wavelength."""
    near = (
        beta
        for alpha, beta in _KBETA_TO_KALPHA1.items()
        if abs(principal_angstrom - alpha) < SAME_WAVELENGTH_ANGSTROM
    )
    return next(near, None)


def find_copies(
    wavelength_angstrom: float,
    principal_angstrom: float,
    two_theta_deg: _FLOAT,
    area: _FLOAT,
    area_esd: _FLOAT,
    fwhm_deg: _FLOAT,
    *,
    first_deg: float,
) -> KBeta | None:
    """Look for copies of the strongest peaks, at least two that agree in their ratio.

    None may be missing that would be seen.

    Args:
        wavelength_angstrom: that makes the copies.
        principal_angstrom: that made the peaks.
        two_theta_deg: of the peaks, ascending. Shape (n,).
        area: of the same. Shape (n,).
        area_esd: of the same. Shape (n,).
        fwhm_deg: of the same. Shape (n,).
        first_deg: where the scan begins.
    """
    shorter = wavelength_angstrom / principal_angstrom
    place = 2 * np.degrees(np.arcsin(np.sin(np.radians(two_theta_deg / 2)) * shorter))
    near = np.abs(two_theta_deg - place[:, None]) < NEAR_WIDTHS * fwhm_deg[:, None]
    ratio = np.where(near, area / np.maximum(area[:, None], 1e-300), 0.0)
    strongest = np.argsort(-area)[:STRONGEST]
    strongest = strongest[place[strongest] > first_deg]
    found = ratio[strongest].max(axis=1, initial=0.0)
    likely = found[(found > RATIOS[0]) & (found < RATIOS[1])]
    if len(likely) < 2:
        return None
    usual = float(np.median(likely))
    alike = (found < ALIKE * usual) & (found > usual / ALIKE)
    if alike.sum() < 2:
        return None
    usual = float(np.median(found[alike]))
    # A weaker peak's copy is lost in the noise: what stands there is a peak of its own.
    copies = np.any((ratio > usual / ALIKE) & (ratio < ALIKE * usual), axis=0)
    seen = (usual * area > SEEN * np.median(area_esd))[strongest] & ~copies[strongest]
    if (seen & (found < usual / ALIKE)).any():
        return None
    return KBeta(wavelength_angstrom, usual, copies)
