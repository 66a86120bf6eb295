"""What tokens of sheets are made of, and what sheets of a pack are for; numpy only."""

from __future__ import annotations

import numpy as np

CELL_TOKENS = ("a", "b", "γ", "thickness", "d(10)", "d(01)", "d(1-1)")
STRAINED = (True, True, False, False, True, True, True)
"""Which of them grow when the net does."""
MOST_SITES = 64
"""Of a sheet; what is beyond, in the order of tokens from the last, is not read."""
MOST_RODS = 32
"""Of a sheet, those of the largest peaks; those at one distance are one."""
MOST_PEAKS = 40
"""Of a pattern, the largest."""
REFLECTIONS = (
    (1, 0), (0, 1), (1, -1), (1, 1), (2, -1), (1, -2),
    (2, 0), (0, 2), (2, -2), (2, 1), (1, 2), (3, -1),
)  # fmt: skip
"""Whose phases say where in the plane a site is."""
PERIODS = 6.0 * (0.004 / 6.0) ** (np.arange(20) / 19)
"""Of the waves that say a logarithm of a length, or of Q, in training and in use."""
HEIGHTS_ANGSTROM = np.array([2.5, 5.0, 10.0, 20.0, 40.0])
"""Periods of those that say how high over the middle a site is."""
SAME_NET = 1e-3
"""Relative difference of lengths that are taken for the same when a net's axes are chosen."""
Q_RANGE = (0.35, 6.2)
"""In 1/Å; peaks outside are not read."""
SITE_FEATURES = 2 * len(REFLECTIONS) + 2 * len(HEIGHTS_ANGSTROM) + 2
TRAINED, AT_RANDOM, BY_COMPOSITION = 0, 1, 2
"""Trained on, held out at random, held out with all of its composition."""
