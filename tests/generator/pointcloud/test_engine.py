from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.canonical import space_group_symbol
from data.preparation import prepare
from generator.candidate import Imaginer, Sought, Task
from generator.matching import same_structure
from generator.pointcloud import inference
from generator.pointcloud.engine import PointCloudEngine, crystal_from, drawable, symmetrised
from generator.pool import MouldPool
from tests import crystals
from tests.generator.pointcloud.clouds import Drawing, cloud_of
from tests.service.bench_crystals import MANGANOSITE, MOULDS, library_of, measured, renamed, scaled

CROWDED = scaled(MANGANOSITE, 0.5)
ZINCBLENDE_LIKE = renamed(crystals.CAESIUM_CHLORIDE, Cs="Mn", Cl="O")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> MouldPool:
    return MouldPool(library_of(MOULDS, tmp_path_factory.mktemp("libraries") / "made"))


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    drawing = Drawing([MANGANOSITE, scaled(MANGANOSITE, 1.02), CROWDED])
    monkeypatch.setattr(inference, "drawn", drawing)
    return drawing


def test_a_cloud_becomes_a_crystal_with_its_symmetry() -> None:
    for crystal, symbol in ((MANGANOSITE, "Fm-3m"), (crystals.RUTILE, "P42/mnm")):
        found = crystal_from(cloud_of(crystal))
        assert found is not None
        assert space_group_symbol(found.space_group_number) == symbol
        assert same_structure(found, symmetrised(crystal) or found)


def test_what_overlaps_or_lacks_an_element_is_no_crystal() -> None:
    assert crystal_from(cloud_of(CROWDED)) is None
    cloud = cloud_of(MANGANOSITE)
    assert crystal_from(replace(cloud, symbols=(*cloud.symbols, "Mg"),
                                likelihoods=np.pad(cloud.likelihoods, ((0, 0), (0, 1)),
                                                   constant_values=-1.0))) is None  # fmt: skip


def test_only_the_formula_that_is_asked_for_is_kept(pool: MouldPool, drawing: Drawing) -> None:
    engine = PointCloudEngine(pool)
    assert isinstance(engine, Imaginer)
    found = engine.imagine(Sought({"Mn": 2.0, "O": 2.0}), 10)
    assert len(found) == 2  # the crowded one is dropped
    assert all(one.proposer == "pointcloud" and math.isnan(one.correlation) for one in found)
    assert engine.imagine(Sought({"Mn": 1.0, "O": 2.0}), 10) == []
    assert len(engine.imagine(Sought({"Mn": 1.0, "O": 1.0}), 10)) == 2
    asked = [{"Mn": 1, "O": 1}, {"Mn": 1, "O": 2}]  # each formula drawn once
    assert drawing.units == asked
    assert engine.imagine(Sought({"Mn": 12.0, "O": 17.0}), 10) == []  # no cloud holds so many
    assert len(engine.made(("O", "Mn"))) == len(engine.made(("Mn", "O"))) == 2
    assert drawing.units == [*asked, None]


@pytest.mark.usefixtures("drawing")
def test_cells_are_fitted_to_a_pattern(pool: MouldPool) -> None:
    task = Task({"Mn": 1.0, "O": 1.0}, prepared=prepare(measured(MANGANOSITE)).up_to(7.5))
    best = PointCloudEngine(pool).propose(task, 5)[0]
    assert best.correlation > 0.9
    assert best.crystal.cell[0] == pytest.approx(MANGANOSITE.cell[0], rel=2e-3)


def test_elements_that_no_cloud_holds_are_left_to_others(pool: MouldPool, drawing: Drawing) -> None:
    assert not drawable(("Mg", "Al", "Si", "O"))
    assert PointCloudEngine(pool).imagine(Sought(dict.fromkeys("COSH", 1.0)), 5) == []
    assert drawing.asked == []


@pytest.mark.usefixtures("one_thread")
def test_the_network_that_ships_draws_clouds_of_the_elements() -> None:
    told: list[tuple[int, int]] = []
    (clouds,) = inference.drawn(("O", "Mg"), 3, steps=2, told=lambda *done: told.append(done))
    assert len(clouds) == 3
    assert {one.symbols for one in clouds} == {("Mg", "O")}
    assert all(one.places.shape == (128, 3) and np.isfinite(one.cell).all() for one in clouds)
    assert told == [(1, 2), (2, 2)]
    again = next(iter(inference.drawn(("Mg", "O"), 3, steps=2)))
    np.testing.assert_array_equal(again[0].places, clouds[0].places)


@pytest.mark.usefixtures("one_thread")
def test_of_a_told_formula_every_cloud_has_its_atoms() -> None:
    (clouds,) = inference.drawn(("O", "Ti"), 12, unit={"O": 2, "Ti": 1}, steps=2)
    sizes = set()
    for one in clouds:
        assert one.symbols == ("Ti", "O")
        first = one.likelihoods.argmax(axis=1) == 0
        assert (one.likelihoods.max(axis=1) > 0.99).all()
        assert first.mean() == pytest.approx(1 / 3, abs=0.05)
        steps = np.diff(one.places, axis=0)
        sizes.add(1 + int((np.abs(steps - steps.round()).max(axis=1) > 1e-4).sum()))
    assert sizes <= {3, 6, 9, 12, 15}
    assert len(sizes) > 1


def test_weights_that_ship_are_small() -> None:
    from generator.pointcloud.network_file import shipped_weights

    with shipped_weights() as path:
        assert Path(path).stat().st_size < 16 * 2**20
