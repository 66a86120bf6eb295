"""The server process: uvicorn, told when it stops, so that streams of events end in time."""

from __future__ import annotations

import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from data.errors import BraggleError
from service.api.app import create_app
from service.api.logs import log_as_json
from service.jobs.store import JobStore
from service.jobs.supervisor import check_free
from service.settings import ServeSettings, Settings
from service.terminal import say

HEADER_BYTES = 32 * 1024


def run(settings: Settings) -> None:
    """Serve until told to stop. The first line on stderr that begins with "braggle:" says where.

    Raises:
        BraggleError: the address cannot be listened on.
    """
    serve = settings.serve
    JobStore(settings.service_dir)  # which makes the folder
    check_free(settings.service_dir)
    log_as_json()
    app = create_app(settings)
    with _listening(serve) as listening:
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        say(f"braggle: http://{shown}:{port} serves {settings.library_path()}")
        proxies = serve.trusted_proxies
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,  # `Observed` writes one
            server_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies or None,
            h11_max_incomplete_event_size=HEADER_BYTES,
            timeout_graceful_shutdown=serve.shutdown_s,
            ws="none",
        )
        server = Server(config, app)
        server.run(sockets=[listening])
    if not server.started:
        raise BraggleError("the service could not start; the lines above say why")


class Server(uvicorn.Server):
    """Says that it is about to stop before it waits for requests to end."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to stop."""
        services = getattr(self._app.state, "services", None)
        if services is not None:
            services.closing.set()
        super().handle_exit(sig, frame)


def _listening(serve: ServeSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in serve.host else socket.AF_INET
        return socket.create_server((serve.host, serve.port), family=family, backlog=2048)
    except OSError as error:
        raise BraggleError(
            f"{serve.host}:{serve.port}: cannot be listened on ({error.strerror or error}); choose "
            "another --port or --host"
        ) from None
