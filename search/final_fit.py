"""Scale, width and Rwp of one entry at its fitted strain and zero shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.lines import Lines
from data.preparation import Prepared
from search.profile_fit import draw_profile

WIDTH_FACTORS = (0.75, 0.87, 1.0, 1.15, 1.35)
"""Widths tried, in units of the pattern's typical width."""


@dataclass(frozen=True, eq=False)
class FinalFit:
    """The calculated curve and how far it is from the measured one.

    Attributes:
        calculated: counts on the prepared 2θ axis, background included. Shape (n,).
        scale: counts·degree per unit of strength times Lorentz-polarisation.
        rwp_percent: 100 √(Σ w (y - c)² / Σ w y²), w the inverse variance of the counts y.
    """

    calculated: NDArray[np.float64]
    scale: float
    rwp_percent: float


def final_fit(
    prepared: Prepared, lines: Lines, *, strain: float, zero_shift_deg: float
) -> FinalFit:
    """Weighted least squares of a scale and a background correction, over a few widths."""
    weight = 1.0 / prepared.sigma
    target = prepared.net * weight
    background_alone = float(weight @ target / (weight @ weight))
    fits = []
    for factor in WIDTH_FACTORS:
        drawn = draw_profile(
            prepared,
            lines.inv_d2,
            lines.strength,
            strain=strain,
            zero_shift_deg=zero_shift_deg,
            fwhm_deg=factor * prepared.fwhm_deg,
        )
        design = np.stack([drawn * weight, weight])
        normal = design @ design.T
        normal[np.diag_indices(2)] *= 1 + 1e-12
        scale, shift = np.linalg.solve(normal, design @ target) if drawn.any() else (0.0, 0.0)
        if scale <= 0.0:
            scale, shift = 0.0, background_alone
        calculated = prepared.background + shift + scale * drawn
        misfit = np.sum(((prepared.counts - calculated) * weight) ** 2)
        rwp = 100 * float(np.sqrt(misfit / np.sum((prepared.counts * weight) ** 2)))
        fits.append(FinalFit(calculated, float(scale), rwp))
    return min(fits, key=lambda fit: fit.rwp_percent)
