"""The engine, with and without a pattern, and a network that has learned next to nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.preparation import prepare
from data.profile import simulate_pattern
from generator.candidate import Imaginer, Sought, Task
from generator.distance import inference
from generator.distance.engine import DistanceEngine
from generator.distance.model import DistanceNetwork
from generator.pool import MouldPool
from indexer import Library
from tests import crystals
from tests.service.bench_crystals import library_of


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of({"rutile": crystals.RUTILE}, tmp_path_factory.mktemp("libraries") / "made")


@pytest.fixture
def engine(
    library: Library, network: DistanceNetwork, monkeypatch: pytest.MonkeyPatch
) -> DistanceEngine:
    monkeypatch.setattr(inference, "shipped_network", lambda: network)
    return DistanceEngine(MouldPool(library))


def test_crystals_are_of_the_formula_and_the_group(engine: DistanceEngine) -> None:
    assert isinstance(engine, Imaginer)
    sought = Sought({"Ti": 1.0, "O": 2.0}, space_group=136, formula_units=2)
    found = engine.imagine(sought, 8)
    assert found
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        assert one.crystal.composition == {"Ti": 2.0, "O": 4.0}
        assert one.crystal.space_group_number == 136
        assert np.isnan(one.correlation)
    pattern = prepare(simulate_pattern(crystals.RUTILE, rng=np.random.default_rng(0)))
    task = Task(
        sought.composition, most_atoms=12, space_group=136, formula_units=2, prepared=pattern
    )
    proposed = engine.propose(task, 8)
    assert max(one.correlation for one in proposed) > 0.5
    assert {one.proposer for one in proposed} == {"distance"}


@pytest.mark.parametrize(
    "sought",
    [
        Sought({"Ti": 1.0, "O": 2.5}),
        Sought({"Ti": 9.0, "O": 16.0}),
        Sought({"Ti": 1.0, "O": 2.0}, space_group=136, formula_units=3),
    ],
)
def test_what_cannot_be_made_is_not(engine: DistanceEngine, sought: Sought) -> None:
    assert engine.imagine(sought, 5) == []


def test_what_is_late_is_left(engine: DistanceEngine) -> None:
    late = replace(Sought({"Ti": 1.0, "O": 2.0}), deadline=0.0)
    assert engine.imagine(late, 5) == []


def test_the_weights_are_small() -> None:
    folder = Path(inference.__file__).parent / "weights"
    (weights,) = folder.glob("*.safetensors")
    assert weights.stat().st_size < 16e6
