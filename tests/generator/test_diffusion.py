"""Structures that the network draws, fitted, refined and judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from data.crystal import Crystal
from data.preparation import prepare
from data.profile import simulate_pattern
from generator import diffusion
from generator.candidate import Task
from generator.diffusion import DiffusionEngine, _symmetric
from generator.pool import MouldPool
from indexer.templates.template import LEAST_MEMBERS
from tests import crystals
from tests.generator.test_substitution import KNOWN, made
from tests.service.bench_crystals import library_of

PATTERN = prepare(simulate_pattern(crystals.RUTILE, rng=np.random.default_rng(0)))
TASK = Task({"Ti": 1.0, "O": 2.0}, most_atoms=12, prepared=PATTERN)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> MouldPool:
    """Rock salts of nearly one size, which are a template, beside others."""
    salts = {
        f"{metal} oxide": made(crystals.ROCK_SALT, (4.2 + 0.001 * i) / 5.64, Na=metal, Cl="O")
        for i, metal in enumerate(("Mg", "Ni", "Co", "Fe", "Mn"))
    }
    assert len(salts) >= LEAST_MEMBERS
    path = tmp_path_factory.mktemp("libraries") / "made"
    return MouldPool(library_of({**KNOWN, **salts}, path))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffusion, "SAMPLES", 8)
    monkeypatch.setattr(diffusion, "ROUNDS", 1)
    monkeypatch.setattr(diffusion, "REFINED", 2)


@pytest.mark.usefixtures("few")
def test_candidates_have_the_formula_and_a_verdict(pool: MouldPool) -> None:
    found = DiffusionEngine(pool).propose(TASK, 5)
    assert 0 < len(found) <= 5
    for one in found:
        amounts = one.crystal.composition
        assert amounts["O"] == pytest.approx(2 * amounts["Ti"])
        assert one.proposer == "diffusion"
        assert 0 <= one.score <= 1
        assert 0 <= one.correlation <= 1
        assert one.template is None


@pytest.mark.usefixtures("few")
def test_what_is_known_is_kept(pool: MouldPool) -> None:
    found = DiffusionEngine(pool).propose(replace(TASK, space_group=136, formula_units=2), 20)
    assert all(one.crystal.space_group_number == 136 for one in found)
    assert all(len(one.crystal) == 6 for one in found)
    assert DiffusionEngine(pool).propose(replace(TASK, formula_units=200), 5) == []


@pytest.mark.parametrize(
    "composition",
    [{"Ti": 1.0, "O": 1.5}, {"Ca": 5.0, "P": 3.0, "O": 13.0, "H": 8.0}],
    ids=["parts of atoms", "too many atoms"],
)
def test_what_the_network_has_no_room_for_is_left_to_others(
    pool: MouldPool, composition: dict[str, float]
) -> None:
    assert DiffusionEngine(pool).propose(replace(TASK, composition=composition), 5) == []


def test_nothing_is_drawn_after_the_deadline(pool: MouldPool) -> None:
    assert DiffusionEngine(pool).propose(replace(TASK, deadline=monotonic() - 1), 5) == []


def test_nearest_templates_pass_over_what_is_withheld(pool: MouldPool) -> None:
    pattern = prepare(simulate_pattern(KNOWN["periclase"], rng=np.random.default_rng(0)))
    (vector, nearest), *_ = pool.near_templates(pattern, 1)
    assert nearest.space_group_number == 225
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-4)
    (_, other), *_ = pool.near_templates(pattern, 1, without=frozenset({nearest.formula}))
    assert other.formula != nearest.formula
    assert pool.near_templates(pattern, 0) == []


def test_a_library_without_templates_has_none_near(tmp_path: Path) -> None:
    alone = MouldPool(library_of({"rutile": crystals.RUTILE}, tmp_path / "one"))
    assert alone.near_templates(PATTERN, 4) == []


def test_a_drawn_structure_that_repeats_within_an_atom_is_passed_over() -> None:
    """The search for its symmetry would not end."""

    def drawn(edge: float) -> Crystal:
        lattice = np.diag([edge, 6.0, 6.0])
        return Crystal(lattice, ("O",), np.ones(1), np.zeros((1, 3)), np.full(1, np.nan))

    assert list(_symmetric([drawn(0.4)])) == []
    assert len(list(_symmetric([drawn(2.4)]))) == 1
