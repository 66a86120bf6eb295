"""Conditional logit (McFadden 1974): which of several alternatives is right, compared within a set.

Alternative i of a set is the right one with probability exp(u_i) / Σ_j exp(u_j), u linear in its
features. Several may be right; then any of them will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

RIDGE = 1e-3

_FLOAT = NDArray[np.float64]


def likeliest_weights(
    sets: Sequence[tuple[_FLOAT, NDArray[np.bool_]]],
    *,
    prior: _FLOAT | None = None,
    ridge: float = RIDGE,
) -> _FLOAT:
    """Weights of the features by maximum likelihood with a ridge. Shape (f,).

    Args:
        sets: features of the alternatives, shape (n, f), and which are right, shape (n,); sets of
            which none is right say nothing.
        prior: weights that the ridge draws to, nothing when left out. Shape (f,).
        ridge: how strongly.
    """
    choices = _Choices.of([(seen, right) for seen, right in sets if right.any()])
    start = np.zeros(choices.design.shape[1]) if prior is None else np.asarray(prior)
    found = minimize(choices.loss, start, args=(start, ridge), jac=True, method="L-BFGS-B")
    return np.asarray(found.x)


@dataclass(frozen=True, eq=False)
class _Choices:
    """Sets of alternatives laid end to end.

    Attributes:
        design: features of all alternatives. Shape (m, f).
        right: the right ones. Shape (m,).
        starts: first alternative of each set. Shape (c,).
    """

    design: _FLOAT
    right: NDArray[np.bool_]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, sets: Sequence[tuple[_FLOAT, NDArray[np.bool_]]]) -> _Choices:
        lengths = [len(right) for _, right in sets]
        return cls(
            np.concatenate([seen for seen, _ in sets]),
            np.concatenate([right for _, right in sets]),
            np.concatenate([[0], np.cumsum(lengths[:-1])]).astype(np.int64),
        )

    def loss(self, weights: _FLOAT, prior: _FLOAT, ridge: float) -> tuple[float, _FLOAT]:
        """Negative mean log-likelihood with ridge, and its gradient."""
        worth = self.design @ weights
        lengths = np.diff(np.append(self.starts, len(worth)))
        highest = np.maximum.reduceat(worth, self.starts)
        share = np.exp(worth - np.repeat(highest, lengths))
        every = np.add.reduceat(share, self.starts)
        chosen = np.maximum(np.add.reduceat(share * self.right, self.starts), 1e-300)
        pull = share * (np.repeat(1 / every, lengths) - self.right * np.repeat(1 / chosen, lengths))
        loss = -float(np.log(chosen / every).mean()) + ridge * float(
            (weights - prior) @ (weights - prior)
        )
        return loss, self.design.T @ pull / len(self.starts) + 2 * ridge * (weights - prior)
