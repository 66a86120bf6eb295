"""What the client does when answers are lost, or put off: against a service that is made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from service.client import Client, ServiceError, connection
from service.client.events import Event, events_of

URL = "http://braggle.test"
JOB = {
    "id": "abc", "kind": "add", "state": "running", "links": {},
    "progress": {"done": 0, "total": None, "stage": ""},
}  # fmt: skip

Answer = httpx.Response | Exception
Scripted = Callable[..., Client]


class Script(httpx.MockTransport):
    """Answers one after the other; an exception is raised in an answer's place."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        super().__init__(self._next)

    def _next(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    return waited


def problem(status: int, kind: str, **headers: str) -> httpx.Response:
    said = {"type": f"urn:braggle:problem:{kind}", "status": status, "detail": "what; do this"}
    headers = {"content-type": "application/problem+json", **headers}
    return httpx.Response(status, headers=headers, content=json.dumps(said))


def stream(*chunks: str, lost: bool = False) -> httpx.Response:
    def parts() -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk.encode()
        if lost:
            raise httpx.ReadError("gone")

    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=parts())


def event(number: int, kind: str = "progress", **changes: Any) -> str:
    return f"event: {kind}\nid: {number}\nretry: 2000\ndata: {json.dumps({**JOB, **changes})}\n\n"


def test_a_lost_request_for_a_job_is_sent_again_with_the_same_key(pauses: list[float]) -> None:
    script = Script(
        httpx.ReadError("lost"), httpx.ConnectError("refused"), httpx.Response(202, json=JOB)
    )
    with Client(URL, key="secret", transport=script) as client:
        assert client.add(b"data_x").id == "abc"
    keys = {one.headers["Idempotency-Key"] for one in script.requests}
    assert len(script.requests) == 3
    assert len(keys) == 1
    assert {one.headers["Authorization"] for one in script.requests} == {"Bearer secret"}
    assert len({one.read() for one in script.requests}) == 3  # boundaries differ, nothing else
    assert pauses == [0.5, 1.0]


def test_each_job_has_a_key_of_its_own_unless_one_is_given() -> None:
    script = Script(*[httpx.Response(202, json=JOB) for _ in range(3)])
    with Client(URL, transport=script) as client:
        client.add(b"data_x")
        client.add(b"data_x")
        client.remove("0" * 20, idempotency_key="mine")
    first, second, third = (one.headers["Idempotency-Key"] for one in script.requests)
    assert first != second
    assert third == "mine"


def test_the_service_says_how_long_to_wait(pauses: list[float]) -> None:
    script = Script(
        problem(429, "too-many-requests", **{"Retry-After": "7"}),
        problem(503, "busy", **{"Retry-After": "2"}),
        httpx.Response(200, json={"jobs": []}),
    )
    with Client(URL, transport=script) as client:
        assert client.jobs() == []
    assert pauses == [7, 2]


def test_waiting_has_bounds(pauses: list[float]) -> None:
    late = problem(503, "busy", **{"Retry-After": "120"})
    with Client(URL, transport=Script(late)) as client, pytest.raises(ServiceError) as caught:
        client.library()
    assert caught.value.kind == "busy"
    assert pauses == []
    lost = Script(*[httpx.ConnectError("refused") for _ in range(99)])
    with Client(URL, transport=lost) as client, pytest.raises(ServiceError) as caught:
        client.library()
    assert len(lost.requests) == connection.ATTEMPTS
    assert (caught.value.status, caught.value.kind) == (None, "unreachable")
    assert str(caught.value).startswith(f"{URL}: no answer (refused); check the address")


@pytest.mark.parametrize(
    "answer",
    [
        problem(503, "library-unusable"),
        problem(422, "bad-value"),
        problem(500, "unexpected"),
        httpx.ReadTimeout("late"),
        httpx.UnsupportedProtocol("no scheme"),
    ],
)
def test_what_would_not_be_otherwise_is_not_asked_again(
    answer: Answer, pauses: list[float]
) -> None:
    script = Script(answer)
    with Client(URL, transport=script) as client, pytest.raises(ServiceError):
        client.library()
    assert len(script.requests) == 1
    assert pauses == []


def test_cancelling_is_not_sent_again_where_it_may_have_been_heard(pauses: list[float]) -> None:
    script = Script(
        httpx.Response(200, json=JOB),
        httpx.ConnectError("refused"),
        problem(503, "busy", **{"Retry-After": "1"}),
        httpx.ReadError("lost"),
    )
    with Client(URL, transport=script) as client:
        job = client.job("abc")
        with pytest.raises(ServiceError, match="lost"):
            job.cancel()
    assert [one.method for one in script.requests] == ["GET", "DELETE", "DELETE", "DELETE"]
    assert pauses == [0.5, 1]


def test_what_is_no_problem_document_is_an_error_all_the_same() -> None:
    page = httpx.Response(502, text="<h1>Bad gateway</h1>")
    with Client(URL, transport=Script(page)) as client, pytest.raises(ServiceError) as caught:
        client.library()
    assert (caught.value.status, caught.value.type) == (502, "about:blank")
    assert "status 502" in str(caught.value)


def test_a_lost_stream_is_taken_up_where_it_ended(pauses: list[float]) -> None:
    script = Script(
        httpx.Response(200, json=JOB),
        stream(event(1), event(2)[:20], lost=True),
        httpx.ConnectError("restarting"),
        stream(": ping\n\n"),
        problem(503, "busy", **{"Retry-After": "4"}),
        stream(event(5, state="running"), event(7, "end", state="succeeded")),
        httpx.Response(200, json={"added": 1}),
    )
    heard: list[str] = []
    with Client(URL, transport=script) as client:
        found = client.job("abc").wait(progress=lambda _done, _total, stage: heard.append(stage))
    assert found == {"added": 1}
    assert heard == ["running", "running", "succeeded"]
    asked = [one.headers.get("Last-Event-ID") for one in script.requests[1:-1]]
    assert asked == [None, "1", "1", "1", "1"]
    assert pauses == [2, 2, 2, 4]


def test_a_stream_that_never_comes_again_is_given_up(pauses: list[float]) -> None:
    script = Script(httpx.Response(200, json=JOB), *[stream() for _ in range(99)])
    with Client(URL, transport=script) as client, pytest.raises(ServiceError, match="job abc"):
        client.job("abc").wait()
    assert len(pauses) == connection.ATTEMPTS - 1


def test_a_cancelled_job_has_no_result() -> None:
    script = Script(
        httpx.Response(200, json=JOB),
        stream(event(3, "end", state="cancelled")),
        problem(409, "not-ready"),
    )
    with Client(URL, transport=script) as client, pytest.raises(ServiceError) as caught:
        client.job("abc").wait()
    assert caught.value.kind == "not-ready"


def test_events_are_read_as_the_standard_says() -> None:
    lines = [": hello", "", "data: one", "data:two", "id: 4", "colour: red", "retry: soon", ""]
    lines += ["event: end", "data", "", "data: cut off"]
    assert list(events_of(lines)) == [
        Event("comment", "hello", "", None),
        Event("message", "one\ntwo", "4", None),
        Event("end", "", "4", None),
    ]
