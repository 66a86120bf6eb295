"""The service in this process, over the library of six crystals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.api.app import create_app
from service.settings import ServeSettings, Settings

Serve = Callable[..., Any]
HERE = "http://127.0.0.1"


def settings_for(library: Path, folder: Path, **serve: Any) -> Settings:
    """Settings that lean on no environment, and are patient with a slow machine."""
    patience = {"search_timeout_s": 600, "parse_timeout_s": 300}
    values = {"searches": 1, "parsers": 1, **patience} | serve
    return Settings(library=str(library), data_dir=folder, serve=ServeSettings(**values))


@contextmanager
def serving(settings: Settings) -> Iterator[TestClient]:
    """A client of a service that runs in this process, on loopback."""
    with TestClient(create_app(settings), base_url=HERE) as client:
        yield client


@pytest.fixture(scope="session")
def client(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service that no test changes."""
    with serving(settings_for(built, tmp_path_factory.mktemp("service"))) as one:
        yield one
