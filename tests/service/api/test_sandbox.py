"""Processes that read uploads: they may die, hang and swell, and the next one answers."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from data.errors import RadiationError
from data.radiation import Radiation
from service.api.metrics import Metrics
from service.api.problems import ProblemError
from service.api.sandbox import Sandbox


def run(sandbox: Sandbox, function: Callable[..., Any], *arguments: object) -> Any:
    return asyncio.run(sandbox.run(function, *arguments))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    one = Sandbox(1, timeout_s=20.0, memory_mb=256, metrics=Metrics())
    yield one
    one.close()


def test_a_process_is_used_again(sandbox: Sandbox) -> None:
    assert run(sandbox, os.getpid) == run(sandbox, os.getpid) != os.getpid()


@pytest.mark.parametrize(
    "death, arguments",
    [(os.abort, ()), (os._exit, (1,)), (signal.raise_signal, (signal.SIGKILL,))],
)
def test_a_process_may_die(
    sandbox: Sandbox, death: Callable[..., Any], arguments: tuple[int, ...]
) -> None:
    with pytest.raises(ProblemError, match="died of it; check the file"):
        run(sandbox, death, *arguments)
    assert run(sandbox, math.sqrt, 4) == 2


def test_a_process_may_be_killed_between_calls(sandbox: Sandbox) -> None:
    os.kill(run(sandbox, os.getpid), signal.SIGKILL)
    for _ in range(100):
        time.sleep(0.02)
    assert run(sandbox, math.sqrt, 4) == 2


def test_a_process_may_swell(sandbox: Sandbox) -> None:
    with pytest.raises(ProblemError, match="too much memory"):
        run(sandbox, bytes, 2 * 2**30)
    assert run(sandbox, math.sqrt, 4) == 2


def test_a_braggle_error_is_the_callers(sandbox: Sandbox) -> None:
    with pytest.raises(RadiationError, match="is not understood"):
        run(sandbox, Radiation.parse, "nonsense")


def test_other_errors_are_not_told(sandbox: Sandbox) -> None:
    with pytest.raises(ProblemError, match="could not be read") as caught:
        run(sandbox, int, "a secret")
    assert "secret" not in str(caught.value.detail)


def test_a_process_that_never_ends_is_ended() -> None:
    sandbox = Sandbox(1, timeout_s=1.0, memory_mb=256, metrics=Metrics())
    try:
        with pytest.raises(ProblemError, match="took more than 1 s"):
            run(sandbox, time.sleep, 600)
        assert run(sandbox, math.sqrt, 4) == 2
    finally:
        sandbox.close()
