from __future__ import annotations

import numpy as np
import pytest

from data.crystal import Crystal
from data.diffraction import lines_of
from data.dispersion import dispersion, with_dispersion
from search.mixture.weighing import (
    cell_mass_dalton,
    corundum,
    reference_intensity_ratio,
    weight_fractions,
)
from tests import crystals


def doubled(crystal: Crystal) -> Crystal:
    """The same crystal in a cell twice as long."""
    half = np.array([0.5, 1.0, 1.0])
    fractional = np.concatenate(
        [crystal.fractional * half, crystal.fractional * half + [0.5, 0, 0]]
    )
    return Crystal(
        lattice=crystal.lattice * np.array([[2.0], [1.0], [1.0]]),
        species=crystal.species * 2,
        occupancies=np.tile(crystal.occupancies, 2),
        fractional=fractional,
        u_iso_angstrom2=np.tile(crystal.u_iso_angstrom2, 2),
        space_group_number=1,
    )


def test_weights_by_hand() -> None:
    # NaCl: Z·M = 4 · 58.44 Da; the scales are chosen so that ZMV·S is as 7 to 3.
    halite, rutile = crystals.ROCK_SALT, crystals.RUTILE
    assert cell_mass_dalton(halite) == pytest.approx(4 * 58.44, rel=1e-3)
    assert cell_mass_dalton(rutile) == pytest.approx(2 * 79.87, rel=1e-3)
    first = 0.7 / (4 * 58.44 * halite.volume_angstrom3)
    second = 0.3 / (2 * 79.87 * rutile.volume_angstrom3)
    found = weight_fractions(5 * np.array([first, second]), (halite, rutile))
    assert found == pytest.approx([0.7, 0.3], rel=1e-3)


def test_weights_do_not_depend_on_the_cell_that_is_chosen() -> None:
    halite, rutile = crystals.ROCK_SALT, crystals.RUTILE
    # Lines of a doubled cell are four times as strong, so that the scale is a quarter.
    plain = weight_fractions(np.array([1.0, 1.0]), (halite, rutile))
    other = weight_fractions(np.array([0.25, 1.0]), (doubled(halite), rutile))
    assert other == pytest.approx(plain)


def test_nothing_weighs_nothing() -> None:
    assert weight_fractions(np.zeros(1), (crystals.RUTILE,)).tolist() == [0.0]


def test_corundum_is_its_own_measure() -> None:
    crystal = corundum()
    assert crystal.composition == {"Al": 12.0, "O": 18.0}
    density = cell_mass_dalton(crystal) / crystal.volume_angstrom3 * 1.66054
    assert density == pytest.approx(3.99, abs=0.02)
    assert reference_intensity_ratio(crystal) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "name, low, high",
    [
        # Calculated values of powder files; they scatter with the displacement factors used.
        ("ROCK_SALT", 4.2, 4.8),
        ("RUTILE", 3.3, 3.8),
        ("ANATASE", 4.5, 5.2),
        ("FLUORITE", 3.6, 4.1),
        ("CALCITE", 2.9, 3.5),
    ],
)
def test_known_intensity_ratios(name: str, low: float, high: float) -> None:
    assert low < reference_intensity_ratio(getattr(crystals, name)) < high


def test_dispersion_of_copper_radiation() -> None:
    # International Tables C, table 4.2.6.8: nickel and iron at Cu Kα1.
    assert dispersion("Ni", 1.5406).real == pytest.approx(-3.0, abs=0.1)
    assert dispersion("Fe", 1.5406) == pytest.approx(-1.13 + 3.20j, abs=0.1)


def test_far_from_edges_dispersion_changes_little() -> None:
    lines = lines_of(crystals.FLUORITE)
    near = with_dispersion(crystals.FLUORITE, lines, 0.2)
    strong = lines.strength > 0.01 * lines.strength.max()
    assert near.strength[strong] == pytest.approx(lines.strength[strong], rel=0.05)
