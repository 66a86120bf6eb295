"""Jobs in their database: claimed once, counted, kept over a restart, and forgotten in time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.errors import BraggleError
from service.jobs.store import JobStore, KeyReusedError, Limits, TooManyJobsError

MANY = Limits(1000, 1000)


@dataclass(frozen=True)
class File:
    label: str
    content: bytes


FILES = (File("a.xy", b"1"), File("b.xy", b"2"))


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path)


def submitted(store: JobStore, client: str = "me", *, key: str | None = None, top: int = 1) -> str:
    job, _ = store.submit("search", client, {"top": top}, FILES, limits=MANY, idempotency_key=key)
    return job.id


def test_a_job_from_its_beginning_to_its_end(store: JobStore) -> None:
    identifier = submitted(store)
    assert store.options(identifier) == {"top": 1}
    assert store.inputs(identifier) == [("a.xy", b"1"), ("b.xy", b"2")]
    claimed = store.claim(17)
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.worker) == (identifier, "running", 17)
    assert store.report(identifier, 1, 2, "patterns")
    store.publish(identifier, "1")
    store.publish(identifier, "2")
    (first, one), (second, two) = store.partials(identifier, 0)
    assert (one, two) == ("1", "2")
    assert store.partials(identifier, first) == [(second, "2")]
    store.finish(identifier, "[1]")
    job = store.get(identifier)
    assert job is not None
    assert (job.state, job.done, job.total, job.stage) == ("succeeded", 1, 2, "patterns")
    assert job.has_ended
    assert store.result(identifier) == "[1]"
    assert store.inputs(identifier) == []
    assert store.partials(identifier, 0) == []
    assert job.revision > claimed.revision


def test_each_job_is_claimed_by_one_worker(store: JobStore) -> None:
    made = {submitted(store) for _ in range(30)}
    claimed: list[str] = []

    def work(number: int) -> None:
        mine = JobStore(store.path.parent)
        while (job := mine.claim(number)) is not None:
            claimed.append(job.id)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 30
    assert set(claimed) == made


def test_first_come_first_served(store: JobStore) -> None:
    made = [submitted(store) for _ in range(3)]
    claimed = [job.id for _ in range(3) if (job := store.claim(1)) is not None]
    assert claimed == made
    assert store.claim(1) is None


def test_jobs_outlast_the_server(store: JobStore) -> None:
    identifier = submitted(store)
    again = JobStore(store.path.parent)
    assert [job.id for job in again.in_state("queued")] == [identifier]


def test_the_same_key_gets_the_same_job(store: JobStore) -> None:
    first = submitted(store, key="k")
    assert submitted(store, key="k") == first
    assert submitted(store, "other", key="k") != first
    assert submitted(store) != submitted(store)
    with pytest.raises(KeyReusedError, match="'k' came with another request"):
        submitted(store, key="k", top=2)
    with pytest.raises(KeyReusedError):
        store.submit("search", "me", {"top": 1}, FILES[:1], limits=MANY, idempotency_key="k")


def test_as_many_as_are_taken_on(store: JobStore) -> None:
    limits = Limits(per_client=2, waiting=3)
    for _ in range(2):
        store.submit("search", "me", {}, limits=limits)
    with pytest.raises(TooManyJobsError, match="2 of your jobs wait or run"):
        store.submit("search", "me", {}, limits=limits)
    store.submit("search", "other", {}, limits=limits)
    with pytest.raises(TooManyJobsError, match="3 jobs wait or run"):
        store.submit("search", "third", {}, limits=limits)
    job = store.claim(1)
    assert job is not None
    store.finish(job.id, "1")
    store.submit("search", "me", {}, limits=limits)


def test_a_job_that_waits_is_cancelled_at_once(store: JobStore) -> None:
    identifier = submitted(store)
    job = store.cancel(identifier)
    assert job is not None
    assert job.state == "cancelled"
    assert store.claim(1) is None
    assert store.inputs(identifier) == []


def test_a_lost_job_is_made_anew_where_that_is_asked(store: JobStore) -> None:
    def drawn() -> tuple[str, bool]:
        job, is_new = store.submit("draw", "me", {}, limits=MANY, idempotency_key="k", anew=True)
        return job.id, is_new

    first, _ = drawn()
    assert drawn() == (first, False)
    store.cancel(first)
    second, is_new = drawn()
    assert is_new
    assert second != first
    store.claim(1)
    store.finish(second, "{}")
    assert drawn() == (second, False)


def test_results_that_take_too_much_room_have_to_go_first(store: JobStore) -> None:
    identifier = submitted(store)
    store.claim(1)
    store.finish(identifier, "x" * 2_000_000)
    few = Limits(1000, 1000, megabytes=1.0)
    with pytest.raises(TooManyJobsError, match="take 2 MB"):
        store.submit("search", "me", {}, limits=few)
    store.delete(identifier)
    store.submit("search", "me", {}, limits=few)


def test_a_job_that_runs_learns_that_it_is_to_stop(store: JobStore) -> None:
    identifier = submitted(store)
    store.claim(1)
    job = store.cancel(identifier)
    assert job is not None
    assert job.state == "running"
    assert not store.report(identifier, 1, 2, "patterns")
    store.stop(identifier)
    store.finish(identifier, "too late")
    after = store.get(identifier)
    assert after is not None
    assert after.state == "cancelled"
    assert store.result(identifier) is None


def test_what_has_ended_stays_so(store: JobStore) -> None:
    identifier = submitted(store)
    store.claim(1)
    store.finish(identifier, "1")
    store.fail(identifier, {"detail": "x"})
    store.requeue(identifier)
    store.cancel(identifier)
    job = store.get(identifier)
    assert job is not None
    assert (job.state, job.problem) == ("succeeded", None)


def test_old_jobs_are_forgotten_and_others_not(store: JobStore) -> None:
    waiting, ended = submitted(store), submitted(store)
    store.cancel(ended)
    assert store.clean(kept_s=3600) == 0
    assert store.clean(kept_s=-1) == 1
    assert store.get(ended) is None
    assert store.get(waiting) is not None
    assert store.cancel("none") is None
    store.delete(waiting)
    assert store.get(waiting) is not None
    assert store.counts() == {"queued": 1}


def test_clients_see_their_own(store: JobStore) -> None:
    mine = submitted(store)
    submitted(store, "other")
    assert [job.id for job in store.all("me")] == [mine]
    assert len(store.all()) == 2


def test_nobody_else_may_read_the_database(store: JobStore) -> None:
    assert store.path.stat().st_mode & 0o077 == 0


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BraggleError, match="jobs cannot be kept here"):
        JobStore(tmp_path / "file")
