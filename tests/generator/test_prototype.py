"""Structure types, and when two crystals are one structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from generator.matching import LOOSE, STRICT, rms_distance, same_structure
from generator.prototype import prototype
from tests import crystals

KNOWN = {name: standardize(crystal).crystal for name, crystal in crystals.ALL.items()}


def renamed(crystal: Crystal, **species: str) -> Crystal:
    return replace(crystal, species=tuple(species.get(one, one) for one in crystal.species))


def test_isotypes_are_of_one_prototype_in_any_cell() -> None:
    halite = crystals.ROCK_SALT
    periclase = renamed(halite, Na="Mg", Cl="O")
    larger = replace(periclase, lattice=periclase.lattice * 0.75)
    wanted = prototype(halite)
    assert wanted == (225, (((4, "m-3m"),), ((4, "m-3m"),)))
    assert prototype(larger) == wanted
    assert prototype(standardize(larger).primitive) == wanted


def test_elements_that_trade_places_leave_the_prototype() -> None:
    fluorite = KNOWN["fluorite"]
    assert prototype(fluorite) == prototype(renamed(fluorite, Ca="Li", F="O"))


@pytest.mark.parametrize("one, other", [("rutile", "anatase"), ("rock salt", "caesium chloride")])
def test_other_structures_are_of_other_prototypes(one: str, other: str) -> None:
    assert prototype(KNOWN[one]) != prototype(KNOWN[other])


def test_a_structure_is_itself_a_little_moved_and_no_other() -> None:
    rutile = KNOWN["rutile"]
    rng = np.random.default_rng(1)
    shaken = replace(
        rutile,
        lattice=rutile.lattice * 1.01,
        fractional=(rutile.fractional + 0.004 * rng.normal(size=rutile.fractional.shape)) % 1.0,
        space_group_number=1,
    )
    assert rms_distance(rutile, rutile) == pytest.approx(0.0, abs=1e-6)
    moved = rms_distance(rutile, shaken)
    assert moved is not None
    assert 0.0 < moved < 0.05
    assert rms_distance(rutile, KNOWN["anatase"]) is None
    assert rms_distance(rutile, renamed(rutile, Ti="Sn")) is None


@pytest.mark.parametrize("name", sorted(set(KNOWN) - {"MOF-5"}))
def test_both_ways_of_comparing_agree(name: str) -> None:
    rng = np.random.default_rng(8)
    one = KNOWN[name]
    for spread in (0.003, 0.3):
        other = replace(
            one,
            lattice=0.99 * one.lattice,
            fractional=(one.fractional + spread * rng.normal(size=one.fractional.shape)) % 1.0,
            space_group_number=1,
        )
        primitive = standardize(one).primitive
        alone = replace(primitive, space_group_number=1)
        for mine in (one, alone):
            assert same_structure(mine, other) == (rms_distance(mine, other) is not None)


def test_loose_tolerances_take_what_strict_ones_refuse() -> None:
    rutile = KNOWN["rutile"]
    stretched = replace(rutile, lattice=rutile.lattice * np.array([[1.0], [1.0], [1.42]]))
    assert rms_distance(rutile, stretched, STRICT) is None
    assert rms_distance(rutile, stretched, LOOSE) is not None
