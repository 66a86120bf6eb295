"""Which of the fitted entries is the sample, and whether any of them is.

Which: a conditional logit (McFadden 1974). Among entries of the library of which one is the
sample, entry i is it with probability exp(u_i) / Σ_j exp(u_j), u linear in what the fit saw.
Entries are compared within a query, so that what makes a whole pattern hard (noise, texture, few
peaks) cancels. Whether: a logistic regression on the best entry's fit, its lead over the crowd,
and the number of measured peaks. The product of the two is the confidence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from data.preparation import Prepared
from search.profile_fit import ProfileFits

FEATURES = ("misfit", "unexplained", "lacking", "strain", "zero_shift")
PRESENCE_FEATURES = (*FEATURES, "lead", "peaks", "constant")

CROWD = 80
"""The lead of the best entry is taken over the one so many places behind: past its twins."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True)
class Ranker:
    """Coefficients of both questions.

    Attributes:
        weights: of `FEATURES`, in that order.
        presence: of `PRESENCE_FEATURES`, in that order.
    """

    weights: tuple[float, ...]
    presence: tuple[float, ...]

    @classmethod
    def shipped(cls) -> Ranker:
        """The coefficients that come with Braggle; `search/ranker.json` says how they were made."""
        content = json.loads((files("search") / "ranker.json").read_text())
        return cls(
            tuple(content["weights"][name] for name in FEATURES),
            tuple(content["presence"][name] for name in PRESENCE_FEATURES),
        )

    def score(self, fits: ProfileFits) -> _FLOAT:
        """Worth of each entry, comparable within one query only. Shape (n,)."""
        return np.asarray(features(fits) @ np.asarray(self.weights))

    def presence_probability(
        self, fits: ProfileFits, score: _FLOAT, crowd: _FLOAT, prepared: Prepared
    ) -> float:
        """Probability that the sample is among the entries at all.

        Args:
            fits: of the entries.
            score: of the entries. Shape (n,).
            crowd: scores of entries that were looked at whether or not filters let them pass.
            prepared: the query.
        """
        seen = presence_features(features(fits), score, crowd, len(prepared.peaks))
        return float(1 / (1 + np.exp(-seen @ np.asarray(self.presence))))


def features(fits: ProfileFits) -> _FLOAT:
    """What the choice looks at, each of order one. Shape (n, len(FEATURES))."""
    return np.column_stack(
        [
            # Angle between the profiles: differences near 1 count more than those near 0.
            np.arccos(np.clip(fits.correlation, 0.0, 1.0)),
            1.0 - fits.explained,
            fits.lacking,
            # Squares, as of errors with a normal distribution: in percent and in 0.1°.
            (100 * fits.strain) ** 2,
            (10 * fits.zero_shift_deg) ** 2,
        ]
    )


def presence_features(alternatives: _FLOAT, score: _FLOAT, crowd: _FLOAT, peaks: int) -> _FLOAT:
    """What tells whether the best of the alternatives is the sample.

    Args:
        alternatives: as of `features`. Shape (n, len(FEATURES)).
        score: of each. Shape (n,).
        crowd: scores of entries of any kind. Shape (m,).
        peaks: measured peaks.

    Returns:
        Shape (len(PRESENCE_FEATURES),).
    """
    best = int(np.argmax(score))
    behind = np.sort(crowd)[::-1][min(CROWD, len(crowd) - 1)]
    return np.array([*alternatives[best], score[best] - behind, np.log1p(peaks), 1.0])


def shares(score: _FLOAT) -> _FLOAT:
    """Probability of each entry, given that one of them is the sample. Shape (n,)."""
    worth = np.exp(score - score.max())
    return np.asarray(worth / worth.sum())
