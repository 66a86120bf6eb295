"""How far hypotheses are to be believed: which of them, and whether any.

The two questions of `search.ranking`, asked of sets of phases. Which: hypothesis i of a query is
the right one with probability exp(u_i) / Σ_j exp(u_j), u linear in its score and its number of
phases. Whether: a logistic regression on what the best one leaves open. The product of the two is
the confidence. `search.mixture.calibration` makes the coefficients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from data.preparation import Prepared
from search.mixture.final import Weighed
from search.mixture.hypothesis import LEAST_EVIDENCE, Hypothesis, points_together
from search.ranking import shares

WHICH = ("score", "phases")
WHETHER = ("share", "unexplained", "misfit", "weakest", "phases", "constant")

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True)
class Belief:
    """Coefficients of both questions.

    Attributes:
        which: of `WHICH`, in that order.
        whether: of `WHETHER`, in that order.
    """

    which: tuple[float, ...]
    whether: tuple[float, ...]

    @classmethod
    def shipped(cls) -> Belief:
        """Those that come with Braggle; `search/mixture/belief.json` says how they were made."""
        content = json.loads((files("search.mixture") / "belief.json").read_text())
        return cls(
            tuple(content["which"][name] for name in WHICH),
            tuple(content["whether"][name] for name in WHETHER),
        )

    def confidences(self, which: _FLOAT, open_: _FLOAT) -> _FLOAT:
        """Probability that each hypothesis is right, up to ties and traces. Shape (h,).

        Args:
            which: features of the hypotheses of one query. Shape (h, len(WHICH)).
            open_: what each leaves open. Shape (h, len(WHETHER) - 1), the share being missing.
        """
        if len(which) == 0:
            return np.zeros(0)
        share = shares(self.worth(which))
        seen = whether_features(share, open_)
        return np.asarray(share / (1 + np.exp(-seen @ np.asarray(self.whether))))

    def worth(self, which: _FLOAT) -> _FLOAT:
        """What orders hypotheses of one query. Shape (h,)."""
        return np.asarray(which @ np.asarray(self.which))


def which_features(hypotheses: Sequence[Hypothesis]) -> _FLOAT:
    """What the choice among hypotheses looks at. Shape (h, len(WHICH))."""
    rows = [(one.score / 10, len(one.rows)) for one in hypotheses]
    return np.array(rows, dtype=np.float64).reshape(-1, len(WHICH))


def open_features(
    prepared: Prepared, hypotheses: Sequence[Hypothesis], weighed: Sequence[Weighed]
) -> _FLOAT:
    """What hypotheses leave open. Shape (h, len(WHETHER) - 1).

    The root of the unexplained share of the peaks' area, the logarithms of the mean square
    residual in units of its expected uncertainty and of the weakest phase's evidence, the number
    of phases, and a constant.
    """
    independent = len(prepared.net) / points_together(prepared)
    rows = [
        (
            np.sqrt(fit.unexplained_share),
            np.log(max(2 * one.fit.misfit / independent, 1e-3)),
            np.log(max(float(one.evidence.min()), 1.0) / LEAST_EVIDENCE),
            len(one.rows),
            1.0,
        )
        for one, fit in zip(hypotheses, weighed, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, len(WHETHER) - 1)


def whether_features(share: _FLOAT, open_: _FLOAT) -> _FLOAT:
    """Features of the likeliest hypothesis, its share among the others first. Shape (w,)."""
    best = int(np.argmax(share))
    return np.array([share[best], *open_[best]])
