"""The library that is served: one version at a time, until the next is published."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from data.bundled import examples
from data.errors import LibraryError
from data.radiation import Radiation
from data.reading import read_pattern
from indexer.catalogue import Filters
from indexer.library import Library
from indexer.publishing import CURRENT
from indexer.workers import cores
from search.searcher import Searcher
from service.answer import without_path
from service.api.logs import log
from service.api.metrics import Metrics
from service.api.problems import ProblemError
from service.batch import fit_alone, threads_may_share

T = TypeVar("T")

AGAIN_S = 30.0
"""Until a version that could not be read is tried again."""
REMEMBERED = 10
"""Look-ups, about, from which it is told how long the next one takes."""


class Opened:
    """One version of the library with what answers from it. It stays whole while it is held."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.searcher = Searcher(library)

    @classmethod
    def at(cls, path: Path) -> Opened:
        """The version that is published now.

        Raises:
            LibraryError: there is none, or it is damaged.
        """
        return cls(Library.open(path))

    def warm(self) -> None:
        """Read what the first look-up would otherwise wait for."""
        self.searcher.warm()

    def warm_filters(self) -> None:
        """Read what the first question with filters would otherwise wait for."""
        self.library.select(Filters())

    def rehearse(self) -> None:
        """Look a pattern that ships up: the first look-up of an installation compiles for minutes.

        Raises:
            BraggleError: the library cannot be searched.
        """
        example = next(iter(examples().values()))
        pattern = read_pattern(example.path, radiation=Radiation.parse(example.radiation))
        self.searcher.lookup(pattern, top=1, overlays=1)

    @cached_property
    def info(self) -> dict[str, Any]:
        """The library at a glance, as `braggle library info --json` says it."""
        facts: dict[str, Any] = self.without_paths(asdict(self.library.info()))
        return facts

    def without_paths(self, document: Any) -> Any:  # noqa: ANN401 - any JSON document
        """A document in which the library is called by its name: its place is nobody's business."""
        return without_path(document, self.library.path)


class Served:
    """Holds the version that new requests get, and looks for the next."""

    def __init__(self, path: Path, metrics: Metrics) -> None:
        """Nothing is read before `start`."""
        self.path = path
        self.current: Opened | None = None
        self.is_warm = False
        self._metrics = metrics
        self._seen: tuple[int, ...] = ()
        self._again_at = float("inf")

    def start(self) -> None:
        """Open what is published.

        Raises:
            LibraryError: there is nothing, or it is damaged.
        """
        self._seen = self._stamp()
        self._take(Opened.at(self.path))

    def warm(self, searches: Searches) -> None:
        """Read ahead; a library that cannot be read so far says why when it is searched."""
        try:
            if self.current is not None:
                self.current.warm()
                searches.now(self.current.rehearse)
        except Exception:  # noqa: BLE001 - whatever it is, it must not keep the service unready
            log.exception("the library cannot be read ahead")
        self.is_warm = True

    async def follow(self, every_s: float) -> None:
        """Take up each version that is published from now on, until cancelled.

        A version that cannot be read is left out, and the one before goes on.
        """
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take up what was published since the last look, or could not be read then."""
        stamp = self._stamp()
        if stamp != self._seen or time.monotonic() >= self._again_at:
            self._seen = stamp
            self.reload()

    def reload(self) -> None:
        """Take up what is published now, once it is read; requests that run keep theirs."""
        self._again_at = float("inf")
        try:
            opened = Opened.at(self.path)
            opened.warm()
        except Exception:  # noqa: BLE001 - whatever is wrong with the new one, the old one serves
            self._again_at = time.monotonic() + AGAIN_S
            self._metrics.library_reloads.labels("failed").inc()
            log.exception("the new version of the library cannot be read; the one before stays")
            return
        self._take(opened)
        self._metrics.library_reloads.labels("taken up").inc()
        log.info("library", extra={"data": {"version": opened.library.version}})
        try:
            opened.warm_filters()
        except Exception:  # noqa: BLE001 - whoever filters is told
            log.exception("the library cannot be read ahead")

    def _take(self, opened: Opened) -> None:
        self.current = opened
        self._metrics.library_version.set(opened.library.version)
        self._metrics.library_entries.set(len(opened.library))

    def _stamp(self) -> tuple[int, ...]:
        """Changes when something is published: `CURRENT` is replaced as a whole."""
        try:
            status = (self.path / CURRENT).stat()
        except OSError:
            return ()
        return (status.st_mtime_ns, status.st_ino, status.st_size)


def opened_of(opened: Opened | None) -> Opened:
    """What a request works on.

    Raises:
        LibraryError: nothing is open yet.
    """
    if opened is None:
        raise LibraryError("no library is open yet; try again soon")
    return opened


class Searches:
    """Look-ups in threads, a few at a time: their compiled code lets the event loop work."""

    def __init__(self, at_once: int, most_waiting: int, timeout_s: float, metrics: Metrics) -> None:
        """Start no thread yet.

        Args:
            at_once: look-ups at a time; 0 for one a core.
            most_waiting: beyond those that run; more are refused.
            timeout_s: how long a request waits for one, its turn included.
            metrics: what counts them.
        """
        count = at_once or cores()
        initializer = fit_alone if count > 1 else None
        self._pool = ThreadPoolExecutor(count, "search", initializer=initializer)
        self._at_once, self._most = count, count + most_waiting
        self._usual_s = 0.0
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._now = 0
        self._counting = threading.Lock()
        # numba's own thread layer, its last resort, must not be entered twice at a time.
        self._alone = threading.Lock()

    async def run(self, search: Callable[[], T]) -> T:
        """The result of a look-up.

        Raises:
            ProblemError: too many wait, its turn would come too late, or it takes too long. One
                that runs is not stopped, and keeps its place until it has ended.
        """
        turn_s = self._usual_s * (self._now - self._at_once + 1) / self._at_once
        if self._now >= self._most or turn_s > self._timeout_s:
            raise ProblemError(
                "busy",
                f"{self._now} look-ups run or wait; try again soon",
                retry_after_s=max(2.0, self._usual_s),
            )
        self._count(+1)
        future = self._pool.submit(self._one, search)
        future.add_done_callback(lambda _: self._count(-1))
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(_heard(future))
        except TimeoutError:
            future.cancel()  # where it has not begun
            raise ProblemError(
                "busy",
                f"the look-up did not end within {self._timeout_s:g} s; ask for less (fewer "
                "phases, more filters), or try again when the service has less to do",
                retry_after_s=self._timeout_s,
            ) from None

    def now(self, search: Callable[[], T]) -> T:
        """The result of a look-up that is not counted, from another thread than the event loop's.

        Raises:
            BraggleError: raised by the look-up.
        """
        return self._pool.submit(self._one, search).result()

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, search: Callable[[], T]) -> T:
        begun = time.monotonic()
        try:
            if threads_may_share():
                return search()
            with self._alone:
                return search()
        finally:
            took_s = time.monotonic() - begun
            with self._counting:
                self._usual_s += (took_s - self._usual_s) / REMEMBERED

    def _count(self, change: int) -> None:
        with self._counting:
            self._now += change
            self._metrics.searches.set(self._now)


def _heard(future: Future[T]) -> asyncio.Future[T]:
    """A future to wait for, whose error is nobody's loss when nobody waits any more."""
    wrapped = asyncio.wrap_future(future)
    wrapped.add_done_callback(lambda one: one.cancelled() or one.exception())
    return wrapped
