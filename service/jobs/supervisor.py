"""Watches over the workers: starts them, ends those that hang, notes what was cut off."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from filelock import FileLock, Timeout

from data.errors import BraggleError
from service.api.logs import log
from service.api.problems import made
from service.jobs.store import Job, JobStore
from service.jobs.worker import work
from service.settings import ServeSettings

LOOK_S = 0.2
GRACE_S = 2.0
"""A job that is to stop may still notice by itself for so long, then its worker is ended."""
CLEAN_S = 60.0
LESS = "ask for less at a time"


def check_free(folder: Path) -> None:
    """Say it early, in one line, when another server uses the folder.

    Raises:
        BraggleError: one does.
    """
    lock = _lock(folder)
    _acquire(lock)
    lock.release()


class Supervisor:
    """A thread of the server that keeps workers at work."""

    def __init__(self, store: JobStore, library: Path, settings: ServeSettings) -> None:
        """Start nothing yet."""
        self._store, self._library, self._settings = store, library, settings
        self._lock = _lock(store.path.parent)
        self._workers: list[BaseProcess] = []
        self._wake = threading.Event()
        self._stopping = False
        self._cleaned = 0.0
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Take over what an earlier server left, and begin.

        Raises:
            BraggleError: another server uses the folder.
        """
        _acquire(self._lock)
        for job in self._store.in_state("running"):
            self._cut_off(job)
        self._thread.start()

    def wake(self) -> None:
        """Look now: there is something new."""
        self._wake.set()

    def stop(self) -> None:
        """End the workers; what they were doing is begun again by the next server."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        for worker in self._workers:
            _end(worker)
        for job in self._store.in_state("running"):
            if job.cancel_asked_at is None:
                self._store.requeue(job.id)
            else:
                self._store.stop(job.id)
        self._lock.release()

    def _watch(self) -> None:
        while not self._stopping:
            try:
                self._look()
            except Exception:  # noqa: BLE001 - it has to go on watching
                log.exception("unexpected error")
            self._wake.wait(LOOK_S)
            self._wake.clear()

    def _look(self) -> None:
        running = self._store.in_state("running")
        now = time.time()
        for job in running:
            self._look_at(job, now)
        self._workers = [worker for worker in self._workers if _is_alive(worker)]
        alive = {worker.pid for worker in self._workers}
        for job in running:
            if job.worker not in alive:
                self._cut_off(job)
        waiting = len(self._store.in_state("queued"))
        busy = len(self._store.in_state("running"))
        wanted = min(self._settings.job_workers, waiting + busy)
        while len(self._workers) < wanted and not self._stopping:
            self._workers.append(self._started())
        if time.monotonic() - self._cleaned > CLEAN_S:
            self._store.clean(self._settings.results_kept_h * 3600)
            self._cleaned = time.monotonic()

    def _look_at(self, job: Job, now: float) -> None:
        is_late = now - (job.started_at or now) > self._settings.job_timeout_s
        is_stubborn = job.cancel_asked_at is not None and now - job.cancel_asked_at > GRACE_S
        is_large = _resident_mb(job.worker) > self._settings.job_memory_mb
        if not (is_late or is_stubborn or is_large):
            return
        for worker in self._workers:
            if worker.pid == job.worker:
                _end(worker)
        for other in self._store.in_state("running"):
            if other.worker == job.worker and other.id != job.id:  # taken meanwhile
                self._store.requeue(other.id)
        if is_stubborn:
            self._store.stop(job.id)
        elif is_late:
            why = f"the job ran for more than {self._settings.job_timeout_s:g} s"
            self._store.fail(job.id, made("too-long", f"{why} and was stopped; {LESS}"))
        else:
            why = f"the job took more than {self._settings.job_memory_mb:g} MB of memory"
            self._store.fail(job.id, made("too-large", f"{why} and was stopped; {LESS}"))

    def _cut_off(self, job: Job) -> None:
        """The worker of a job is gone; where the job has not ended before, it never will."""
        now = self._store.get(job.id)
        if now is None or now.state != "running":
            return
        if now.cancel_asked_at is not None:
            self._store.stop(job.id)
            return
        log.warning("job cut off", extra={"data": {"job": job.id, "kind": job.kind}})
        self._store.fail(
            job.id,
            made(
                "cut-off",
                "the process that did the job died, of its content or for want of memory, or the "
                "service was ended by force; ask again, for less at a time",
            ),
        )

    def _started(self) -> BaseProcess:
        context = multiprocessing.get_context("spawn")
        process = context.Process(
            target=work,
            args=(self._store.path.parent, self._library, self._settings),
            name="worker",
            daemon=True,
        )
        process.start()
        return process


def _lock(folder: Path) -> FileLock:
    return FileLock(folder / "LOCK", timeout=0, fallback_to_soft=False, preserve_lock_file=True)


def _acquire(lock: FileLock) -> None:
    try:
        lock.acquire()
    except Timeout:
        raise BraggleError(
            f"{Path(lock.lock_file).parent}: another service keeps its jobs here; stop it, or set "
            "BRAGGLE_DATA_DIR to another folder"
        ) from None


def _resident_mb(process: int | None) -> float:
    """Memory of a process, where the system tells; 0 elsewhere."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _is_alive(worker: BaseProcess) -> bool:
    if worker.is_alive():
        return True
    worker.join()
    return False


def _end(worker: BaseProcess) -> None:
    worker.kill()
    worker.join()
