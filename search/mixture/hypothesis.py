"""A set of phases that may be the sample, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from data.preparation import Prepared
from search.mixture.entries import Entries
from search.mixture.joint_fit import Freedom, JointFit

MODEL_ERROR = 0.15
"""Relative error of calculated intensities that phases are sought with: texture, displacement
factors and crystals that are not quite the sample's make strong peaks fit no better. Without it a
longer count, which shows such errors better, would call for more phases."""

PHASE_COST = 20.0
"""What each phase costs, in the units of the fit's cost, which falls by this much when two peaks
fit that did not."""

LEAST_EVIDENCE = 15.0
"""A phase is kept when its own peaks alone, freed of everything broad and of the other phases,
speak for it by as much; see `own_evidence`."""

MISSING_COST = 5.0
"""What each element that the sample is said to be made of and no phase holds costs."""

KNOT_WIDTHS, LEAST_KNOT_DEG = 12.0, 4.0
"""Distance of the knots of the background's correction: in widths of a peak, and in degrees."""
BACKGROUND_NOISES = 5.0
"""Standard uncertainties of a count that the background is expected to be wrong by."""

SHARP_WIDTHS = 1.5
"""What varies over more than so many widths is no peak."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """Some phases, fitted together.

    Attributes:
        fit: of the phases.
        evidence: what speaks for each phase alone. Shape (p,).
        score: comparable within one query only; the higher the better.
    """

    fit: JointFit
    evidence: _FLOAT
    score: float

    @property
    def rows(self) -> tuple[int, ...]:
        """Of the phases in the library."""
        return tuple(phase.row for phase in self.fit.phases)

    @property
    def key(self) -> frozenset[int]:
        """The phases, whatever their order."""
        return frozenset(self.rows)

    @classmethod
    def of(
        cls, prepared: Prepared, entries: Entries, freedom: Freedom, fit: JointFit
    ) -> Hypothesis:
        """Weigh a fit: cost of misfit, of phases, of odd entries, of elements not accounted for."""
        rows = [phase.row for phase in fit.phases]
        held = frozenset[str]().union(*(entries.elements(row) for row in rows))
        score = -fit.cost - PHASE_COST * len(rows)
        score -= sum(entries.oddity(row) for row in rows)
        score -= MISSING_COST * len(entries.named - {"H"} - held)
        return cls(fit, own_evidence(prepared, fit, freedom.weight), float(score))

    @property
    def holds(self) -> bool:
        """Whether every phase is there and speaks for itself."""
        return bool(self.fit.scales.min() > 0 and self.evidence.min() >= LEAST_EVIDENCE)


def searching_freedom(prepared: Prepared) -> Freedom:
    """Weights with a model error, and a background that may be corrected by broad hats."""
    variance = prepared.sigma**2 + (MODEL_ERROR * np.maximum(prepared.net, 0.0)) ** 2
    return Freedom(
        1 / (variance * points_together(prepared)),
        hats(prepared),
        BACKGROUND_NOISES * float(np.median(prepared.sigma)),
    )


def points_together(prepared: Prepared) -> float:
    """Neighbouring points that a model error moves together: those of a peak's width."""
    return max(prepared.fwhm_deg / prepared.step_deg, 1.0)


def hats(prepared: Prepared) -> _FLOAT:
    """Piecewise linear functions that add up to one. Shape (q, n)."""
    x = prepared.two_theta_deg
    spacing = max(KNOT_WIDTHS * prepared.fwhm_deg, LEAST_KNOT_DEG)
    knots = np.linspace(x[0], x[-1], int((x[-1] - x[0]) / spacing) + 2)
    return np.asarray(np.maximum(1 - np.abs(x - knots[:, None]) / (knots[1] - knots[0]), 0.0))


def own_evidence(prepared: Prepared, fit: JointFit, weight: _FLOAT) -> _FLOAT:
    """By how much each phase lowers the misfit of sharp features that the others leave over.

    Half the weighted sum of squares without the phase less that with it, both of curves freed of
    what varies slowly: a crystal of so many lines that they make a hump, or one whose few lines
    all lie under another phase's, has next to none. Shape (p,).
    """
    smooth = SHARP_WIDTHS * prepared.fwhm_deg / prepared.step_deg

    def sharp(curves: _FLOAT) -> _FLOAT:
        return np.asarray(curves - gaussian_filter1d(curves, smooth, axis=-1))

    own = sharp(fit.scales[:, None] * fit.profiles)
    left = sharp(prepared.net - fit.calculated) + own
    return np.asarray((weight * own * (left - 0.5 * own)).sum(axis=1))


def root_profile(curve: _FLOAT) -> _FLOAT:
    """Square root of a curve, of unit norm. Shape (n,)."""
    root = np.sqrt(np.maximum(curve, 0.0))
    return np.asarray(root / (float(np.linalg.norm(root)) or 1.0))


def without_doubles(ranked: Sequence[Hypothesis], alike: float) -> list[Hypothesis]:
    """Best first, without those that another calculates the same curve of by as many phases.

    Args:
        ranked: best first.
        alike: cosine of two square-root curves from which they count as one.
    """
    kept: list[tuple[Hypothesis, _FLOAT]] = []
    for one in ranked:
        curve = root_profile(one.fit.scales @ one.fit.profiles)
        if not any(
            len(one.rows) == len(other.rows) and float(curve @ seen) > alike for other, seen in kept
        ):
            kept.append((one, curve))
    return [one for one, _ in kept]
