"""A real server: jobs over restarts and crashes, new versions of the library, slow clients."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.api.server import LONG_S, Server, running, wait_for

MANY = 150
"""Patterns of a job that takes longer than it takes to stop it."""


@pytest.fixture(scope="module")
def library(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that tests add to."""
    path = tmp_path_factory.mktemp("libraries") / "served"
    shutil.copytree(built, path)
    return path


@pytest.fixture(scope="module")
def server(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running(library, folder, reload_every_s=0.2, searches=2) as one:
        yield one


def files(pattern: Path, count: int) -> list[tuple[str, tuple[str, bytes]]]:
    content = pattern.read_bytes()
    return [("file", (f"scan{number}.xy", content)) for number in range(count)]


def begun(server: Server, pattern: Path, count: int = MANY) -> str:
    """The place of a job that runs."""
    answer = server.client.post("/v1/search", files=files(pattern, count))
    assert answer.status_code == 202, answer.text
    place = answer.headers["Location"]
    wait_for(lambda: server.job(place)["progress"]["done"] > 0)
    return place


def worker_of(server: Server, place: str) -> int:
    database = server.folder / "service" / "jobs.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        row = connection.execute(
            "SELECT worker FROM jobs WHERE id = ?", (place.rpartition("/")[2],)
        ).fetchone()
    return int(row[0])


def events(
    server: Server, place: str, headers: dict[str, str] | None = None, *, parts: bool = False
) -> list[dict[str, str]]:
    """All events of a job, to its end."""
    found: list[dict[str, str]] = [{}]
    path = f"{place}/events{'?parts=true' if parts else ''}"
    with server.client.stream("GET", path, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if not line:
                found.append({})
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                found[-1][name] = value
    return [one for one in found if one]


def test_several_files_are_a_job_with_progress_and_a_result(server: Server, rutile: Path) -> None:
    asked = [*files(rutile, 3), ("file", ("../bad.xy", b"no pattern"))]
    answer = server.client.post("/v1/search", files=asked, data={"top": "2"})
    assert answer.status_code == 202
    place = answer.headers["Location"]
    assert answer.json()["links"]["self"] == place
    all_told = events(server, place, parts=True)
    parts = [json.loads(one["data"]) for one in all_told if one["event"] == "part"]
    told = [one for one in all_told if one["event"] != "part"]
    assert [one["event"] for one in told[:-1]] == ["progress"] * (len(told) - 1)
    assert told[-1]["event"] == "end"
    assert [int(one["id"]) for one in told] == sorted({int(one["id"]) for one in told})
    assert json.loads(told[-1]["data"])["state"] == "succeeded"
    assert json.loads(told[-1]["data"])["progress"] == {"done": 4, "total": 4, "stage": "patterns"}
    (last,) = events(server, place, {"Last-Event-ID": told[-1]["id"]})
    assert last["event"] == "end"

    documents = server.client.get(f"{place}/result").json()
    # Where the job ends before they are asked for there are none: the result has them.
    for part in parts:
        assert part["document"] == documents[part["number"]]
    assert [one["query"]["path"] for one in documents] == [
        "scan0.xy", "scan1.xy", "scan2.xy", "bad.xy",
    ]  # fmt: skip
    assert documents[0]["hits"][0]["formula"] == "TiO2"
    assert documents[0]["library"]["path"] == "served"
    assert documents[3]["error"].startswith("bad.xy: ")
    assert server.client.delete(place).status_code == 204
    assert server.client.get(place).status_code == 404


def test_answers_are_shown_while_others_are_worked_on(server: Server, rutile: Path) -> None:
    place = begun(server, rutile)
    block: list[str] = []
    with server.client.stream("GET", f"{place}/events?parts=true") as answer:
        for line in answer.iter_lines():
            if line:
                block.append(line)
            elif "event: part" in block:
                break
            else:
                block.clear()
    (data,) = (line.removeprefix("data: ") for line in block if line.startswith("data: "))
    assert json.loads(data)["document"]["hits"][0]["formula"] == "TiO2"
    server.client.delete(place)
    server.ended(place)


def test_look_ups_run_side_by_side_and_others_are_answered_meanwhile(
    server: Server, rutile: Path
) -> None:
    def look_up(_: int) -> str:
        answer = server.client.post("/v1/search", files=files(rutile, 1))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["hits"][0]["formula"])

    with ThreadPoolExecutor(4) as threads:
        found = threads.map(look_up, range(8))
        assert server.client.get("/healthz").status_code == 200
        assert set(found) == {"TiO2"}


def test_asking_again_with_the_same_key_gets_the_same_job(server: Server, rutile: Path) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = (
        server.client.post("/v1/search", files=files(rutile, 2), headers=headers) for _ in range(2)
    )
    assert first.headers["Location"] == again.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    other = server.client.post("/v1/search", files=files(rutile, 3), headers=headers)
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    server.ended(first.headers["Location"])


