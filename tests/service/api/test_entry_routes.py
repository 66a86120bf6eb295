"""The library over HTTP: pages of entries, entries in three forms, templates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gemmi
import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.api.parsing import parse_pattern
from tests.service.api.conftest import serving, settings_for
from tests.service.conftest import CRYSTALS, Braggle


def test_pages_follow_each_other_until_the_end(client: TestClient) -> None:
    seen, cursor, pages = [], None, 0
    while True:
        asked = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/entries", params=asked).json()
        seen += [one["id"] for one in page["entries"]]
        assert page["total"] == len(CRYSTALS)
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == 3
    assert len(set(seen)) == len(seen) == len(CRYSTALS)


@pytest.mark.parametrize(
    "asked, formulas",
    [
        ({"elements": "Ti,O"}, {"TiO2"}),
        ({"require": "Ca", "exclude": "F"}, {"CaCO3"}),
        ({"formula": "O2 Si"}, {"SiO2"}),
        ({"space_group": "225"}, {"NaCl", "CaF2"}),
        ({"space_group": "P42/mnm"}, {"TiO2"}),
        ({"volume": ":70"}, {"TiO2"}),
        ({"density": "4:"}, {"TiO2"}),
        ({"source": "Quartz.CIF"}, {"SiO2"}),
        ({"text": "QUAR"}, {"SiO2"}),
        ({"text": "no such name"}, set()),
    ],
)
def test_filters(client: TestClient, asked: dict[str, str], formulas: set[str]) -> None:
    page = client.get("/v1/entries", params=asked).json()
    assert {one["formula"] for one in page["entries"]} == formulas
    assert page["next_cursor"] is None


def test_an_entry_in_three_forms(client: TestClient) -> None:
    (listed,) = client.get("/v1/entries", params={"text": "rutile"}).json()["entries"]
    place = f"/v1/entries/{listed['id']}"
    entry = client.get(place).json()
    assert entry | listed == entry
    assert {atom["element"] for atom in entry["atoms"]} == {"Ti", "O"}

    cif = client.get(f"{place}.cif")
    assert cif.headers["content-type"] == "chemical/x-cif"
    block = gemmi.cif.read_string(cif.text).sole_block()
    assert block.find_value("_cell_length_a") == f"{entry['cell']['a']:.8f}"

    text = client.get(f"{place}.xy", params={"wavelength": "MoKa", "two_theta_max": "50"})
    assert text.headers["content-type"].startswith("text/plain")
    pattern = parse_pattern(text.content, "rutile.xy", None, 100_000)
    assert pattern.x[-1] == 50
    # the 110 line, the strongest: d = a / √2
    strongest = pattern.x[int(np.argmax(pattern.counts))]
    d = entry["cell"]["a"] / np.sqrt(2)
    assert strongest == pytest.approx(2 * np.degrees(np.arcsin(0.70932 / 2 / d)), abs=0.05)


def test_what_is_not_there_is_said(client: TestClient) -> None:
    for place in ("0" * 20, "0" * 20 + ".cif", "0" * 20 + ".xy"):
        answer = client.get(f"/v1/entries/{place}")
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["field"] == "entry_id"
    assert client.get("/v1/entries/..%2f..%2fetc%2fpasswd").status_code in {404, 422}
    assert client.get("/v1/entries/ABC").status_code == 422


@pytest.mark.parametrize("cursor", ["nonsense", "e30=", "WzFd", "%00"])
def test_a_cursor_that_is_none_is_named(client: TestClient, cursor: str) -> None:
    answer = client.get("/v1/entries", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_a_cursor_whose_entry_has_gone_is_said(client: TestClient) -> None:
    from service.api.entry_routes import _cursor

    answer = client.get("/v1/entries", params={"cursor": _cursor("0" * 20)})
    assert answer.status_code == 410
    assert answer.json()["remedy"] == "begin again without a cursor"


def test_library_and_templates_are_those_of_the_command_line(
    client: TestClient, braggle: Braggle
) -> None:
    printed = json.loads(braggle("library", "info", "--json").stdout)
    answer = client.get("/v1/library").json()
    assert answer["path"] == "built"
    assert {**answer, "path": printed["path"]} == printed
    kept = client.get("/v1/library/history").json()
    assert kept["library"]["path"] == "built"
    assert (
        kept["versions"] == json.loads(braggle("library", "history", "--json").stdout)["versions"]
    )
    assert [one["verb"] for one in kept["versions"]] == ["build"]
    listed = client.get("/v1/templates", params={"kind": "global"}).json()
    assert listed["templates"] == []
    assert listed["library"]["entries"] == len(CRYSTALS)


def test_a_version_that_cannot_be_read_is_left_out(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "library")
    settings = settings_for(tmp_path / "library", tmp_path, reload_every_s=600)
    with serving(settings) as client:
        served = client.app.state.services.served  # type: ignore[attr-defined]
        before = served.current
        (tmp_path / "library" / "CURRENT").write_text("{}")
        served.reload()
        assert served.current is before
        assert client.get("/v1/entries").status_code == 200
        assert 'braggle_library_reloads_total{outcome="failed"} 1.0' in client.get("/metrics").text
        shutil.copy(built / "CURRENT", tmp_path / "library")
        served.reload()
        assert served.current is not before
        assert client.get("/v1/entries").json()["total"] == len(CRYSTALS)
