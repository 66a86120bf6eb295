from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.canonical import standardize
from data.crystal import Crystal
from generator.matching import same_structure
from generator.pointcloud.cloud import (
    CellScale,
    cell_numbers,
    cells_in,
    clouds_of,
    elements_of,
    lattices_of,
    owners,
    places_in,
)
from generator.pointcloud.clusters import crystal_of
from generator.pointcloud.inference import cloud_tensors, clouds_in
from generator.pointcloud.model import CloudNetwork
from tests import crystals
from tests.generator.pointcloud.conftest import SMALL


@pytest.fixture(scope="module")
def network() -> CloudNetwork:
    made = CloudNetwork(SMALL)
    mean = torch.tensor([1.6, 1.7, 1.9, 90.0, 88.0, 88.0], dtype=torch.float64)
    spread = torch.tensor([0.3, 0.3, 0.3, 17.0, 15.0, 18.0], dtype=torch.float64)
    made.set_scale(CellScale(mean, spread))
    return made


def back(crystal: Crystal, network: CloudNetwork) -> Crystal:
    values, elements = cloud_tensors([crystal], network)
    (cloud,) = clouds_in(values, elements, network)
    found = crystal_of(cloud)
    assert found is not None
    return found


def plain(crystal: Crystal) -> Crystal:
    return replace(standardize(crystal).primitive, space_group_number=1)


@pytest.mark.parametrize("name", sorted(crystals.ALL))
def test_lattices_have_the_cells_that_they_are_made_of(name: str) -> None:
    lattice = torch.from_numpy(plain(crystals.ALL[name]).lattice.copy())[None]
    numbers = cell_numbers(lattice)
    torch.testing.assert_close(cell_numbers(lattices_of(numbers)), numbers, rtol=1e-6, atol=1e-4)


def test_any_numbers_are_a_cell() -> None:
    """Noise may say angles that no cell has, and lengths without end."""
    numbers = torch.tensor(
        [[1.0, 2.0, 1.5, 50.0, 130.0, 60.0], [9.0, -9.0, 1.0, 0.0, 180.0, 400.0]]
    )
    found = lattices_of(numbers)
    assert torch.isfinite(found).all()
    assert (torch.linalg.det(found) > 0).all()


@pytest.mark.parametrize("name", ["rock salt", "silicon", "rutile", "anatase", "quartz", "calcite"])
def test_crystals_come_back(name: str, network: CloudNetwork) -> None:
    crystal = plain(crystals.ALL[name])
    found = back(crystal, network)
    assert found.composition == crystal.composition
    np.testing.assert_allclose(found.cell, crystal.cell, rtol=1e-4)
    assert same_structure(crystal, found)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    atoms=st.integers(1, 16),
    longest=st.floats(8.0, 40.0),
    on_the_edge=st.booleans(),
)
def test_any_cell_of_16_atoms_comes_back(
    network: CloudNetwork, seed: int, atoms: int, longest: float, *, on_the_edge: bool
) -> None:
    """Atoms at 0 and next to 1, and cells that are longer than 15 Å."""
    rng = np.random.default_rng(seed)
    grid = rng.permutation(np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in range(4)]))
    places = (grid[:atoms] / [2, 2, 4] + rng.uniform(-0.02, 0.02, (atoms, 3))) % 1.0
    if on_the_edge:
        places = (places - places[0] + [0.0, 0.9999, 1e-6]) % 1.0
    crystal = Crystal(
        lattice=np.diag([6.0, 7.0, longest]) + rng.uniform(-0.5, 0.5, (3, 3)),
        species=tuple(rng.choice(["Mg", "Mn", "O"], atoms).tolist()),
        occupancies=np.ones(atoms),
        fractional=places,
        u_iso_angstrom2=np.full(atoms, np.nan),
        space_group_number=1,
    )
    found = back(crystal, network)
    assert found.composition == crystal.composition
    np.testing.assert_allclose(found.cell, crystal.cell, rtol=1e-3)
    for symbol, place in zip(crystal.species, crystal.fractional, strict=True):
        apart = found.fractional - place
        apart -= np.round(apart)
        nearest = int(np.abs(apart).max(axis=1).argmin())
        assert np.abs(apart[nearest]).max() < 1e-3
        assert found.species[nearest] == symbol


def test_points_are_dealt_out_evenly_and_in_order() -> None:
    count = torch.arange(1, 17)
    own = owners(count)
    assert (own.diff(dim=1) >= 0).all()
    for row, many in zip(own, count.tolist(), strict=True):
        sizes = row.bincount()
        assert len(sizes) == many
        assert int(sizes.max() - sizes.min()) <= 1


def test_the_order_of_atoms_and_whole_cells_between_do_not_matter(network: CloudNetwork) -> None:
    number = torch.tensor([[8, 12, 8, 25, 0], [25, 8, 8, 12, 0]])
    places = torch.tensor([[0.1, 0.2, 0.3], [0.0, 0.0, 0.0], [0.6, 0.1, 0.9], [0.5, 0.5, 0.5]])
    shuffled = places[[3, 0, 2, 1]] + torch.tensor([1.0, -1.0, 0.0])
    fractional = torch.nn.functional.pad(torch.stack([places, shuffled]), (0, 0, 0, 1))
    lattice = torch.diag(torch.tensor([4.0, 5.0, 6.0])).expand(2, 3, 3)
    values, elements = clouds_of(number, fractional, lattice, network.scale)
    torch.testing.assert_close(values[0], values[1], atol=1e-5, rtol=0)
    assert elements.tolist() == [[12, 25, 8]] * 2
    lengths = cells_in(values.double(), network.scale)[:, :3].exp()
    torch.testing.assert_close(lengths[0], torch.tensor([4.0, 5.0, 6.0], dtype=torch.float64))
    assert (places_in(values) >= 0).all()
    assert (places_in(values) < 1).all()


def test_fewer_elements_leave_room() -> None:
    number = torch.tensor([[14, 14, 14], [11, 17, 0], [8, 0, 0]])
    assert elements_of(number).tolist() == [[14, 0, 0], [11, 17, 0], [8, 0, 0]]
