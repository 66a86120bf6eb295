"""Processes that read what was uploaded. One may die or never end, and the service goes on."""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from data.errors import BraggleError
from indexer.workers import follow_parent
from service.api.metrics import Metrics
from service.api.problems import ProblemError

T = TypeVar("T")

READY = "ready"
START_S = 600.0
"""A new process imports numpy and others; on a busy machine that takes a while."""


_GONE = (EOFError, OSError, ValueError)
"""What a pipe or a process says that has ended or was closed."""


class Sandbox:
    """Calls functions in processes of their own, with a limit of time and of memory.

    The processes are spawned by `warm`, or when they are first needed, and used again; one that
    has died or was ended is replaced.
    """

    def __init__(self, processes: int, timeout_s: float, memory_mb: int, metrics: Metrics) -> None:
        """Start nothing yet.

        Args:
            processes: calls at a time; others wait for their turn.
            timeout_s: of a call, after which its process is ended.
            memory_mb: that a process may take beyond what it starts with.
            metrics: what counts those that end.
        """
        self._timeout_s, self._metrics = timeout_s, metrics
        self._children = [_Child(memory_mb) for _ in range(processes)]
        self._free: queue.LifoQueue[_Child] = queue.LifoQueue()  # one that runs already first
        for child in self._children:
            self._free.put(child)
        self._threads = ThreadPoolExecutor(processes, "sandbox")

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """What the function returns; it and its arguments must be picklable.

        Raises:
            BraggleError: raised by the function.
            ProblemError: the process died, or was ended because it took too long or too much.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._call, function, arguments)

    def warm(self) -> None:
        """Start the processes, so that no request waits for that."""
        for child in self._children:
            child.warm()

    def close(self) -> None:
        """End the processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self._children:
            child.end()

    def _call(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        child = self._free.get()
        try:
            kind, value = child.call(function, arguments, self._timeout_s)
        finally:
            self._free.put(child)
        if kind == "answer":
            result: T = value
            return result
        if kind == "refused":
            raise value
        self._metrics.parsers_ended.labels(kind).inc()
        raise ProblemError("parsing-stopped", _STOPPED[kind].format(limit=self._timeout_s))


_STOPPED = {
    "slow": "reading the content took more than {limit:g} s and was stopped; send less at a time, "
    "or another format",
    "died": "the process that read the content died of it; check the file, or export it again in "
    "another format",
    "memory": "reading the content needs too much memory and was stopped; send less at a time",
    "failed": "the content could not be read, for a reason that was not foreseen; check the file, "
    "or export it again in another format",
}


class _Child:
    """One process, started when it is called and not there."""

    def __init__(self, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._closed = False

    def warm(self) -> None:
        """Start the process, where it has not been."""
        try:
            self._started()
        except _GONE:  # whoever calls next tries again
            self.end(for_good=False)

    def call(
        self, function: Callable[..., Any], arguments: tuple[object, ...], timeout_s: float
    ) -> tuple[str, Any]:
        """What came of it, in a word of `_STOPPED`, "answer" or "refused", and with what."""
        try:
            pipe = self._started()
            pipe.send((function, arguments))
            if not pipe.poll(timeout_s):
                self.end(for_good=False)
                return "slow", None
            kind, value = pipe.recv()
        except _GONE:
            self.end(for_good=False)
            return "died", None
        if kind == "memory":  # what it holds may be in pieces
            self.end(for_good=False)
        return kind, value

    def end(self, *, for_good: bool = True) -> None:
        """End the process; it is started again when it is needed, unless for good."""
        with self._lock:
            self._closed = self._closed or for_good
            if self._process is not None:
                self._process.kill()
                self._process.join()
                self._process.close()
            if self._pipe is not None:
                self._pipe.close()
            self._process = self._pipe = None

    def _started(self) -> Connection:
        with self._starting:
            return self._ready()

    def _ready(self) -> Connection:
        with self._lock:
            process, pipe = self._process, self._pipe
        if process is not None and pipe is not None and process.is_alive():
            return pipe
        self.end(for_good=False)
        context = multiprocessing.get_context("spawn")
        with self._lock:
            if self._closed:
                raise EOFError
            pipe, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, self._memory_mb), daemon=True, name="reader"
            )
            process.start()
            theirs.close()
            self._process, self._pipe = process, pipe
        if not pipe.poll(START_S) or pipe.recv() != READY:
            raise EOFError
        return pipe


def _serve(pipe: Connection, memory_mb: int) -> None:
    """Answer calls until the pipe is closed. Runs in the process."""
    follow_parent()
    import service.api.parsing  # noqa: F401 - before the clock of the first call runs

    _limit_memory(memory_mb)
    pipe.send(READY)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(("answer", function(*arguments)))
        except BraggleError as error:
            pipe.send(("refused", error))
        except (MemoryError, RecursionError):
            pipe.send(("memory", None))
        except Exception:  # noqa: BLE001 - whatever a reader makes of hostile content
            pipe.send(("failed", None))


def _limit_memory(megabytes: int) -> None:
    """Let this process take so much more than it has; where the kernel counts that: on Linux."""
    if sys.platform != "linux":
        return
    import resource

    data_pages = int(Path("/proc/self/statm").read_text("ascii").split()[5])
    most = data_pages * resource.getpagesize() + megabytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
