"""A library of sheets over HTTP: everything that is said of an entry is said of a sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from optimade.models import StructureResponseMany

from data.cif import write_cif
from data.radiation import CU_KA
from indexer import Library
from service.api.parsing import parse_pattern
from tests import crystals, layered
from tests.service.api.conftest import serving, settings_for
from tests.service.conftest import Braggle

GRAPHENE_A = 2.464


@pytest.fixture(scope="module")
def flat(sheets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service of a library of sheets."""
    with serving(settings_for(sheets, tmp_path_factory.mktemp("service"))) as one:
        yield one


def posted(client: TestClient, path: str, content: str, **data: str) -> Any:
    return client.post(path, files={"file": ("given", content.encode())}, data=data)


def entry_of(client: TestClient, name: str) -> dict[str, Any]:
    (found,) = client.get("/v1/entries", params={"text": name}).json()["entries"]
    entry: dict[str, Any] = found
    return entry


def refusal(answer: Any) -> str:
    assert answer.status_code == 422, answer.text
    detail: str = answer.json()["detail"]
    assert "\n" not in detail
    return detail


@pytest.mark.parametrize("name", layered.LAYERED)
def test_a_sheet_is_found_by_its_pattern(flat: TestClient, name: str) -> None:
    asked = {"profile": "2d", "wavelength": "CuKa"}
    answer = posted(flat, "/v1/search", layered.pattern_of(name), **asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["hits"][0]["names"] == [f"{name}, layer"]


def test_sheets_of_a_mixture_have_no_intensity_beside_corundum(flat: TestClient) -> None:
    pattern = layered.pattern_of("molybdenite")
    answer = posted(flat, "/v1/search", pattern, phases="2", wavelength="CuKa").json()
    phase, *_ = answer["mixtures"][0]["phases"]
    assert phase["names"] == ["molybdenite, layer"]
    assert phase["i_over_ic"] is None


@pytest.mark.parametrize("path", ["/v1/search", "/v1/report", "/v1/hand-over", "/parts/answer"])
def test_a_library_of_another_profile_is_refused(
    client: TestClient, flat: TestClient, path: str
) -> None:
    pattern = layered.pattern_of("graphite")
    answer = posted(client, path, pattern, profile="2d")
    assert refusal(answer).startswith(
        "built: the library is of powders of crystals (profile powder), not of sheets; name another"
    )
    assert [one["field"] for one in answer.json()["errors"]] == ["profile"]
    said = refusal(posted(flat, path, pattern, profile="powder"))
    assert said.startswith("sheets: the library is of sheets (profile 2d), not of powders")


def test_several_patterns_and_arrays_of_another_profile_are_refused_at_once(
    flat: TestClient,
) -> None:
    files = [("file", ("a.xy", layered.pattern_of("graphite").encode()))] * 2
    answer = flat.post("/v1/search", files=files, data={"profile": "powder"})
    assert "not of powders of crystals" in refusal(answer)
    arrays = {"two_theta_deg": [10, 11, 12], "counts": [1, 2, 1], "profile": "powder"}
    assert "not of powders of crystals" in refusal(flat.post("/v1/search", json=arrays))


@pytest.mark.parametrize("name", layered.LAYERED)
def test_an_entry_is_its_own_nearest(flat: TestClient, name: str) -> None:
    entry = entry_of(flat, name)
    own = flat.get(f"/v1/entries/{entry['id']}.cif").text
    for cif in (own, write_cif(layered.LAYERED[name], name=name)):
        best, *others = posted(flat, "/v1/similar", cif).json()["entries"]
        assert best["id"] == entry["id"]
        assert best["same_crystal"]
        assert best["similarity"] == pytest.approx(1.0, abs=2e-3)
        assert others[0]["similarity"] < 0.99


def test_the_command_line_says_the_same(
    flat: TestClient, sheets: Path, tmp_path: Path, braggle: Braggle
) -> None:
    cif = write_cif(layered.BRUCITE, name="brucite")
    (tmp_path / "brucite.cif").write_text(cif)
    (tmp_path / "salt.cif").write_text(write_cif(crystals.ROCK_SALT, name="salt"))
    printed = braggle("similar", "brucite.cif", "--library", sheets, "--json")
    said = posted(flat, "/v1/similar", cif).json()
    assert json.loads(printed.stdout)["entries"] == said["entries"]
    refused = braggle("similar", "salt.cif", "--library", sheets)
    assert refused.exit_code == 1
    assert "the crystal is neither a sheet with vacuum nor layered" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("path", ["/v1/similar", "/v1/simulate"])
def test_what_is_no_sheet_is_refused(flat: TestClient, path: str) -> None:
    said = refusal(posted(flat, path, write_cif(crystals.ROCK_SALT, name="salt")))
    assert "neither a sheet with vacuum nor layered" in said
    assert "the library is of sheets; give a layered one" in said


def test_the_pattern_of_an_entry_is_that_of_the_sheet(flat: TestClient) -> None:
    entry = entry_of(flat, "graphite")
    asked: dict[str, str] = {"two_theta_max": "100", "wavelength": "CuKa1"}
    text = flat.get(f"/v1/entries/{entry['id']}.xy", params=asked).text
    pattern = parse_pattern(text.encode(), "entry.xy", CU_KA, 10_000)
    # Reflections 10, 11 and 20 of the net, and none that tells how layers follow.
    peak = pattern.counts > 100
    first = np.flatnonzero(np.diff(peak.astype(int)) == 1)
    last = np.flatnonzero(np.diff(peak.astype(int)) == -1)
    tops = [pattern.x[a + np.argmax(pattern.counts[a:b])] for a, b in zip(first, last, strict=True)]
    row = GRAPHENE_A * np.sqrt(3) / 2
    sines = CU_KA.wavelengths_angstrom[0] / 2 / (row / np.sqrt([1, 3, 4]))
    assert tops == pytest.approx(2 * np.degrees(np.arcsin(sines)), abs=0.05)


@pytest.mark.parametrize("name", layered.LAYERED)
def test_a_crystal_is_simulated_as_the_entry_that_it_would_be(flat: TestClient, name: str) -> None:
    entry = entry_of(flat, name)
    text = flat.get(f"/v1/entries/{entry['id']}.xy").text
    known = np.array([line.split() for line in text.splitlines()], float)
    own = flat.get(f"/v1/entries/{entry['id']}.cif").text
    for cif in (own, write_cif(layered.LAYERED[name], name=name)):
        simulated = posted(flat, "/v1/simulate", cif).json()
        assert simulated["space_group"] == entry["space_group"]
        assert simulated["formula"] == entry["formula"]
        assert simulated["query"]["warnings"] == []
        np.testing.assert_allclose(simulated["counts"], known[:, 1], atol=20)


def test_of_several_layers_the_first_is_simulated(flat: TestClient) -> None:
    simulated = posted(flat, "/v1/simulate", write_cif(layered.TWO_LAYERS, name="two")).json()
    assert simulated["formula"] in {"C", "BN"}
    assert simulated["query"]["warnings"] == [
        "given: has 2 different layers; the pattern is of the first"
    ]


def test_the_library_says_what_it_is_of(client: TestClient, flat: TestClient) -> None:
    assert flat.get("/v1/library").json()["profile"] == "2d"
    assert "<dt>Profile</dt><dd>sheets (2d)</dd>" in flat.get("/parts/library").text
    assert "<dt>Profile</dt><dd>powder</dd>" in client.get("/parts/library").text


def test_sheets_are_structures_of_two_dimensions(flat: TestClient, sheets: Path) -> None:
    def asked(text: str) -> list[dict[str, Any]]:
        answer = flat.get("/optimade/v1/structures", params={"filter": text})
        assert answer.status_code == 200, answer.text
        StructureResponseMany(**answer.json())
        return [one["attributes"] for one in answer.json()["data"]]

    found = asked("nperiodic_dimensions = 2 AND dimension_types IS KNOWN")
    assert len(found) == len(Library.open(sheets)) == 4
    for one in found:
        assert one["dimension_types"] == [1, 1, 0]
        # Along c there is vacuum.
        heights = np.array(one["cartesian_site_positions"])[:, 2]
        assert one["lattice_vectors"][2][2] - np.ptp(heights) >= 7
        assert one["nperiodic_dimensions"] == 2
        assert one["space_group_it_number"] is None
    assert asked("nperiodic_dimensions = 3") == []
    assert asked("space_group_it_number > 0") == []
    compared = flat.get("/optimade/v1/structures", params={"filter": "dimension_types HAS ONLY 1"})
    assert compared.status_code == 501
    described = flat.get("/optimade/v1/info/structures").json()["data"]["description"]
    assert described.startswith("Sheets of the library")
