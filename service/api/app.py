"""The service as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from fastapi import FastAPI

from service.api import docs_routes, entry_routes, health_routes, job_routes, search_routes
from service.api.clients import Clients, Streams, is_loopback
from service.api.guard import Guard, Observed
from service.api.keys import KeyStore
from service.api.metrics import Metrics
from service.api.page import routes as page_routes
from service.api.problems import MEDIA_TYPE, Problem, answer_with_problems
from service.api.sandbox import Sandbox
from service.api.served import Searches, Served
from service.api.services import Services
from service.jobs.store import JobStore
from service.jobs.supervisor import Supervisor
from service.settings import ServeSettings, Settings

DESCRIPTION = """\
Names the phases of powder X-ray diffraction patterns.

Errors are RFC 9457 problem documents. Every answer says in its headers which library it is of:
`Braggle-Library-Version` and `Braggle-Channels`; `X-Request-ID` names the request in the logs.
"""
PROBLEM_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


class Application(FastAPI):
    """Describes itself with problems and keys, too, which routes read by themselves."""

    def openapi(self) -> dict[str, Any]:
        """The description of the routes."""
        schema = super().openapi()
        components = schema.setdefault("components", {})
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        components["schemas"] = {**problem.pop("$defs"), "Problem": problem}
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{}, {"key": []}]
        return schema


def create_app(settings: Settings) -> FastAPI:
    """The service of one library.

    Nothing is opened before the application starts up. Its state has `services`, and among these
    `closing`, which is to be set when a shutdown begins, so that streams of events end.

    Args:
        settings: which library, and how it is served.
    """
    serve = settings.serve
    metrics = Metrics()
    served = Served(settings.library_path(), metrics)
    clients = Clients(KeyStore(settings.service_dir) if asks_for_keys(serve) else None)

    app = Application(
        title="Braggle",
        version=version("braggle"),
        description=DESCRIPTION,
        docs_url=None,  # its pages load scripts from elsewhere; `docs_routes` has ours
        redoc_url=None,
        lifespan=_lifespan(settings, served, metrics),
        telemetry={"tracing": False, "metrics": False, "logs": False},
        responses={"default": {"description": "A problem", "content": PROBLEM_CONTENT}},
    )
    answer_with_problems(app)
    for routes in (
        search_routes,
        entry_routes,
        job_routes,
        health_routes,
        docs_routes,
        page_routes,
    ):
        app.include_router(routes.router)
    if find_spec("optimade") is not None:
        from service.api.optimade.routes import mount

        # Without keys, whoever reaches the service may read; a page of another site would reach
        # it through the browser of somebody who does.
        mount(app, to_other_sites=asks_for_keys(serve))
    app.add_middleware(Guard, settings=serve, clients=clients, hosts=_hosts(serve))
    app.add_middleware(Observed, served=served, metrics=metrics)  # outermost
    return app


def asks_for_keys(settings: ServeSettings) -> bool:
    """Whether clients need keys: not on loopback, unless it is said."""
    return settings.keys == "on" or (settings.keys == "auto" and not is_loopback(settings.host))


def _hosts(settings: ServeSettings) -> tuple[str, ...]:
    named = [one.strip().lower() for one in settings.allowed_hosts.split(",") if one.strip()]
    return (*LOOPBACK_NAMES, *named) if named or is_loopback(settings.host) else ()


def _lifespan(
    settings: Settings, served: Served, metrics: Metrics
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    serve = settings.serve

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(served.start)
        store = JobStore(settings.service_dir)
        services = Services(
            settings=serve,
            served=served,
            searches=Searches(
                serve.searches, serve.waiting_searches, serve.search_timeout_s, metrics
            ),
            sandbox=Sandbox(serve.parsers, serve.parse_timeout_s, serve.parse_memory_mb, metrics),
            jobs=store,
            supervisor=Supervisor(store, served.path, serve),
            metrics=metrics,
            streams=Streams(serve.streams_per_client, serve.requests_at_once),
            closing=asyncio.Event(),
        )
        app.state.services = services
        services.supervisor.start()
        tasks = [
            asyncio.create_task(asyncio.to_thread(services.warm)),
            asyncio.create_task(served.follow(serve.reload_every_s)),
        ]
        try:
            yield
        finally:
            services.closing.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(services.supervisor.stop)
            services.sandbox.close()
            services.searches.close()

    return lifespan
