"""Frameworks, polyhedra and rings of literal crystals, beside what textbooks say of them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from data.canonical import standardize
from data.crystal import Crystal
from indexer.templates.agreement import agree
from indexer.templates.neighbours import neighbours
from indexer.templates.rings import benzene_rings
from indexer.templates.shapes import Structure
from indexer.templates.structure import is_metal, sites_of, structure_of
from tests import crystals

Floats = NDArray[np.float64]


def structure(crystal: Crystal) -> Structure:
    return structure_of(standardize(crystal).primitive)


def corners(found: Structure) -> set[int]:
    return {len(one.coordinates) - 1 for one in found.polyhedra}


def crystal_of(lattice: Floats, atoms: list[tuple[str, Floats]]) -> Crystal:
    """Atoms at Cartesian places in Å."""
    n = len(atoms)
    places = np.array([place for _, place in atoms]) @ np.linalg.inv(lattice)
    species = tuple(symbol for symbol, _ in atoms)
    return Crystal(lattice, species, np.ones(n), places % 1.0, np.full(n, np.nan))


@pytest.mark.parametrize(
    "name, metals, non_metals, coordination",
    [
        ("rock salt", 1, 1, {6}),
        ("caesium chloride", 1, 1, {8}),
        ("fluorite", 1, 2, {8}),
        ("rutile", 2, 4, {6}),
        ("anatase", 2, 4, {6}),
        ("calcite", 2, 8, {6}),
        ("baddeleyite", 4, 8, {7}),
        # Silicon, two bonds away, is no neighbour of the metals.
        ("olivine", 8, 20, {6}),
        # The two long bonds of copper do not count.
        ("chalcanthite", 2, 20, {4}),
    ],
)
def test_textbook_structures(
    name: str, metals: int, non_metals: int, coordination: set[int]
) -> None:
    crystal = crystals.ALL[name]
    found = structure(crystal)
    assert found.framework is not None
    assert found.framework.marker == "metal"
    assert len(found.framework.coordinates) == metals
    assert found.framework.non_metals == non_metals
    assert corners(found) == coordination
    volume = found.framework.size_angstrom**3 * metals
    assert volume == pytest.approx(standardize(crystal).primitive.volume_angstrom3)
    assert abs(np.linalg.det(found.framework.lattice)) == pytest.approx(metals)


def test_two_sites_of_one_shape_are_one_polyhedron() -> None:
    assert len(structure(crystals.RUTILE).polyhedra) == 1
    perovskite = crystals.expand(
        (3.905, 3.905, 3.905, 90, 90, 90),
        "P m -3 m",
        [("Sr", 0.5, 0.5, 0.5), ("Ti", 0, 0, 0), ("O", 0.5, 0, 0)],
    )
    found = structure(perovskite)
    assert corners(found) == {6, 12}
    sizes = sorted(one.size_angstrom for one in found.polyhedra)
    np.testing.assert_allclose(sizes, [3.905 / 2, 3.905 / 2**0.5])


@pytest.mark.parametrize("name", ["quartz", "silicon"])
def test_without_metals_and_rings_nothing_marks_positions(name: str) -> None:
    assert structure(crystals.ALL[name]).framework is None
    assert structure(crystals.ALL[name]).polyhedra == ()


def test_metals() -> None:
    symbols = [
        "Li",
        "Be",
        "B",
        "Al",
        "Si",
        "Ga",
        "Ge",
        "As",
        "Sn",
        "Sb",
        "Te",
        "Bi",
        "Po",
        "At",
        "U",
    ]
    non_metals = [symbol for symbol in symbols if not is_metal(symbol)]
    assert non_metals == ["B", "Si", "As", "Te", "At"]


def test_hydrogen_and_nearly_empty_sites_are_left_out() -> None:
    bare = structure(crystals.ROCK_SALT)
    extra = np.array([[0.25, 0.25, 0.25], [0.1, 0.2, 0.3], [0.15, 0.6, 0.8]])
    crowded = Crystal(
        crystals.ROCK_SALT.lattice,
        (*crystals.ROCK_SALT.species, "H", "O", "Li"),
        np.append(crystals.ROCK_SALT.occupancies, [1.0, 0.49, 0.49]),
        np.concatenate([crystals.ROCK_SALT.fractional, extra]),
        np.full(len(crystals.ROCK_SALT) + 3, np.nan),
    )
    found = structure_of(crowded)
    assert found.framework is not None
    assert bare.framework is not None
    assert (len(found.framework.coordinates), found.framework.non_metals) == (4, 4)
    assert agree(found.polyhedra[0], bare.polyhedra[0])


def test_a_shared_site_belongs_to_the_larger_part() -> None:
    shares = [("Fe", 0.6), ("Si", 0.4), ("O", 0.7), ("Li", 0.2)]
    places = [[0, 0, 0.0], [0, 0, 0.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    sites = sites_of(
        Crystal(
            3.0 * np.eye(3),
            tuple(symbol for symbol, _ in shares),
            np.array([share for _, share in shares]),
            np.array(places),
            np.full(4, np.nan),
        )
    )
    assert sites.species == ("Fe", "O")
    np.testing.assert_array_equal(sites.is_metal, [True, False])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_neighbours_are_those_that_brute_force_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lattice = 3.0 * np.eye(3) + rng.uniform(-1, 1, (3, 3))
    positions, others = rng.uniform(-0.5, 1.5, (2, 3)), rng.uniform(-0.5, 1.5, (3, 3))
    reach = rng.uniform(1, 4, (2, 3))
    first, second, vectors = neighbours(lattice, positions, others, reach, 0.8)
    found = sorted(zip(first, second, *np.round(vectors, 9).T, strict=True))
    expected = []
    for i, j in product(range(2), range(3)):
        for cell in product(range(-6, 7), repeat=3):
            vector = (others[j] + cell - positions[i]) @ lattice
            if 0.8 <= np.linalg.norm(vector) <= reach[i, j]:
                expected.append((i, j, *np.round(vector, 9)))
    np.testing.assert_allclose(found, sorted(expected), atol=1e-8)


def hexagon(radius: float, turn: Floats) -> Floats:
    angles = np.arange(6) * np.pi / 3
    flat = radius * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    return np.asarray(flat @ turn)


CELL = np.array([[9.0, 0, 0], [1.0, 10.0, 0], [0.5, -1.0, 11.0]])
CENTRES = np.array([[0.02, 0.97, 0.5], [0.5, 0.45, 0.1]]) @ CELL


def organic(substituent: str = "Cl") -> Crystal:
    """Two rings that cross the faces of the cell, each with atoms opposite to each other."""
    atoms: list[tuple[str, Floats]] = []
    for centre, seed in zip(CENTRES, (1, 2), strict=True):
        turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
        atoms += [("C", centre + corner) for corner in hexagon(1.39, turn)]
        atoms += [(substituent, centre + corner) for corner in hexagon(3.13, turn)[[0, 3]]]
    return crystal_of(CELL, atoms)


class TestRings:
    def test_their_centres_mark_positions(self) -> None:
        found = structure_of(organic())
        assert found.framework is not None
        assert (found.framework.marker, found.framework.non_metals) == ("ring", 16)
        apart = found.framework.coordinates[:, None] - CENTRES @ np.linalg.inv(CELL)
        distance = np.linalg.norm((apart - np.round(apart)) @ CELL, axis=-1)
        assert sorted(distance.argmin(axis=1)) == [0, 1]
        assert distance.min(axis=1).max() < 1e-6

    def test_what_is_bonded_to_a_ring_surrounds_it(self) -> None:
        (polyhedron,) = structure_of(organic()).polyhedra
        assert polyhedron.classes == ("ring", "non-metal", "non-metal")
        assert polyhedron.size_angstrom == pytest.approx(3.13)
        assert polyhedron.distances[1, 2] == pytest.approx(2.0)
        assert structure_of(organic("H")).polyhedra == ()

    def test_metals_come_first(self) -> None:
        found = structure_of(organic("Na"))
        assert found.framework is not None
        assert (found.framework.marker, len(found.framework.coordinates)) == ("metal", 4)

    @pytest.mark.parametrize("radius", [1.2, 1.54])
    def test_other_hexagons_are_none(self, radius: float) -> None:
        places = hexagon(radius, np.eye(3)) + 5.0
        assert len(benzene_rings(10 * np.eye(3), places / 10)) == 0

    def test_a_ring_of_five_and_a_bent_one_are_none(self) -> None:
        angles = np.arange(5) * 2 * np.pi / 5
        pentagon = 1.19 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
        assert np.linalg.norm(pentagon[0] - pentagon[1]) == pytest.approx(1.40, abs=0.01)
        assert len(benzene_rings(10 * np.eye(3), pentagon / 10)) == 0
        boat = hexagon(1.39, np.eye(3))
        boat[[0, 3], 2] += 0.3
        bonds = np.linalg.norm(boat - np.roll(boat, 1, axis=0), axis=1)
        assert 1.38 < bonds.min() < bonds.max() < 1.43
        assert len(benzene_rings(10 * np.eye(3), boat / 10)) == 0

    def test_fused_rings_are_two(self) -> None:
        first = hexagon(1.39, np.eye(3))
        naphthalene = np.concatenate([first, first + np.array([1.39 * 1.5, 1.39 * 0.75**0.5, 0])])
        _, kept = np.unique(np.round(naphthalene, 6), axis=0, return_index=True)
        assert len(kept) == 10
        assert len(benzene_rings(20 * np.eye(3), naphthalene[kept] / 20)) == 2

    def test_graphite_is_no_organic(self) -> None:
        graphite = crystals.expand(
            (2.461, 2.461, 6.708, 90, 90, 120),
            "P 63/m m c",
            [("C", 0, 0, 0.25), ("C", 1 / 3, 2 / 3, 0.25)],
        )
        assert structure(graphite).framework is None
