"""Lines of proposed crystals, as far as the pattern goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.canonical import operations_of
from data.crystal import Crystal
from data.diffraction import lines_table
from data.lines import LinesTable
from generator.candidate import Task

FARTHER = 0.92
"""Lines are calculated to this part of the smallest d of the pattern, for cells that shrink."""
SMALLEST_D_ANGSTROM = 0.8
FLOOR = 1e-3
"""Weaker lines than this part of the strongest are left out."""


def lines_for(task: Task, crystals: Sequence[Crystal]) -> LinesTable:
    """Lines of crystals in the standard setting of their space groups."""
    farthest = float(task.prepared.q_inv_angstrom[-1])
    return lines_table(
        crystals,
        d_min_angstrom=max(FARTHER * 2 * np.pi / farthest, SMALLEST_D_ANGSTROM),
        floor=FLOOR,
        operations=[operations_of(one.space_group_number) for one in crystals],
    )
