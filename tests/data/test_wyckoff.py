from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import spglib

from data.canonical import operations_of, standardize
from data.crystal import Crystal
from data.wyckoff import WyckoffSites, wyckoff_sites
from tests import crystals

NICKELINE = crystals.expand(
    (3.602, 3.602, 5.009, 90, 90, 120),
    "P 63/m m c",
    [("Ni", 0, 0, 0), ("As", 1 / 3, 2 / 3, 0.25)],
)
SPINEL = crystals.expand(
    (8.083, 8.083, 8.083, 90, 90, 90),
    "F d -3 m:2",
    [("Mg", 0.125, 0.125, 0.125), ("Al", 0.5, 0.5, 0.5), ("O", 0.2624, 0.2624, 0.2624)],
)
SPINEL_AT_THE_OTHER_ORIGIN = crystals.expand(
    (8.083, 8.083, 8.083, 90, 90, 90),
    "F d -3 m:1",
    [("Mg", 0, 0, 0), ("Al", 0.625, 0.625, 0.625), ("O", 0.3874, 0.3874, 0.3874)],
)
LETTERS = {
    "rock salt": (crystals.ROCK_SALT, 225, {"Na": "ab", "Cl": "ab"}),
    "quartz": (crystals.QUARTZ, 154, {"Si": "ab", "O": "c"}),
    "calcite": (crystals.CALCITE, 167, {"Ca": "b", "C": "a", "O": "e"}),
    "rutile": (crystals.RUTILE, 136, {"Ti": "ab", "O": "fg"}),
    "anatase": (crystals.ANATASE, 141, {"Ti": "ab", "O": "e"}),
    "silicon": (crystals.SILICON, 227, {"Si": "ab"}),
    "nickeline": (NICKELINE, 194, {"Ni": "a", "As": "cd"}),
    "spinel": (SPINEL, 227, {"Mg": "ab", "Al": "cd", "O": "e"}),
    "spinel, origin 1": (SPINEL_AT_THE_OTHER_ORIGIN, 227, {"Mg": "ab", "Al": "cd", "O": "e"}),
    "baddeleyite": (crystals.BADDELEYITE, 14, {"Zr": "e", "O": "e"}),
}
"""Letters by the International Tables; where an allowed choice of origin swaps two, both."""


def found(crystal: Crystal) -> WyckoffSites:
    sites = wyckoff_sites(crystal)
    assert sites is not None
    return sites


def points(
    sites: WyckoffSites,
) -> dict[tuple[str, ...], np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """All atoms that the letters and parameters stand for, by what they are."""
    rotations, translations = operations_of(sites.number)
    every: dict[tuple[str, ...], list[np.ndarray[tuple[int], np.dtype[np.float64]]]] = {}
    for site in sites.sites:
        expressions = re.sub(r"(\d)([xyz])", r"\1*\2", site.coordinates).split(",")
        at = np.array([eval(one, {}, dict(site.parameters)) for one in expressions])  # noqa: S307
        images = rotations @ at + translations
        kept: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        for image in images:
            if all(np.abs((d := image - one) - np.round(d)).max() > 1e-4 for one in kept):
                kept.append(image)
        assert len(kept) == site.multiplicity
        every.setdefault(tuple(symbol for symbol, _ in site.content), []).extend(kept)
    return {key: np.array(value) for key, value in every.items()}


@pytest.mark.parametrize("name", LETTERS)
def test_letters_are_those_of_the_tables(name: str) -> None:
    crystal, number, letters = LETTERS[name]
    sites = found(crystal)
    assert sites.number == number
    for site in sites.sites:
        assert site.letter in letters[site.content[0][0]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # spglib announces changes to come
@pytest.mark.parametrize("name", LETTERS)
def test_letters_agree_with_spglib(name: str) -> None:
    """Its own choice of origin may swap letters, so counts of sites are compared."""
    crystal, _, letters = LETTERS[name]
    kinds = sorted(set(crystal.species))
    numbers = [kinds.index(symbol) + 1 for symbol in crystal.species]
    dataset: Any = spglib.get_symmetry_dataset(
        (crystal.lattice.tolist(), crystal.fractional.tolist(), numbers)
    )
    theirs = {
        (crystal.species[i], dataset.wyckoffs[i]) for i in np.unique(dataset.equivalent_atoms)
    }
    for symbol, letter in theirs:
        assert letter in letters[symbol]
    assert len(found(crystal).sites) == len(np.unique(dataset.equivalent_atoms))


@pytest.mark.parametrize("name", crystals.ALL)
def test_sites_make_the_crystal_again(name: str) -> None:
    crystal = standardize(crystals.ALL[name]).crystal
    sites = found(crystal)
    assert sites.same_cell
    np.testing.assert_array_equal(sites.lattice, crystal.lattice)
    made = points(sites)
    for content, images in made.items():
        rows = [i for i, symbol in enumerate(crystal.species) if symbol == content[0]]
        measured = crystal.fractional[rows]
        apart = images[:, None] - measured
        near = np.abs(apart - np.round(apart)).max(axis=2).min(axis=1)
        assert near.max() < 1e-4
    atoms = sum(site.multiplicity * len(site.content) for site in sites.sites)
    assert atoms == len(crystal)


def test_another_setting_is_brought_to_the_standard_one() -> None:
    sites = found(crystals.OLIVINE)
    assert not sites.same_cell
    np.testing.assert_allclose(
        np.linalg.norm(sites.lattice, axis=1), [10.225, 5.994, 4.762], rtol=1e-6
    )
    mixed = next(site for site in sites.sites if len(site.content) == 2)
    assert [symbol for symbol, _ in mixed.content] == ["Fe", "Mg"]
    assert sum(n for _, n in mixed.content) == pytest.approx(1.0)


def test_displacements_come_along() -> None:
    u = np.where(np.array(crystals.RUTILE.species) == "Ti", 0.004, np.nan)
    sites = found(replace(crystals.RUTILE, u_iso_angstrom2=u))
    by_symbol = {site.content[0][0]: site.u_iso_angstrom2 for site in sites.sites}
    assert by_symbol["Ti"] == pytest.approx(0.004)
    assert np.isnan(by_symbol["O"])
