"""Requests made up from the committed description: no 5xx, and answers are as it says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS as ALL
from schemathesis.checks import load_all_checks

from tests.service.api.conftest import HERE, serving, settings_for

WRITTEN = Path(__file__).parents[3] / "docs" / "openapi.json"
OPERATIONS: list[Any] = [
    one.ok()  # type: ignore[union-attr]  # an error would raise here, as it should
    for one in schemathesis.openapi.from_path(WRITTEN).get_all_operations()
]
EXAMPLES = 6
OF_ENTRIES = [
    one for one in OPERATIONS if one.method == "get" and one.path.startswith("/v1/entries/")
]
load_all_checks()
CHECKS = [
    ALL.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]
"""Whether values that are none are refused is asked in `test_bad_requests`: a description cannot
say what an element or a CIF is."""
"""Of each operation."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def label(operation: Any) -> str:
    return str(operation.label).replace("/", ".")


@pytest.fixture(scope="module")
def small(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service that takes on little: two jobs, short patterns."""
    limits = {"requests_per_minute": 1_000_000, "jobs_per_client": 2, "max_points": 5_000}
    folder = tmp_path_factory.mktemp("small")
    shutil.copytree(built, folder / "library")  # jobs may add to it
    with serving(settings_for(folder / "library", folder, **limits)) as one:
        yield one


@pytest.mark.parametrize("operation", OPERATIONS, ids=label)
def test_answers_are_as_described(operation: Any, small: TestClient) -> None:
    strategies = [operation.as_strategy(generation_mode=mode) for mode in MODES]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategies[0] | strategies[1])
    def asked(case: Any) -> None:
        check(case, small)

    asked()


@pytest.mark.parametrize("operation", OF_ENTRIES, ids=label)
def test_answers_about_an_entry_are_as_described(operation: Any, small: TestClient) -> None:
    entry = small.get("/v1/entries").json()["entries"][0]["id"]
    assert check(operation.Case(path_parameters={"entry_id": entry}), small) == 200


def check(case: Any, client: TestClient) -> int:
    """Send it, and look at the answer; its status."""
    said = case.as_transport_kwargs(base_url=HERE)
    request: Any = requests.Request(**said).prepare()
    answer: Any = client.request(
        request.method, request.url, headers=dict(request.headers), content=request.body
    )
    case.validate_response(answer, checks=CHECKS)
    return int(answer.status_code)
