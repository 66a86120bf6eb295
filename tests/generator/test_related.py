"""Crystals of an element more or less, made to have the formula that is sought."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from data.preparation import prepare
from data.profile import simulate_pattern
from generator.candidate import Task
from generator.matching import rms_distance
from generator.pool import MouldPool, anonymous
from generator.related import merged, parted, twin_of, united
from generator.substitution import SubstitutionEngine
from tests import crystals
from tests.service.bench_crystals import library_of

BLENDE = standardize(
    Crystal(
        5.41 * np.eye(3),
        ("Zn",) * 4 + ("S",) * 4,
        np.ones(8),
        np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0],
                  [0.25, 0.25, 0.25], [0.25, 0.75, 0.75], [0.75, 0.25, 0.75], [0.75, 0.75, 0.25]]),
        np.full(8, np.nan),
    )
).crystal  # fmt: skip


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> MouldPool:
    known = {"silicon": crystals.SILICON, "calcite": crystals.CALCITE, "rutile": crystals.RUTILE}
    return MouldPool(library_of(known, tmp_path_factory.mktemp("libraries") / "made"))


def test_each_pair_is_merged_once() -> None:
    found = list(merged({"Ca": 1.0, "C": 1.0, "O": 3.0}))
    assert [(first, second) for first, second, _ in found] == [("C", "Ca"), ("C", "O"), ("Ca", "O")]
    assert found[0][2] == {"C": 2.0, "O": 3.0}
    assert list(merged({"Si": 1.0})) == []


def test_blende_with_one_element_is_diamond() -> None:
    one = united(BLENDE, "Zn", "S")
    assert one.space_group_number == 227
    assert one.composition == {"Zn": 8.0}


def test_silicon_in_two_halves_is_blende() -> None:
    (found,) = parted(standardize(crystals.SILICON).crystal, "Si", "P", 0.5)
    assert found.space_group_number == 216
    assert found.composition == {"Si": 4.0, "P": 4.0}
    same = replace(found, species=tuple({"Si": "Zn", "P": "S"}[s] for s in found.species))
    assert rms_distance(BLENDE, same) is not None


def test_different_ways_of_parting_are_told_apart() -> None:
    """Two of the four oxygens of rutile's cell: trans or cis, at the same titanium or not."""
    found = list(parted(standardize(crystals.RUTILE).crystal, "O", "F", 0.5))
    assert len(found) >= 2
    assert all(one.composition["O"] == one.composition["F"] for one in found)
    for i, one in enumerate(found):
        assert all(rms_distance(one, other) is None for other in found[i + 1 :])


@pytest.mark.parametrize("share", [0.3, 0.0, 1.0])
def test_what_is_no_whole_number_of_atoms_is_not_parted(share: float) -> None:
    assert list(parted(standardize(crystals.RUTILE).crystal, "O", "F", share)) == []


def test_a_twin_is_the_likest_element_that_is_not_there() -> None:
    assert twin_of("Nb", ["O"]) == "Ta"
    assert twin_of("Nb", ["Ta", "O"]) not in {"Nb", "Ta", "O"}


def test_related_moulds_have_the_kind_of_formula(pool: MouldPool) -> None:
    wanted = {"Zn": 1.0, "S": 1.0}
    found = list(pool.related(wanted, most_atoms=20))
    assert found
    for one in found:
        assert one.is_related
        assert anonymous(one.crystal.composition) == anonymous(wanted)
        assert one.room_angstrom3 > 0
    assert {one.formula for one in found} == {"Si"}
    assert list(pool.related(wanted, most_atoms=20, without=frozenset({"Si"}))) == []
    assert list(pool.related(wanted, most_atoms=1)) == []


def test_a_compound_is_found_by_its_elements_structure(pool: MouldPool) -> None:
    pattern = prepare(simulate_pattern(BLENDE, rng=np.random.default_rng(1)))
    assert pool.alike(BLENDE.composition, most_atoms=20) == []
    best, *_ = SubstitutionEngine(pool).propose(Task({"Zn": 1.0, "S": 1.0}, prepared=pattern), 5)
    assert rms_distance(BLENDE, best.crystal) is not None
    assert best.correlation > 0.9


def test_an_element_is_found_by_a_compounds_structure(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    library = library_of({"blende": BLENDE}, tmp_path_factory.mktemp("libraries") / "blende")
    truth = standardize(crystals.SILICON).crystal
    pattern = prepare(simulate_pattern(truth, rng=np.random.default_rng(1)))
    best, *_ = SubstitutionEngine(MouldPool(library)).propose(
        Task({"Si": 1.0}, prepared=pattern), 5
    )
    assert rms_distance(truth, best.crystal) is not None
    assert best.crystal.space_group_number == 227
