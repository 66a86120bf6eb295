"""The strongest lines of a crystal: all that a learned encoder reads of them."""

from __future__ import annotations

import numpy as np

from data.lines import Lines

LINES_KEPT = 192


def strongest_lines(lines: Lines, count: int) -> Lines:
    """The lines that stand highest at small angles, ascending in 1/d²."""
    if len(lines) <= count:
        return lines
    height = lines.strength / np.maximum(lines.inv_d2, 1e-9)
    kept = np.sort(np.argpartition(-height, count)[:count])
    return Lines(lines.inv_d2[kept], lines.strength[kept], lines.hkl[kept])
