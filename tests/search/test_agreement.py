from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from search.agreement import NOTIONS, Identity, Notion, agreement, same_cell
from tests.crystals import (
    ALL,
    ANATASE,
    CAESIUM_CHLORIDE,
    CALCITE,
    CHALCANTHITE,
    FLUORITE,
    OLIVINE,
    QUARTZ,
    ROCK_SALT,
    RUTILE,
    SILICON,
    Site,
    expand,
)
from tests.search.made import in_other_axes, scaled

ALL_NOTIONS = set(NOTIONS)
NONE: set[Notion] = set()

CRISTOBALITE = expand(
    (4.9709, 4.9709, 6.9278, 90, 90, 90),
    "P 41 21 2",
    [("Si", 0.3003, 0.3003, 0), ("O", 0.2392, 0.1044, 0.1787)],
)
GALENA = expand(
    (5.936, 5.936, 5.936, 90, 90, 90), "F m -3 m", [("Pb", 0, 0, 0), ("S", 0.5, 0.5, 0.5)]
)


def olivine(iron: float, cell_factor: float = 1.0) -> Crystal:
    """(Mg,Fe)₂SiO₄ in the standard setting, with so much iron on both sites."""
    metal: list[Site] = [
        (symbol, *place, share)
        for place in ((0.0, 0.0, 0.0), (0.2774, 0.25, 0.9915))
        for symbol, share in (("Mg", 1 - iron), ("Fe", iron))
    ]
    rest: list[Site] = [
        ("Si", 0.0940, 0.25, 0.4262),
        ("O", 0.0919, 0.25, 0.7657),
        ("O", 0.4474, 0.25, 0.2215),
        ("O", 0.1631, 0.0330, 0.2775),
    ]
    return scaled(expand((10.225, 5.994, 4.762, 90, 90, 90), "P n m a", metal + rest), cell_factor)


def with_species(crystal: Crystal, **species: str) -> Crystal:
    """The same atoms under other names."""
    return replace(crystal, species=tuple(species.get(one, one) for one in crystal.species))


def with_hydrogen(crystal: Crystal) -> Crystal:
    """The same crystal with a hydrogen atom more."""
    return Crystal(
        crystal.lattice,
        (*crystal.species, "H"),
        np.append(crystal.occupancies, 1.0),
        np.vstack([crystal.fractional, [0.2, 0.6, 0.9]]),
        np.append(crystal.u_iso_angstrom2, np.nan),
        crystal.space_group_number,
    )


@pytest.mark.parametrize(
    "truth, found, expected",
    [
        pytest.param(ROCK_SALT, ROCK_SALT, ALL_NOTIONS, id="itself"),
        pytest.param(QUARTZ, scaled(QUARTZ, 1.015), ALL_NOTIONS, id="1.5 % longer"),
        pytest.param(QUARTZ, scaled(QUARTZ, 1.02), ALL_NOTIONS, id="2 % longer, structures match"),
        pytest.param(QUARTZ, scaled(QUARTZ, 1.1), NONE, id="10 % longer"),
        pytest.param(QUARTZ, scaled(QUARTZ, 0.9), ALL_NOTIONS, id="10 % shorter, within 30 %"),
        pytest.param(QUARTZ, scaled(QUARTZ, 0.88), NONE, id="12 % shorter"),
        pytest.param(
            CALCITE, replace(CALCITE, space_group_number=1), ALL_NOTIONS, id="told as P 1"
        ),
        pytest.param(CHALCANTHITE, with_hydrogen(CHALCANTHITE), ALL_NOTIONS, id="hydrogen"),
        pytest.param(olivine(0.12), olivine(0.15), ALL_NOTIONS, id="a little more iron"),
        pytest.param(olivine(0.12), olivine(0.4), {"species", "twin"}, id="more iron"),
        pytest.param(olivine(0.1), olivine(0.9), {"twin"}, id="iron for magnesium"),
        pytest.param(olivine(0.12), olivine(0.4, 1.03), NONE, id="more iron, volume 9 % larger"),
        pytest.param(ROCK_SALT, with_species(ROCK_SALT, Na="Ag"), {"twin"}, id="AgCl"),
        pytest.param(
            ROCK_SALT, with_species(scaled(ROCK_SALT, 1.02), Na="Ag"), {"twin"}, id="AgCl, larger"
        ),
        pytest.param(ROCK_SALT, GALENA, NONE, id="isotype 17 % larger"),
        pytest.param(FLUORITE, SILICON, NONE, id="another group and count"),
        pytest.param(RUTILE, ANATASE, NONE, id="polymorphs"),
        pytest.param(QUARTZ, CRISTOBALITE, NONE, id="polymorphs of silica"),
        pytest.param(ROCK_SALT, CAESIUM_CHLORIDE, NONE, id="NaCl and CsCl"),
    ],
)
def test_pairs(truth: Crystal, found: Crystal, expected: set[Notion]) -> None:
    assert agreement(Identity.of(truth), Identity.of(found)) == expected


