"""How a training of distances went: a drawing of loss, errors and right guesses against step."""

from __future__ import annotations

from collections.abc import Sequence

from generator.distance.training import DistanceProgress
from generator.network.curves import curves_page

LABEL = "Loss, error of distances and right guesses of held-out crystals against step"
ERRORS = (("k2", "rmse_angstrom", "{:.2f} mean"), ("k3", "likeliest_angstrom", "{:.2f} likeliest"))
RIGHT = (
    ("k2", "multiple_right", "{:.0f} units"),
    ("k3", "space_group_five", "{:.0f} group, of five"),
    ("k1", "space_group_right", "{:.0f} group"),
)


def curves_svg(log: Sequence[DistanceProgress]) -> str:
    """A page of three panels.

    Args:
        log: by rising step, one report at least.
    """
    return curves_page(
        LABEL,
        log,
        ("Error of distances in Å on held-out crystals", ERRORS),
        ("First guesses that are right, in %", RIGHT),
    )
