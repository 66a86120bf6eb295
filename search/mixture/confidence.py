"""How far a hypothesis is to be believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.mixture.hypothesis import Hypothesis

TEMPERATURE = 12.0
"""Units of score that a factor e in probability is worth."""
TOLERATED_SHARE = 0.10
"""Share of the peaks' area that may stay unexplained before a hypothesis loses half its belief."""


def confidences(
    hypotheses: Sequence[Hypothesis], unexplained: Sequence[float]
) -> NDArray[np.float64]:
    """Belief in each hypothesis, ties and traces not told apart. Shape (h,).

    A softmax of the scores, less where much of the peaks' area is left over. Temperature and
    tolerance are set by hand, not calibrated: the figure orders hypotheses of one query.

    Args:
        hypotheses: of one query, different from one another.
        unexplained: share of the peaks' area that each leaves unexplained.
    """
    if not hypotheses:
        return np.zeros(0)
    score = np.array([one.score for one in hypotheses])
    worth = np.exp((score - score.max()) / TEMPERATURE)
    left = np.asarray(unexplained) / TOLERATED_SHARE
    return np.asarray(worth / worth.sum() / (1 + left**2))
