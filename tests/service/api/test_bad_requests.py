"""Whatever is sent: a problem document that says what is wrong and what to do; the server lives."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from service.api.guard import SECURITY_HEADERS
from service.api.problems import KINDS
from tests.service.api.conftest import HERE, serving, settings_for

AXIS = np.linspace(10, 80, 200).tolist()
COUNTS = [100.0] * 200


def problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["type"] == f"urn:braggle:problem:{kind}"
    assert said["status"] == status == KINDS[kind][0]
    assert said["title"] == KINDS[kind][1]
    assert said["request_id"] == answer.headers["X-Request-ID"]
    assert "\n" not in said["detail"]
    assert "Traceback" not in answer.text
    return said


@pytest.mark.parametrize(
    "options, field, said",
    [
        ({"elements": "Pb,Xx"}, "elements", "'Xx' is not a chemical element"),
        ({"formula": "PbXo4"}, "formula", "is not understood"),
        ({"space_group": "231"}, "space_group", "give a number from 1 to 230"),
        ({"volume": "300"}, "volume", "give FROM:TO"),
        ({"density": "7:6"}, "density", "upside down; swap them"),
        ({"wavelength": "CuKb"}, "wavelength", "is not understood; give an anode"),
        ({"top": "0"}, "top", "greater than or equal to 1"),
        ({"top": "many"}, "top", "valid integer"),
        ({"phases": "7"}, "phases", "less than or equal to 6"),
        ({"first_stage": "best"}, "first_stage", "'best' is not understood"),
        ({"elemnts": "Pb"}, "elemnts", "there is no such option"),
    ],
)
def test_a_wrong_option_is_named(
    client: TestClient, rutile: Path, options: dict[str, str], field: str, said: str
) -> None:
    answer = client.post("/v1/search", files={"file": rutile.read_bytes()}, data=options)
    (error,) = problem(answer, 422, "bad-value")["errors"]
    assert error["field"] == field
    assert said in error["detail"]


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("empty.xy", b"", "is empty"),
        ("pickle.xy", pickle.dumps([1, 2]), "is a Python pickle, which is never opened"),
        ("binary.xy", bytes(range(256)) * 10, "binary file"),
        ("words.xy", b"no pattern at all\n" * 100, ""),
        ("short.xy", b"10 1\n20 2\n", "too few"),
        ("nan.xy", b"".join(b"%d 100\n" % i for i in range(10, 90)) + b"90 nan\n", "not finite"),
        ("page.xrdml", b"<!doctype html><html></html>", "is a web page"),
        ("flat.xy", b"".join(b"%d 100\n" % i for i in range(10, 90)), "no peak stands out"),
        ("../../etc/passwd", b"", "passwd: is empty"),
        ("C:\\secret\\a.xy", b"", "a.xy: is empty"),
        ("/etc/passwd", b"", "passwd: is empty"),
        ("..", b"", "..: is empty"),
        ("x" * 3000 + ".xy", b"", f"{'x' * 120}: is empty"),
        ("a\x00b\x1b[2J.xy", b"", "is empty"),
    ],
)
def test_what_is_no_pattern_is_said(
    client: TestClient, name: str, content: bytes, said: str
) -> None:
    answer = client.post("/v1/search", files={"file": (name, content)})
    detail = problem(answer, 422, "bad-content")["detail"]
    assert said in detail
    assert "etc/" not in detail
    assert "secret" not in detail


def test_a_zip_bomb_is_not_unpacked(client: TestClient) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("Experiment0/RawData0.xml", "w") as member:
            for _ in range(600):
                member.write(bytes(2**20))
        archive.writestr("DataContainer.xml", "<x/>")
    assert len(bomb.getvalue()) < 2**20
    answer = client.post("/v1/search", files={"file": ("scan.brml", bomb.getvalue())})
    assert "unpacks to more than 512 MB" in problem(answer, 422, "bad-content")["detail"]


@pytest.mark.parametrize(
    "change, field, said",
    [
        ({"counts": COUNTS[:-1]}, "counts", "199 values beside 200"),
        ({"esd": [1.0]}, "esd", "1 values beside 200"),
        ({"q_inv_angstrom": AXIS}, "two_theta_deg", "both given; give one of them"),
        ({"two_theta_deg": None}, "two_theta_deg", "neither given"),
        ({"counts": None}, "counts", "valid array"),
        ({"counts": ["x"] * 200}, "counts.0", "valid number"),
        ({"two_theta_deg": [x * 4 for x in AXIS]}, "counts", "no 2θ in degrees"),
        ({"counts": [1e300] * 200}, "counts", "are no counts"),
        ({"top": 10**30}, "top", "not understood"),
        ({"file": "/etc/passwd"}, "file", "there is no such option"),
    ],
)
def test_arrays_that_are_no_pattern(
    client: TestClient, change: dict[str, Any], field: str, said: str
) -> None:
    body = {"two_theta_deg": AXIS, "counts": COUNTS} | change
    errors = problem(client.post("/v1/search", json=body), 422, "bad-value")["errors"]
    assert errors[0]["field"] == field
    assert said in errors[0]["detail"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["counts", "esd", "two_theta_deg", "q_inv_angstrom"])
def test_numbers_that_are_none_are_refused(client: TestClient, number: str, field: str) -> None:
    values = {"two_theta_deg": AXIS, "counts": COUNTS} | {field: ["it", *COUNTS[1:]]}
    body = json.dumps(values).replace('"it"', number, 1)
    headers = {"content-type": "application/json"}
    answer = client.post("/v1/search", content=body, headers=headers)
    (error,) = problem(answer, 422, "bad-value")["errors"]
    assert error["field"] == f"{field}.0"
    assert "finite number" in error["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        '{"counts": [1,',
        "[" * 100_000,
        '{"counts":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":' * 100_000,
        '{"counts": "\ud800"}',
        "\x00",
        "null",
        "[]",
    ],
)
def test_malformed_json(client: TestClient, body: str) -> None:
    headers = {"content-type": "application/json"}
    for path in ("/v1/search", "/v1/similar"):
        content = body.encode("utf-8", "surrogatepass")
        answer = client.post(path, content=content, headers=headers)
        assert answer.status_code in {400, 422}
        kind = "unreadable-request" if answer.status_code == 400 else "bad-value"
        problem(answer, answer.status_code, kind)


@pytest.mark.parametrize(
    "content, headers, status, kind",
    [
        (b"10 1\n", {}, 415, "wrong-content-type"),
        (b"10 1\n", {"content-type": "text/plain"}, 415, "wrong-content-type"),
        (b"{}", {"content-type": "application/jsonp"}, 415, "wrong-content-type"),
        (b"x", {"content-type": "multipart/form-data"}, 400, "unreadable-request"),
        (b"x", {"content-type": "multipart/form-data; boundary=a"}, 400, "unreadable-request"),
        (b"--a--\r\n", {"content-type": "multipart/form-data; boundary=a"}, 422, "bad-value"),
    ],
)
def test_a_body_that_is_none(
    client: TestClient, content: bytes, headers: dict[str, str], status: int, kind: str
) -> None:
    problem(client.post("/v1/search", content=content, headers=headers), status, kind)


def test_a_million_wrong_values_are_one_line(client: TestClient) -> None:
    wrong = '{"two_theta_deg": [1, 2], "counts": [' + ", ".join(['"x"'] * 100_000) + "]}"
    names = "{" + ", ".join(f'"k{i}": 1' for i in range(100_000)) + "}"
    headers = {"content-type": "application/json"}
    for body, said in ((wrong, "counts.0: 'x'"), (names, "100000 names are given")):
        answer = client.post("/v1/search", content=body, headers=headers)
        assert said in problem(answer, 422, "bad-value")["detail"]
        assert len(answer.content) < 1000
    answer = client.post("/v1/search", content=" " * 16_000_001, headers=headers)
    assert "more than 16 MB" in problem(answer, 413, "too-large")["detail"]


def test_a_form_with_too_much_in_it(client: TestClient) -> None:
    answer = client.post("/v1/similar", files=[("file", ("a", b"1")), ("file", ("b", b"2"))])
    assert "Too many files" in problem(answer, 400, "unreadable-request")["detail"]
    answer = client.post("/v1/similar", files={"other": b"1"})
    assert problem(answer, 422, "bad-value")["errors"][0]["field"] == "other"
    answer = client.post("/v1/similar", files={"file": ("x" * 100_000, b"1")})
    problem(answer, 400, "unreadable-request")
    fields = {f"x{i}": "1" for i in range(1000)}
    answer = client.post("/v1/similar", files={"file": b"1"}, data=fields)
    problem(answer, 400, "unreadable-request")


@pytest.mark.parametrize(
    "cif, said",
    [
        ("", "no block"),
        ("data_x\n_cell_length_a 4\n", ""),
        ("\x00binary", "holds null bytes"),
        ("data_x\nloop_\n_a\n" + "1 " * 10, ""),
    ],
)
def test_what_is_no_crystal_is_said(client: TestClient, cif: str, said: str) -> None:
    for path in ("/v1/similar", "/v1/simulate"):
        answer = client.post(path, files={"file": ("x.cif", cif.encode())})
        assert said in problem(answer, 422, "bad-content")["detail"]


def test_a_crystal_with_too_many_atoms_is_refused(built: Path, cifs: Path, tmp_path: Path) -> None:
    with serving(settings_for(built, tmp_path, max_atoms=10, max_points=60)) as client:
        calcite = {"file": ("calcite.cif", (cifs / "calcite.cif").read_bytes())}
        answer = client.post("/v1/similar", files=calcite)
        assert "30 atoms in the cell are more than 10" in answer.json()["detail"]
        body = {"two_theta_deg": AXIS, "counts": COUNTS}
        assert (
            "200 points are more than 60" in client.post("/v1/search", json=body).json()["detail"]
        )
        halite = {"file": ("halite.cif", (cifs / "halite.cif").read_bytes())}
        answer = client.post("/v1/simulate", files=halite)
        assert problem(answer, 422, "bad-value")["errors"][0]["field"] == "step"


def test_a_cell_that_its_symmetry_makes_huge_is_not_filled(client: TestClient) -> None:
    places = np.random.default_rng(1).random((3000, 3)).round(4)
    sites = "\n".join(f"C{i} C {x} {y} {z}" for i, (x, y, z) in enumerate(places.tolist()))
    cell = "".join(f"_cell_length_{axis} 50\n" for axis in "abc")
    angles = "".join(f"_cell_angle_{angle} 90\n" for angle in ("alpha", "beta", "gamma"))
    columns = "\n".join(
        f"_atom_site_{name}" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z")
    )
    cif = f"data_x\n{cell}{angles}_space_group_name_H-M_alt 'F m -3 m'\nloop_\n{columns}\n{sites}\n"
    answer = client.post("/v1/similar", files={"file": ("x.cif", cif.encode())})
    assert "the cell holds more than 20000 atoms" in problem(answer, 422, "bad-content")["detail"]


class Deadly:
    """Ends the process that unpickles it, as a fault in a reader would."""

    def __reduce__(self) -> tuple[Callable[[int], Any], tuple[int]]:
        return os._exit, (1,)


def test_content_that_its_reader_dies_of(
    client: TestClient, rutile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"file": rutile.read_bytes()}
    with monkeypatch.context() as patched:
        patched.setattr("service.api.lookups.parse_pattern", Deadly())
        answer = client.post("/v1/search", files=files)
    assert "died of it; check the file" in problem(answer, 422, "parsing-stopped")["detail"]
    assert client.post("/v1/search", files=files).status_code == 200
    assert 'braggle_parsers_ended_total{reason="died"}' in client.get("/metrics").text


def test_a_body_of_two_gigabytes_is_refused_before_it_comes(client: TestClient) -> None:
    headers = {"content-type": "application/json", "content-length": str(2 * 2**30)}
    answer = client.post("/v1/search", content=b"{}", headers=headers)
    assert "more than 32 MB" in problem(answer, 413, "too-large")["detail"]


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=a"])
def test_a_body_that_grows_too_large_is_refused_on_the_way(
    built: Path, tmp_path: Path, kind: str
) -> None:
    sent, answered = 0, bytearray()
    form = b'--a\r\nContent-Disposition: form-data; name="file"; filename="a.xy"\r\n\r\n'

    async def endless() -> Message:
        nonlocal sent
        sent += 1
        assert sent < 20, "it reads on and on"
        begins = form if sent == 1 and kind.startswith("multipart") else b""
        return {"type": "http.request", "body": begins + b" " * 50_000, "more_body": True}

    async def keep(message: Message) -> None:
        answered.extend(message.get("body", b""))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/search",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", kind.encode())],
        "client": ("127.0.0.1", 1),
    }
    with serving(settings_for(built, tmp_path, max_body_mb=0.1)) as client:
        assert client.portal is not None
        client.portal.call(client.app, scope, endless, keep)
    assert json.loads(answered)["type"] == "urn:braggle:problem:too-large"


def test_what_is_not_served(client: TestClient) -> None:
    assert "/docs lists" in problem(client.get("/nowhere"), 404, "not-found")["detail"]
    problem(client.put("/v1/search"), 405, "method-not-allowed")
    problem(client.get("/v1/jobs/none"), 404, "not-found")


def test_pages_of_other_sites_may_not_send_forms(client: TestClient, rutile: Path) -> None:
    files = {"file": rutile.read_bytes()}
    answer = client.post("/v1/search", files=files, headers={"origin": "https://evil.example"})
    problem(answer, 403, "not-allowed")
    assert client.post("/v1/search", files=files, headers={"origin": HERE}).status_code == 200
    problem(client.get("/healthz", headers={"host": "evil.example"}), 421, "wrong-host")


def test_request_ids_are_kept_when_sane(client: TestClient) -> None:
    assert client.get("/healthz", headers={"x-request-id": "a-1"}).headers["X-Request-ID"] == "a-1"
    for insane in ("a b", "<script>", "x" * 65, "ä".encode().decode("latin-1")):
        headers = {b"x-request-id": insane.encode("latin-1")}
        kept = client.get("/healthz", headers=headers).headers["X-Request-ID"]
        assert kept != insane
        assert len(kept) == 32


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/v1/library", "/nowhere"])
def test_every_answer_has_security_headers(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "server" not in answer.headers


def test_the_list_of_routes_loads_nothing(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "<script" not in page
    assert "src=" not in page
    assert "//" not in page.replace("http://localhost:8000", "")


def test_an_error_that_was_not_foreseen_says_nothing_of_itself(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("service.api.entry_routes._page", broken)
    answer = client.get("/v1/entries")
    said = problem(answer, 500, "unexpected")
    assert "secret" not in answer.text
    assert said["request_id"] in said["detail"]
