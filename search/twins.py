"""Entries that one powder pattern cannot tell apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.lines import LinesTable
from data.preparation import Prepared
from search.profile_fit import ProfileFits, draw_profile

SAME_PROFILE = 0.985
"""Cosine of two square-root profiles, each as fitted, above which they count as one."""


def group_twins(
    prepared: Prepared, lines: LinesTable, fits: ProfileFits
) -> list[NDArray[np.int64]]:
    """Join entries whose fitted profiles agree on this pattern's range and width.

    Args:
        prepared: the query.
        lines: of n entries, best first.
        fits: of the same.

    Returns:
        Groups of row numbers, each led by its best, in order of their leaders.
    """
    roots = np.empty((len(fits), len(prepared.net)), dtype=np.float32)
    for row in range(len(fits)):
        own = lines[row]
        drawn = draw_profile(
            prepared,
            own.inv_d2,
            own.strength,
            strain=fits.strain[row],
            zero_shift_deg=fits.zero_shift_deg[row],
        )
        roots[row] = np.sqrt(drawn / (drawn.sum() or 1.0))
    likeness = roots @ roots.T
    free = np.ones(len(fits), dtype=bool)
    groups = []
    for leader in range(len(fits)):
        if free[leader]:
            members = np.flatnonzero(free & (likeness[leader] > SAME_PROFILE))
            members = np.union1d([leader], members).astype(np.int64)
            free[members] = False
            groups.append(members)
    return groups
