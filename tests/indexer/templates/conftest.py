from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.record import Record
from indexer import Library
from tests.indexer.templates.planted import isotypes, loner
from tests.indexer.toy import ToyChannel


def planted_records() -> list[Record]:
    """Five rutiles, three anatases, four calcites and one that is alone: two templates' worth."""
    return [
        *isotypes("rutile", 0, 5),
        *isotypes("anatase", 0, 3),
        *isotypes("calcite", 0, 4),
        loner(),
    ]


@pytest.fixture(scope="session")
def planted_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that no test changes."""
    path = tmp_path_factory.mktemp("libraries") / "planted"
    Library.build(planted_records(), path, channels=[ToyChannel()])
    return path


@pytest.fixture
def copied(planted_library: Path, tmp_path: Path) -> Path:
    """The same library, to be changed or damaged."""
    path = tmp_path / "copy"
    shutil.copytree(planted_library, path)
    return path
