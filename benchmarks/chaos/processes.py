"""The harness's ends of its children: writers, which are killed, and readers, which are not.

They are forked off a server that has imported everything, and opened nothing, so that a writer
begins in a moment.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.chaos.model import Operation
from benchmarks.chaos.reader import Answers, read
from benchmarks.chaos.writer import BEGUN, BETWEEN, DONE, write

PATIENCE_S = 600.0
"""No step takes so long, on however busy a machine."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["benchmarks.chaos.warm"])


class Child:
    """A process, and a line to it."""

    def __init__(self, task: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401
        theirs: Connection
        self.messages, theirs = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=task, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.end()

    def kill(self) -> None:
        """SIGKILL; what it has said can still be heard."""
        self._process.kill()
        self._process.join()

    def end(self) -> None:
        """Kill it and hear it no more."""
        self.kill()
        self.messages.close()

    @property
    def has_ended(self) -> bool:
        """Whether it is no more."""
        return not self._process.is_alive()


@dataclass(frozen=True)
class Moment:
    """When a writer is killed.

    Attributes:
        after_s: so long after it began, or after the step began.
        step: None counts from the beginning.
        nth: the so-many-th time that the step begins.
    """

    after_s: float
    step: str | None = None
    nth: int = 1


@dataclass(frozen=True)
class Fate:
    """What became of an operation.

    Attributes:
        version: that it said was published; None where it was killed before it said so.
        steps: that it told of, in order, the last one being that in which it ended.
        seconds: until then.
    """

    version: int | None
    steps: tuple[str, ...]
    seconds: float


class WriterDiedError(Exception):
    """A writer ended by itself."""


class WriterProcess(Child):
    """One that changes a library."""

    def __init__(self, library: Path, files: Path, channels: Sequence[str]) -> None:
        super().__init__(write, library, files, tuple(channels))

    def do(self, what: Operation, kill_at: Moment | None = None) -> Fate:
        """Let it do something, and kill it meanwhile if a moment is given.

        Raises:
            WriterDiedError: it failed.
        """
        self.messages.send(what)
        while self._word(PATIENCE_S) != BEGUN:
            pass
        start = time.monotonic()
        deadline = start + PATIENCE_S
        if kill_at and kill_at.step is None:
            deadline = start + kill_at.after_s
        steps = [BETWEEN]
        while word := self._word(deadline - time.monotonic()):
            if word.startswith(DONE):
                return Fate(int(word.split()[1]), tuple(steps), time.monotonic() - start)
            steps.append(word)
            if kill_at and word == kill_at.step and steps.count(word) == kill_at.nth:
                deadline = time.monotonic() + kill_at.after_s
        seconds = time.monotonic() - start
        self.kill()
        version = None
        for word in self._last_words():
            if word.startswith(DONE):
                version = int(word.split()[1])
            else:
                steps.append(word)
        return Fate(version, tuple(steps), seconds)

    def _word(self, timeout_s: float) -> str | None:
        if not self.messages.poll(max(0.0, timeout_s)):
            return None
        try:
            return self.messages.recv_bytes().decode()
        except (EOFError, ConnectionResetError):
            raise WriterDiedError("the writer ended by itself; stderr says why") from None

    def _last_words(self) -> Iterator[str]:
        try:
            while word := self._word(0.0):
                yield word
        except WriterDiedError:
            return


class ReaderProcess(Child):
    """One that reads a library, as long as it is left alone."""

    def __init__(self, library: Path, atlas: Path, seed: str) -> None:
        super().__init__(read, library, atlas, seed)

    def answers(self) -> list[Answers]:
        """What it found since it was asked last; it is waited for until there is something.

        Raises:
            TimeoutError: it says nothing.
            EOFError: it has ended.
        """
        if not self.messages.poll(PATIENCE_S):
            raise TimeoutError("it says nothing")
        found: list[Answers] = []
        while self.messages.poll(0):
            found.append(self.messages.recv())
        return found
