"""The version that is served: let go when the next is there, and tried again when it fails."""

from __future__ import annotations

import gc
import shutil
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from indexer.library import Library
from service.api.metrics import Metrics
from service.api.served import Opened, Searches, Served
from tests.service.api.conftest import serving, settings_for


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "library"))


@pytest.fixture
def uncollected() -> Iterator[None]:
    """What refers to itself stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def publish(library: Path) -> None:
    opened = Library.open(library)
    opened.remove([opened.ids[0]])


@pytest.mark.usefixtures("uncollected")
def test_a_version_is_let_go_when_the_next_is_there(
    library: Path, tmp_path: Path, rutile: Path
) -> None:
    with serving(settings_for(library, tmp_path / "service", reload_every_s=3600)) as client:
        served = client.app.state.services.served  # type: ignore[attr-defined]
        for question in ("/v1/entries?elements=Ti,O", "/v1/library", "/v1/entries?text=rutile"):
            assert client.get(question).status_code == 200
        found = client.post("/v1/search", files={"file": ("a.xy", rutile.read_bytes())})
        assert found.status_code == 200, found.text
        assert search_again(client, rutile) == found.headers["Braggle-Library-Version"]
        before = weakref.ref(served.current.library)
        publish(library)
        served.look()
        assert served.current.library.version == 2
        assert before() is None


def search_again(client: TestClient, rutile: Path) -> str:
    """The version that answers with filters."""
    answer = client.post(
        "/v1/search", files={"file": ("a.xy", rutile.read_bytes())}, data={"require": "Ti"}
    )
    return str(answer.headers["Braggle-Library-Version"])


def test_a_version_that_could_not_be_read_is_tried_again(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(library, Metrics())
    served.start()
    publish(library)
    with monkeypatch.context() as broken:
        broken.setattr(Opened, "at", lambda _: 1 / 0)
        served.look()
    served.look()
    assert served.current is not None
    assert served.current.library.version == 1  # not yet
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    served.look()
    assert served.current.library.version == 2


def test_whatever_goes_wrong_while_reading_ahead_the_service_gets_ready(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    served, searches = Served(library, metrics), Searches(1, 1, 10.0, metrics)
    served.start()
    monkeypatch.setattr(Opened, "warm", lambda _: 1 / 0)
    served.warm(searches)
    searches.close()
    assert served.is_warm
