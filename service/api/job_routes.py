"""Jobs: long work that is asked for, watched, fetched and cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.api.asked import wanted_of
from service.api.bodies import FORM, Upload, content_type, form_schema, read_form
from service.api.clients import Client, needs
from service.api.problems import ProblemError
from service.api.queries import GenerateOptions
from service.api.services import Document, services_of
from service.jobs.store import Job, KeyReusedError, Limits, TooManyJobsError

router = APIRouter(prefix="/v1", tags=["jobs"])

Read = Annotated[Client, Depends(needs("read"))]
LOOK_S = 0.25
MOST_KEY = 255
MOST_DIGITS = 18


@router.post(
    "/generate",
    status_code=202,
    openapi_extra=form_schema(GenerateOptions, many=False, needed=False),
)
async def generate(request: Request, client: Read) -> Response:
    """Propose structures for a pattern that nothing known explains, or without one: a job.

    Without one they are for the formula, or for elements alone with the engine pointcloud.
    """
    if content_type(request) != FORM:
        raise ProblemError("wrong-content-type", f"generate takes a form; send {FORM}")
    options, uploads = await read_form(request, GenerateOptions, 1, least_files=0)
    await run_in_threadpool(wanted_of, options, measured=bool(uploads))
    return await accepted(request, client, "generate", options, uploads)


@router.get("/jobs")
async def jobs(request: Request, client: Read) -> Response:
    """Your jobs, last made first; with the scope admin those of everyone."""
    store = services_of(request).jobs
    mine = None if "admin" in client.scopes else client.id
    found = await run_in_threadpool(store.all, mine)
    return Document({"jobs": [job_answer(job) for job in found]})


@router.get("/jobs/{job_id}")
async def job(request: Request, job_id: str, client: Read) -> Response:
    """Where a job stands."""
    return Document(job_answer(await _found(request, job_id, client)))


@router.get("/jobs/{job_id}/result")
async def result(request: Request, job_id: str, client: Read) -> Response:
    """What a job ended with."""
    found = await _found(request, job_id, client)
    if found.state == "succeeded":
        said = await run_in_threadpool(services_of(request).jobs.result, job_id)
        return Response(said or "null", media_type="application/json")
    why = {
        "failed": "has failed; its `problem` says why",
        "cancelled": "was cancelled; ask again",
    }.get(found.state, f"is {found.state}; wait until it has succeeded")
    raise ProblemError("not-ready", f"the job {why}")


async def _watched(request: Request, job_id: str, client: Read) -> AsyncIterator[Job]:
    """The job, and one of the client's streams for as long as the answer lasts."""
    found = await _found(request, job_id, client)
    with services_of(request).streams.one(client.id):
        yield found


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def events(
    request: Request,
    job: Annotated[Job, Depends(_watched)],
    last_event_id: Annotated[str | None, Header()] = None,
    *,
    parts: bool = False,
) -> AsyncIterator[ServerSentEvent]:
    """A job's progress as server-sent events: `progress`, and at last `end`.

    Each holds the document of the job. Where `parts` are asked for, events `part` come between
    them, as far as the job shows results while it runs: of several files `number` and `document`
    of each, of `generate` the whole result as it stands. The stream ends with the job, or when the
    service stops; a client that comes again with `Last-Event-ID` gets what is new.
    """
    services = services_of(request)
    said = (last_event_id or "")[:MOST_DIGITS]
    seen = int(said) if said.isdecimal() else 0
    now: Job | None = job
    while now is not None:
        if parts and now.revision > seen:
            for revision, part in await run_in_threadpool(services.jobs.partials, job.id, seen):
                yield ServerSentEvent(raw_data=part, event="part", id=str(revision), retry=2000)
        if now.revision > seen or now.has_ended:
            seen = now.revision
            kind = "end" if now.has_ended else "progress"
            yield ServerSentEvent(data=job_answer(now), event=kind, id=str(seen), retry=2000)
        if now.has_ended or services.closing.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await services.closing.wait()
        request.state.opened = None  # a stream may last longer than the version it began with
        now = await run_in_threadpool(services.jobs.get, job.id)


@router.delete(
    "/jobs/{job_id}",
    status_code=202,
    responses={204: {"description": "The job had ended, and is forgotten"}},
)
async def cancel(request: Request, job_id: str, client: Read) -> Response:
    """Cancel a job that waits or runs, and forget one that has ended."""
    services = services_of(request)
    found = await _found(request, job_id, client)
    if found.has_ended:
        await run_in_threadpool(services.jobs.delete, job_id)
        return Response(status_code=204)
    asked = await run_in_threadpool(services.jobs.cancel, job_id)
    services.supervisor.wake()
    return Document(job_answer(asked or found), 202)


async def accepted(
    request: Request,
    client: Client,
    kind: str,
    options: BaseModel,
    uploads: Sequence[Upload] = (),
    *,
    key: str | None = None,
) -> Response:
    """Make a job, and say where it is.

    Args:
        request: that asks.
        client: who asks.
        kind: of `service.jobs.kinds.KINDS`.
        options: of the work.
        uploads: files.
        key: for idempotency, in place of the request's own; a job of that key that failed or was
            cancelled is made anew.

    Raises:
        ProblemError: there are too many, or the idempotency key came with another request.
    """
    services = services_of(request)
    given = request.headers.get("idempotency-key")
    if given is not None and not 0 < len(given) <= MOST_KEY:
        raise ProblemError(
            "bad-value",
            f"Idempotency-Key: {len(given)} characters; give 1 to {MOST_KEY}",
            field="Idempotency-Key",
        )
    settings = services.settings
    try:
        made, is_new = await run_in_threadpool(
            services.jobs.submit,
            kind,
            client.id,
            options.model_dump(mode="json"),
            uploads,
            limits=Limits(settings.jobs_per_client, settings.jobs_waiting, settings.jobs_mb),
            idempotency_key=key or given,
            anew=key is not None,
        )
    except TooManyJobsError as error:
        raise ProblemError("too-many-jobs", str(error), retry_after_s=30) from None
    except KeyReusedError as error:
        raise ProblemError("key-used-differently", str(error), field="Idempotency-Key") from None
    services.supervisor.wake()
    answer = Document(job_answer(made), 202, headers={"Location": f"/v1/jobs/{made.id}"})
    if not is_new:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


def job_answer(job: Job) -> dict[str, Any]:
    """Where a job stands. Times in UTC, ISO 8601."""
    place = f"/v1/jobs/{job.id}"
    document: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "stopping": job.cancel_asked_at is not None and not job.has_ended,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "ended_at": _time(job.ended_at),
        "progress": {"done": job.done, "total": job.total, "stage": job.stage},
        "links": {"self": place, "events": f"{place}/events", "result": f"{place}/result"},
    }
    if job.problem is not None:
        document["problem"] = job.problem
    return document


async def _found(request: Request, job_id: str, client: Client) -> Job:
    found = await run_in_threadpool(services_of(request).jobs.get, job_id)
    # Whose it is not learns no more than that there is none.
    if found is None or not (found.client == client.id or "admin" in client.scopes):
        raise ProblemError(
            "not-found",
            f"there is no job {job_id[:40]}; it may have been deleted, as jobs are some time after "
            "they end; /v1/jobs lists those there are",
            field="job_id",
        )
    return found


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
