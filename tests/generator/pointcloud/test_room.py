from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.contacts import closest_contact
from generator.pointcloud.room import ROOM, with_room
from tests import crystals
from tests.generator.pointcloud.clouds import primitive_of


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_atoms_thrown_anywhere_get_room(seed: int) -> None:
    crystal = primitive_of(crystals.RUTILE)
    places = np.random.default_rng(seed).random(crystal.fractional.shape)
    found = with_room(replace(crystal, fractional=places))
    assert closest_contact(found) > 0.95 * ROOM
    np.testing.assert_array_equal(found.lattice, crystal.lattice)
    assert found.species == crystal.species


@pytest.mark.parametrize("name", ["rock salt", "rutile", "quartz", "calcite"])
def test_atoms_that_have_room_stay(name: str) -> None:
    crystal = primitive_of(crystals.ALL[name])
    np.testing.assert_allclose(with_room(crystal).fractional, crystal.fractional % 1.0)


def test_atoms_on_one_place_and_cells_too_small_end() -> None:
    crystal = primitive_of(crystals.ROCK_SALT)
    same = replace(crystal, fractional=np.zeros((2, 3)))
    assert np.isfinite(with_room(same).fractional).all()
    small = replace(crystal, lattice=0.3 * crystal.lattice)
    assert closest_contact(with_room(small)) < 0.6
