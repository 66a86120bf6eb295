"""Writers that are killed at random moments while others read, and whether harm would be seen."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.chaos.model import Operation, State, differences
from benchmarks.chaos.pool import Pool
from data.offered import Offered
from indexer import Library
from tests.indexer.test_upkeep import CHANNELS, cif, id_of

ROUNDS = 6
POOL = Pool(tuple(map(cif, range(8))), tuple(map(id_of, range(8))))


def test_rounds_of_kills(tmp_path: Path) -> None:
    into = tmp_path / "chaos.json"
    command = [sys.executable, "-m", "benchmarks.chaos", "--rounds", str(ROUNDS), "--seed", "7"]
    command += ["--crystals", "120", "--readers", "1", "--channels", "physical"]
    done = subprocess.run(
        [*command, "--into", str(into)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(into.read_text())
    kills = result["kills_by_operation_and_step"]
    assert sum(sum(steps.values()) for steps in kills.values()) == ROUNDS
    assert result["violations"] == []
    assert result["operations_acknowledged"]
    assert result["readers"]["answers"] > 0
    assert result["kept_versions_opened_and_compared"] >= ROUNDS


@pytest.fixture
def states(tmp_path: Path) -> tuple[Library, State]:
    """A library after a few operations, and what the model says of it."""
    state = State()
    operations = [
        Operation("add", {"a.cif": 0, "b.cif": 1, "c.cif": 1, "d.cif": 2}),
        Operation("supersede", {"a.cif": 3, "b.cif": None, "d.cif": 1}),
        Operation("remove", ids=(POOL.ids[3],)),
        Operation("add", {"e.cif": 4, "f.cif": None, "b.cif": 1}),
    ]
    path = tmp_path / "library"
    for what in operations:
        state = state.after(what, POOL, {})
        offered = [
            Offered.of(b"" if one is None else POOL.texts[one], name, path=f"/f/{name}")
            for name, one in what.files.items()
        ]
        if not path.exists():
            library = Library.build(offered, path, channels=CHANNELS)
        elif what.ids:
            library = library.remove(what.ids)
        else:
            library = library.add(offered, channels=CHANNELS)
    return library, state


def test_the_model_is_right(states: tuple[Library, State]) -> None:
    library, state = states
    assert list(differences(library, state)) == []
    assert state.ids == {POOL.ids[1], POOL.ids[4]}
    assert state.failed == {"f.cif"}


def test_harm_is_noticed(states: tuple[Library, State]) -> None:
    library, state = states
    more = replace(state, sources={**state.sources, "g.cif": POOL.ids[5]})
    assert any("entries lost" in one for one in differences(library, more))
    fewer = {file: one for file, one in state.sources.items() if file != "e.cif"}
    assert any("nobody gave" in one for one in differences(library, replace(state, sources=fewer)))
    source = {**state.sources, "g.cif": POOL.ids[1]}
    assert any(
        "sources lost" in one for one in differences(library, replace(state, sources=source))
    )
    read = {**state.read, "a.cif": POOL.ids[6]}
    (said,) = differences(library, replace(state, read=read))
    assert "the ledger is wrong about ['a.cif']" in said
    (said,) = differences(library, replace(state, failed=frozenset()))
    assert "wrong about failures: ['f.cif']" in said
