"""What trainings told of themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from data.errors import BraggleError
from indexer.encoders.console import Report

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
