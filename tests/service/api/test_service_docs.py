"""What the pages on the service say is so: commands, tables, the description for programs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from data.reading import read_pattern
from service.api.openapi import description
from service.api.problems import KINDS
from service.settings import ServeSettings
from tests.service.api.conftest import serving, settings_for
from tests.service.api.server import wait_for

DOCS = Path(__file__).parents[3] / "docs"
TEXT = "".join((DOCS / name).read_text("utf-8") for name in ("service.md", "administrators.md"))
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]
BASE = "http://localhost:8000"


def test_the_description_for_programs_is_current() -> None:
    written = (DOCS / "openapi.json").read_text("utf-8")
    assert written == description(), "run: python -m service.api.openapi > docs/openapi.json"


def test_every_problem_is_listed_with_its_status() -> None:
    listed = re.findall(r"^\| `([\w-]+)` \| (\d+) \|", TEXT, re.MULTILINE)
    assert {kind: int(status) for kind, status in listed} == {
        kind: status for kind, (status, _) in KINDS.items()
    }


def test_every_setting_is_listed_with_its_default() -> None:
    listed = dict(re.findall(r"^\| `BRAGGLE_SERVE_(\w+)` \| (\S*) ?\|", TEXT, re.MULTILINE))
    fields = ServeSettings.model_fields
    assert set(listed) == {name.upper() for name in fields}
    for name, field in fields.items():
        shown = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
        assert listed[name.upper()].strip("`|") == shown, name


@pytest.fixture(scope="module")
def folder(built: Path, rutile: Path, cifs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the library, and beside it the files that the commands name."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(built, folder / "library")
    shutil.copy(rutile, folder / "sample.xy")
    shutil.copy(cifs / "rutile.cif", folder / "crystal.cif")
    pattern = read_pattern(rutile)
    arrays = {"two_theta_deg": pattern.x.tolist(), "counts": pattern.counts.tolist()}
    (folder / "arrays.json").write_text(json.dumps(arrays))
    (folder / "cif.json").write_text(json.dumps({"cif": (cifs / "rutile.cif").read_text()}))
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    settings = settings_for(
        folder / "library", folder, jobs_per_client=100, reload_every_s=0.2, search_timeout_s=600
    )
    with serving(settings) as one:
        yield one


def curl(client: TestClient, line: str, folder: Path, names: dict[str, str]) -> Any:
    """What a command of the guide answers; only what the guide uses of curl is understood."""
    words = iter(shlex.split(line)[1:])
    method, url, data = "GET", "", None
    fields: dict[str, str] = {}
    files: list[tuple[str, tuple[str, bytes]]] = []
    headers: dict[str, str] = {}
    asked: dict[str, str] = {}
    for word in words:
        match word:
            case "-d" | "--data-urlencode":
                name, _, value = next(words).partition("=")
                asked[name] = value
            case "-F":
                name, _, value = next(words).partition("=")
                if value.startswith("@"):
                    files.append((name, (value[1:], (folder / value[1:]).read_bytes())))
                else:
                    fields[name] = value
                method = "POST"
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "--data":
                data, method = (folder / next(words).removeprefix("@")).read_bytes(), "POST"
            case "-X":
                method = next(words)
            case "-N" | "-G":
                pass
            case "-o":
                next(words)
            case _:
                assert word.startswith(BASE), f"{line}: {word}"
                url = word.removeprefix(BASE)
    for name, value in names.items():
        url = url.replace(name, value)
    return client.request(
        method,
        url,
        params=asked or None,
        files=[*files, *((name, (None, value)) for name, value in fields.items())] or None,
        headers=headers,
        content=data,
    )


def test_the_commands_of_the_guide_work(client: TestClient, folder: Path) -> None:
    assert len(COMMANDS) > 20
    names = {"ID": client.get("/v1/entries").json()["entries"][0]["id"], "JOB": ""}
    for line in COMMANDS:
        if line.endswith("/JOB/result"):
            wait_for(lambda: client.get(f"/v1/jobs/{names['JOB']}").json()["ended_at"])
        answer = curl(client, line, folder, names)
        assert answer.status_code < 300, f"{line}: {answer.text}"
        if "/v1/generate" in line:
            names["JOB"] = answer.json()["id"]
        if "result" in line:
            assert answer.json()["proposals"]
