"""Cells are found from peaks alone, and crystals without anything like them being known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from data.pattern import Pattern
from data.preparation import prepare
from data.profile import simulate_pattern
from data.radiation import CU_KA
from data.record import Record, Source
from generator.candidate import Task
from generator.chemistry import AtomicVolumes
from generator.direct.engine import DirectEngine, cells_of
from generator.direct.hypotheses import refined, settings
from generator.direct.indexing import Marks, index_peaks, index_triclinic, shortest
from generator.matching import rms_distance
from generator.pool import MouldPool
from indexer import Library
from tests import crystals
from tests.indexer.toy import ToyChannel

WORK = 1500.0
KNOWN = {name: standardize(crystal).crystal for name, crystal in crystals.ALL.items()}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> MouldPool:
    """Volumes of atoms, and no isotype of anything that is asked for."""
    names = ("silicon", "quartz", "olivine", "baddeleyite", "anatase", "rock salt")
    records = [Record(crystals.ALL[name], (name,), Source("made", name)) for name in names]
    path = tmp_path_factory.mktemp("libraries") / "made"
    made = MouldPool(Library.build(records, path, channels=[ToyChannel()], workers=1))
    # As a library of thousands of crystals has them.
    ions = AtomicVolumes({"salt": {"Ti": 12.0, "O": 10.5, "Ca": 22.0, "C": 6.0, "F": 11.0}})
    made.volumes = lambda without=frozenset(): ions  # type: ignore[method-assign]  # noqa: ARG005
    return made


@pytest.fixture
def task() -> Callable[[Crystal], Task]:
    def of(crystal: Crystal) -> Task:
        rng = np.random.default_rng(2)
        pattern = simulate_pattern(crystal, background_counts=100.0, rng=rng, zero_shift_deg=0.03)
        return Task(crystal.composition, most_atoms=12, prepared=prepare(pattern))

    return of


@pytest.mark.parametrize("name", ["rutile", "calcite"])
def test_an_unknown_structure_is_found(
    pool: MouldPool, task: Callable[[Crystal], Task], name: str
) -> None:
    asked = task(KNOWN[name])
    candidates = DirectEngine(pool, work=WORK).propose(asked, 10)
    assert 0 < len(candidates) <= 10
    assert any(rms_distance(KNOWN[name], one.crystal) is not None for one in candidates[:3])
    assert {one.proposer for one in candidates} == {"direct"}
    assert {one.template for one in candidates} == {None}
    scores = [one.score for one in candidates]
    assert scores == sorted(scores, reverse=True)
    units = sum(asked.composition.values())
    for one in candidates:
        shares = {s: n / len(one.crystal) for s, n in one.crystal.composition.items()}
        assert shares == pytest.approx({s: n / units for s, n in asked.composition.items()})


def test_an_answer_is_the_same_again(pool: MouldPool, task: Callable[[Crystal], Task]) -> None:
    truth = KNOWN["rutile"]
    asked = replace(task(truth), most_atoms=6, cell=truth.cell)
    first, again = (DirectEngine(pool, work=300.0).propose(asked, 3) for _ in range(2))
    assert [one.score for one in first] == [one.score for one in again]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.crystal.fractional, other.crystal.fractional)


def test_what_is_known_is_kept_to(pool: MouldPool, task: Callable[[Crystal], Task]) -> None:
    truth = KNOWN["rutile"]
    asked = replace(task(truth), composition={"Ti": 1.0, "O": 2.0})
    asked = replace(asked, cell=truth.cell, space_group=136, formula_units=2)
    candidates = DirectEngine(pool, work=300.0).propose(asked, 5)
    assert rms_distance(truth, candidates[0].crystal) is not None
    assert {one.crystal.space_group_number for one in candidates} == {136}
    assert {len(one.crystal) for one in candidates} == {6}


def test_nothing_is_proposed_where_nothing_can_be(
    pool: MouldPool, task: Callable[[Crystal], Task]
) -> None:
    asked = task(KNOWN["rutile"])
    engine = DirectEngine(pool, work=300.0)
    assert engine.propose(replace(asked, most_atoms=2), 5) == []
    assert engine.propose(replace(asked, composition={"Ti": 0.5, "O": 1.0}), 5) == []
    axis = np.arange(10.0, 80.0, 0.02)
    counts = np.random.default_rng(0).poisson(100.0, len(axis)).astype(float)
    flat = prepare(Pattern("two_theta", axis, counts, None, CU_KA, "given"))
    assert engine.propose(replace(asked, prepared=flat), 5) == []
    late = replace(asked, deadline=monotonic() - 1.0)
    assert engine.propose(late, 5) == []


@pytest.mark.parametrize("name", ["rutile", "calcite", "fluorite", "baddeleyite", "olivine"])
def test_cells_are_found_from_peaks(task: Callable[[Crystal], Task], name: str) -> None:
    crystal = KNOWN[name]
    asked = task(crystal)
    marks = Marks.of(asked.prepared)
    standard = standardize(crystal)
    volume = standard.primitive.volume_angstrom3
    found = index_peaks(marks, np.array([1.06 * volume]), most=4)
    best = sorted(found, key=lambda one: -one.merit)[:3]
    true = shortest(standard.primitive.lattice, 0)
    cells = [refined(one, marks, asked.prepared.wavelengths_angstrom[0]) for one in best]
    off = [np.abs(shortest(one.lattice, one.centring) / true - 1).max() for one, _ in cells]
    assert min(off) < 0.005
    _, zero = cells[int(np.argmin(off))]
    assert abs(zero - 0.03) < 0.04


def test_a_triclinic_cell_is_found_from_peaks() -> None:
    lattice = np.array([[4.9, 0, 0], [0.9, 5.8, 0], [-0.6, 1.1, 7.1]])
    rng = np.random.default_rng(3)
    crystal = Crystal(
        lattice, ("Ti", "O", "O"), np.ones(3), rng.random((3, 3)), np.full(3, np.nan), 1
    )
    marks = Marks.of(prepare(simulate_pattern(crystal, background_counts=50.0, rng=rng)))
    found = index_triclinic(marks, np.array([crystal.volume_angstrom3]), most=5)
    true = shortest(lattice, 0)
    assert min(np.abs(shortest(one.lattice, 0) / true - 1).max() for one in found) < 0.01


def test_settings_of_a_lattice_name_every_group_of_it() -> None:
    groups = {
        number
        for system, centrings in (
            ("triclinic", [0]),
            ("monoclinic", [0, 3]),
            ("orthorhombic", [0, 3, 4, 5]),
            ("tetragonal", [0, 4]),
            ("hexagonal", [0, 6]),
            ("cubic", [0, 4, 5]),
        )
        for centring in centrings
        for number, _ in settings(system, centring)
    }
    assert groups == set(range(1, 231))
    # Pbca has two settings, Pnma six, Pmmm one.
    primitive = [number for number, _ in settings("orthorhombic", 0)]
    assert [primitive.count(number) for number in (61, 62, 47)] == [2, 6, 1]


def test_a_known_cell_is_of_the_system_that_its_axes_have() -> None:
    systems = [cells_of(KNOWN[name].lattice)[0].system for name in ("rutile", "calcite", "olivine")]
    assert systems == ["tetragonal", "hexagonal", "orthorhombic"]
    assert cells_of(KNOWN["baddeleyite"].lattice)[0].system == "monoclinic"
