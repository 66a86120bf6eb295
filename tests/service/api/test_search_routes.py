"""Patterns and crystals in, the documents of the command line out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from data.reading import read_pattern
from tests.service.conftest import Braggle


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "timings_ms"}


def test_a_file_is_answered_as_on_the_command_line(
    client: TestClient, braggle: Braggle, rutile: Path
) -> None:
    words = ("--elements", "Ti,O", "--wavelength", "CuKa", "--top", "3", "--json")
    printed = json.loads(braggle("search", rutile, *words).stdout)
    answer = client.post(
        "/v1/search",
        files={"file": ("sample.xy", rutile.read_bytes())},
        data={"elements": "Ti,O", "wavelength": "CuKa", "top": "3"},
    )
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["library"].pop("path") == "built"
    printed["library"].pop("path")
    printed["query"].pop("path")
    assert without_times(document) == without_times(printed)
    assert document["verdict"] == "match"


def test_arrays_are_answered_as_the_file(client: TestClient, rutile: Path) -> None:
    pattern = read_pattern(rutile)
    body = {
        "two_theta_deg": pattern.x.tolist(),
        "counts": pattern.counts.tolist(),
        "wavelength": 1.5406,
        "name": "sample.xy",
    }
    answer = client.post("/v1/search", json=body)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["hits"][0]["formula"] == "TiO2"
    assert document["query"]["wavelength_source"] == "given"
    q = {
        "q_inv_angstrom": pattern.q_inv_angstrom.tolist(),
        "counts": pattern.counts.tolist(),
    }
    document = client.post("/v1/search", json=q).json()
    assert document["hits"][0]["formula"] == "TiO2"
    assert document["query"]["wavelength_angstrom"] is None


def test_an_assumed_wavelength_is_a_warning_in_the_answer(client: TestClient, rutile: Path) -> None:
    answer = client.post("/v1/search", files={"file": rutile.read_bytes()})
    assert any("assumed" in one for one in answer.json()["query"]["warnings"])


def test_every_answer_names_the_library(client: TestClient) -> None:
    for path in ("/healthz", "/v1/library", "/v1/nothing"):
        headers = client.get(path).headers
        assert headers["Braggle-Library-Version"] == "1"
        assert "physical" in headers["Braggle-Channels"].split(", ")


def test_several_phases_are_weighed(client: TestClient, rutile: Path) -> None:
    answer = client.post(
        "/v1/search", files={"file": rutile.read_bytes()}, data={"phases": "2", "elements": "Ti,O"}
    )
    assert answer.json()["mixtures"][0]["phases"][0]["formula"] == "TiO2"


@pytest.mark.parametrize("how", ["form", "json"])
def test_crystals_like_a_crystal(
    client: TestClient, braggle: Braggle, cifs: Path, how: str
) -> None:
    path = cifs / "rutile.cif"
    printed = json.loads(braggle("similar", path, "--json", "--top", "3").stdout)
    if how == "form":
        files = {"file": ("rutile.cif", path.read_bytes())}
        answer = client.post("/v1/similar", files=files, data={"top": "3"})
    else:
        body = {"cif": path.read_text("utf-8"), "name": "rutile.cif", "top": 3}
        answer = client.post("/v1/similar", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["entries"] == printed["entries"]
    assert answer.json()["query"]["file"] == "rutile.cif"


def test_a_simulated_pattern_is_found_again(client: TestClient, cifs: Path) -> None:
    files = {"file": ("calcite.cif", (cifs / "calcite.cif").read_bytes())}
    simulated = client.post("/v1/simulate", files=files, data={"wavelength": "CuKa1"}).json()
    assert (simulated["formula"], simulated["space_group"]) == ("CaCO3", "R-3c")
    assert np.argmax(simulated["counts"]) == pytest.approx((29.4 - 5) / 0.02, abs=10)
    body = {
        "two_theta_deg": simulated["two_theta_deg"],
        "counts": simulated["counts"],
        "wavelength": "CuKa1",
    }
    found = client.post("/v1/search", json=body).json()
    assert found["hits"][0]["formula"] == "CaCO3"
