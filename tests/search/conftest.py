"""A small library of bundled and literal crystals, built once."""

from __future__ import annotations

import pytest

from data.bundled import bundled_records
from data.record import Record, Source
from indexer import Library
from search import Searcher
from tests.search.made import KNOWN, MEASURED

EVERY = 60
"""Of the small bundled crystals one in so many is taken, besides those that were measured."""


def records() -> list[Record]:
    """About 180 crystals of at most 60 atoms, except the few that were measured."""
    bundled = [r for r in bundled_records() if r.source.collection != "core-mof"]
    small = [r for r in bundled if len(r.crystal) <= 60][::EVERY]
    measured = [r for r in bundled if MEASURED & set(r.names) and r not in small]
    literal = [Record(KNOWN[name], (name,), Source("literal", name)) for name in KNOWN]
    return small + measured + literal


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    path = tmp_path_factory.mktemp("libraries") / "small"
    return Library.build(records(), path, workers=1)


@pytest.fixture(scope="session")
def searcher(library: Library) -> Searcher:
    return Searcher(library)
