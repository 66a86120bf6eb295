"""The OPTIMADE routes: its validator is content, and the guard holds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from optimade.models import ErrorResponse, StructureResponseMany, StructureResponseOne
from optimade.validator import ImplementationValidator

from service.api.keys import KeyStore
from tests.service.api.conftest import HERE, serving, settings_for
from tests.service.conftest import CRYSTALS

V1 = "/optimade/v1"
ELSEWHERE = {"origin": "https://example.org"}


@contextmanager
def asking_for_keys(library: Path, folder: Path) -> Iterator[TestClient]:
    settings = settings_for(library, folder, keys="on", requests_per_minute=100_000)
    _, secret = KeyStore(settings.service_dir).add("database", "read")
    with serving(settings) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        yield client


@pytest.fixture(scope="module")
def keyed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service that asks for keys, with one that reads."""
    with asking_for_keys(built, tmp_path_factory.mktemp("optimade")) as client:
        yield client


class Validating:
    """The client that the validator wants: it knows where the database is."""

    def __init__(self, client: TestClient) -> None:
        self._client = client
        self.base_url = f"{HERE}{V1}"

    def get(self, request: str) -> object:
        url = request if "://" in request else f"{self.base_url}/{request.lstrip('/')}"
        return self._client.get(url)


@pytest.mark.parametrize("profile", ["built", "sheets"])
def test_the_validator_of_optimade_is_content(
    profile: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    library: Path = request.getfixturevalue(profile)
    random.seed(0)  # it tries filters on an entry that it draws
    with asking_for_keys(library, tmp_path) as client:
        validator = ImplementationValidator(client=Validating(client), respond_json=True)
        validator.validate_implementation()
    found = json.loads(capsys.readouterr().out)
    assert validator.valid, found["failure_messages"]
    assert found["internal_failure_count"] == found["optional_failure_count"] == 0, found
    assert found["success_count"] > 30


def structures(client: TestClient, **asked: Any) -> dict[str, Any]:
    answer = client.get(f"{V1}/structures", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.api+json"
    found: dict[str, Any] = answer.json()
    StructureResponseMany(**found)
    return found


def formulas(found: dict[str, Any]) -> list[str]:
    return [one["attributes"]["chemical_formula_descriptive"] for one in found["data"]]


@pytest.mark.parametrize(
    "text, expected",
    [
        ('elements HAS ALL "Ti", "O"', {"TiO2"}),
        ('elements HAS ONLY "Na", "Cl", "Ca", "F"', {"NaCl", "CaF2"}),
        ('chemical_formula_reduced = "CCaO3"', {"CaCO3"}),
        ('chemical_formula_anonymous = "AB" OR nsites > 20', {"NaCl", "CaCO3"}),
        ("space_group_it_number = 225", {"NaCl", "CaF2"}),
        ('_braggle_density > 4 AND _braggle_sources HAS "rutile.cif"', {"TiO2"}),
        ('_braggle_sources HAS CONTAINS "x"', None),
        ("_braggle_cell_volume < 70", {"TiO2"}),
        ('NOT elements HAS ANY "O", "F"', {"NaCl"}),
    ],
)
def test_filters(client: TestClient, text: str, expected: set[str] | None) -> None:
    if expected is None:
        assert client.get(f"{V1}/structures", params={"filter": text}).status_code == 400
        return
    found = structures(client, filter=text)
    assert set(formulas(found)) == expected
    assert found["meta"]["data_returned"] == len(found["data"])
    assert found["meta"]["data_available"] == len(CRYSTALS)


def test_pages_follow_each_other_in_the_order_asked_for(client: TestClient) -> None:
    found = structures(client, sort="-nelements,_braggle_density", page_limit=2)
    seen = found["data"]
    while found["links"]["next"] is not None:
        assert found["meta"]["more_data_available"]
        found = client.get(found["links"]["next"]).json()
        seen += found["data"]
    assert not found["meta"]["more_data_available"]
    keys = [(-a["nelements"], a["_braggle_density"]) for a in (x["attributes"] for x in seen)]
    assert len(seen) == len(CRYSTALS)
    assert keys == sorted(keys)
    ids = [one["id"] for one in seen]
    for asked in ({"page_offset": 2}, {"page_number": 2}):
        page = structures(client, sort="-nelements,_braggle_density", page_limit=2, **asked)
        assert [one["id"] for one in page["data"]] == ids[2:4]
    assert structures(client, page_offset=10**11)["data"] == []


def test_one_structure_or_none(client: TestClient) -> None:
    (listed,) = structures(client, filter='_braggle_sources HAS "quartz.cif"')["data"]
    for base in ("/optimade", V1, "/optimade/v1.2", "/optimade/v1.2.0"):
        found = client.get(f"{base}/structures/{listed['id']}").json()
        StructureResponseOne(**found)
        assert found["data"] == listed
    for nothing in ("0" * 20, "a/b", "%00"):
        found = client.get(f"{V1}/structures/{nothing}").json()
        assert found["data"] is None
        assert found["meta"]["data_returned"] == 0


def test_fields_that_are_asked_for_come_alone(client: TestClient) -> None:
    found = structures(client, response_fields="nsites, assemblies,_other_gap", page_limit=1)
    (one,) = found["data"]
    assert set(one["attributes"]) == {"nsites", "assemblies", "_other_gap"}
    (warning,) = found["meta"]["warnings"]
    assert warning["type"] == "warning"
    assert "_other_gap belongs to another database" in warning["detail"]


def test_what_is_not_followed_is_warned_of(client: TestClient) -> None:
    asked = {"filter": "_other_gap IS UNKNOWN", "_other_x": "1", "api_hint": "v1"}
    found = structures(client, **asked)
    assert found["meta"]["data_returned"] == len(CRYSTALS)
    assert len(found["meta"]["warnings"]) == 3
    assert "warnings" not in structures(client)["meta"]
    info = client.get(f"{V1}/info", params={"filter": "x"}).json()
    assert "filter: there is no such option" in info["meta"]["warnings"][0]["detail"]
    hinted = client.get("/optimade/info", params={"api_hint": "v1.1"}).json()
    assert "warnings" not in hinted["meta"]


@pytest.mark.parametrize(
    "path, asked, status, parameter",
    [
        ("/structures", {"filter": "crazyfield = 2"}, 400, "filter"),
        ("/structures", {"filter": 'nsites = "2"'}, 501, "filter"),
        ("/structures", {"response_fields": "crazyfield"}, 400, "response_fields"),
        ("/structures", {"response_format": "xml"}, 400, "response_format"),
        ("/structures", {"sort": "elements"}, 400, "sort"),
        ("/structures", {"sort": "-crazyfield"}, 400, "sort"),
        ("/structures", {"include": "calculations"}, 400, "include"),
        ("/structures", {"page_limit": "201"}, 403, "page_limit"),
        ("/structures", {"page_limit": "0"}, 400, "page_limit"),
        ("/structures", {"page_offset": "-1"}, 400, "page_offset"),
        ("/structures", {"page_number": "²"}, 400, "page_number"),
        ("/structures", {"page_cursor": "x"}, 410, "page_cursor"),
        ("/structures", {"fliter": "x"}, 400, "fliter"),
        ("/info/calculations", {}, 404, None),
        ("/versions", {}, 404, None),
    ],
)
def test_errors_are_those_of_optimade(
    client: TestClient, path: str, asked: dict[str, str], status: int, parameter: str | None
) -> None:
    answer = client.get(f"{V1}{path}", params=asked)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/vnd.api+json"
    ErrorResponse(**answer.json())
    (error,) = answer.json()["errors"]
    assert error["status"] == str(status)
    assert "; " in error["detail"]
    assert error.get("source") == (None if parameter is None else {"parameter": parameter})


def test_versions_that_are_not_served_are_refused(client: TestClient) -> None:
    assert client.get("/optimade/versions").text == "version\n1\n"
    for path in ("/optimade/v2/info", "/optimade/v1.9/structures", "/optimade/info?api_hint=v2"):
        answer = client.get(path)
        assert answer.status_code == 553
        ErrorResponse(**answer.json())


def test_the_guard_holds_and_speaks_json_api(keyed: TestClient) -> None:
    for headers, status in (
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer no-key"}, 401),
        ({"host": "example.org"}, 421),
    ):
        answer = keyed.get(f"{V1}/structures", headers=headers)
        assert answer.status_code == status, headers
        ErrorResponse(**answer.json())
    answer = keyed.get(f"{V1}/structures")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["braggle-library-version"] == "1"
    assert keyed.post(f"{V1}/structures").status_code == 405


def test_pages_of_other_sites_read_only_with_a_key(client: TestClient, keyed: TestClient) -> None:
    wish = {
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }
    assert keyed.get(f"{V1}/info", headers=ELSEWHERE).headers["access-control-allow-origin"] == "*"
    with closing(TestClient(keyed.app, base_url=HERE)) as before_the_key:
        leave = before_the_key.options(f"{V1}/info", headers=ELSEWHERE | wish)
    assert leave.status_code == 200
    assert "access-control-allow-credentials" not in leave.headers
    for one, path in ((client, f"{V1}/info"), (keyed, "/v1/library")):
        assert "access-control-allow-origin" not in one.get(path, headers=ELSEWHERE).headers
        asked = one.options(path, headers=ELSEWHERE | wish)
        assert asked.status_code == 405
        assert "access-control-allow-origin" not in asked.headers