@pytest.mark.parametrize("name", sorted(set(ALL) - {"MOF-5"}))
def test_another_setting_is_the_same_crystal(name: str) -> None:
    one, other = (
        Identity.of(standardize(crystal).crystal)
        for crystal in (ALL[name], in_other_axes(ALL[name]))
    )
    assert agreement(one, other) == ALL_NOTIONS
    assert same_cell(one, other)


def test_a_setting_of_other_axes_is_the_same_crystal() -> None:
    """Pbnm and Pnma: told by the group, matched by the structure when the group is not known."""
    pnma = replace(olivine(0.1), space_group_number=1)
    assert agreement(Identity.of(OLIVINE), Identity.of(olivine(0.12))) == ALL_NOTIONS
    ordered = [
        replace(
            crystal,
            species=tuple("Mg" if one == "Fe" else one for one in crystal.species),
        )
        for crystal in (OLIVINE, pnma)
    ]
    assert agreement(*map(Identity.of, ordered)) == ALL_NOTIONS


@pytest.mark.parametrize("one", sorted(set(ALL) - {"MOF-5"}))
def test_each_notion_holds_the_one_before_and_none_depends_on_the_order(one: str) -> None:
    for other in set(ALL) - {"MOF-5"}:
        pair = Identity.of(ALL[one]), Identity.of(ALL[other])
        there, back = agreement(*pair), agreement(*pair[::-1])
        assert there == back
        assert there in [set(NOTIONS[i:]) for i in range(len(NOTIONS) + 1)]
        assert ("strict" in there) == (one == other)


def test_atoms_are_counted_without_hydrogen() -> None:
    plain, wet = Identity.of(CHALCANTHITE), Identity.of(with_hydrogen(CHALCANTHITE))
    assert plain.fractions == wet.fractions
    assert plain.atoms == wet.atoms == pytest.approx(22.0)
    assert sum(wet.fractions.values()) == pytest.approx(1.0)
    assert wet.volume_per_atom == pytest.approx(CHALCANTHITE.volume_angstrom3 / 22)


def test_hydrogen_alone_is_a_crystal_too() -> None:
    only = expand((3.0, 3.0, 3.0, 90, 90, 90), "P m -3 m", [("H", 0, 0, 0)])
    assert Identity.of(only).fractions == {"H": 1.0}


@pytest.mark.parametrize(
    "factor, expected", [(1.0, True), (1.00005, True), (1.0003, False), (0.999, False)]
)
def test_a_cell_is_the_same_to_the_last_digits_only(factor: float, expected: bool) -> None:  # noqa: FBT001
    pair = Identity.of(QUARTZ), Identity.of(scaled(QUARTZ, factor))
    assert same_cell(*pair) is expected
    assert same_cell(*pair[::-1]) is expected


def test_axes_in_another_order_are_the_same_cell_and_other_angles_are_not() -> None:
    turned = replace(OLIVINE, lattice=OLIVINE.lattice[[1, 2, 0]])
    assert same_cell(Identity.of(OLIVINE), Identity.of(turned))
    sheared = OLIVINE.lattice.copy()
    sheared[2] = np.linalg.norm(sheared[2]) * np.array([np.sin(0.1), 0.0, np.cos(0.1)])
    skewed = replace(OLIVINE, lattice=sheared)
    assert not same_cell(Identity.of(OLIVINE), Identity.of(skewed))
