"""Crystals that are a little off are brought back to the truth."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from time import monotonic

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from data.preparation import prepare
from data.profile import simulate_pattern
from generator.candidate import Candidate, Task
from generator.cell_fit import profile_cosines
from generator.contacts import closest_contact
from generator.lines import lines_for
from generator.refinement.freedom import Freedom
from generator.refinement.refiner import MOST_ATOMS, refined
from generator.refinement.symmetry import raised
from tests import crystals


def standard(name: str) -> Crystal:
    return standardize(crystals.ALL[name]).crystal


def task_of(crystal: Crystal) -> Task:
    pattern = simulate_pattern(crystal, background_counts=100.0, rng=np.random.default_rng(3))
    return Task(crystal.composition, prepared=prepare(pattern))


def candidate(task: Task, crystal: Crystal) -> Candidate:
    lines = lines_for(task, [crystal])
    fit = profile_cosines(task.prepared, lines, crystal.lattice[None], np.zeros(1))
    return Candidate(crystal, "made", "template", 0.0, float(fit[0]), {"exchange": 0.5})


def distance(one: Crystal, other: Crystal) -> float:
    apart = one.fractional - other.fractional
    return float(np.linalg.norm((apart - np.round(apart)) @ one.lattice, axis=1).mean())


@pytest.mark.parametrize("name", ["rutile", "quartz", "calcite"])
def test_what_was_moved_comes_back(name: str) -> None:
    truth = standard(name)
    task = task_of(truth)
    freedom = Freedom.of(truth)
    shift = 0.2 * np.sign(np.random.default_rng(5).normal(size=len(freedom.moves)))
    off = freedom.moved(truth, shift, np.array([6e-4, -6e-4, 0, 0, 0, 0]))
    before = candidate(task, off)
    after = refined(task, [before])
    closest = min(after, key=lambda one: distance(one.crystal, truth))
    assert distance(off, truth) > 0.1
    assert distance(closest.crystal, truth) < 0.05
    np.testing.assert_allclose(closest.crystal.cell[:3], truth.cell[:3], rtol=3e-4)
    assert closest.correlation > before.correlation + 0.005
    for one in after:
        assert one.refined
        assert (one.proposer, one.template) == ("made", "template")
        assert one.features["exchange"] == 0.5
        assert one.features["refinement"] > 0.0
        assert one.crystal.space_group_number == truth.space_group_number
    assert not before.refined


def test_nothing_is_free_and_nothing_is_worse() -> None:
    truth = standard("rock salt")
    task = task_of(truth)
    before = candidate(task, truth)
    (after,) = refined(task, [before])
    assert after.correlation > before.correlation - 0.01
    np.testing.assert_allclose(after.crystal.fractional, truth.fractional)


def test_the_same_is_refined_to_the_same() -> None:
    truth = standard("quartz")
    task = task_of(truth)
    before = candidate(task, truth)
    first, second = refined(task, [before]), refined(task, [before])
    assert [one.correlation for one in first] == [one.correlation for one in second]


def test_atoms_are_kept_apart() -> None:
    truth = standard("quartz")
    task = task_of(standard("rutile"))  # of something else
    for one in refined(task, [candidate(task, truth)]):
        assert closest_contact(one.crystal) > 0.6


def test_higher_symmetry_is_found_and_imposed() -> None:
    truth = standard("rutile")
    low = standardize(Freedom.of(truth).moved(truth, np.zeros(1), np.zeros(6))).crystal
    assert raised(low) is None
    # An orthorhombic distortion, seen as no more than orthorhombic.
    moved = truth.fractional + np.where(
        np.arange(len(truth))[:, None] < 2, 0.0, 0.01 * np.sign(truth.fractional - 0.5)
    ) * np.array([1.0, 0.3, 0.0])
    lattice = truth.lattice * np.array([1.004, 0.997, 1.0])
    distorted = standardize(
        replace(truth, lattice=lattice, fractional=moved, space_group_number=1)
    ).crystal
    assert distorted.space_group_number != truth.space_group_number
    higher = raised(distorted)
    assert higher is not None
    assert higher.space_group_number == truth.space_group_number
    task = task_of(truth)
    found = refined(task, [candidate(task, distorted)])
    assert truth.space_group_number in {one.crystal.space_group_number for one in found}
    known = replace(task, space_group=distorted.space_group_number)
    kept = refined(known, [candidate(task, distorted)])
    assert {one.crystal.space_group_number for one in kept} <= {distorted.space_group_number}


def test_what_is_late_or_large_is_left_alone() -> None:
    truth = standard("quartz")
    task = task_of(truth)
    late = replace(task, deadline=monotonic() - 1.0)
    assert refined(late, [candidate(task, truth)]) == []
    large = standard("MOF-5")
    assert len(standardize(large).primitive) > MOST_ATOMS
    assert refined(task, [candidate(task, large)]) == []
    assert refined(task, []) == []


def test_crystals_without_a_line_in_the_pattern_are_refined_to_nothing_better() -> None:
    task = task_of(standard("rutile"))
    rock_salt = standard("rock salt")
    tiny = replace(rock_salt, lattice=0.1 * rock_salt.lattice)
    assert len(lines_for(task, [tiny])[0]) == 0
    for one in refined(task, [replace(candidate(task, rock_salt), crystal=tiny, correlation=0.0)]):
        assert one.correlation == 0.0


def test_the_solver_does_not_import_torch() -> None:
    code = "import sys, generator.solver; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
