"""Requests to a service: tried again where that is safe, and their problems as errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from service.client.errors import ServiceError

ATTEMPTS = 6
"""Of one request, the first included."""

CONNECT_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
ASKED_TO_WAIT = (429, 503)
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOST = (*_NOT_SENT, httpx.NetworkError, httpx.RemoteProtocolError)


class Connection:
    """Sends requests; nothing is connected before the first one."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        timeout_s: float,
        patience_s: float,
        transport: httpx.BaseTransport | None,
    ) -> None:
        headers = {"User-Agent": "braggle-client"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self.url = url.rstrip("/")
        self.patience_s = patience_s
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S)),
            transport=transport,
        )

    def close(self) -> None:
        """Let go of what is connected."""
        self._http.close()

    def send(
        self,
        method: str,
        place: str,
        *,
        repeatable: bool = True,
        **content: Any,  # noqa: ANN401 - as httpx takes it
    ) -> httpx.Response:
        """The answer to a request.

        Args:
            method: of HTTP.
            place: path behind the service's address.
            repeatable: whether it does no harm when it is carried out twice. If not, it is tried
                again only where it has certainly not been carried out.
            content: as `httpx.Client.request` takes it.

        Raises:
            ServiceError: the service answers with a problem or not at all, to the last attempt.
        """
        tries = Tries(self.patience_s)
        while True:
            pause = None
            try:
                answer = self._http.request(method, place, **content)
            except httpx.TransportError as error:
                problem = self._unreachable(error)
                if isinstance(error, _LOST if repeatable else _NOT_SENT):
                    pause = tries.pause_s()
            else:
                if answer.is_success:
                    return answer
                problem = problem_of(answer)
                if (asked := asked_pause_s(answer)) is not None:
                    pause = tries.pause_s(asked)
            if pause is None:
                raise problem
            time.sleep(pause)

    @contextmanager
    def lines(self, place: str, headers: dict[str, str]) -> Iterator[Iterator[str]]:
        """The lines of an answer as they come.

        Raises:
            LostError: there was no answer, it broke off, or the service asks to come again.
            ServiceError: the service answers with another problem.
        """
        try:
            with self._http.stream("GET", place, headers=headers) as answer:
                if not answer.is_success:
                    answer.read()
                    asked = asked_pause_s(answer)
                    raise problem_of(answer) if asked is None else LostError(str(answer), asked)
                yield answer.iter_lines()
        except (*_LOST, httpx.ReadTimeout) as error:
            raise LostError(str(self._unreachable(error))) from None
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> ServiceError:
        remedy = "check the address, and whether the service runs"
        if isinstance(error, httpx.ReadTimeout):
            remedy = "ask for less, or give the client a longer timeout_s"
        said = " ".join(str(error).split()) or type(error).__name__
        return ServiceError(f"{self.url}: no answer ({said}); {remedy}", remedy=remedy)


class LostError(Exception):
    """A stream has ended before its end; it may be taken up again after `pause_s`."""

    def __init__(self, said: str, pause_s: float | None = None) -> None:
        super().__init__(said)
        self.pause_s = pause_s


class Tries:
    """How often, and for how long, something is tried again."""

    def __init__(self, patience_s: float) -> None:
        self._until = time.monotonic() + patience_s
        self._made = 1

    def pause_s(self, asked_s: float | None = None) -> float | None:
        """Seconds until the next attempt; None where there is to be none."""
        grown = min(FIRST_PAUSE_S * 2 ** (self._made - 1), LONGEST_PAUSE_S)
        pause = grown if asked_s is None else asked_s
        if self._made >= ATTEMPTS or time.monotonic() + pause > self._until:
            return None
        self._made += 1
        return pause


def problem_of(answer: httpx.Response) -> ServiceError:
    """The error that an answer is; one that is no problem document comes from something between."""
    if "problem+json" in answer.headers.get("content-type", ""):
        return ServiceError.of(answer.json())
    remedy = "check the address, and what stands between you and the service"
    return ServiceError(
        f"{answer.url}: answered with status {answer.status_code}, and not as Braggle does; "
        f"{remedy}",
        status=answer.status_code,
        type="about:blank",
        remedy=remedy,
    )


def asked_pause_s(answer: httpx.Response) -> float | None:
    """Seconds after which the service wants to be asked again; None where it does not say so."""
    said = answer.headers.get("retry-after", "")
    if answer.status_code in ASKED_TO_WAIT and said.isascii() and said.isdecimal():
        return float(said)
    return None
