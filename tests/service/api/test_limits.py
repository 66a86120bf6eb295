"""How much is taken on, and the clear answer beyond it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.api.clients import REMEMBERED, Clients, Rates, Streams, address_of
from service.api.guard import WATCHING, Guard
from service.api.metrics import Metrics
from service.api.problems import ProblemError
from service.api.served import Searches
from service.settings import ServeSettings
from tests.service.api.conftest import serving, settings_for


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rates_allow_a_minutes_worth_at_once_and_then_evenly() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    assert all(rates.wait_s("a") == 0 for _ in range(60))
    assert rates.wait_s("a") == pytest.approx(1.0)
    assert rates.wait_s("b") == 0
    clock.now = 2.5
    assert [rates.wait_s("a") == 0 for _ in range(3)] == [True, True, False]
    clock.now = 1e6
    assert sum(rates.wait_s("a") == 0 for _ in range(100)) == 60


def test_only_so_many_clients_are_remembered() -> None:
    rates = Rates(1, Clock())
    for number in range(REMEMBERED + 5):
        rates.wait_s(str(number))
    assert rates.wait_s("0") == 0
    assert rates.wait_s(str(REMEMBERED + 4)) > 0


@pytest.mark.parametrize(
    "host, client",
    [
        ("10.0.0.1", "address:10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("testclient", "address:testclient"),
    ],
)
def test_addresses(host: str, client: str) -> None:
    assert address_of({"client": (host, 1)}) == client
    assert address_of({"client": None}) == "address:unknown"


def test_a_client_that_calls_too_often_has_to_wait(built: Path, tmp_path: Path) -> None:
    with serving(settings_for(built, tmp_path, requests_per_minute=3)) as client:
        answers = [client.get("/healthz") for _ in range(5)]
    assert [one.status_code for one in answers[:3]] == [200] * 3
    assert answers[4].status_code == 429
    assert int(answers[4].headers["Retry-After"]) >= 1
    assert "more than 3 requests a minute" in answers[4].json()["detail"]


def test_a_thousand_jobs_at_once_are_taken_on_or_refused(
    built: Path, rutile: Path, tmp_path: Path
) -> None:
    files = [("file", (f"{i}.xy", rutile.read_bytes())) for i in range(2)]
    settings = settings_for(built, tmp_path, requests_per_minute=100_000, jobs_per_client=3)
    with serving(settings) as client, ThreadPoolExecutor(16) as threads:
        asked = [threads.submit(client.post, "/v1/search", files=files) for _ in range(1000)]
        assert client.get("/healthz").status_code == 200
        answers = [one.result() for one in asked]
        taken = [one for one in answers if one.status_code == 202]
        refused = [one for one in answers if one.status_code == 429]
        assert len(taken) >= 3
        assert len(taken) + len(refused) == 1000
        assert len(refused) > 500
        said = refused[-1].json()
        assert said["type"] == "urn:braggle:problem:too-many-jobs"
        assert "wait until one has ended, or cancel one" in said["detail"]
        assert refused[-1].headers["Retry-After"] == "30"
        for job in client.get("/v1/jobs").json()["jobs"]:
            client.delete(f"/v1/jobs/{job['id']}")


def blocked(release: threading.Event) -> Callable[[], str]:
    def search() -> str:
        release.wait(60)
        return "done"

    return search


def test_searches_beyond_those_that_may_wait_are_refused() -> None:
    release = threading.Event()
    searches = Searches(1, 1, timeout_s=60, metrics=Metrics())

    async def ask() -> list[str]:
        first = asyncio.create_task(searches.run(blocked(release)))
        second = asyncio.create_task(searches.run(blocked(release)))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="2 look-ups run or wait"):
            await searches.run(blocked(release))
        release.set()
        return [await first, await second]

    assert asyncio.run(ask()) == ["done", "done"]
    searches.close()


def test_a_search_that_does_not_end_is_not_waited_for_and_keeps_its_place() -> None:
    release = threading.Event()
    searches = Searches(1, 0, timeout_s=0.2, metrics=Metrics())

    async def ask() -> None:
        with pytest.raises(ProblemError, match=r"did not end within 0\.2 s"):
            await searches.run(blocked(release))
        with pytest.raises(ProblemError, match="1 look-ups run or wait"):
            await searches.run(blocked(release))

    asyncio.run(ask())
    release.set()
    searches.close()


def test_a_search_whose_turn_would_come_too_late_is_refused_at_once() -> None:
    release = threading.Event()
    searches = Searches(1, 50, timeout_s=60, metrics=Metrics())
    searches._usual_s = 45.0

    async def ask() -> None:
        running = [asyncio.create_task(searches.run(blocked(release))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="2 look-ups run or wait") as refused:
            await searches.run(blocked(release))
        assert refused.value.headers == {"Retry-After": "45"}
        release.set()
        assert await asyncio.gather(*running) == ["done", "done"]

    asyncio.run(ask())
    searches.close()
    assert searches._usual_s < 45


def test_those_who_watch_are_answered_when_there_is_no_room() -> None:
    guard = Guard(FastAPI(), ServeSettings(), Clients(None), ())
    guard._now = ServeSettings().requests_at_once + 1
    scope: dict[str, Any] = {"headers": [], "method": "GET", "client": None, "state": {}}
    for path in WATCHING:
        guard._check({**scope, "path": path})
    with pytest.raises(ProblemError, match="128 requests are being answered"):
        guard._check({**scope, "path": "/v1/library"})


def test_metrics_count_requests_and_stages(client: TestClient, rutile: Path) -> None:
    client.post("/v1/search", files={"file": rutile.read_bytes()})
    client.get("/nowhere")
    client.request("INVENTED", "/nowhere")
    text = client.get("/metrics").text
    assert 'braggle_search_stage_seconds_count{stage="first_stage"}' in text
    assert 'route="/v1/search",status="200"' in text
    assert 'braggle_problems_total{kind="not-found"}' in text
    assert 'braggle_jobs{state="queued"} 0.0' in text
    assert "braggle_library_entries 6.0" in text
    assert "braggle_http_requests_now 1.0" in text
    assert "INVENTED" not in text
    assert 'method="other"' in text


def test_a_client_holds_only_so_many_streams() -> None:
    streams = Streams(per_client=2, at_once=3)
    with streams.one("a"), streams.one("a"):
        with pytest.raises(ProblemError, match="2 streams of yours and 2 in all are open"):
            streams.one("a").__enter__()
        with (
            streams.one("b"),
            pytest.raises(ProblemError, match="0 streams of yours and 3 in all"),
        ):
            streams.one("c").__enter__()
        with streams.one("c"):
            pass
    assert not streams._open
