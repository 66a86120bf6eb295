"""Crystals that a library lacks, made from those it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from data.preparation import prepare
from data.profile import simulate_pattern
from data.record import Record, Source
from generator.candidate import Task
from generator.chemistry import AtomicVolumes, unlikeness
from generator.exchange import LIKENESS, assignments
from generator.matching import rms_distance
from generator.pool import NEVER_SEEN, MouldPool, anonymous
from generator.substitution import SubstitutionEngine
from indexer import Library
from tests import crystals
from tests.indexer.toy import ToyChannel


def made(crystal: Crystal, size: float, **species: str) -> Crystal:
    return replace(
        crystal,
        lattice=crystal.lattice * size,
        species=tuple(species.get(one, one) for one in crystal.species),
    )


PERICLASE = made(crystals.ROCK_SALT, 4.21 / 5.64, Na="Mg", Cl="O")
CASSITERITE = made(crystals.RUTILE, 1.035, Ti="Sn")
KNOWN = {
    "periclase": PERICLASE,
    "lime": made(crystals.ROCK_SALT, 4.81 / 5.64, Na="Ca", Cl="O"),
    "halite": crystals.ROCK_SALT,
    "caesium chloride": crystals.CAESIUM_CHLORIDE,
    "rutile": crystals.RUTILE,
    "anatase": crystals.ANATASE,
    "quartz": crystals.QUARTZ,
    "fluorite": crystals.FLUORITE,
    "magnesite": made(crystals.CALCITE, 0.94, Ca="Mg"),
    "olivine": crystals.OLIVINE,
    "half a halite": replace(crystals.ROCK_SALT, occupancies=np.full(len(crystals.ROCK_SALT), 0.5)),
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> MouldPool:
    records = [Record(one, (name,), Source("made", name)) for name, one in KNOWN.items()]
    path = tmp_path_factory.mktemp("libraries") / "made"
    return MouldPool(Library.build(records, path, channels=[ToyChannel()], workers=1))


@pytest.fixture
def task() -> Callable[[Crystal], Task]:
    def of(crystal: Crystal) -> Task:
        rng = np.random.default_rng(2)
        pattern = simulate_pattern(crystal, background_counts=100.0, rng=rng)
        return Task(crystal.composition, most_atoms=60, prepared=prepare(pattern))

    return of


@pytest.mark.parametrize(
    "truth, template",
    [
        (made(crystals.ROCK_SALT, 4.44 / 5.64, Na="Mn", Cl="O"), "MgO or CaO"),
        (CASSITERITE, "TiO2"),
        (made(crystals.CALCITE, 0.95, Ca="Fe"), "MgCO3"),
    ],
)
def test_a_crystal_that_is_not_there_is_made_from_its_isotype(
    pool: MouldPool, task: Callable[[Crystal], Task], truth: Crystal, template: str
) -> None:
    wanted = standardize(truth).crystal
    candidates = SubstitutionEngine(pool).propose(task(truth), 5)
    best = candidates[0]
    assert rms_distance(wanted, best.crystal) is not None
    assert best.crystal.volume_angstrom3 == pytest.approx(wanted.volume_angstrom3, rel=5e-3)
    assert best.correlation > 0.9
    assert best.template in pool.library.ids
    assert pool.library.entry(pool.library.row(str(best.template))).formula in template
    scores = [one.score for one in candidates]
    assert scores == sorted(scores, reverse=True)
    assert {one.proposer for one in candidates} == {"substitution"}


def test_formulas_that_are_withheld_are_not_used(
    pool: MouldPool, task: Callable[[Crystal], Task]
) -> None:
    everything = SubstitutionEngine(pool).propose(task(crystals.RUTILE), 20)
    without = SubstitutionEngine(pool, without=frozenset({"TiO2"})).propose(
        task(crystals.RUTILE), 20
    )
    formulas = [
        {pool.library.entry(pool.library.row(str(one.template))).formula for one in found}
        for found in (everything, without)
    ]
    assert "TiO2" in formulas[0]
    assert formulas[1] == formulas[0] - {"TiO2"} != set()


def test_no_crystal_of_the_kind_gives_no_candidate(
    pool: MouldPool, task: Callable[[Crystal], Task]
) -> None:
    assert SubstitutionEngine(pool).propose(task(crystals.BADDELEYITE), 5) != []  # as rutile
    strange = replace(task(crystals.RUTILE), composition={"Ti": 7.0, "O": 11.0})
    assert SubstitutionEngine(pool).propose(strange, 5) == []


def test_only_what_is_known_is_made(pool: MouldPool, task: Callable[[Crystal], Task]) -> None:
    anatase = made(crystals.ANATASE, 1.03, Ti="Sn")
    told = task(anatase)
    engine = SubstitutionEngine(pool)
    every = {one.crystal.space_group_number for one in engine.propose(told, 20)}
    assert len(every) > 1
    for known in (
        replace(told, space_group=141),
        replace(told, formula_units=1, composition={"Sn": 4.0, "O": 8.0}, space_group=141),
        replace(told, cell=anatase.cell),
    ):
        candidates = engine.propose(known, 20)
        assert {one.crystal.space_group_number for one in candidates} == {141}
        assert candidates[0].crystal.cell[2] == pytest.approx(anatase.cell[2], rel=3e-3)
    assert engine.propose(replace(told, space_group=1), 20) == []
    # Told, a cell is found that volumes of atoms would not lead to.
    odd = made(crystals.RUTILE, 1.0, Ti="Sn")
    odd = replace(odd, lattice=odd.lattice * np.array([[1.12], [1.12], [1.12]]))
    (best, *_) = engine.propose(replace(task(odd), cell=odd.cell), 20)
    assert best.crystal.cell[:3] == pytest.approx(odd.cell[:3], rel=3e-3)


def test_the_pool_holds_ordered_crystals_of_one_kind_of_formula(pool: MouldPool) -> None:
    moulds = pool.alike({"K": 1.0, "Br": 1.0}, most_atoms=60)
    assert sorted(one.formula for one in moulds) == ["CaO", "CsCl", "MgO", "NaCl"]
    assert all(one.crystal.is_ordered for one in moulds)
    assert [one.primitive_atoms for one in moulds] == [2, 2, 2, 2]
    few = pool.alike({"K": 2.0, "Br": 2.0}, most_atoms=1)
    assert few == []
    rest = pool.alike({"K": 1.0, "Br": 1.0}, most_atoms=60, without=frozenset({"NaCl"}))
    assert sorted(one.formula for one in rest) == ["CaO", "CsCl", "MgO"]


def test_anonymous_formulas_know_shares_alone() -> None:
    assert anonymous({"Ti": 2.0, "O": 4.0}) == anonymous({"Si": 1.0, "F": 2.0}) == (3333, 6667)
    assert anonymous({"Na": 1.0, "Cl": 1.0}) != anonymous({"Na": 1.0, "Cl": 2.0})


def test_assignments_are_all_ways_the_likeliest_first() -> None:
    own, wanted = {"Ca": 1.0, "Ti": 1.0, "O": 3.0}, {"S": 6.0, "Ba": 2.0, "Zr": 2.0}
    found = assignments(own, wanted)
    ways = [tuple(partners[symbol] for symbol in ("Ca", "Ti")) for partners, _ in found]
    assert sorted(ways) == sorted(permutations(["Ba", "Zr"]))
    assert all(partners["O"] == "S" for partners, _ in found)
    assert ways[0] == ("Ba", "Zr")
    worth = [float(LIKENESS @ unlike) for _, unlike in found]
    assert worth == sorted(worth)
    # By hand: shares of a fifth, a fifth and three fifths.
    by_hand = (unlikeness("Ca", "Ba") + unlikeness("Ti", "Zr") + 3 * unlikeness("O", "S")) / 5
    np.testing.assert_allclose(found[0][1], by_hand)


def test_unlikeness_is_a_distance() -> None:
    np.testing.assert_array_equal(unlikeness("Fe", "Fe"), 0.0)
    np.testing.assert_allclose(unlikeness("Na", "Cl"), unlikeness("Cl", "Na"))
    assert LIKENESS @ unlikeness("Sr", "Ba") < LIKENESS @ unlikeness("Sr", "O")


def test_volumes_of_atoms_add_up_to_those_of_crystals() -> None:
    rng = np.random.default_rng(4)
    own = {"Mg": 7.0, "O": 11.0, "Si": 9.0, "Ba": 40.0}
    compositions = [
        {"O": 4.0, **{str(s): float(rng.integers(1, 9)) for s in rng.permutation(list(own))[:3]}}
        for _ in range(200)
    ]
    volumes = np.array([sum(own[s] * n for s, n in one.items()) for one in compositions])
    volumes[::10] *= 2.5  # porous, or wrong
    found = AtomicVolumes.of(compositions, volumes)
    wanted = {"Ba": 1.0, "Si": 2.0, "O": 5.0}
    assert found.volume(wanted) == pytest.approx(40 + 18 + 55, rel=0.05)


def test_atoms_of_a_metal_take_more_room_than_its_ions() -> None:
    salt, metal = {"Ca": 4.0, "O": 4.0}, {"Ca": 4.0}
    found = AtomicVolumes.of([salt] * 30 + [metal] * 30, np.array([111.3] * 30 + [174.5] * 30))
    assert found.volume({"Ca": 1.0}) == pytest.approx(174.5 / 4, rel=0.02)
    assert found.volume({"Ca": 1.0, "O": 1.0}) == pytest.approx(111.3 / 4, rel=0.02)
    # Larger than calcium by a fifth, strontium takes more room though nothing is known of it.
    assert 1.2 < found.volume({"Sr": 1.0}) / found.volume({"Ca": 1.0}) < 1.9
    nothing = AtomicVolumes.of([], np.zeros(0))
    assert 5 < nothing.volume({"Cu": 1.0}) < 40  # 11.8 Å³


def test_volumes_are_of_formulas_that_are_not_left_out(pool: MouldPool) -> None:
    lime = {"Ca": 1.0, "O": 1.0}
    own = pool.volumes().volume(lime)
    assert pool.volumes(frozenset({"CaO", "MgO", "MgCO3"})).volume(lime) != pytest.approx(own)
    assert pool.volumes().volume(lime) == own


def test_a_type_that_many_formulas_have_is_less_rare(pool: MouldPool) -> None:
    salts = {one.formula: one for one in pool.alike({"Mn": 1, "O": 1}, most_atoms=60)}
    assert {formula: one.kin for formula, one in salts.items()} == {
        "MgO": 3,
        "CaO": 3,
        "NaCl": 3,
        "CsCl": 1,
    }
    assert salts["MgO"].rarity == pytest.approx(-np.log(3))
    assert salts["CsCl"].rarity == 0.0
    fewer = pool.alike({"Mn": 1, "O": 1}, most_atoms=60, without=frozenset({"MgO", "CaO"}))
    assert {one.kin for one in fewer} == {1}
    # Calcite with two of its elements made one is of no type that is known.
    made = list(pool.related({"Na": 1, "Cl": 4}, most_atoms=60))
    assert made
    assert {one.rarity for one in made} == {NEVER_SEEN}


def test_candidates_tell_how_rare_their_type_is(
    pool: MouldPool, task: Callable[[Crystal], Task]
) -> None:
    found = SubstitutionEngine(pool).propose(task(made(crystals.ROCK_SALT, 0.8, Na="Mn")), 10)
    by_group = {one.crystal.space_group_number: one.features["rarity"] for one in found}
    assert by_group == pytest.approx({225: -np.log(3), 221: 0.0})
