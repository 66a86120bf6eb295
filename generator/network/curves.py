"""How a training of the generator's network went: the losses against step."""

from __future__ import annotations

from collections.abc import Sequence

from generator.network.held_out import HeldOutProgress
from generator.network.training import GeneratorProgress
from indexer.encoders.curves import Curve, Panel, page_svg

Named = tuple[str, str, str]
"""A curve: its colour, the name of a mean, and what the last value is called."""

LABEL = "Loss and what is right of held-out crystals against step"
DENOISING = (("k2", "score", "{:.2f} score"), ("k3", "cell", "{:.2f} cell"))
RIGHT = (
    ("k2", "verdict_right", "{:.0f} verdict"),
    ("k3", "multiple_right", "{:.0f} units"),
    ("k1", "space_group_right", "{:.0f} group"),
)


def curves_svg(log: Sequence[GeneratorProgress]) -> str:
    """A page of three panels: the loss, and on held-out crystals what denoising and guessing do.

    Args:
        log: by rising step, one report at least.
    """
    return curves_page(
        LABEL,
        log,
        ("What is left of the noise on held-out crystals", DENOISING),
        ("First guesses and verdicts that are right, in %", RIGHT),
    )


def curves_page(
    label: str,
    log: Sequence[HeldOutProgress],
    left: tuple[str, Sequence[Named]],
    right: tuple[str, Sequence[Named]],
) -> str:
    """A page of three panels: the loss, some means as they are, and shares in percent.

    Args:
        label: of the page.
        log: by rising step, one report at least.
        left: title of the second panel, and its curves.
        right: title of the third, and its curves.
    """
    seen = [(one.step, one.held_out) for one in log if one.held_out is not None]

    def curves(named: Sequence[Named], scale: float) -> list[Curve]:
        return [
            Curve(colour, [(step, scale * held[name]) for step, held in seen], last)
            for colour, name, last in named
        ]

    loss = Curve("k1", [(one.step, one.loss) for one in log], "{:.3g}")
    means = curves(left[1], 1.0)
    highest = max((value for one in means for _, value in one.points), default=1.0)
    panels = (
        Panel("Loss", (loss,), max(value for _, value in loss.points)),
        Panel(left[0], means, highest),
        Panel(right[0], curves(right[1], 100.0), 100),
    )
    return page_svg(label, panels, log[-1].step)
