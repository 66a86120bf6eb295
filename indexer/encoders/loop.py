"""The loop of every training: steps, reports, checkpoints that a later run goes on from."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor, nn

from data.errors import BraggleError

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
"""What a training leaves in its folder."""

Progress_co = TypeVar("Progress_co", bound="Told", covariant=True)


@dataclass(frozen=True)
class Wishes:
    """What may be said of a recipe; None leaves it to the checkpoint, or to the defaults."""

    steps: int | None = None
    batch: int | None = None
    rate: float | None = None
    seed: int | None = None

    def said(self) -> dict[str, Any]:
        """Those that are not None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Told(Protocol):
    """A dataclass of figures."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class Pace(Protocol):
    """The part of a recipe that the loop goes by."""

    @property
    def steps(self) -> int:
        """Of the optimiser."""
        ...

    @property
    def batch(self) -> int:
        """Crystals in a step."""
        ...

    @property
    def rate(self) -> float:
        """Highest learning rate."""
        ...

    @property
    def warmup(self) -> int:
        """Steps in which the rate rises."""
        ...

    @property
    def validate_every(self) -> int:
        """In steps."""
        ...

    @property
    def save_every(self) -> int:
        """In steps."""
        ...


class Trainable(Protocol[Progress_co]):
    """A model, its optimiser and where they stand."""

    step: int

    def advance(self) -> float:
        """One step; the loss."""
        ...

    def progress(self, loss: float, crystals_per_second: float, *, validates: bool) -> Progress_co:
        """What there is to tell, held-out crystals looked at where that is asked for."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs."""
        ...


def rate_at(step: int, pace: Pace) -> float:
    """Learning rate of a step: a rise, then a cosine down to nothing."""
    if step < pace.warmup:
        return pace.rate * (step + 1) / pace.warmup
    passed = (step - pace.warmup) / max(pace.steps - pace.warmup, 1)
    return pace.rate * (0.5 + 0.5 * math.cos(math.pi * min(passed, 1.0)))


@torch.no_grad()
def follow(averaged: nn.Module, own: nn.Module, *, step: int, memory: float) -> None:
    """Take the weights of a step into their exponential mean, whose memory grows at first."""
    memory = min(memory, step / (step + 10))
    for mean, value in zip(averaged.parameters(), own.parameters(), strict=True):
        mean.lerp_(value, 1 - memory)


def parts(rows: Tensor, size: int) -> Iterator[Tensor]:
    """So many rows at a time."""
    return (rows[at : at + size] for at in range(0, len(rows), size))


def train_to_end(
    training: Trainable[Progress_co],
    pace: Pace,
    folder: Path,
    *,
    report: Callable[[Progress_co], None] | None = None,
    tick: Callable[[int, float], None] | None = None,
) -> None:
    """Go on until the last step; the folder gets a checkpoint and a log, a line a report.

    Args:
        training: at any step.
        pace: how many steps, and how often to report.
        folder: that is there.
        report: called after each report's step.
        tick: called after every step, with its number and loss.

    Raises:
        BraggleError: the loss is not a number any more.
    """
    since, at = time.monotonic(), training.step
    while training.step < pace.steps:
        loss = training.advance()
        if not math.isfinite(loss):
            raise BraggleError(
                f"{folder}: the loss of step {training.step} is {loss}; train anew with a rate "
                f"below {pace.rate:g}"
            )
        if tick is not None:
            tick(training.step, loss)
        last = training.step == pace.steps
        validates = last or training.step % pace.validate_every == 0
        if not (validates or training.step % pace.save_every == 0):
            continue
        rate = (training.step - at) * pace.batch / max(time.monotonic() - since, 1e-9)
        progress = training.progress(loss, rate, validates=validates)
        with (folder / LOG).open("a") as lines:
            lines.write(json.dumps(asdict(progress)) + "\n")
        _save(training.state(), folder / CHECKPOINT)
        since, at = time.monotonic(), training.step
        if report is not None:
            report(progress)


def read_state(checkpoint: Path, location: str) -> dict[str, Any]:
    """The state that a checkpoint holds, on a device.

    Raises:
        BraggleError: it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(checkpoint, map_location=location, weights_only=True)
    except (OSError, EOFError, LookupError, RuntimeError, ValueError, UnpicklingError):
        raise BraggleError(
            f"{checkpoint}: is not a checkpoint, or not whole; train anew in another folder"
        ) from None
    return state


def _save(state: dict[str, Any], path: Path) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
