"""A service for benchmarks that ask it from other processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

START_S = 300.0
BRAGGLE = (sys.executable, "-m", "service")


@contextmanager
def serving(library: Path, folder: Path) -> Iterator[tuple[psutil.Process, str]]:
    """A server with its defaults, but that all clients, of one address here, may ask on."""
    environment = {
        **os.environ,
        "BRAGGLE_LIBRARY": str(library),
        "BRAGGLE_DATA_DIR": str(folder / "data"),
        "BRAGGLE_SERVE_REQUESTS_PER_MINUTE": "1000000",
    }
    log = folder / "server.log"
    with log.open("wb") as stderr:
        process = psutil.Popen([*BRAGGLE, "serve", "--port", "0"], env=environment, stderr=stderr)
    try:
        url = _url(log)
        _until_ready(url)
        yield process, url
    finally:
        process.terminate()
        process.wait(START_S)


def _url(log: Path) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        for line in log.read_text("utf-8").splitlines():
            if line.startswith("braggle: http"):
                return line.split()[1]
        time.sleep(0.2)
    raise TimeoutError(log.read_text("utf-8"))


def _until_ready(url: str) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        time.sleep(0.5)
    raise TimeoutError(f"{url}: not ready within {START_S:g} s")
