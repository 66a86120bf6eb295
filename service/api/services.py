"""What routes work with, kept on the app's state."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from service.api.clients import Streams
from service.api.logs import log
from service.api.metrics import Metrics
from service.api.sandbox import Sandbox
from service.api.served import Opened, Searches, Served, opened_of
from service.jobs.store import JobStore
from service.jobs.supervisor import Supervisor
from service.settings import ServeSettings
from service.terminal import finite


@dataclass(frozen=True)
class Services:
    """What an app has one of each."""

    settings: ServeSettings
    served: Served
    searches: Searches
    sandbox: Sandbox
    jobs: JobStore
    supervisor: Supervisor
    metrics: Metrics
    streams: Streams
    closing: asyncio.Event

    def warm(self) -> None:
        """Read ahead and start what requests would else wait for."""
        try:
            self.sandbox.warm()
        except Exception:  # noqa: BLE001 - whatever it is, the first upload tries again
            log.exception("no reader of uploads could be started ahead")
        self.served.warm(self.searches)


def services_of(request: Request) -> Services:
    """Those of the app that answers."""
    services: Services = request.app.state.services
    return services


def opened_for(request: Request) -> Opened:
    """The version of the library that this request works on to its end.

    Raises:
        LibraryError: none is open yet.
    """
    return opened_of(request.state.opened)


class Document(Response):
    """A JSON document; numbers that JSON cannot hold are null, as on the command line."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - any JSON document
        """The document as bytes."""
        return json.dumps(finite(content), ensure_ascii=False, allow_nan=False).encode()


def attachment(name: str) -> dict[str, str]:
    """Headers of an answer that is to be kept as a file."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
