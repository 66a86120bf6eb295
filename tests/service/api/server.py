"""A real server in a process of its own, on a free port of loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

LONG_S = 600.0
"""However slow the machine is, this is enough."""


class Server:
    """`braggle serve`, and a client of it."""

    def __init__(self, library: Path, folder: Path, **serve: object) -> None:
        settings = {f"BRAGGLE_SERVE_{key}".upper(): str(value) for key, value in serve.items()}
        self.folder = folder
        self.log = folder / "server.log"
        self.log.touch()
        self._begin = self.log.stat().st_size
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "serve", "--port", "0"],
                env={
                    **os.environ,
                    "BRAGGLE_LIBRARY": str(library),
                    "BRAGGLE_DATA_DIR": str(folder),
                    "BRAGGLE_SERVE_SEARCHES": "1",
                    "BRAGGLE_SERVE_PARSERS": "1",
                    "BRAGGLE_SERVE_SEARCH_TIMEOUT_S": str(LONG_S),
                    "BRAGGLE_SERVE_PARSE_TIMEOUT_S": str(LONG_S),
                    **settings,
                },
                stderr=log,
                cwd=Path(__file__).parents[3],
            )
        url = wait_for(lambda: self._urls() or self._has_ended())[0]
        self.client = httpx.Client(base_url=url, timeout=LONG_S, trust_env=False)
        wait_for(self.is_ready)

    def _urls(self) -> list[str]:
        said = self.log.read_bytes()[self._begin :].decode("utf-8")
        return re.findall(r"^braggle: (http://\S+) serves", said, re.MULTILINE)

    def _has_ended(self) -> list[str]:
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text("utf-8"))
        return []

    def is_ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            self._has_ended()
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit status."""
        self.client.close()
        self.process.send_signal(number)
        return self.process.wait(LONG_S)

    def job(self, place: str) -> dict[str, Any]:
        document: dict[str, Any] = self.client.get(place).raise_for_status().json()
        return document

    def ended(self, place: str) -> dict[str, Any]:
        """The job once it has ended."""
        return wait_for(lambda: job if (job := self.job(place))["ended_at"] is not None else None)


@contextmanager
def running(library: Path, folder: Path, **serve: object) -> Iterator[Server]:
    server = Server(library, folder, **serve)
    try:
        yield server
    finally:
        server.client.close()
        if server.process.poll() is None:
            server.stop()


def wait_for(ask: Callable[[], T | None]) -> T:
    """What is answered at last that is not nothing."""
    until = time.monotonic() + LONG_S
    while not (answer := ask()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.1)
    return answer
