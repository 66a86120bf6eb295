"""Positions and reflections of space groups, beside published tables and other calculations."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pymatgen.analysis.prototypes
import pytest

from data.canonical import operations_of, standardize
from data.diffraction import lines_of
from generator.direct.assignment import assignments, origin_changes
from generator.direct.frame import Frame, centrings_of
from generator.direct.wyckoff import GENERIC, positions_of
from tests import crystals

TABLES = Path(pymatgen.analysis.prototypes.__file__).parent
GROUPS = (
    1,
    2,
    5,
    12,
    14,
    15,
    43,
    62,
    70,
    88,
    122,
    136,
    148,
    155,
    166,
    167,
    186,
    194,
    199,
    205,
    220,
)


def table(name: str) -> dict[str, dict[str, int]]:
    content: dict[str, dict[str, int]] = json.loads(
        gzip.decompress((TABLES / f"wyckoff-position-{name}.json.gz").read_bytes())
    )
    return content


@pytest.mark.parametrize("number", GROUPS)
def test_positions_are_those_of_the_tables(number: int) -> None:
    multiplicities, free = table("multiplicities")[str(number)], table("params")[str(number)]
    tabulated = Counter((multiplicities[letter], free[letter]) for letter in multiplicities)
    assert Counter((one.multiplicity, one.free) for one in positions_of(number)) == tabulated


@pytest.mark.parametrize("number", GROUPS)
def test_images_of_a_position_are_all_points_of_its_orbit(number: int) -> None:
    rotations, translations = operations_of(number)
    for position in positions_of(number):
        point = position.at(GENERIC[: position.free])
        every = (rotations @ point + translations) % 1.0
        chosen = every[position.images]
        apart = chosen[:, None] - chosen
        apart -= np.round(apart)
        near = np.abs(apart).max(axis=2) < 1e-6
        assert (near.sum(axis=1) == 1).all()
        apart = every[:, None] - chosen
        apart -= np.round(apart)
        assert (np.abs(apart).max(axis=2).min(axis=1) < 1e-6).all()


@pytest.mark.parametrize("name", ["rutile", "calcite", "quartz", "fluorite", "baddeleyite"])
def test_reflections_of_a_frame_are_those_of_the_crystal(name: str) -> None:
    crystal = standardize(crystals.ALL[name]).crystal
    frame = Frame.of(crystal.space_group_number, crystal.lattice)
    lines = lines_of(crystal, d_min_angstrom=1.2)
    inv_d2, many, hkl = frame.reflections(2 * np.pi / 1.2)
    # Lines are those of the atoms, too, some of which are not there by chance.
    seen = np.abs(inv_d2[:, None] - lines.inv_d2).min(axis=0)
    assert seen.max() < 1e-6
    in_primitive = ((hkl @ np.linalg.inv(frame.basis).T) ** 2).sum(axis=1)
    np.testing.assert_allclose(in_primitive, inv_d2, rtol=1e-8)
    assert (many >= 1).all()
    assert len(hkl) >= len(lines)


@pytest.mark.parametrize("number", GROUPS)
def test_a_frame_has_the_primitive_cell(number: int) -> None:
    lattice = np.diag([5.0, 6.0, 7.5])
    frame = Frame.of(number, lattice)
    assert frame.centrings == centrings_of(number)
    for position, orbit in zip(positions_of(number), frame.orbits(), strict=True):
        assert len(orbit) == position.multiplicity // frame.centrings
        if frame.centric:
            assert orbit.weights.sum() == pytest.approx(len(orbit))


def test_assignments_place_every_atom_once() -> None:
    number, counts = 136, {"Ti": 2, "O": 4}
    positions = positions_of(number)
    found = assignments(number, counts, 200)
    assert len(set(found)) == len(found)
    for sites in found:
        placed: Counter[str] = Counter()
        for symbol, k in sites:
            placed[symbol] += positions[k].multiplicity
        assert placed == counts
        fixed = [k for _, k in sites if positions[k].free == 0]
        assert len(set(fixed)) == len(fixed)
    rutile = {(1, 2, 0), (1, 4, 1)}
    shapes = [
        {(1, positions[k].multiplicity, positions[k].free) for _, k in sites} for sites in found
    ]
    assert rutile in shapes[:10]


def test_what_cannot_be_placed_has_no_assignment() -> None:
    assert assignments(227, {"C": 1}, 10) == []


def test_origins_of_equal_surroundings_exchange_positions() -> None:
    ways = origin_changes(225)
    halves = [k for k, one in enumerate(positions_of(225)) if one.multiplicity == 4]
    assert {tuple(way[k] for k in halves) for way in ways} == {tuple(halves), tuple(halves[::-1])}
    rock_salt = assignments(225, {"Na": 1, "Cl": 1}, 10)
    assert len(rock_salt) == 1
