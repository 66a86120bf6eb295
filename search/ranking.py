"""Which of the fitted entries is the sample: a choice among alternatives, one of them "none".

A conditional logit (McFadden 1974): the probability that entry i is the sample is
exp(u_i) / (exp(u_0) + Σ_j exp(u_j)), u linear in what the fit saw and u_0 the worth of "nothing in
the library". Alternatives are compared within a query, so that what makes a whole pattern hard
(noise, texture, few peaks) cancels.
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


@dataclass(frozen=True)
class Ranker:
    """Coefficients of the choice.

    Attributes:
        weights: of `FEATURES`, in that order.
        none: worth of "nothing in the library", constant.
        none_by_peaks: its change with the logarithm of the number of measured peaks.
    """

    weights: tuple[float, ...]
    none: float
    none_by_peaks: float

    @classmethod
    def shipped(cls) -> Ranker:
        """The coefficients that come with Braggle; `search/ranker.json` says how they were made."""
        content = json.loads((files("search") / "ranker.json").read_text())
        return cls(
            tuple(content["weights"][name] for name in FEATURES),
            content["none"],
            content["none_by_peaks"],
        )

    def score(self, fits: ProfileFits) -> NDArray[np.float64]:
        """Worth of each entry, comparable within one query only. Shape (n,)."""
        return features(fits) @ np.asarray(self.weights)

    def probabilities(
        self, score: NDArray[np.float64], prepared: Prepared
    ) -> NDArray[np.float64]:
        """Probability that each entry is the sample; they sum to less than one. Shape (n,)."""
        nothing = self.none + self.none_by_peaks * np.log1p(len(prepared.peaks))
        highest = max(float(score.max(initial=nothing)), nothing)
        worth = np.exp(score - highest)
        return np.asarray(worth / (worth.sum() + np.exp(nothing - highest)))


def features(fits: ProfileFits) -> NDArray[np.float64]:
    """What the choice looks at, each of order one. Shape (n, len(FEATURES))."""
    return np.column_stack(
        [
            # Angle between the profiles: differences near 1 count more than those near 0.
            np.arccos(np.clip(fits.correlation, 0.0, 1.0)),
            1.0 - fits.explained,
            fits.lacking,
            100 * np.abs(fits.strain),
            10 * np.abs(fits.zero_shift_deg),
        ]
    )
