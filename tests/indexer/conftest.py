from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from indexer import Library
from tests.indexer.toy import ToyChannel, records


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of 33 crystals that no test changes."""
    path = tmp_path_factory.mktemp("libraries") / "built"
    Library.build(records(33), path, channels=[ToyChannel()])
    return path


@pytest.fixture
def library(built: Path) -> Library:
    return Library.open(built)


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """The same library, to be changed or damaged."""
    path = tmp_path / "copy"
    shutil.copytree(built, path)
    return path
