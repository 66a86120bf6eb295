"""Several first stages made one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RANK_OFFSET = 10
"""How little the very first places count more than those after them."""


def fuse(orders: Sequence[NDArray[np.int64]], count: int) -> NDArray[np.int64]:
    """Rows by the sum of their reciprocal ranks. Shape (≤ count,).

    Scores of different kinds do not add up, and where one kind fails its scores spoil the sum;
    ranks do neither (Cormack, Clarke and Büttcher, SIGIR 2009).

    Args:
        orders: rows, best first, of each first stage; each row once.
        count: of rows to return.
    """
    if len(orders) == 1:
        return orders[0][:count]
    rows, place = np.unique(np.concatenate(orders), return_inverse=True)
    worth = np.concatenate([1 / (RANK_OFFSET + np.arange(len(order))) for order in orders])
    total = np.bincount(place, worth, len(rows))
    return rows[np.argsort(-total, kind="stable")[:count]]
