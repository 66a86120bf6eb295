"""Families that are planted: patterns and structures drawn at random, and crystals of one type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.record import Record, Source
from indexer.templates.grouping import Group
from indexer.templates.pattern import unit
from indexer.templates.shapes import Framework, Polyhedron, Structure
from tests import crystals

INTERVAL = 300

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Member:
    """An entry as a group knows it."""

    id: str
    pattern: Floats
    structure: Structure


def sticks(rng: np.random.Generator) -> Floats:
    """Twelve lines, the strongest in `INTERVAL`."""
    pattern = np.zeros(900)
    pattern[rng.choice(np.delete(np.arange(900), INTERVAL), 12, replace=False)] = rng.uniform(
        0.3, 0.9, 12
    )
    pattern[INTERVAL] = 1.0
    return pattern


def random_structure(rng: np.random.Generator, metals: int, corners: int) -> Structure:
    lattice = np.diag([1.0, 1.2, 1.5]) @ (np.eye(3) + rng.uniform(-0.15, 0.15, (3, 3)))
    lattice *= (metals / abs(np.linalg.det(lattice))) ** (1 / 3)
    vectors = rng.normal(size=(corners, 3))
    vectors *= rng.uniform(1.8, 2.2, (corners, 1)) / np.linalg.norm(vectors, axis=1, keepdims=True)
    framework = Framework("metal", lattice, rng.random((metals, 3)), 3.0, 2 * metals)
    return Structure(framework, (Polyhedron.of("metal", vectors),))


def shaken(structure: Structure, rng: np.random.Generator) -> Structure:
    """Nearly the same one."""
    framework, (polyhedron,) = structure.framework, structure.polyhedra
    assert framework is not None
    moved = framework.coordinates + 0.01 * rng.normal(size=framework.coordinates.shape)
    corners = polyhedron.coordinates[1:] + 0.01 * rng.normal(
        size=(len(polyhedron.coordinates) - 1, 3)
    )
    return Structure(
        replace(framework, coordinates=moved % 1.0), (Polyhedron.of("metal", 2.0 * corners),)
    )


def family(
    rng: np.random.Generator, count: int, pattern: Floats, structure: Structure
) -> list[Member]:
    """Members whose patterns differ a little in intensity, and whose atoms in place."""
    return [
        Member(
            rng.bytes(10).hex(),
            pattern * np.exp(0.1 * rng.normal(size=900)) * (1 - 0.5 * (pattern < 1) * rng.random()),
            shaken(structure, rng),
        )
        for _ in range(count)
    ]


def group_of(members: Sequence[Member]) -> Group:
    ordered = sorted(members, key=lambda one: one.id)
    return Group(
        INTERVAL,
        tuple(one.id for one in ordered),
        unit(np.array([one.pattern for one in ordered])),
        tuple(one.structure for one in ordered),
    )


TYPES = {
    "rutile": (crystals.RUTILE, "Ti", ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni")),
    "anatase": (crystals.ANATASE, "Ti", ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni")),
    "calcite": (crystals.CALCITE, "Ca", ("Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe")),
}
"""Crystals, a metal of theirs, and its neighbours in the periodic table that take its place."""


def isotypes(name: str, start: int = 0, stop: int | None = None) -> list[Record]:
    """Records of crystals of one type; their strongest peak is in one interval."""
    crystal, metal, substitutes = TYPES[name]
    return [
        Record(
            replace(crystal, species=tuple(s if one == metal else one for one in crystal.species)),
            (f"{s} {name}",),
            Source("planted", f"{s} {name}"),
        )
        for s in substitutes[start:stop]
    ]


def loner() -> Record:
    """Another structure whose strongest peak is in the interval of rutile's."""
    longer = crystals.RUTILE.cell[0] / 2**0.5 / (crystals.CAESIUM_CHLORIDE.cell[0] / 2**0.5)
    stretched = replace(
        crystals.CAESIUM_CHLORIDE, lattice=crystals.CAESIUM_CHLORIDE.lattice * longer
    )
    return Record(stretched, ("stretched caesium chloride",), Source("planted", "loner"))


def type_of(names: Sequence[str]) -> str:
    """Which type an entry is of, by its name."""
    return names[0].split(" ", 1)[1]
