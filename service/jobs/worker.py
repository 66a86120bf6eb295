"""A worker: a process that claims jobs one after the other and does them."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from pathlib import Path

from data.errors import BraggleError
from indexer.workers import follow_parent
from service.answer import without_path
from service.api.logs import REQUEST_ID, log, log_as_json
from service.api.problems import ProblemError, document, made, of_error
from service.jobs.store import Job, JobStore
from service.settings import ServeSettings
from service.terminal import finite

LOOK_S = 0.3
"""Seconds between looks for a job, and between notes of how far one is."""

IDLE_S = 300.0
"""A worker that had nothing to do for so long ends, and with it the library that it holds."""


class CancelledError(Exception):
    """The job is to stop."""


def work(folder: Path, library: Path, settings: ServeSettings) -> None:
    """Do jobs until there have been none for a while. Runs in a process of its own.

    Args:
        folder: of the job store.
        library: folder of the library.
        settings: limits.
    """
    follow_parent()
    log_as_json(logging.INFO)
    warnings.simplefilter("ignore")
    store = JobStore(folder)
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < IDLE_S:
        job = store.claim(os.getpid())
        if job is None:
            time.sleep(LOOK_S)
            continue
        REQUEST_ID.set(f"job-{job.id}")
        _do(store, job, library, settings)
        idle_since = time.monotonic()


def _do(store: JobStore, job: Job, library: Path, settings: ServeSettings) -> None:
    from service.jobs.kinds import KINDS, Work

    begun = time.monotonic()
    told = begun - LOOK_S

    def report(done: int, total: int | None, stage: str) -> None:
        nonlocal told
        if time.monotonic() - told >= LOOK_S or done == total:
            told = time.monotonic()
            if not store.report(job.id, done, total, stage):
                raise CancelledError

    def publish(part: object) -> None:
        store.publish(job.id, _written(part, library))

    try:
        files, options = store.inputs(job.id), store.options(job.id)
        result = KINDS[job.kind](Work(library, settings, options, files, report, publish))
    except CancelledError:
        store.stop(job.id)
    except ProblemError as problem:
        store.fail(job.id, without_path(document(problem), library))
    except BraggleError as error:
        store.fail(job.id, without_path(document(of_error(error)), library))
    except Exception:  # noqa: BLE001 - the job has failed, and the next one waits
        log.exception("unexpected error")
        store.fail(
            job.id,
            made(
                "unexpected",
                f"the job met an error that was not foreseen; tell whoever runs the service the "
                f"job's id {job.id}",
            ),
        )
    else:
        store.finish(job.id, _written(result, library))
    ended = store.get(job.id)
    state = "gone" if ended is None else ended.state
    seconds = round(time.monotonic() - begun, 1)
    log.info("job", extra={"data": {"kind": job.kind, "state": state, "seconds": seconds}})


def _written(said: object, library: Path) -> str:
    """A JSON document for others."""
    return json.dumps(finite(without_path(said, library)), ensure_ascii=False, allow_nan=False)
