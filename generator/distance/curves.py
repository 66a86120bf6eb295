"""How a training of distances went: a drawing of loss, errors and right guesses against step."""

from __future__ import annotations

from collections.abc import Sequence

from generator.distance.training import DistanceProgress
from indexer.encoders.curves import Curve, Panel, page_svg

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
    seen = [(one.step, one.held_out) for one in log if one.held_out is not None]

    def curve(colour: str, name: str, last: str, scale: float) -> Curve:
        return Curve(colour, [(step, scale * held[name]) for step, held in seen], last)

    loss = Curve("k1", [(one.step, one.loss) for one in log], "{:.3g}")
    errors = [curve(*one, scale=1.0) for one in ERRORS]
    right = [curve(*one, scale=100.0) for one in RIGHT]
    highest = max((value for one in errors for _, value in one.points), default=1.0)
    panels = (
        Panel("Loss", (loss,), max(value for _, value in loss.points)),
        Panel("Error of distances in Å on held-out crystals", errors, highest),
        Panel("First guesses that are right, in %", right, 100),
    )
    return page_svg(LABEL, panels, log[-1].step)
