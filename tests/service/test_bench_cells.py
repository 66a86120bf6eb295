from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexer import Library
from service.bench import stretched
from service.bench.stretched import WAYS, bench_cells
from tests import crystals
from tests.service.bench_crystals import LIBRARY, library_of, write_case
from tests.service.conftest import Braggle


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(LIBRARY, tmp_path_factory.mktemp("libraries") / "made")


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("queries")
    write_case(folder, "halite", crystals.ROCK_SALT)
    write_case(folder, "olivine", crystals.OLIVINE)
    write_case(folder, "unread", crystals.RUTILE)
    (folder / "unread" / "pattern.xy").write_text("no pattern")
    return folder


def test_stretched_crystals_are_found_and_failures_are_misses(
    queries: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretched, "CHANGES_PERCENT", (0.0, 3.0))
    told: list[tuple[int, int]] = []
    result = bench_cells(queries, library, advance=lambda *now: told.append(now))
    assert told == [(0, 2), (1, 2), (2, 2)]
    assert (result["queries"], result["failed"]) == (3, 1)
    stored, moved = result["volumes"]
    assert (stored["volume_percent"], moved["volume_percent"]) == (0.0, 3.0)
    assert set(stored["strict"]) == set(WAYS)
    # Two of three can be read, and all entries are ranked.
    for row in result["volumes"]:
        assert {hits["hit@10"] for hits in row["strict"].values()} == {0.6667}
    assert stored["strict"]["free"]["hit@1"] == 0.6667
    assert moved["strict"]["free"]["hit@1"] >= moved["strict"]["isotropic"]["hit@1"]
    json.dumps(result)


def test_the_table_has_a_row_for_each_volume(
    braggle: Braggle, queries: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretched, "CHANGES_PERCENT", (0.0,))
    shown = braggle("bench", "cells", queries, "-l", library.path)
    assert shown.exit_code == 0
    assert "cells isotropic" in shown.stdout
    assert "±0 %" in shown.stdout
