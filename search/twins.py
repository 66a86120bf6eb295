"""Entries that one powder pattern cannot tell apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.lines import LinesTable
from data.preparation import Prepared
from search.profile_fit import draw_profile

SAME_PROFILE = 0.985
"""Cosine of two square-root profiles, each as fitted, above which they count as one."""


def group_twins(
    prepared: Prepared, lines: LinesTable, zero_shift_deg: NDArray[np.float64]
) -> list[NDArray[np.int64]]:
    """Join entries whose fitted profiles agree on this pattern's range and width.

    Args:
        prepared: the query.
        lines: of n entries, best first, in their fitted cells.
        zero_shift_deg: of the same. Shape (n,).

    Returns:
        Groups of row numbers, each led by its best, in order of their leaders.
    """
    roots = np.empty((len(lines), len(prepared.net)), dtype=np.float32)
    for row in range(len(lines)):
        own = lines[row]
        drawn = draw_profile(
            prepared,
            own.inv_d2,
            own.strength,
            strain=0.0,
            zero_shift_deg=zero_shift_deg[row],
        )
        roots[row] = np.sqrt(drawn / (drawn.sum() or 1.0))
    likeness = roots @ roots.T
    free = np.ones(len(lines), dtype=bool)
    groups = []
    for leader in range(len(lines)):
        if free[leader]:
            members = np.flatnonzero(free & (likeness[leader] > SAME_PROFILE))
            members = np.union1d([leader], members).astype(np.int64)
            free[members] = False
            groups.append(members)
    return groups
