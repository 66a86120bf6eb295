"""Jobs: watched, waited for, fetched and cancelled."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar
from urllib.parse import quote

from service.client.answers import JobDocument, JobState
from service.client.connection import Connection, LostError, Tries
from service.client.errors import ServiceError
from service.client.events import events_of

T = TypeVar("T")

Progress = Callable[[int, int | None, str], object]
"""Called with how many are done, of how many (None when not known), and the stage."""


class Job(Generic[T]):
    """A job of the service. `T` is what its result is.

    Attributes:
        document: where it stood when it was last heard of.
    """

    def __init__(self, connection: Connection, document: JobDocument) -> None:
        self._connection = connection
        self.document = document

    def __repr__(self) -> str:
        return f"<Job {self.id}: {self.kind}, {self.state}>"

    @property
    def id(self) -> str:
        """Its name at the service."""
        return self.document["id"]

    @property
    def kind(self) -> str:
        """What is done: "search", "generate", "add" or "remove"."""
        return self.document["kind"]

    @property
    def state(self) -> JobState:
        """Where it stood when it was last heard of."""
        return self.document["state"]

    @property
    def _place(self) -> str:
        return f"/v1/jobs/{quote(self.id, safe='')}"

    def refresh(self) -> JobDocument:
        """Ask where it stands.

        Raises:
            ServiceError: there is no such job any more.
        """
        self.document = self._connection.send("GET", self._place).json()
        return self.document

    def events(self) -> Iterator[JobDocument]:
        """Where it stands, each time that changes, up to its end.

        A stream that is lost is taken up where it ended, over a restart of the service, too.

        Raises:
            ServiceError: the service cannot be reached again, or the job is there no more.
        """
        last_id = ""
        pause: float | None = None
        tries = Tries(self._connection.patience_s)
        while True:
            said = "the stream of events ended before the job"
            try:
                headers = {"Last-Event-ID": last_id} if last_id else {}
                with self._connection.lines(f"{self._place}/events", headers) as lines:
                    for event in events_of(lines):
                        tries = Tries(self._connection.patience_s)
                        last_id, pause = event.id or last_id, event.retry_s or pause
                        if event.kind == "comment":
                            continue
                        self.document = json.loads(event.data)
                        yield self.document
                        if event.kind == "end":
                            return
            except LostError as error:
                said, pause = str(error), error.pause_s or pause
            if (wait := tries.pause_s(pause)) is None:
                raise ServiceError(f"job {self.id}: {said}; ask for it again later")
            time.sleep(wait)

    def wait(self, *, progress: Progress | bool = False) -> T:
        """Wait for the end; the result.

        Args:
            progress: called each time something changes; True draws a bar on stderr.

        Raises:
            ServiceError: it failed or was cancelled, or the service cannot be reached.
        """
        with _told(progress) as tell:
            for document in self.events():
                now = document["progress"]
                tell(now["done"], now["total"], now["stage"] or document["state"])
        return self.result()

    def result(self) -> T:
        """What it ended with.

        Raises:
            ServiceError: it has not ended, has failed, or was cancelled.
        """
        if "problem" in self.document:
            raise ServiceError.of(self.document["problem"])
        found: T = self._connection.send("GET", f"{self._place}/result").json()
        return found

    def cancel(self) -> None:
        """Cancel it while it waits or runs; forget it where it has ended.

        Raises:
            ServiceError: there is no such job any more.
        """
        # A second time would forget the job that the first has cancelled.
        answer = self._connection.send("DELETE", self._place, repeatable=False)
        if answer.content:
            self.document = answer.json()


@contextmanager
def _told(progress: Progress | bool) -> Iterator[Progress]:  # noqa: FBT001 - as of `wait`
    if progress is True:
        from service.terminal import progress_bar

        with progress_bar() as bar:
            yield bar
    else:
        yield progress or (lambda _done, _total, _stage: None)
