"""Literal layered crystals, as `tests.crystals` has them; sheets made of them, their patterns."""

from __future__ import annotations

import numpy as np

from data.crystal import Crystal
from data.profile import simulate
from data.radiation import CU_KA
from data.record import Record, Source
from data.sheet_diffraction import sheet_lines
from data.sheets import layers_of
from tests.crystals import expand

GRAPHITE = expand(
    (2.464, 2.464, 6.711, 90, 90, 120), "P 63/m m c", [("C", 0, 0, 0.25), ("C", 1 / 3, 2 / 3, 0.25)]
)
MOLYBDENITE = expand(
    (3.1602, 3.1602, 12.294, 90, 90, 120),
    "P 63/m m c",
    [("Mo", 1 / 3, 2 / 3, 0.25), ("S", 1 / 3, 2 / 3, 0.621)],
)
BORON_NITRIDE = expand(
    (2.504, 2.504, 6.661, 90, 90, 120),
    "P 63/m m c",
    [("B", 1 / 3, 2 / 3, 0.25), ("N", 1 / 3, 2 / 3, 0.75)],
)
BRUCITE = expand(
    (3.142, 3.142, 4.766, 90, 90, 120),
    "P -3 m 1",
    [("Mg", 0, 0, 0), ("O", 1 / 3, 2 / 3, 0.22), ("H", 1 / 3, 2 / 3, 0.43)],
)
MOLYBDITE = expand(
    (3.9628, 13.855, 3.6964, 90, 90, 90),
    "P b n m",
    [
        ("Mo", 0.0867, 0.1016, 0.25),
        ("O", 0.4994, 0.4351, 0.25),
        ("O", 0.5212, 0.0866, 0.25),
        ("O", 0.0373, 0.2214, 0.25),
    ],
)
TWO_LAYERS = expand(
    (2.48, 2.48, 6.70, 90, 90, 120),
    "P 3 m 1",
    [("C", 0, 0, 0.25), ("C", 1 / 3, 2 / 3, 0.25), ("B", 0, 0, 0.75), ("N", 1 / 3, 2 / 3, 0.75)],
)
"""Of graphite and of boron nitride, in turn."""
OBLIQUE = expand(
    (3.1, 20.0, 3.7, 90, 105, 90), "P 1 2/m 1", [("Mo", 0, 0, 0), ("S", 0.45, 0.07, 0.4)]
)
"""A sheet whose normal is the axis b, as the standard setting has it."""
LAYERED = {
    "graphite": GRAPHITE,
    "molybdenite": MOLYBDENITE,
    "boron nitride": BORON_NITRIDE,
    "brucite": BRUCITE,
}


def sheet(crystal: Crystal) -> Crystal:
    """The only layer of a layered crystal."""
    (layer,) = layers_of(crystal)
    return layer


def pattern_of(name: str, seed: int = 1) -> str:
    """Text in two columns, as a diffractometer in the plane might count a sheet."""
    lines = sheet_lines(sheet(LAYERED[name]))
    axis = np.arange(10.0, 90.0, 0.02)
    profile = simulate(lines, CU_KA, two_theta_deg=axis, caglioti=(0.0, 0.0, 0.02))
    expected = 5000 * profile / profile.max() + 20
    counts = np.random.default_rng(seed).poisson(expected)
    return "\n".join(f"{x:.3f} {y}" for x, y in zip(axis, counts, strict=True))


def record(name: str, crystal: Crystal) -> Record:
    """As a source gives it."""
    return Record(crystal, (name,), Source("literal", name))


def records() -> list[Record]:
    """The layered crystals."""
    return [record(name, crystal) for name, crystal in LAYERED.items()]


def turned(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """The same crystal with its atoms in another order and from another origin."""
    order = rng.permutation(len(crystal))
    moved = crystal.fractional[order] + rng.random(3)
    return Crystal(
        crystal.lattice,
        tuple(crystal.species[row] for row in order),
        crystal.occupancies[order],
        moved - np.floor(moved),
        crystal.u_iso_angstrom2[order],
        1,
    )
