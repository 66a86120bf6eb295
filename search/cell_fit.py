"""One entry fitted with cell, widths, texture and background of its own: the last word on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.lines import Lines
from data.preparation import Prepared
from search.mixture.cell import strained_lattice
from search.mixture.hypothesis import BACKGROUND_NOISES, hats, points_together
from search.mixture.joint_fit import Freedom, Phase, State, fit_jointly

FAINT = 1e-3
"""Lines below this share of an entry's strongest are not fitted."""
MODEL_ERROR = 0.05
"""Relative error of calculated counts. Less than where mixtures are sought: nothing else is to be
found in what is left over."""
STEPS = 8
EXPLAINED = 0.3
"""A measured peak is explained when the entry calculates at least this share of it."""

NOISE = 2.0
"""Standard uncertainties by which a calculated curve may stand out of the measured one."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellFit:
    """An entry at its best.

    Attributes:
        lattice: fitted, rows a, b, c in Å. Shape (3, 3).
        zero_shift_deg: added to the calculated 2θ.
        scale: counts·degree per unit of strength times Lorentz-polarisation.
        calculated: counts on the prepared 2θ axis, background included. Shape (n,).
        rwp_percent: 100 √(Σ w (y - c)² / Σ w y²), w the inverse variance of the counts y.
        misfit: angle between the square roots of the measured and the calculated profile, both
            without background, in radians.
        unexplained: share of the measured peaks, by the root of their area.
        lacking: share of the calculated net intensity that the pattern does not have.
    """

    lattice: _FLOAT
    zero_shift_deg: float
    scale: float
    calculated: _FLOAT
    rwp_percent: float
    misfit: float
    unexplained: float
    lacking: float


def fit_cell(
    prepared: Prepared,
    lines: Lines,
    lattice: _FLOAT,
    group: int,
    *,
    zero_shift_deg: float,
    freedom: Freedom,
) -> CellFit:
    """Fit every strain that symmetry allows, texture, widths, a zero shift and the background.

    Args:
        prepared: the query.
        lines: of the entry, in `lattice`.
        lattice: near the best already. Rows a, b, c in Å. Shape (3, 3).
        group: number of the space group.
        zero_shift_deg: to start from.
        freedom: what counts as misfit, and what else may change.
    """
    height = lines.strength / lines.inv_d2
    keep = height >= FAINT * height.max(initial=0.0)
    kept = Lines(lines.inv_d2[keep], lines.strength[keep], lines.hkl[keep])
    phase = Phase.of(0, kept, lattice, group, isotropic=False, textured=True)
    start = State(np.zeros(len(phase.shares)), prepared.fwhm_deg)
    fit = fit_jointly(
        prepared, (phase,), (start,), freedom, zero_shift_deg=zero_shift_deg, steps=STEPS
    )
    curve = fit.scales @ fit.profiles
    left = (prepared.net - fit.calculated) / prepared.sigma
    return CellFit(
        lattice=strained_lattice(lattice, group, fit.states[0].strain),
        zero_shift_deg=fit.zero_shift_deg,
        scale=float(fit.scales[0]),
        calculated=prepared.background + fit.calculated,
        rwp_percent=100
        * float(np.linalg.norm(left) / np.linalg.norm(prepared.counts / prepared.sigma)),
        misfit=_angle(prepared.net - fit.background, curve),
        unexplained=_unexplained(prepared, curve),
        lacking=_lacking(prepared, fit.calculated),
    )


def all_freedom(prepared: Prepared) -> Freedom:
    """Widths that grow with the angle and any shape of line: what describes a pattern best."""
    variance = prepared.sigma**2 + (MODEL_ERROR * np.maximum(prepared.net, 0.0)) ** 2
    return Freedom(
        1 / (variance * points_together(prepared)),
        hats(prepared),
        BACKGROUND_NOISES * float(np.median(prepared.sigma)),
        shape=True,
    )


def _angle(measured: _FLOAT, calculated: _FLOAT) -> float:
    """Between the square roots of two profiles, in radians."""
    one, other = np.sqrt(np.maximum(measured, 0.0)), np.sqrt(np.maximum(calculated, 0.0))
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.arccos(min(float(one @ other) / size, 1.0))) if size > 0 else np.pi / 2


def _lacking(prepared: Prepared, calculated: _FLOAT) -> float:
    """Share of a curve that stands out of the measured one by more than noise."""
    beyond = np.maximum(calculated - prepared.net - NOISE * prepared.sigma, 0.0).sum()
    return float(beyond / (np.maximum(calculated, 0.0).sum() or 1.0))


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
