"""For those who run the service: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from service.api.clients import Client, needs
from service.api.problems import ProblemError
from service.api.services import Document, services_of
from service.jobs.store import ENDED

router = APIRouter(tags=["service"])


@router.get("/healthz")
async def healthz() -> Response:
    """The process answers."""
    return Document({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """The library is read and the service is not about to stop: send it requests."""
    services = services_of(request)
    if services.closing.is_set():
        raise ProblemError("busy", "the service is about to stop; ask another", retry_after_s=10)
    if not services.served.is_warm:
        raise ProblemError("busy", "the library is being read; try again soon", retry_after_s=2)
    return Document({"status": "ready"})


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(
    request: Request, _client: Annotated[Client, Depends(needs("admin"))]
) -> Response:
    """Figures for Prometheus."""
    services = services_of(request)
    counts = await run_in_threadpool(services.jobs.counts)
    for state in sorted({"queued", "running"} | ENDED):
        services.metrics.jobs.labels(state).set(counts.get(state, 0))
    return Response(services.metrics.text(), media_type=services.metrics.content_type)
