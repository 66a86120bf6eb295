"""The crystals that benchmarks are tried on, libraries and patterns of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data.canonical import standardize
from data.cif import write_cif
from data.crystal import Crystal
from data.pattern import Pattern
from data.profile import simulate_pattern
from data.record import Record, Source
from indexer import Library
from search.agreement import Identity
from tests import crystals
from tests.service.conftest import write_xy


def scaled(crystal: Crystal, factor: float) -> Crystal:
    return replace(crystal, lattice=crystal.lattice * factor)


def renamed(crystal: Crystal, **species: str) -> Crystal:
    """The same atoms under other names."""
    return replace(crystal, species=tuple(species.get(one, one) for one in crystal.species))


MANGANOSITE = scaled(renamed(crystals.ROCK_SALT, Na="Mn", Cl="O"), 4.44 / 5.64)
MOULDS = {
    "periclase": scaled(renamed(crystals.ROCK_SALT, Na="Mg", Cl="O"), 4.21 / 5.64),
    "caesium chloride": crystals.CAESIUM_CHLORIDE,
    "rutile": crystals.RUTILE,
}
"""What manganosite may be made of, and what not."""


def richer_in_iron(crystal: Crystal, by: float) -> Crystal:
    signs = {"Mg": -by, "Fe": by}
    changed = [
        share + signs.get(one, 0.0)
        for one, share in zip(crystal.species, crystal.occupancies, strict=True)
    ]
    return replace(crystal, occupancies=np.array(changed))


def partly(crystal: Crystal, **shares: float) -> Crystal:
    """The same crystal with some of its sites partly filled."""
    shared = [shares.get(one, 1.0) for one in crystal.species]
    return replace(crystal, occupancies=np.array(shared))


MAGNESIUM = scaled(renamed(crystals.CAESIUM_CHLORIDE, Cs="Mg", Cl="O"), 0.65)

LIBRARY = {
    "halite": crystals.ROCK_SALT,
    "warm halite": scaled(crystals.ROCK_SALT, 1.006),
    "like halite": scaled(renamed(crystals.ROCK_SALT, Na="Li", Cl="Br"), 0.99),
    "olivine": crystals.OLIVINE,
    "olivine with iron": scaled(richer_in_iron(crystals.OLIVINE, 0.3), 1.003),
    "magnesia, dense": MAGNESIUM,
    "silicon": crystals.SILICON,
    "rutile": crystals.RUTILE,
    "rutile without some oxygen": scaled(partly(crystals.RUTILE, O=0.9), 0.997),
    "anatase": crystals.ANATASE,
    "quartz": crystals.QUARTZ,
    "calcite": crystals.CALCITE,
    "caesium chloride": crystals.CAESIUM_CHLORIDE,
}
"""Crystals beside what is nearly the same, for notions of being right."""

NAMES = ("rock salt", "silicon", "rutile", "anatase", "quartz", "calcite", "baddeleyite", "olivine")
KNOWN = {name: standardize(crystals.ALL[name]).crystal for name in NAMES}
"""Standardized crystals of every kind of cell."""


def library_of(known: Mapping[str, Crystal], path: Path) -> Library:
    """A library with one entry for each crystal, in their order."""
    records = [Record(one, (name,), Source("made", name)) for name, one in known.items()]
    return Library.build(records, path, workers=1)


def identity(crystal: Crystal) -> Identity:
    return Identity.of(standardize(crystal).crystal)


def measured(crystal: Crystal, **changes: Any) -> Pattern:
    rng = np.random.default_rng(1)
    how: dict[str, Any] = {"background_counts": 200.0, "caglioti": (0.0, 0.0, 0.01), "rng": rng}
    return simulate_pattern(crystal, **(how | changes))


def write_case(folder: Path, name: str, crystal: Crystal, *, truth: Crystal | None = None) -> None:
    """A folder as `find_cases` finds it: a simulated pattern and a CIF."""
    pattern = simulate_pattern(crystal, background_counts=200.0, rng=np.random.default_rng(1))
    (folder / name).mkdir(parents=True)
    write_xy(pattern, folder / name / "pattern.xy")
    (folder / name / "truth.cif").write_text(write_cif(truth or crystal), "utf-8")
