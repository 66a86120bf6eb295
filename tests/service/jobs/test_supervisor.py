"""What the supervisor does with workers that are to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.jobs import supervisor as supervising
from service.jobs.store import JobStore, Limits
from service.jobs.supervisor import Supervisor
from service.settings import ServeSettings

MANY = Limits(1000, 1000)


class Worker:
    """A process that takes the next job while it is being ended."""

    pid = 17
    exitcode = None

    def __init__(self, store: JobStore) -> None:
        self.store, self.alive = store, True

    def is_alive(self) -> bool:
        return self.alive

    def join(self) -> None:
        pass


def test_a_job_that_the_ended_worker_had_just_taken_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = JobStore(tmp_path)
    late, next_one = (store.submit("search", "me", {}, limits=MANY)[0].id for _ in range(2))
    store.claim(Worker.pid)

    def end(worker: Worker) -> None:
        store.claim(worker.pid)
        worker.alive = False

    monkeypatch.setattr(supervising, "_end", end)
    supervisor = Supervisor(store, tmp_path, ServeSettings(job_timeout_s=1e-9))
    monkeypatch.setattr(supervisor, "_workers", [Worker(store)])
    monkeypatch.setattr(supervisor, "_started", lambda: Worker(store))
    supervisor._look()
    states = {one: job.state for one in (late, next_one) if (job := store.get(one))}
    assert states == {late: "failed", next_one: "queued"}
