"""`braggle doctor`: each thing that is wrong is one line with its remedy."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from indexer.publishing import CURRENT
from service.checks import Finding, library_findings, service_findings
from service.settings import ServeSettings, Settings
from tests.service.conftest import Braggle


def findings(library: Path, folder: Path, **serve: Any) -> dict[str, Finding]:
    settings = Settings(
        library=str(library), data_dir=folder, serve=ServeSettings(**({"port": 0} | serve))
    )
    found = [*library_findings(settings), *service_findings(settings)]
    assert all("\n" not in one.detail for one in found)
    return {one.name: one for one in found}


def test_a_service_that_could_start(built: Path, tmp_path: Path) -> None:
    found = findings(built, tmp_path)
    assert {name for name, one in found.items() if one.mark == "FAILED"} == set()
    assert "6 entries" in found["library"].detail
    assert found["channels"].ok
    assert "physical" in found["channels"].detail
    assert found["keys"].detail == "0, not asked for at 127.0.0.1"


def test_no_library_is_a_note(tmp_path: Path) -> None:
    found = findings(tmp_path / "none", tmp_path)["library"]
    assert found.mark == "note"
    assert "braggle library build" in found.detail


def test_a_damaged_library_fails(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_text("{")
    found = findings(tmp_path, tmp_path / "data")["library"]
    assert found.mark == "FAILED"
    assert CURRENT in found.detail


def test_no_key_where_one_is_asked_for_fails(built: Path, tmp_path: Path) -> None:
    found = findings(built, tmp_path, keys="on")["keys"]
    assert found.mark == "FAILED"
    assert "braggle keys add" in found.detail


def test_a_folder_that_others_read_fails(built: Path, tmp_path: Path) -> None:
    kept = tmp_path / "service"
    kept.mkdir(mode=0o700)
    database = kept / "keys.sqlite"
    database.touch(mode=0o600)
    assert findings(built, tmp_path)["folder"].ok
    database.chmod(0o644)
    found = findings(built, tmp_path)["folder"]
    assert found.mark == "FAILED"
    assert f"chmod -R go= {kept}" in found.detail


def test_a_port_that_is_taken_is_a_note(built: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = findings(built, tmp_path, port=taken.getsockname()[1])["port"]
    assert found.mark == "note"
    assert "BRAGGLE_SERVE_PORT" in found.detail


def test_the_exit_status_says_whether_something_needed_fails(
    braggle: Braggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAGGLE_SERVE_PORT", "0")
    monkeypatch.setenv("BRAGGLE_SERVE_KEYS", "on")
    result = braggle("doctor", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert not document["ok"]
    assert [one["name"] for one in document["findings"] if not one["ok"] and one["required"]] == [
        "keys"
    ]
    shown = braggle("doctor")
    assert "FAILED" in shown.stdout
    monkeypatch.setenv("BRAGGLE_SERVE_KEYS", "off")
    assert braggle("doctor").exit_code == 0