def test_a_cancelled_job_stops_soon(server: Server, rutile: Path) -> None:
    place = begun(server, rutile)
    early = server.client.get(f"{place}/result")
    assert early.status_code == 409
    assert early.json()["type"] == "urn:braggle:problem:not-ready"
    assert server.client.delete(place).status_code == 202
    job = server.ended(place)
    assert job["state"] == "cancelled"
    assert job["progress"]["done"] < MANY
    assert server.client.get(f"{place}/result").status_code == 409


def test_a_job_whose_worker_is_killed_is_marked_and_the_next_is_done(
    server: Server, rutile: Path
) -> None:
    place = begun(server, rutile)
    os.kill(worker_of(server, place), signal.SIGKILL)
    job = server.ended(place)
    assert job["state"] == "failed"
    assert job["problem"]["type"] == "urn:braggle:problem:cut-off"
    following = server.client.post("/v1/search", files=files(rutile, 2)).headers["Location"]
    assert server.ended(following)["state"] == "succeeded"


def test_structures_are_proposed_by_a_job(server: Server, rutile: Path) -> None:
    form = {"formula": "SnO2", "engines": "substitution", "samples": "3", "refine": "false"}
    answer = server.client.post("/v1/generate", files=files(rutile, 1), data=form)
    assert answer.status_code == 202, answer.text
    place = answer.headers["Location"]
    assert server.ended(place)["state"] == "succeeded", server.job(place)
    document = server.client.get(f"{place}/result").json()
    assert document["query"]["formula"] == "SnO2"
    assert document["proposals"][0]["cif"].startswith("data_01-SnO2")
    alone = [("formula", (None, "SnO2")), ("samples", (None, "2")), ("part", (None, "true"))]
    place = server.client.post("/v1/generate", files=alone).headers["Location"]
    assert server.ended(place)["state"] == "succeeded", server.job(place)
    document = server.client.get(f"{place}/result").json()
    assert (document["query"]["file"], document["query"]["points"]) == (None, 0)
    assert "no pattern was given" in document["query"]["warnings"][0]
    assert document["proposals"][0]["fit"] is None
    assert "No pattern" in document["part"]
    for name, told in (("wavelength", "CuKa"), ("ligands", "[O-2]:1")):
        needs = server.client.post("/v1/generate", files=[*alone, (name, (None, told))])
        assert needs.status_code == 422, needs.text
        assert needs.json()["detail"] == f"{name}: goes with a pattern; give one, or leave it out"
    for more, said in (
        ({}, "engines: elements go with pointcloud alone; name it"),
        ({"engines": "pointcloud", "formula": "SnO2"}, "formula: elements stand in place of it"),
        ({"engines": "pointcloud", "elements": "Sn,O,F,Cl"}, "holds one to 3 elements"),
    ):
        fields = {"elements": "Sn,O", **more}.items()
        parts = [(name, (None, told)) for name, told in fields]
        refused = server.client.post("/v1/generate", files=parts)
        assert refused.status_code == 422, refused.text
        assert said in refused.json()["detail"]
    unread = {"formula": "SnO2", "wavelength": "CuQ"}
    wrong = server.client.post("/v1/generate", files=files(rutile, 1), data=unread)
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "wavelength")
    wrong = server.client.post("/v1/generate", files=files(rutile, 1), data={"cell": "1 2"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] in {"formula", "cell"}


def test_crystals_are_added_and_removed_and_served_without_a_restart(
    server: Server, rutile: Path
) -> None:
    before = server.client.get("/v1/library").json()
    silicon = """data_silicon
_cell_length_a 5.4309
_cell_length_b 5.4309
_cell_length_c 5.4309
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F d -3 m :2'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Si 0.125 0.125 0.125
"""
    statuses: list[int] = []
    stop = threading.Event()

    def ask_on() -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=LONG_S) as client:
            while not stop.is_set():
                answer = client.post("/v1/search", files=files(rutile, 1))
                statuses.append(answer.status_code)
                version = answer.json()["library"]["version"]
                assert answer.headers["Braggle-Library-Version"] == str(version)

    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        answer = server.client.post("/v1/entries", json={"cif": silicon, "name": "si.cif"})
        job = server.ended(answer.headers["Location"])
        assert job["state"] == "succeeded", job
        added = server.client.get(f"{job['links']['result']}").json()
        assert (added["added"], added["problems"]) == (1, [])
        assert added["library"]["entries"] == before["entries"] + 1
        (entry,) = wait_for(
            lambda: server.client.get("/v1/entries", params={"formula": "Si"}).json()["entries"]
        )
        assert entry["source"][0]["collection"] == "si.cif"

        gone = server.client.delete(f"/v1/entries/{entry['id']}").headers["Location"]
        assert server.ended(gone)["state"] == "succeeded"
        wait_for(lambda: server.client.get(f"/v1/entries/{entry['id']}").status_code == 404)
    finally:
        stop.set()
        asking.join()
    after = server.client.get("/v1/library").json()
    assert (after["entries"], after["version"]) == (before["entries"], before["version"] + 2)
    assert statuses
    assert set(statuses) == {200}


