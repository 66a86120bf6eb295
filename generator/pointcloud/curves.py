"""How a training of point clouds went: a drawing of loss, errors and elements against step."""

from __future__ import annotations

from collections.abc import Sequence

from generator.network.curves import curves_page
from generator.pointcloud.training import CloudProgress

LABEL = "Loss, error of cells and right elements of held-out crystals against step"
ERRORS = (("k2", "lengths_percent", "{:.1f} lengths"),)
RIGHT = (("k1", "element_right", "{:.0f} elements"),)


def curves_svg(log: Sequence[CloudProgress]) -> str:
    """A page of three panels.

    Args:
        log: by rising step, one report at least.
    """
    return curves_page(
        LABEL,
        log,
        ("Error of lengths in % on held-out crystals, half noised", ERRORS),
        ("Points of the right element, in %", RIGHT),
    )
