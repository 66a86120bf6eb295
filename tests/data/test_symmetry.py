from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from data.canonical import operations_of
from data.crystal import Crystal
from data.symmetry import Operations, generators, symmetry_operations
from tests import crystals as literal
from tests.data.made_crystals import crystals


def keeps(crystal: Crystal, operations: Operations, tolerance_angstrom: float) -> bool:
    """Every operation takes every atom to one of its species and occupancy."""
    for rotation, translation in zip(*operations, strict=True):
        images = crystal.fractional @ rotation.T + translation
        apart = images[:, None] - crystal.fractional[None]
        distance = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice, axis=2)
        symbols = np.array(crystal.species)
        alike = symbols[:, None] == symbols[None]
        shares = crystal.occupancies
        alike &= np.isclose(shares[:, None], shares[None])
        if np.where(alike, distance, np.inf).min(axis=1).max() > tolerance_angstrom:
            return False
    return True


def closure(operations: Operations) -> set[tuple[int, ...]]:
    """All products, as rotations and translations in 24ths."""
    steps = [
        (rotation, np.rint(24 * translation).astype(int))
        for rotation, translation in zip(*operations, strict=True)
    ]
    rows: set[tuple[int, ...]] = {(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)}
    while True:
        split = [(np.reshape(row[:9], (3, 3)), np.array(row[9:])) for row in rows]
        grown = rows | {
            (*(r @ s).ravel().tolist(), *((r @ u + t) % 24).tolist())
            for r, t in steps
            for s, u in split
        }
        if len(grown) == len(rows):
            return rows
        rows = grown


@pytest.mark.parametrize("number", [2, 14, 62, 88, 167, 194, 205, 220])
def test_generators_make_the_whole_group(number: int) -> None:
    few = generators(number)
    assert len(few[0]) <= 5
    assert len(closure(few)) == len(operations_of(number)[0])


def test_p1_needs_no_generators() -> None:
    assert len(generators(1)[0]) == 0


@settings(max_examples=25, deadline=None)
@given(crystals(groups=range(2, 231)))
def test_the_stated_group_is_taken_when_the_atoms_obey_it(crystal: Crystal) -> None:
    found = symmetry_operations(crystal)
    assert found is operations_of(crystal.space_group_number)


def test_a_wrong_group_is_not_believed() -> None:
    claimed = dataclasses.replace(literal.RUTILE, space_group_number=221)
    operations = symmetry_operations(claimed)
    assert len(operations[0]) == 16
    assert keeps(claimed, operations, 2e-3)


@pytest.mark.parametrize("name", sorted(set(literal.ALL) - {"MOF-5"}))
def test_symmetry_is_found_when_it_is_not_stated(name: str) -> None:
    crystal = literal.ALL[name]
    unnamed = dataclasses.replace(crystal, space_group_number=1)
    operations = symmetry_operations(unnamed)
    assert len(operations[0]) == len(operations_of(crystal.space_group_number)[0])
    assert keeps(unnamed, operations, 2e-3)


def test_an_atom_of_another_displacement_or_occupancy_is_not_equivalent() -> None:
    one = np.arange(len(literal.RUTILE)) == 0
    for change in (
        {"u_iso_angstrom2": np.where(one, 0.03, 0.005)},
        {"occupancies": np.where(one, 0.7, 1.0)},
    ):
        changed = dataclasses.replace(literal.RUTILE, **change)  # type: ignore[arg-type]
        assert keeps(changed, symmetry_operations(changed), 2e-3)
        assert len(symmetry_operations(changed)[0]) == 8


def test_a_crystal_of_no_symmetry_keeps_the_identity() -> None:
    rng = np.random.default_rng(5)
    crystal = Crystal(
        np.array([[5.0, 0, 0], [0.3, 6.0, 0], [0.5, -0.4, 7.0]]),
        ("O", "Si", "Fe", "Pb"),
        np.ones(4),
        rng.random((4, 3)),
        np.full(4, np.nan),
        space_group_number=2,
    )
    rotations, translations = symmetry_operations(crystal)
    np.testing.assert_array_equal(rotations, np.eye(3)[None])
    np.testing.assert_allclose(translations, 0.0)
