"""Which of the fitted entries is the sample, and whether any of them is.

Which, in two steps, each a conditional logit (McFadden 1974). Among entries of the library of
which one is the sample, entry i is it with probability exp(u_i) / Σ_j exp(u_j), u linear in what
the fit saw. Entries are compared within a query, so that what makes a whole pattern hard (noise,
texture, few peaks) cancels. The first step sees the quick fit of all; the second its verdict and,
of a few finalists, the fit with all that a powder may change. Whether: a logistic regression on
what the first entry leaves unexplained in that fit and what of it the pattern lacks, on how far
its cell is from the stored one, on the lead of its species over the others, and on the numbers of
measured peaks and of lengths and angles that the cell has. The product of the two is the
confidence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from search.cell_fit import CellFit
from search.free_cell import deformation
from search.mixture.cell import free_strains
from search.profile_fit import ProfileFits

FEATURES = ("misfit", "unexplained", "lacking", "strain", "distortion", "zero_shift")
FINAL_FEATURES = ("score", "misfit")
PRESENCE_FEATURES = (
    "unexplained",
    "lacking",
    "strain",
    "distortion",
    "lead",
    "peaks",
    "cell",
    "constant",
)

USUAL_STRAIN, USUAL_DISTORTION = 0.003, 0.002
"""Strains up to which one phase's cells commonly differ between samples."""

MISFIT_UNIT = 0.1
"""Radians by which finalists commonly differ."""

ENOUGH_LEAD = 15.0
"""A lead over other species that is longer says nothing more of whether the sample is there."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True)
class Ranker:
    """Coefficients of both questions.

    Attributes:
        weights: of `FEATURES`, in that order.
        final: of `FINAL_FEATURES`, in that order.
        presence: of `PRESENCE_FEATURES`, in that order.
        match: confidence in the first entry's species from which the answer is called a match.
    """

    weights: tuple[float, ...]
    final: tuple[float, ...]
    presence: tuple[float, ...]
    match: float

    @classmethod
    def shipped(cls) -> Ranker:
        """The coefficients that come with Braggle; `search/ranker.json` says how they were made."""
        content = json.loads((files("search") / "ranker.json").read_text())
        return cls(
            tuple(content["weights"][name] for name in FEATURES),
            tuple(content["final"][name] for name in FINAL_FEATURES),
            tuple(content["presence"][name] for name in PRESENCE_FEATURES),
            content["match"],
        )

    def score(self, fits: ProfileFits, distortion: _FLOAT) -> _FLOAT:
        """Worth of each entry, comparable within one query only. Shape (n,)."""
        return np.asarray(features(fits, distortion) @ np.asarray(self.weights))

    def final_score(self, score: _FLOAT, fits: Sequence[CellFit]) -> _FLOAT:
        """Worth of each entry once the finalists are fitted with all freedom. Shape (n,).

        Args:
            score: of the first step, best first. Shape (n,).
            fits: of the finalists, in the same order.
        """
        return np.asarray(final_features(score, fits) @ np.asarray(self.final))

    def presence_probability(self, seen: _FLOAT) -> float:
        """Probability that the sample is among the entries at all, from `presence_features`."""
        return float(1 / (1 + np.exp(-seen @ np.asarray(self.presence))))


def features(fits: ProfileFits, distortion: _FLOAT) -> _FLOAT:
    """What the choice looks at, each of order one. Shape (n, len(FEATURES)).

    Strains enter by a logarithm, as of errors with long tails (Student's t): most samples' cells
    agree to tenths of a percent, and those of solid solutions differ by much more.

    Args:
        fits: of n entries.
        distortion: of their cells; see `search.free_cell.deformation`. Shape (n,).
    """
    return np.column_stack(
        [
            # Angle between the profiles: differences near 1 count more than those near 0.
            np.arccos(np.clip(fits.correlation, 0.0, 1.0)),
            1.0 - fits.explained,
            fits.lacking,
            np.log1p((fits.strain / USUAL_STRAIN) ** 2),
            np.log1p((distortion / USUAL_DISTORTION) ** 2),
            (10 * fits.zero_shift_deg) ** 2,
        ]
    )


def final_features(score: _FLOAT, fits: Sequence[CellFit]) -> _FLOAT:
    """What the second step looks at. Entries behind the finalists fit no better than the worst.

    Args:
        score: of the first step, best first. Shape (n,).
        fits: of the finalists, in the same order.

    Returns:
        Shape (n, len(FINAL_FEATURES)).
    """
    misfit = np.array([fit.misfit for fit in fits]) / MISFIT_UNIT
    behind = np.full(len(score) - len(fits), misfit.max(initial=0.0))
    return np.column_stack([score, np.concatenate([misfit, behind])])


def presence_features(
    best: CellFit,
    stored: _FLOAT,
    group: int,
    score: _FLOAT,
    kin: NDArray[np.bool_],
    peaks: int,
) -> _FLOAT:
    """What tells whether the first entry is the sample.

    Args:
        best: its last fit.
        stored: its lattice in the library, rows a, b, c in Å. Shape (3, 3).
        group: number of its space group. A cubic cell, one length, fits by chance sooner than one
            of six lengths and angles.
        score: of all entries after the last fits. Shape (n,).
        kin: which of them are of the first one's species. Shape (n,).
        peaks: measured peaks.

    Returns:
        Shape (len(PRESENCE_FEATURES),).
    """
    (strain,), (distortion,) = deformation(stored[None], best.lattice[None])
    others = score[~kin]
    lead = float(score[kin].max() - others.max()) if len(others) else ENOUGH_LEAD
    return np.array(
        [
            best.unexplained,
            np.sqrt(best.lacking),
            np.log1p((strain / USUAL_STRAIN) ** 2),
            np.log1p((distortion / USUAL_DISTORTION) ** 2),
            min(lead, ENOUGH_LEAD),
            np.log1p(peaks),
            np.log(len(free_strains(stored, group))),
            1.0,
        ]
    )


def shares(score: _FLOAT) -> _FLOAT:
    """Probability of each entry, given that one of them is the sample. Shape (n,)."""
    worth = np.exp(score - score.max())
    return np.asarray(worth / worth.sum())
