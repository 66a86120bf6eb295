"""What every request passes: it is named, counted, logged, and refused where it is too much."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.clients import Clients, Rates, address_of
from service.api.logs import REQUEST_ID, log
from service.api.metrics import Metrics
from service.api.problems import ProblemError, respond
from service.api.served import Served
from service.settings import ServeSettings

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
"""That are counted by name: a client may invent others without end."""
_STREAM = re.compile(r"/v1/jobs/[^/]+/events")
WATCHING = frozenset({"/healthz", "/readyz", "/metrics"})
"""Answered however many requests there are, so that nobody restarts a service that is busy."""

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}
"""Of every answer that has none of its own: nothing is loaded from elsewhere, no script runs."""


class Observed:
    """Gives each request an id, and its answer headers, a log line and figures."""

    def __init__(self, app: ASGIApp, served: Served, metrics: Metrics) -> None:
        self._app, self._served, self._metrics = app, served, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        state: dict[str, Any] = scope.setdefault("state", {})
        # What the request works on from now on, whatever is published meanwhile.
        state |= {"request_id": request_id, "opened": self._served.current}
        token = REQUEST_ID.set(request_id)
        begun = time.perf_counter()
        status = 0

        async def send_described(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._describe(MutableHeaders(scope=message), state)
            await send(message)

        self._metrics.requests_now.inc()
        try:
            await self._app(scope, receive, send_described)
        except Exception:
            log.exception("unexpected error")
            if status:
                raise
            problem = ProblemError(
                "unexpected",
                f"the server met an error that it did not foresee; tell whoever runs it the "
                f"request id {request_id}",
            )
            await respond(Request(scope), problem)(scope, receive, send_described)
        finally:
            self._metrics.requests_now.dec()
            self._tell(scope, status, time.perf_counter() - begun)
            state["opened"] = None  # the server may keep what it knows of a request for a while
            REQUEST_ID.reset(token)

    @staticmethod
    def _describe(headers: MutableHeaders, state: dict[str, Any]) -> None:
        headers["X-Request-ID"] = state["request_id"]
        opened = state["opened"]
        if opened is not None:
            headers["Braggle-Library-Version"] = str(opened.library.version)
            headers["Braggle-Channels"] = ", ".join(one.id for one in opened.library.channels)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        state = scope["state"]
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if kind := state.get("problem"):
            self._metrics.problems.labels(kind).inc()
        client = state.get("client")
        data = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "ms": round(1e3 * seconds, 1),
            "client": address_of(scope) if client is None else client.id,
        }
        log.info("request", extra={"data": data | ({"problem": kind} if kind else {})})


class Guard:
    """Refuses what is too much, too large, too slow, or not meant for this service."""

    def __init__(
        self, app: ASGIApp, settings: ServeSettings, clients: Clients, hosts: Sequence[str]
    ) -> None:
        """Guard an app.

        Args:
            app: inside.
            settings: how much is taken on.
            clients: who may call.
            hosts: names by which it is called; empty for any.
        """
        self._app, self._settings, self._clients = app, settings, clients
        self._hosts = frozenset(hosts)
        self._rates = Rates(settings.requests_per_minute)
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counts = not _STREAM.fullmatch(scope["path"])  # they last, and are counted by themselves
        self._now += counts
        try:
            self._check(scope)
        except ProblemError as problem:
            await respond(Request(scope), problem)(scope, receive, send)
        else:
            await self._app(scope, _Body(scope, receive, self._settings).receive, send)
        finally:
            self._now -= counts

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        # A page of another site could else call a service on this machine by its name (DNS
        # rebinding), or send it forms.
        host = _host_name(headers.get("host", ""))
        if self._hosts and host not in self._hosts:
            raise ProblemError(
                "wrong-host", f"Host: {host!r} is not served here; call {min(self._hosts)}"
            )
        origin = headers.get("origin")
        is_foreign = origin is not None and (
            urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
        )
        if is_foreign and scope["method"] not in _SAFE_METHODS:
            raise ProblemError(
                "not-allowed",
                f"Origin: {origin!r} is another site; send the request from a page of this one",
            )
        if self._now > self._settings.requests_at_once and scope["path"] not in WATCHING:
            raise ProblemError(
                "busy",
                f"{self._settings.requests_at_once} requests are being answered; try again soon",
                retry_after_s=1,
            )
        address = address_of(scope)
        try:
            client = self._clients.of(scope)
        except ProblemError:
            self._count(address)
            raise
        scope["state"]["client"] = client
        self._count(client.id)
        self._check_length(headers)

    def _count(self, client: str) -> None:
        if wait := self._rates.wait_s(client):
            raise ProblemError(
                "too-many-requests",
                f"more than {self._settings.requests_per_minute} requests a minute; "
                f"wait {wait:.0f} s",
                retry_after_s=wait,
            )

    def _check_length(self, headers: Headers) -> None:
        said = headers.get("content-length", "0")
        most = most_bytes(self._settings)
        if not said.isascii() or not said.isdigit() or int(said[:20]) > most:
            raise _too_large(most)


class _Body:
    """A request's body as it comes in, counted and timed."""

    def __init__(self, scope: Scope, receive: Receive, settings: ServeSettings) -> None:
        self._receive = receive
        self._most = most_bytes(settings)
        self._patience = settings.upload_timeout_s
        self._deadline = asyncio.get_running_loop().time() + self._patience
        self._taken = 0
        self._ended = False
        self._may_wait = scope["method"] in _SAFE_METHODS

    async def receive(self) -> Message:
        """The next message. Once the body has ended, waiting for the client's leave may last."""
        if self._ended or self._may_wait:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise ProblemError(
                "too-slow",
                f"the body did not come within {self._patience:g} s; send it faster, or less",
                headers={"Connection": "close"},
            ) from None
        self._taken += len(message.get("body", b""))
        if self._taken > self._most:
            raise _too_large(self._most)
        self._ended = not message.get("more_body", False)
        return message


def most_bytes(settings: ServeSettings) -> int:
    """The largest body that is read."""
    return int(settings.max_body_mb * 1e6)


def _too_large(most: int) -> ProblemError:
    return ProblemError(
        "too-large",
        f"the body has more than {most / 1e6:g} MB; send less at a time",
        headers={"Connection": "close"},
    )


def _host_name(host: str) -> str:
    """A Host header without its port."""
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    return name.strip("[]").lower()
