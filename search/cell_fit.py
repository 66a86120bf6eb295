"""One entry fitted with cell, width and texture of its own: what it leaves over tells whether."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.lines import Lines
from data.preparation import Prepared
from search.mixture.cell import strained_lattice
from search.mixture.hypothesis import searching_freedom
from search.mixture.joint_fit import Phase, State, fit_jointly

FAINT = 1e-3
"""Lines below this share of an entry's strongest are not fitted."""
STEPS = 8
EXPLAINED = 0.3
"""A measured peak is explained when the entry calculates at least this share of it."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellFit:
    """An entry at its best.

    Attributes:
        lattice: fitted, rows a, b, c in Å. Shape (3, 3).
        residual: weighted sum of squares over what it is without the entry.
        unexplained: share of the measured peaks, by the root of their area.
    """

    lattice: _FLOAT
    residual: float
    unexplained: float


def fit_cell(
    prepared: Prepared, lines: Lines, lattice: _FLOAT, group: int, *, zero_shift_deg: float
) -> CellFit:
    """Fit every strain that symmetry allows, texture, a width and a zero shift.

    Weights take calculated intensities to be wrong by some percent, as where mixtures are sought.

    Args:
        prepared: the query.
        lines: of the entry, in `lattice`.
        lattice: near the best already. Rows a, b, c in Å. Shape (3, 3).
        group: number of the space group.
        zero_shift_deg: to start from.
    """
    height = lines.strength / lines.inv_d2
    keep = height >= FAINT * height.max(initial=0.0)
    kept = Lines(lines.inv_d2[keep], lines.strength[keep], lines.hkl[keep])
    phase = Phase.of(0, kept, lattice, group, isotropic=False, textured=True)
    freedom = searching_freedom(prepared)
    start = State(np.zeros(len(phase.shares)), prepared.fwhm_deg)
    fit = fit_jointly(
        prepared, (phase,), (start,), freedom, zero_shift_deg=zero_shift_deg, steps=STEPS
    )
    bare = prepared.net - freedom.amounts(prepared.net) @ freedom.background
    alone = 0.5 * float((freedom.weight * bare) @ bare)
    return CellFit(
        strained_lattice(lattice, group, fit.states[0].strain),
        fit.misfit / alone if alone > 0 else 1.0,
        _unexplained(prepared, fit.scales @ fit.profiles),
    )


def _unexplained(prepared: Prepared, curve: _FLOAT) -> float:
    """Share of the measured peaks, by the root of their area, that a curve does not have."""
    peaks, axis = prepared.peaks, prepared.two_theta_deg
    reach = np.maximum(peaks.fwhm_deg, prepared.fwhm_deg) / 2
    first = np.searchsorted(axis, peaks.two_theta_deg - reach)
    last = np.maximum(np.searchsorted(axis, peaks.two_theta_deg + reach), first + 1)
    sums = np.pad(np.cumsum([curve, prepared.net], axis=1), ((0, 0), (1, 0)))
    calculated, measured = sums[:, last] - sums[:, first]
    weight = np.sqrt(peaks.area)
    return float(weight[calculated < EXPLAINED * measured].sum() / (weight.sum() or 1.0))
