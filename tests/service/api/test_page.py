"""The pages: what they load, what they may run, and the parts that their scripts fetch."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from data.bundled import examples
from service.api.keys import KeyStore
from service.api.page.elements import periodic_table
from service.api.page.routes import FILES, POLICY
from service.pages import asset
from tests.service.api.conftest import serving, settings_for
from tests.service.html_page import Page

PAGES = ["/", "/library"]
SVG = "http://www.w3.org/2000/svg"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_only_files_of_the_service(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert "'unsafe-inline'" not in re.sub("style-src-attr [^;]*;", "", POLICY)
    page = Page(answer.text)
    loaded = {value for _, name, value in page.attributes if name in {"src", "href"}}
    files = {one for one in loaded if one.startswith("/assets/")}
    assert files
    assert loaded - files <= {"/", "/library", "/docs", "#main"}
    for one in files:
        assert client.get(one).status_code == 200
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"<script(?![^>]*\b(src|type=\"application/json\"))", answer.text)


@pytest.mark.parametrize("name", FILES)
def test_files_are_of_their_kind_and_name_no_other_place(client: TestClient, name: str) -> None:
    answer = client.get(f"/assets/{name}")
    kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kind[name.rpartition(".")[2]])
    assert answer.headers["x-content-type-options"] == "nosniff"
    text = answer.text.replace(SVG, "")
    assert not re.search(r"(https?:)?//\w+\.|@import|\beval\b|new Function", text)
    for imported in re.findall(r'(?:from|import) "\./([\w.-]+)"', text):
        assert imported in FILES


def test_every_file_of_the_pages_is_served() -> None:
    folder = Path(__file__).parents[3] / "service" / "api" / "page" / "assets"
    own = {one.name for one in folder.iterdir() if one.suffix != ".html"}
    assert own == {name for name, package in FILES.items() if package.endswith("page")}


@pytest.mark.parametrize("path", ["/assets/nothing.js", "/examples/nothing", "/assets/index.html"])
def test_what_there_is_not_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("name", examples())
def test_examples_are_served_as_they_ship_and_can_be_read(client: TestClient, name: str) -> None:
    example = examples()[name]
    content = client.get(f"/examples/{name}").content
    assert content == example.path.read_bytes()
    read = client.post(
        "/v1/patterns",
        files={"file": (example.path.name, content)},
        data={"wavelength": example.radiation},
    )
    assert read.status_code == 200, read.text
    document = read.json()
    assert document["query"]["wavelength_source"] == "given"
    assert document["query"]["points"] > 1000
    assert f'data-example="{name}"' in client.get("/").text


def test_a_wavelength_that_is_not_known_is_said_before_the_look_up(
    client: TestClient, rutile: Path
) -> None:
    document = client.post("/v1/patterns", files={"file": rutile.read_bytes()}).json()
    assert document["query"]["wavelength_source"] == "assumed"
    assert document["query"]["warnings"]
    assert set(document["curves"]) >= {"x", "counts", "background", "hits"}


def test_every_element_has_its_place() -> None:
    table = periodic_table()
    assert len(table) == 103
    for places in ([one.wide for one in table], [one.narrow for one in table]):
        assert len(set(places)) == len(table)
    stands = {one.symbol: (one.name, one.wide) for one in table}
    assert stands["Pb"] == ("Lead", (14, 6))
    assert stands["Fe"] == ("Iron", (8, 4))
    assert stands["He"] == ("Helium", (18, 1))
    assert stands["U"] == ("Uranium", (6, 10))
    assert max(column for column, _ in (one.narrow for one in table)) == 10


def test_the_answer_is_set_as_in_the_report(client: TestClient, rutile: Path) -> None:
    files = {"file": ("<b>x.xy", rutile.read_bytes())}
    answer = client.post("/parts/answer", files=files, data={"elements": "Ti,O", "phases": "2"})
    assert answer.status_code == 200, answer.text
    page = Page(answer.text)
    text = " ".join(page.text.split())
    assert "Match The pattern is that of" in text
    assert "Mixture 1" in text
    assert "TiO<sub>2</sub>" in answer.text
    assert "4<sub>2</sub>/<i>m</i><i>n</i><i>m</i>" in answer.text
    assert "<b>x" not in answer.text
    curves = page.documents[-1]
    assert curves["hits"][0]["ticks"]
    (entry, *_) = [value for _, name, value in page.attributes if name == "data-cell"]
    drawing = client.get(f"/v1/entries/{entry}/drawing").json()
    assert drawing["formula"] == "TiO2"
    assert {one[0] for one in drawing["atoms"]} == {"Ti", "O"}
    assert len(drawing["edges"]) == 12
    assert f'href="/v1/entries/{entry}.cif"' in answer.text


def test_curves_come_with_the_document(client: TestClient, rutile: Path) -> None:
    files = {"file": ("sample.xy", rutile.read_bytes())}
    plain = client.post("/v1/search", files=files).json()
    assert "curves" not in plain
    drawn = client.post("/v1/search", files=files, data={"curves": "2", "phases": "2"}).json()
    assert [hit["rank"] for hit in drawn["curves"]["hits"]] == [1, 2]
    assert drawn["mixtures"][0]["curves"]["hits"][0]["label"] == "Σ"
    two = [("file", ("a.xy", b"x")), ("file", ("b.xy", b"x"))]
    refused = client.post("/v1/search", files=two, data={"curves": "1"})
    assert refused.json()["errors"][0]["field"] == "curves"


def test_the_report_is_one_file(client: TestClient, built: Path, rutile: Path) -> None:
    answer = client.post("/v1/report", files={"file": ("sample.xy", rutile.read_bytes())})
    assert answer.headers["content-disposition"] == 'attachment; filename="report.html"'
    page = Page(answer.text)
    assert page.loaded() == []
    assert "data-cell" not in answer.text.replace("[data-cell]", "")
    assert str(built.parent) not in answer.text
    assert page.documents


def test_the_hand_over_is_an_archive(client: TestClient, built: Path, rutile: Path) -> None:
    answer = client.post("/v1/hand-over", files={"file": ("../my sample.xy", rutile.read_bytes())})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert {one.partition("/")[0] for one in names} == {"my sample"}
        assert {"my sample/pattern.xy", "my sample/gsas2.py", "my sample/bgmn.sav"} <= set(names)
        listed = json.loads(archive.read("my sample/handover.json"))
        assert listed["answer"]["hits"][0]["formula"] == "TiO2"
        assert str(built.parent) not in "".join(archive.read(one).decode() for one in names)


def test_the_library_and_its_entries_are_shown(client: TestClient) -> None:
    glance = client.get("/parts/library").text
    assert "6, from 6 records" in glance
    part = client.get("/parts/entries", params={"require": "Ti", "limit": "1"}).text
    (total,) = re.findall(r'data-total="(\d+)"', part)
    (cursor,) = re.findall(r'data-next="([^"]+)"', part)
    assert total == "2"
    rest = client.get("/parts/entries", params={"require": "Ti", "limit": "1", "cursor": cursor})
    assert 'data-next=""' in rest.text
    assert len(set(re.findall('data-cell="([0-9a-f]{20})"', part + rest.text))) == 2
    assert client.get("/parts/entries", params={"require": "Xx"}).status_code == 422


def test_with_keys_pages_are_open_and_their_parts_are_not(
    built: Path, rutile: Path, tmp_path: Path
) -> None:
    settings = settings_for(built, tmp_path, keys="on")
    secret = KeyStore(settings.service_dir).add("reader", "read")[1]
    files = {"file": ("sample.xy", rutile.read_bytes())}
    with serving(settings) as client:
        for path in (*PAGES, "/assets/page.css", "/examples/PbSO4"):
            assert client.get(path).status_code == 200
        for path in ("/parts/library", "/parts/entries"):
            assert client.get(path).status_code == 401
            key = {"Authorization": f"Bearer {secret}"}
            assert client.get(path, headers=key).status_code == 200
        for path in ("/parts/answer", "/v1/patterns", "/v1/report", "/v1/hand-over"):
            assert client.post(path, files=files).status_code == 401


def test_the_report_has_no_links_to_the_service() -> None:
    assert "/v1/" not in asset("service.report", "report.html")
