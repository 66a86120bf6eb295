"""How often an answer is called a match, the truth being in the library and taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10
TRUE_SHARES = (0.8, 0.85, 0.9, 0.95)
"""Shares of the true matches kept at which the false ones are told."""

_FLOAT = NDArray[np.float64]
_BOOL = NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    """One query with its truth in the library, or withheld.

    Attributes:
        certainty: that the first entry's species is the sample's.
        matched: whether the answer was called a match.
        right: whether the first entry is of the truth's species; never where it is withheld.
        withheld: whether it is.
    """

    certainty: float
    matched: bool
    right: bool
    withheld: bool


def verdicts(asked: Sequence[Asked]) -> dict[str, Any]:
    """Shares of false and of true matches, the whole curve, and how honest certainties are.

    True matches are answers whose first entry is right, the truth being there; false ones are
    those called a match where it is withheld.
    """
    certainty = np.array([one.certainty for one in asked])
    matched = np.array([one.matched for one in asked], dtype=bool)
    right = np.array([one.right for one in asked], dtype=bool)
    withheld = np.array([one.withheld for one in asked], dtype=bool)
    if not right.any() or not withheld.any():
        return {}
    present = ~withheld
    return {
        "present": int(present.sum()),
        "right_first": int(right.sum()),
        "withheld": int(withheld.sum()),
        "true_called_match": _share(matched[right]),
        "present_called_match": _share(matched[present]),
        "wrong_first_called_match": int(matched[present & ~right].sum()),
        "withheld_called_match": _share(matched[withheld]),
        "withheld_called_match_at": {
            f"{share:.2f}": _share(certainty[withheld] >= np.quantile(certainty[right], 1 - share))
            for share in TRUE_SHARES
        },
        "area_under_curve": round(_area(certainty[right], certainty[withheld]), 4),
        "curve": _curve(certainty[right], certainty[withheld]),
        "reliability": reliability(certainty, right),
    }


def reliability(predicted: _FLOAT, right: _BOOL) -> dict[str, Any]:
    """Predicted against observed shares in ten even bins, Brier score and calibration error.

    The expected calibration error is the mean distance of both, weighted by the bins' counts
    (Naeini, Cooper and Hauskrecht, AAAI 2015).
    """
    place = np.minimum((predicted * BINS).astype(int), BINS - 1)
    bins, error = [], 0.0
    for one in range(BINS):
        inside = place == one
        count = int(inside.sum())
        row: dict[str, Any] = {"from": one / BINS, "to": (one + 1) / BINS, "queries": count}
        if count:
            said, seen = float(predicted[inside].mean()), float(right[inside].mean())
            row |= {"predicted": round(said, 4), "observed": round(seen, 4)}
            error += count / len(predicted) * abs(said - seen)
        bins.append(row)
    return {
        "bins": bins,
        "brier": round(float(((predicted - right) ** 2).mean()), 4),
        "expected_calibration_error": round(error, 4),
    }


def _curve(true: _FLOAT, false: _FLOAT) -> list[dict[str, float]]:
    """Shares called a match at every threshold that changes either, the strictest first."""
    steps = np.unique(np.concatenate([true, false]))[::-1]
    return [
        {
            "certainty": round(float(at), 4),
            "true": _share(true >= at),
            "false": _share(false >= at),
        }
        for at in steps
    ]


def _area(true: _FLOAT, false: _FLOAT) -> float:
    above = (true[:, None] > false).mean() + 0.5 * (true[:, None] == false).mean()
    return float(above)


def _share(which: _BOOL) -> float:
    return round(float(which.mean()), 4)
