"""Work that several processes do, in order, never much of it at a time.

Processes are spawned, because Lance does not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import numba

from data.errors import LibraryError

MOST = 16
AHEAD = 3
"""Pieces that wait for each process."""

Given = TypeVar("Given")
Made = TypeVar("Made")


def worked_out(
    work: Callable[[Given], Made], pieces: Iterable[Given], workers: int
) -> Generator[Made]:
    """What a function makes of each piece, in order.

    Args:
        work: of a module; arguments and results travel between processes.
        pieces: consumed as workers need them.
        workers: processes; 1 works in this one.

    Raises:
        LibraryError: the worker processes died.
    """
    if workers == 1:
        yield from map(work, pieces)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        yield from in_order(pool, work, pieces, AHEAD * workers)
    except BrokenProcessPool:
        raise LibraryError(
            "the processes that work out crystals have died; free some memory or use workers=1 "
            "(in a script, call from under `if __name__ == '__main__':`)"
        ) from None


def in_order(
    pool: Executor, work: Callable[[Given], Made], pieces: Iterable[Given], ahead: int
) -> Generator[Made]:
    """What a function makes of each piece in a pool, which is shut down at the end.

    Args:
        pool: of processes or threads.
        work: for the pool.
        pieces: consumed as they are begun.
        ahead: pieces that are begun before they are asked for.
    """
    waiting: deque[Future[Made]] = deque()
    try:
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def one_a_core() -> int:
    """How many processes are worth while here."""
    return min(cores(), MOST)


def follow_parent() -> None:
    """Leave an interrupt to the parent process, and end with it even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _begin() -> None:
    """One of several processes, each of which is to use one core."""
    numba.set_num_threads(1)
    follow_parent()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
