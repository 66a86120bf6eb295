"""The fit that weighs: each phase's cell free as its symmetry allows, counts weighted by noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.preparation import Prepared
from indexer.entry import Entry
from search.mixture.entries import Entries
from search.mixture.hypothesis import BACKGROUND_NOISES, Hypothesis, hats, points_together
from search.mixture.joint_fit import Freedom, JointFit, fit_jointly
from search.mixture.texture import mean_over_sphere
from search.mixture.weighing import weight_fractions

STEPS = 12

EXPLAINED = 0.3
"""A measured peak is explained when the phases calculate at least this share of it."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weighed:
    """A hypothesis after its last fit.

    Attributes:
        fit: of all lines, cells free.
        weights: share of each phase in the crystalline weight. Shape (p,).
        rwp_percent: 100 √(Σ w (y - c)² / Σ w y²), w the inverse variance of the counts y.
        unexplained_share: of the area of the measured peaks.
        unexplained_two_theta_deg: measured peaks that no phase explains. Shape (u,).
    """

    fit: JointFit
    weights: _FLOAT
    rwp_percent: float
    unexplained_share: float
    unexplained_two_theta_deg: _FLOAT


def weigh(
    prepared: Prepared,
    entries: Entries,
    hypothesis: Hypothesis,
    members: tuple[Entry, ...],
) -> Weighed:
    """Fit a hypothesis once more, and weigh its phases.

    Intensities are the stored ones, without anomalous dispersion, and grains are taken for fine:
    see `docs/decisions/mixtures.md`.

    Args:
        prepared: the query.
        entries: of the library.
        hypothesis: to start from.
        members: the entry of each phase.
    """
    phases = tuple(entries.free_phase(row) for row in hypothesis.rows)
    freedom = Freedom(
        1 / (prepared.sigma**2 * points_together(prepared)),
        hats(prepared),
        BACKGROUND_NOISES * float(np.median(prepared.sigma)),
        shape=True,
    )
    fit = fit_jointly(
        prepared,
        phases,
        hypothesis.fit.states,
        freedom,
        zero_shift_deg=hypothesis.fit.zero_shift_deg,
        steps=STEPS,
    )
    weight = 1 / prepared.sigma**2
    left = prepared.net - fit.calculated
    rwp = 100 * float(
        np.sqrt((weight * left) @ left / ((weight * prepared.counts) @ prepared.counts))
    )
    share, places = _unexplained(prepared, fit)
    untextured = [
        state.scale * mean_over_sphere(state.amounts, entry.space_group_number)
        for state, entry in zip(fit.states, members, strict=True)
    ]
    weights = weight_fractions(np.array(untextured), tuple(entry.crystal for entry in members))
    return Weighed(fit, weights, rwp, share, places)


def _unexplained(prepared: Prepared, fit: JointFit) -> tuple[float, _FLOAT]:
    """Share of the peaks' area that nothing calculates, and where those peaks are."""
    peaks = prepared.peaks
    curve = fit.scales @ fit.profiles
    axis = prepared.two_theta_deg
    reach = np.maximum(peaks.fwhm_deg, prepared.fwhm_deg) / 2
    first = np.searchsorted(axis, peaks.two_theta_deg - reach)
    last = np.maximum(np.searchsorted(axis, peaks.two_theta_deg + reach), first + 1)
    sums = np.cumsum([[0.0, *curve], [0.0, *prepared.net]], axis=1)
    calculated, measured = sums[:, last] - sums[:, first]
    missed = calculated < EXPLAINED * measured
    lost = np.clip(1 - calculated / np.maximum(measured, 1e-300), 0.0, 1.0) * missed
    share = float((lost * peaks.area).sum() / (peaks.area.sum() or 1.0))
    return share, peaks.two_theta_deg[missed]
