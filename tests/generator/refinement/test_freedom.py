"""Atoms and cells move as their space group lets them, and no other way."""

from __future__ import annotations

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from generator.refinement.freedom import Freedom, free_parameters
from tests import crystals

# Free coordinates and free quantities of the cell, from International Tables.
FREE = {
    "rock salt": (0, 1),
    "rutile": (1, 2),
    "anatase": (1, 2),
    "quartz": (4, 2),
    "calcite": (1, 2),
    "baddeleyite": (9, 4),
    "chalcanthite": (30, 6),
}


def standard(name: str) -> Crystal:
    return standardize(crystals.ALL[name]).crystal


@pytest.mark.parametrize("name", FREE)
def test_what_symmetry_leaves_free_is_counted(name: str) -> None:
    freedom = Freedom.of(standard(name))
    assert (len(freedom.moves), freedom.ties.max() + 1) == FREE[name]
    assert free_parameters(standard(name)) == sum(FREE[name])


@pytest.mark.parametrize("name", FREE)
def test_what_was_moved_has_the_same_symmetry(name: str) -> None:
    crystal = standard(name)
    freedom = Freedom.of(crystal)
    rng = np.random.default_rng(0)
    by = rng.normal(size=len(freedom.moves)) * 0.1
    moved = freedom.moved(crystal, by, rng.normal(size=6) * 0.01)
    again = standardize(moved, symprec_angstrom=1e-3).crystal
    assert again.space_group_number == crystal.space_group_number
    assert len(again) == len(crystal)
    assert again.volume_angstrom3 == pytest.approx(moved.volume_angstrom3)
    apart = moved.fractional - crystal.fractional
    distance = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice, axis=1)
    assert (distance.max() > 0.01) == bool(len(by))


def test_a_free_coordinate_moves_its_site_by_an_angstrom() -> None:
    crystal = standard("baddeleyite")
    freedom = Freedom.of(crystal)
    length = np.linalg.norm(freedom.moves @ crystal.lattice, axis=2)
    np.testing.assert_allclose(length[length > 0], 1.0)
    assert np.bincount(freedom.sites).tolist() == [4, 4, 4]
    assert len(freedom.lattice_points) == len(crystal)


def test_centred_cells_have_an_atom_for_each_of_a_lattice_point() -> None:
    freedom = Freedom.of(standard("rock salt"))
    assert len(freedom.lattice_points) == 2
    assert len(Freedom.of(standard("calcite")).lattice_points) == 10
