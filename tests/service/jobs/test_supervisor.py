"""What the supervisor does with workers that are to end."""

from __future__ import annotations

import os
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


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell")
def test_a_job_that_takes_too_much_memory_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = JobStore(tmp_path)
    job = store.submit("search", "me", {}, limits=MANY)[0].id
    worker = Worker(store)
    monkeypatch.setattr(worker, "pid", os.getpid(), raising=False)
    store.claim(worker.pid)
    monkeypatch.setattr(supervising, "_end", lambda one: setattr(one, "alive", False))
    for limit in (1e6, 1.0):
        before = store.get(job)
        supervisor = Supervisor(store, tmp_path, ServeSettings(job_memory_mb=limit))
        monkeypatch.setattr(supervisor, "_workers", [worker])
        supervisor._look()
    found = store.get(job)
    assert before is not None
    assert found is not None
    assert (before.state, found.state) == ("running", "failed")
    assert found.problem is not None
    assert "more than 1 MB of memory" in found.problem["detail"]