def test_nothing_that_could_be_added_is_a_failed_job(server: Server) -> None:
    answer = server.client.post("/v1/entries", files={"file": ("x.cif", b"data_x\n_a 1\n")})
    job = server.ended(answer.headers["Location"])
    assert job["state"] == "failed"
    assert "x.cif" in job["problem"]["detail"]


def test_logs_are_json_with_request_ids(server: Server) -> None:
    server.client.get("/v1/nothing", headers={"X-Request-ID": "seek-me"})

    def told() -> dict[str, Any] | None:
        lines = server.log.read_text("utf-8").splitlines()
        documents = [json.loads(line) for line in lines if line.startswith("{")]
        return next((one for one in documents if one.get("request_id") == "seek-me"), None)

    line = wait_for(told)
    said = server.log.read_text("utf-8").splitlines()
    assert [one for one in said if not one.startswith("{")] == said[:1]
    assert (line["message"], line["path"], line["status"]) == ("request", "/v1/nothing", 404)
    assert line["problem"] == "not-found"


def test_jobs_outlast_a_restart(library: Path, rutile: Path, tmp_path: Path) -> None:
    with running(library, tmp_path) as first:
        running_place = begun(first, rutile)
        waiting = first.client.post("/v1/search", files=files(rutile, 2)).headers["Location"]
        watched: list[dict[str, str]] = []
        watching = threading.Thread(target=lambda: watched.extend(events(first, running_place)))
        watching.start()
        wait_for(lambda: first.client.get("/metrics").text.count('running"} 1.0'))
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(LONG_S) == -signal.SIGTERM  # raised again when all is done
        watching.join(LONG_S)
        assert all(one["event"] == "progress" for one in watched)
    with running(library, tmp_path) as second:
        assert second.job(running_place)["state"] in {"queued", "running"}
        wait_for(lambda: second.job(running_place)["progress"]["done"] > 0)
        second.client.delete(running_place)
        assert second.ended(waiting)["state"] == "succeeded"


def test_a_job_is_marked_when_the_server_is_killed(
    library: Path, rutile: Path, tmp_path: Path
) -> None:
    with running(library, tmp_path) as first:
        place = begun(first, rutile)
        worker = worker_of(first, place)
        first.stop(signal.SIGKILL)
    wait_for(lambda: not _is_alive(worker))
    with running(library, tmp_path) as second:
        job = second.job(place)
        assert (job["state"], job["problem"]["type"]) == ("failed", "urn:braggle:problem:cut-off")


def test_a_job_that_takes_too_long_is_stopped(library: Path, rutile: Path, tmp_path: Path) -> None:
    with running(library, tmp_path, job_timeout_s=1) as server:
        place = server.client.post("/v1/search", files=files(rutile, MANY)).headers["Location"]
        job = server.ended(place)
        assert job["problem"]["type"] == "urn:braggle:problem:too-long"


def test_a_body_that_does_not_come_is_not_waited_for(library: Path, tmp_path: Path) -> None:
    with running(library, tmp_path, upload_timeout_s=1) as server:
        url = server.client.base_url
        with socket.create_connection((url.host, url.port or 80), timeout=LONG_S) as connection:
            connection.sendall(
                f"POST /v1/search HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n"
                "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{".encode()
            )
            answer = b""
            while part := connection.recv(65536):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 408 " in head
        assert json.loads(body)["type"] == "urn:braggle:problem:too-slow"
        assert server.is_ready()


def test_headers_that_are_too_large_are_refused(server: Server) -> None:
    url = server.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=LONG_S) as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {url.host}\r\n".encode())
        with suppress(ConnectionError):  # it may close before all of it is sent
            connection.sendall(b"X-Long: " + b"x" * 1_000_000)
            assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert server.is_ready()


def test_two_servers_do_not_share_their_jobs(library: Path, tmp_path: Path) -> None:
    with running(library, tmp_path), pytest.raises(AssertionError) as caught:
        Server(library, tmp_path)
    last = str(caught.value).splitlines()[-1]
    assert last.startswith("braggle: ")
    assert "another service keeps its jobs here; stop it" in last


def test_a_library_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        Server(tmp_path / "nowhere", tmp_path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("braggle: ")
    assert "there is no library yet" in line


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    time.sleep(0.05)
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
