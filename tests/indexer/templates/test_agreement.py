"""Shapes agree whatever the origin, axes, orientation and order, and nothing else agrees."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core.structure import Structure as PymatgenStructure
from scipy.spatial.transform import Rotation

from data.canonical import standardize
from data.crystal import Crystal
from indexer.templates import agreement
from indexer.templates.agreement import POLYHEDRON_TOLERANCE, POSITION_TOLERANCE, agree
from indexer.templates.shapes import Framework, Polyhedron
from indexer.templates.structure import structure_of

Floats = NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


def crystal_of(lattice: Floats, positions: Floats) -> Crystal:
    n = len(positions)
    return Crystal(lattice, ("Fe",) * n, np.ones(n), positions % 1.0, np.full(n, np.nan))


def pymatgen_structure(crystal: Crystal) -> PymatgenStructure:
    return PymatgenStructure(crystal.lattice, list(crystal.species), crystal.fractional)


def framework_of(crystal: Crystal) -> Framework:
    """By the way that entries go: standard setting, primitive cell, shapes."""
    framework = structure_of(standardize(crystal).primitive).framework
    assert framework is not None
    return framework


def random_cell(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    lattice = 5.0 * np.eye(3) + rng.uniform(-1.3, 1.3, (3, 3))
    while True:
        positions = rng.random((n, 3))
        apart = positions[:, None] - positions
        distance = np.linalg.norm((apart - np.round(apart)) @ lattice, axis=-1)
        if n == 1 or distance[~np.eye(n, dtype=bool)].min() > 1.5:
            return lattice, positions


def described_anew(lattice: Floats, positions: Floats, rng: np.random.Generator) -> Crystal:
    """The same arrangement: other axes, origin, order of atoms, size, orientation, maybe hand."""
    basis = np.eye(3, dtype=int)
    for _ in range(6):
        i, j = rng.permutation(3)[:2]
        basis[i] += rng.choice([-1, 1]) * basis[j]
    basis = basis[rng.permutation(3)]
    turn = Rotation.random(rng=rng).as_matrix() * rng.choice([-1, 1])
    moved = positions @ np.linalg.inv(basis) + rng.random(3)
    return crystal_of(1.3 * basis @ lattice @ turn, moved[rng.permutation(len(moved))])


class TestFrameworks:
    @settings(max_examples=40, deadline=None)
    @given(seeds, st.integers(1, 6))
    def test_the_description_does_not_matter(self, seed: int, n: int) -> None:
        rng = np.random.default_rng(seed)
        lattice, positions = random_cell(rng, n)
        first = framework_of(crystal_of(lattice, positions))
        second = framework_of(described_anew(lattice, positions, rng))
        assert agree(first, second)
        assert agree(second, first)
        assert second.size_angstrom == pytest.approx(1.3 * first.size_angstrom)

    def test_pymatgen_thinks_so_too(self) -> None:
        """What a strict matcher joins agrees, and what agrees a lax one joins."""
        strict = StructureMatcher(0.02, 0.03, 1.0, primitive_cell=False)
        lax = StructureMatcher(0.1, 0.3, 10.0, primitive_cell=False)
        rng = np.random.default_rng(1)
        counts = {True: 0, False: 0}
        for case in range(60):
            lattice, positions = random_cell(rng, 1 + case % 4)
            other_lattice, other = lattice, positions
            if case % 5 == 4:
                other_lattice, other = random_cell(rng, len(positions))
            noise = 10 ** rng.uniform(-2, 0)
            shaken = other + noise * rng.normal(size=other.shape) @ np.linalg.inv(lattice)
            stretched = other_lattice * (1 + 0.03 * noise * rng.normal(size=(3, 1)))
            one = crystal_of(lattice, positions)
            two = described_anew(stretched, shaken, rng)
            first, second = pymatgen_structure(one), pymatgen_structure(two)
            answer = agree(framework_of(one), framework_of(two))
            counts[answer] += 1
            if answer:
                assert lax.fit(first, second), case
            else:
                assert not strict.fit(first, second), case
        assert min(counts.values()) > 10

    @pytest.mark.parametrize("moved, same", [(1.95, True), (2.05, False)])
    def test_a_position_may_be_off_by_the_tolerance(self, moved: float, same: bool) -> None:  # noqa: FBT001
        """When one of two positions moves, each is off the mean shift by half of that."""
        lattice = np.diag([1.0, 1.2, 2 / 1.2])
        rest = np.array([[0.0, 0.0, 0.0], [0.3, 0.4, 0.1]])
        step = moved * POSITION_TOLERANCE * np.array([[0.0, 0, 0], [0, 0, 1]])
        shifted = rest + step @ np.linalg.inv(lattice)
        one, other = (Framework("metal", lattice, p, 3.0, 0) for p in (rest, shifted))
        assert agree(one, other) is same

    def test_another_number_of_non_metals_or_another_marker_disagrees(self) -> None:
        lattice, origin = np.eye(3), np.zeros((1, 3))
        one = Framework("metal", lattice, origin, 3.0, 1)
        assert agree(one, Framework("metal", lattice, origin + 0.3, 4.0, 1))
        assert not agree(one, Framework("metal", lattice, origin, 3.0, 2))
        assert not agree(one, Framework("ring", lattice, origin, 3.0, 1))
        assert not agree(one, Polyhedron.of("metal", np.eye(3)))

    def test_lattices_of_one_point_are_told_apart(self) -> None:
        """Cubic primitive, face-centred, body-centred, and hexagonal."""
        bases = [
            np.eye(3),
            (1 - np.eye(3)) / 2,
            np.ones((3, 3)) / 2 - np.eye(3),
            np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, 1.0]]),
        ]
        shapes = [framework_of(crystal_of(4.0 * basis, np.zeros((1, 3)))) for basis in bases]
        same = [[agree(one, other) for one in shapes] for other in shapes]
        np.testing.assert_array_equal(same, np.eye(4, dtype=bool))


def ideal(name: str) -> Floats:
    """Corners at a mean distance of one."""
    octahedron = np.concatenate([np.eye(3), -np.eye(3)])
    cube = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 3**0.5
    triangle = np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]])
    golden = (1 + 5**0.5) / 2
    pairs = [(a, b) for a in (-1, 1) for b in (-golden, golden)]
    edges = [(a, b) for a in (-1, 1) for b in (-1, 1)]
    shapes: dict[str, Floats] = {
        "octahedron": octahedron,
        "prism": np.concatenate([triangle + np.array([0, 0, h]) for h in (-0.76, 0.76)]),
        "tetrahedron": cube[[0, 3, 5, 6]],
        "square": octahedron[[0, 1, 3, 4]],
        "cube": cube,
        "antiprism": np.concatenate([cube[:4] @ _quarter(), cube[4:]]),
        "icosahedron": np.array([np.roll([0, a, b], k) for k in range(3) for a, b in pairs]),
        "cuboctahedron": np.array([np.roll([0, a, b], k) for k in range(3) for a, b in edges]),
    }
    return np.asarray(shapes[name] / np.linalg.norm(shapes[name], axis=1).mean())


def _quarter() -> Floats:
    return np.asarray(Rotation.from_rotvec([np.pi / 4, 0, 0]).as_matrix())


NAMES = [
    "octahedron", "prism", "tetrahedron", "square", "cube", "antiprism", "icosahedron",
    "cuboctahedron",
]  # fmt: skip


class TestPolyhedra:
    @pytest.mark.parametrize("name", NAMES)
    def test_each_is_like_itself_alone(self, name: str) -> None:
        rng = np.random.default_rng(3)
        corners = ideal(name)
        turn = Rotation.random(rng=rng).as_matrix() * -1
        shaken = 2.2 * corners @ turn + 0.05 * rng.normal(size=corners.shape)
        one = Polyhedron.of("metal", shaken[rng.permutation(len(corners))])
        alike = [other for other in NAMES if agree(one, Polyhedron.of("metal", ideal(other)))]
        assert alike == [name]
        assert one.size_angstrom == pytest.approx(2.2, rel=0.03)

    @settings(max_examples=150, deadline=None)
    @given(seeds, st.integers(2, 5), st.floats(0.0, 0.4))
    def test_every_pairing_is_tried(self, seed: int, m: int, noise: float) -> None:
        rng = np.random.default_rng(seed)
        corners = rng.normal(size=(m, 3))
        corners /= np.linalg.norm(corners, axis=1, keepdims=True) / rng.uniform(0.9, 1.1, (m, 1))
        other = (corners + noise * rng.normal(size=(m, 3)))[rng.permutation(m)]
        one, two = Polyhedron.of("metal", corners), Polyhedron.of("metal", other)

        def apart(order: tuple[int, ...]) -> float:
            rows = [0, *(i + 1 for i in order)]
            return float(np.abs(one.distances - two.distances[np.ix_(rows, rows)]).max())

        least = min(apart(order) for order in permutations(range(m)))
        if abs(least - POLYHEDRON_TOLERANCE) > 1e-9:
            assert agree(one, two) == (least < POLYHEDRON_TOLERANCE)

    def test_the_search_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cube = Polyhedron.of("metal", ideal("cube"))
        assert agree(cube, cube)
        monkeypatch.setattr(agreement, "MOST_STEPS", 8)
        assert not agree(cube, cube)
        monkeypatch.setattr(agreement, "MOST_STEPS", 9)
        assert agree(cube, cube)

    def test_a_polyhedron_in_numbers(self) -> None:
        one = Polyhedron.of("ring", np.array([[0.0, 0, 3], [1, 0, 0]]))
        assert one.classes == ("ring", "non-metal", "non-metal")
        expected = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0, 1.5]])
        np.testing.assert_allclose(one.coordinates, expected)
        assert one.distances[1, 2] == pytest.approx(2.5**0.5)
        assert not agree(one, Polyhedron.of("metal", np.array([[0.0, 0, 3], [1, 0, 0]])))
