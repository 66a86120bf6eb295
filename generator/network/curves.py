"""How a training went: its log, and a drawing of the losses against step."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from data.errors import BraggleError
from generator.network.training import GeneratorProgress
from indexer.encoders.curves import Curve, Panel, page_svg

LABEL = "Loss and what is right of held-out crystals against step"
DENOISING = (("k2", "score", "{:.2f} score"), ("k3", "cell", "{:.2f} cell"))
RIGHT = (
    ("k2", "verdict_right", "{:.0f} verdict"),
    ("k3", "multiple_right", "{:.0f} units"),
    ("k1", "space_group_right", "{:.0f} group"),
)


class Report(Protocol):
    """What a training tells of itself."""

    @property
    def step(self) -> int:
        """Done."""
        ...


ReportT = TypeVar("ReportT", bound=Report)


def read_log(path: Path, report: Callable[..., ReportT]) -> list[ReportT]:
    """What a training told of itself, by rising step.

    What was done twice counts once, and a line that a crash cut short not at all.

    Args:
        path: of the log.
        report: what a line is.

    Raises:
        BraggleError: there is no log, or nothing is in it.
    """
    by_step: dict[int, ReportT] = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
        with suppress(ValueError, TypeError):
            told = report(**json.loads(line))
            by_step[told.step] = told
    if not by_step:
        raise BraggleError(f"{path}: there is no log of the training, and nothing to draw")
    return [by_step[step] for step in sorted(by_step)]


def curves_svg(log: Sequence[GeneratorProgress]) -> str:
    """A page of three panels: the loss, and on held-out crystals what denoising and guessing do.

    Args:
        log: by rising step, one report at least.
    """
    seen = [(one.step, one.held_out) for one in log if one.held_out is not None]

    def curve(colour: str, name: str, last: str, scale: float) -> Curve:
        return Curve(colour, [(step, scale * held[name]) for step, held in seen], last)

    loss = Curve("k1", [(one.step, one.loss) for one in log], "{:.3g}")
    denoising = [curve(*one, scale=1.0) for one in DENOISING]
    right = [curve(*one, scale=100.0) for one in RIGHT]
    highest = max((value for one in denoising for _, value in one.points), default=1.0)
    panels = (
        Panel("Loss", (loss,), max(value for _, value in loss.points)),
        Panel("What is left of the noise on held-out crystals", denoising, highest),
        Panel("First guesses and verdicts that are right, in %", right, 100),
    )
    return page_svg(LABEL, panels, log[-1].step)
