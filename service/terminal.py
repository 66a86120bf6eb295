"""The two streams: the answer on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PATIENCE_S = 1.0
"""Work that takes longer shows a progress bar."""

PLAIN_WIDTH = 120
"""Columns of a table that is written to a file or a pipe."""


def say(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the command line


def complain(text: str) -> None:
    """One line on stderr that names the program, whatever the message holds."""
    say(f"braggle: {' '.join(text.split())}")


def show(renderable: RenderableType) -> None:
    """Text or a table of rich on stdout."""
    _console(stderr=False).print(renderable, highlight=False)


def emit(document: Any) -> None:  # noqa: ANN401 - any JSON document
    """One JSON document on stdout; numbers that JSON cannot hold become null."""
    text = json.dumps(finite(document), ensure_ascii=False, indent=2, allow_nan=False)
    sys.stdout.write(f"{text}\n")


def emit_line(document: Any) -> None:  # noqa: ANN401 - any JSON document
    """One JSON document as one line on stdout, handed on at once."""
    text = json.dumps(finite(document), ensure_ascii=False, allow_nan=False)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def finite(value: Any) -> Any:  # noqa: ANN401 - any JSON document
    """The document with null in place of numbers that JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, markup=False)


class ReportProgress(Protocol):
    """Takes the number done, the total (None when not known), the stage and how it goes."""

    def __call__(self, done: int, total: int | None, stage: str, detail: str = "") -> None:
        """Move the bar of the stage."""


@contextmanager
def progress_bar() -> Iterator[ReportProgress]:
    """A bar on stderr for work of several stages, shown once it has taken over a second.

    Yields:
        What to call with how far each stage is.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}"),
        console=_console(stderr=True),
        redirect_stdout=sys.stdout.isatty(),  # a bar on a terminal must not swallow a pipe
    )
    tasks: dict[str, Any] = {}
    start = threading.Timer(PATIENCE_S, bar.start)
    start.daemon = True

    def report(done: int, total: int | None, stage: str, detail: str = "") -> None:
        if not tasks:
            start.start()
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=total, detail=detail)
        bar.update(tasks[stage], completed=done, total=total, detail=detail)

    try:
        yield report
    finally:
        start.cancel()
        if tasks:
            start.join()
        if bar.live.is_started:
            bar.stop()
