"""How far hypotheses are to be believed: which of them, and whether any.

The two questions of `search.ranking`, asked of sets of phases. Which: hypothesis i of a query is
the right one with probability exp(u_i) / Σ_j exp(u_j), u linear in its score and its number of
phases; sets that leave most of the peaks unexplained are not among them where another does not.
Whether: a logistic regression on what the best one leaves open. The product of the two is the
confidence. `search.mixture.calibration` makes the coefficients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from search.mixture.final import Weighed
from search.mixture.hypothesis import Hypothesis
from search.ranking import shares

WHICH = ("score", "phases")
WHETHER = ("share", "unexplained", "constant")

MOST = 0.5
"""A set that leaves more of the peaks' area unexplained leaves most of it."""

UNEXPLAINED = WHETHER.index("unexplained") - 1
"""Column of what hypotheses leave open that holds the root of the unexplained share."""

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
        share = shares(self.worth(which, open_))
        seen = whether_features(share, open_)
        return np.asarray(share / (1 + np.exp(-seen @ np.asarray(self.whether))))

    def worth(self, which: _FLOAT, open_: _FLOAT) -> _FLOAT:
        """What orders hypotheses of one query; arguments as above. Shape (h,).

        Phases are sought with an error in proportion to the counts, so that a peak that is missed
        costs a score the same however strong it is. Where one hypothesis explains most of the
        peaks, those that do not are worth nothing (-inf).
        """
        worth = which @ np.asarray(self.which)
        explains = open_[:, UNEXPLAINED] ** 2 <= MOST
        return np.where(explains | ~explains.any(), worth, -np.inf)


def which_features(hypotheses: Sequence[Hypothesis]) -> _FLOAT:
    """What the choice among hypotheses looks at. Shape (h, len(WHICH))."""
    rows = [(one.score / 10, len(one.rows)) for one in hypotheses]
    return np.array(rows, dtype=np.float64).reshape(-1, len(WHICH))


def open_features(weighed: Sequence[Weighed]) -> _FLOAT:
    """What hypotheses leave open. Shape (h, len(WHETHER) - 1).

    The root of the unexplained share of the peaks' area, and a constant.
    """
    rows = [(np.sqrt(fit.unexplained_share), 1.0) for fit in weighed]
    return np.array(rows, dtype=np.float64).reshape(-1, len(WHETHER) - 1)


def whether_features(share: _FLOAT, open_: _FLOAT) -> _FLOAT:
    """Features of the likeliest hypothesis, its share among the others first. Shape (w,)."""
    best = int(np.argmax(share))
    return np.array([share[best], *open_[best]])
