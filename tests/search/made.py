"""Crystals, lines and patterns that the tests of searching are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.diffraction import lines_of
from data.lines import Lines, LinesTable
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from data.profile import simulate, simulate_pattern
from data.radiation import CU_KA, Radiation
from search.cell_fit import CellFit
from tests.crystals import ALL

MEASURED = {"Anglesite", "Fluorapatite", "NAC", "Na2Ca3Al2F14"}
"""Names of the crystals that the bundled patterns were measured on."""

ABSENT = {name: ALL[name] for name in ("baddeleyite", "chalcanthite")}
KNOWN = {name: crystal for name, crystal in ALL.items() if name not in {*ABSENT, "MOF-5"}}
"""Literal crystals that are not, and that are, in the library of the tests."""

COPPER = Radiation.monochromatic(1.5406)


def table(*crystals: Crystal) -> LinesTable:
    """Their lines, as far as a library holds them."""
    return LinesTable.of([lines_of(crystal) for crystal in crystals])


def measured(crystal: Crystal, radiation: Radiation = CU_KA, **how: Any) -> Pattern:
    """A well counted pattern with background and noise."""
    given: dict[str, Any] = {
        "background_counts": 100.0,
        "rng": np.random.default_rng(0),
        "eta": 0.4,
    } | how
    return simulate_pattern(crystal, radiation, **given)


def prepared_of(crystal: Crystal, radiation: Radiation = CU_KA, **how: Any) -> Prepared:
    """The same, prepared."""
    return prepare(measured(crystal, radiation, **how))


def separate_lines(d_angstrom: list[float], strength: list[float]) -> Lines:
    """Lines of no crystal at these spacings, given from the largest on."""
    d = np.array(d_angstrom)
    return Lines(1 / d**2, np.array(strength), np.zeros((len(d), 3), np.int16))


def drawn(
    lines: Lines, *, counts: float = 1e4, radiation: Radiation = COPPER, **how: Any
) -> Pattern:
    """A pattern of lines without noise, over a low flat background."""
    axis: NDArray[np.float64] = np.arange(5.0, 90.0, 0.02)
    profile = simulate(lines, radiation, two_theta_deg=axis, **how)
    height = counts / profile.max() * profile + counts / 1000
    return Pattern("two_theta", axis, height, None, radiation, "given", "drawn")


def scaled(crystal: Crystal, factor: float) -> Crystal:
    """The same crystal with longer axes."""
    return replace(crystal, lattice=crystal.lattice * factor)


def in_other_axes(crystal: Crystal) -> Crystal:
    """The same crystal described by another basis of its lattice, with another origin."""
    basis = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 0]])
    moved = crystal.fractional @ np.linalg.inv(basis) + [0.13, 0.28, 0.41]
    return replace(crystal, lattice=basis @ crystal.lattice, fractional=moved - np.floor(moved))


def cell_fit(**known: Any) -> CellFit:
    """A last fit of which only some figures matter."""
    others: dict[str, Any] = {
        "lattice": np.eye(3),
        "zero_shift_deg": 0.0,
        "scale": 1.0,
        "calculated": np.zeros(0),
        "rwp_percent": 10.0,
        "misfit": 0.2,
        "unexplained": 0.0,
        "lacking": 0.0,
    }
    return CellFit(**others | known)
