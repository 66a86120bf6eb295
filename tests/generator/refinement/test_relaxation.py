"""Coordinates by a force field, symmetry kept."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

import numpy as np
import pytest
from numpy.typing import NDArray

from data.canonical import standardize
from data.crystal import Crystal
from data.errors import MissingExtraError
from generator.refinement import relaxation
from generator.refinement.freedom import Freedom
from generator.refinement.relaxation import chgnet, relaxed
from tests import crystals
from tests.generator.refinement.test_refiner import candidate, distance, task_of


@pytest.mark.parametrize("name", ["rutile", "anatase", "calcite", "quartz"])
def test_atoms_go_where_the_force_field_says_as_far_as_symmetry_lets_them(name: str) -> None:
    truth = standardize(crystals.ALL[name]).crystal
    freedom = Freedom.of(truth)
    off = freedom.moved(truth, np.full(len(freedom.moves), 0.1), np.zeros(6))
    chosen = freedom.lattice_points
    askew = np.random.default_rng(0).normal(size=(len(chosen), 3)) * 1e-3

    def back(crystal: Crystal) -> NDArray[np.float64]:
        assert len(crystal) == len(chosen)
        density = len(crystal) / crystal.volume_angstrom3
        assert density == pytest.approx(len(off) / off.volume_angstrom3)
        apart = truth.fractional[chosen] - off.fractional[chosen]
        shift = (apart - np.round(apart)) @ off.lattice
        return np.asarray(crystal.fractional @ crystal.lattice + shift + askew)

    task = task_of(truth)
    (after,) = relaxed(task, [candidate(task, off)], back)
    assert distance(off, truth) > 0.05
    assert distance(after.crystal, truth) < 2e-3
    assert after.crystal.space_group_number == truth.space_group_number
    assert not after.refined
    assert after.correlation > candidate(task, off).correlation
    np.testing.assert_allclose(after.crystal.lattice, off.lattice, atol=1e-9)


def test_what_cannot_be_relaxed_is_left_out() -> None:
    def never(_crystal: Crystal) -> NDArray[np.float64]:
        raise AssertionError

    rutile = standardize(crystals.RUTILE).crystal
    task = task_of(rutile)
    late = replace(task, deadline=monotonic() - 1.0)
    assert relaxed(late, [candidate(task, rutile)], never) == []
    salt = standardize(crystals.ROCK_SALT).crystal
    assert relaxed(task, [candidate(task, salt)], never) == []  # nothing is free
    crowded = replace(rutile, lattice=rutile.lattice * 0.5)
    assert relaxed(task, [candidate(task, crowded)], never) == []


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaxation, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'braggle\[relax\]'"):
        chgnet()
