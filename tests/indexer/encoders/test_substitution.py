from __future__ import annotations

from collections import Counter
from dataclasses import replace

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.canonical import Standard
from data.symmetry import symmetry_operations
from indexer.encoders.substitution import (
    FAMILIES,
    KEPT,
    RADIUS_TOLERANCE_ANGSTROM,
    Substitution,
    draw_substitution,
    radius_angstrom,
    substituted,
)
from tests.crystals import ALL, CALCITE, CHALCANTHITE, MOF_5, OLIVINE, QUARTZ, ROCK_SALT, RUTILE

SEEDS = st.integers(0, 2**32 - 1)
NONE = Substitution({}, 1.0)


@given(st.sampled_from(sorted(ALL)), SEEDS)
def test_elements_are_exchanged_for_their_relatives(name: str, seed: int) -> None:
    crystal = ALL[name]
    drawn = draw_substitution(crystal, np.random.default_rng(seed))
    assert drawn is not None
    own = set(crystal.species)
    assert drawn.partners
    assert set(drawn.partners) <= own - KEPT
    for element, partner in drawn.partners.items():
        assert element != partner
        assert any({element, partner} <= set(family) for family in FAMILIES)
    after = [drawn.partners.get(element, element) for element in own]
    assert len(set(after)) == len(own), "two elements became one"
    assert 0.8 <= drawn.stretch <= 1.25


def test_carbon_keeps_its_company() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        mof, calcite = draw_substitution(MOF_5, rng), draw_substitution(CALCITE, rng)
        assert mof is not None
        assert calcite is not None
        assert set(mof.partners) == {"Zn"}
        assert set(calcite.partners) == {"Ca"}


@pytest.mark.parametrize("species", [("C",), ("He",), ("C", "H", "O", "N")])
def test_what_cannot_be_exchanged_is_left_alone(species: tuple[str, ...]) -> None:
    atoms = len(species)
    crystal = replace(
        ROCK_SALT,
        species=species,
        occupancies=np.ones(atoms),
        fractional=np.random.default_rng(1).random((atoms, 3)),
        u_iso_angstrom2=np.full(atoms, np.nan),
        space_group_number=1,
    )
    assert draw_substitution(crystal, np.random.default_rng(1)) is None


def test_partners_are_drawn_by_their_radii() -> None:
    """Sodium's partners, against the weights of a normal distribution over the radius."""
    draws = Counter(
        drawn.partners["Na"]
        for seed in range(3000)
        if (drawn := draw_substitution(ROCK_SALT, np.random.default_rng(seed), chance=1.0))
    )
    family = ["Li", "K", "Rb", "Cs", "Ag", "Cu", "Tl"]
    radii = {element: float(gemmi.Element(element).covalent_r) for element in [*family, "Na"]}
    weights = {
        element: np.exp(-(((radii[element] - radii["Na"]) / RADIUS_TOLERANCE_ANGSTROM) ** 2) / 2)
        for element in family
    }
    total = sum(weights.values())
    assert set(draws) <= set(family)
    for element in family:
        assert draws[element] / 3000 == pytest.approx(weights[element] / total, abs=0.03)


def test_chalcogens_do_not_become_metals() -> None:
    element = {"Na": "Pb", "Cl": "S"}
    galena = replace(ROCK_SALT, species=tuple(element[one] for one in ROCK_SALT.species))
    drawn = [
        draw_substitution(galena, np.random.default_rng(seed), chance=1.0) for seed in range(200)
    ]
    assert {one.partners["S"] for one in drawn if one} == {"O", "Se", "Te"}


def test_at_least_one_element_is_exchanged_and_each_as_often_as_said() -> None:
    never = [
        draw_substitution(RUTILE, np.random.default_rng(seed), chance=0.0) for seed in range(200)
    ]
    assert {len(one.partners) for one in never if one} == {1}
    counts = [
        len(one.partners)
        for seed in range(400)
        if (one := draw_substitution(RUTILE, np.random.default_rng(seed), chance=0.5))
    ]
    assert len(counts) == 400
    assert np.mean([count == 2 for count in counts]) == pytest.approx(0.25, abs=0.07)


def test_the_cell_grows_as_the_radii_do() -> None:
    for seed in range(100):
        drawn = draw_substitution(ROCK_SALT, np.random.default_rng(seed))
        assert drawn is not None
        after = [radius_angstrom(drawn.partners.get(e, e)) for e in ("Na", "Cl")]
        before = radius_angstrom("Na") + radius_angstrom("Cl")
        assert drawn.stretch == pytest.approx(np.clip(sum(after) / before, 0.8, 1.25))


def test_a_crystal_with_elements_exchanged_is_the_same_otherwise() -> None:
    exchange = Substitution({"Mg": "Ni", "Fe": "Co", "O": "S"}, 1.1)
    made = substituted(OLIVINE, exchange, np.random.default_rng(1))
    renamed = {"Mg": "Ni", "Fe": "Co", "O": "S", "Si": "Si"}
    assert made.species == tuple(renamed[symbol] for symbol in OLIVINE.species)
    np.testing.assert_array_equal(made.fractional, OLIVINE.fractional)
    np.testing.assert_array_equal(made.occupancies, OLIVINE.occupancies)
    assert made.space_group_number == OLIVINE.space_group_number


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_new_cell_keeps_to_the_space_group(name: str) -> None:
    crystal = Standard.from_stored(ALL[name]).crystal
    rotations = symmetry_operations(crystal)[0]
    for seed in range(20):
        cell = substituted(crystal, NONE, np.random.default_rng(seed)).lattice
        metric = cell @ cell.T
        for rotation in rotations:  # an operation on fractional coordinates leaves lengths
            np.testing.assert_allclose(
                rotation.T @ metric @ rotation, metric, atol=1e-3 * metric.max()
            )


def test_cells_spread_about_what_the_radii_say() -> None:
    exchange = Substitution({"Cu": "Ni"}, 1.05)
    made = [
        substituted(CHALCANTHITE, exchange, np.random.default_rng(seed)).lattice
        for seed in range(1000)
    ]
    lengths = np.log(np.linalg.norm(made, axis=2) / np.linalg.norm(CHALCANTHITE.lattice, axis=1))
    np.testing.assert_allclose(lengths.mean(axis=0), np.log(1.05), atol=2e-3)
    np.testing.assert_allclose(lengths.std(axis=0), np.hypot(0.015, 0.01), rtol=0.1)
    apart = lengths[:, 0] - lengths[:, 1]
    assert apart.std() == pytest.approx(0.01 * np.sqrt(2), rel=0.1)


def test_a_draw_repeats_with_its_seed() -> None:
    first, again = (draw_substitution(QUARTZ, np.random.default_rng(3)) for _ in range(2))
    assert first == again
