"""Who calls: the key of a request or its address, what it may do, and how often."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Scope

from service.api.keys import SCOPES, KeyStore
from service.api.problems import ProblemError

REMEMBERED = 10_000
"""Clients whose recent requests are counted."""


@dataclass(frozen=True)
class Client:
    """Who calls.

    Attributes:
        id: "key:…", or "address:…" where no key is asked for.
        scopes: what it may do.
    """

    id: str
    scopes: frozenset[str]


class Clients:
    """Tells clients by their keys, or lets everyone in."""

    def __init__(self, keys: KeyStore | None) -> None:
        """None asks for no keys."""
        self._keys = keys

    def of(self, scope: Scope) -> Client:
        """The client of a request; one without a key may do nothing where keys are asked for.

        Raises:
            ProblemError: a key that is none, or is no longer one.
        """
        address = address_of(scope)
        if self._keys is None:
            return Client(address, frozenset(SCOPES))
        said = Headers(scope=scope).get("authorization")
        if said is None:
            return Client(address, frozenset())
        kind, _, secret = said.partition(" ")
        key = self._keys.of(secret.strip()) if kind.lower() == "bearer" else None
        if key is None:
            raise ProblemError(
                "key-needed",
                "Authorization: this is no key of this service, or it was revoked; "
                "send `Authorization: Bearer KEY`",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        allowed = SCOPES[: SCOPES.index(key.scope) + 1]
        return Client(f"key:{key.id}", frozenset(allowed))


def needs(scope: str) -> Callable[[Request], Client]:
    """A dependency: the client, which has to be allowed this."""

    def client(request: Request) -> Client:
        found: Client = request.state.client
        if scope in found.scopes:
            return found
        if not found.scopes:
            raise ProblemError(
                "key-needed",
                "Authorization: missing; send `Authorization: Bearer KEY`, and ask whoever runs "
                "this service for a key",
                headers={"WWW-Authenticate": "Bearer"},
            )
        raise ProblemError(
            "not-allowed",
            f"the key has not the scope {scope}; ask whoever runs this service for one that has",
        )

    return client


class Rates:
    """How often each client calls: as many requests as a minute allows at once, then evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Count one request; how long the client has to wait, 0 where it is served."""
        now = self._clock()
        left, seen = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - seen) * self._most / 60)
        served = left >= 1
        self._left[client] = (left - 1 if served else left, now)
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return 0.0 if served else (1 - left) * 60 / self._most


class Streams:
    """Streams of events that are open. They last, so they are counted apart from requests."""

    def __init__(self, per_client: int, at_once: int) -> None:
        self._per_client, self._at_once = per_client, at_once
        self._open: Counter[str] = Counter()

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Hold a client's stream open.

        Raises:
            ProblemError: the client, or all together, have as many as are held.
        """
        mine, everyone = self._open[client], self._open.total()
        if mine >= self._per_client or everyone >= self._at_once:
            raise ProblemError(
                "busy",
                f"{mine} streams of yours and {everyone} in all are open, and no more are; close "
                "one, or ask for the job itself now and then",
                retry_after_s=5,
            )
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            self._open += Counter()  # forgets those at zero


def address_of(scope: Scope) -> str:
    """The address of a request's client; of IPv6 the network, which one client has to itself."""
    host = scope["client"][0] if scope.get("client") else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"address:{host}"
    if address.version == 6:
        return f"address:{ipaddress.ip_network((address, 64), strict=False).network_address}/64"
    return f"address:{address}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
