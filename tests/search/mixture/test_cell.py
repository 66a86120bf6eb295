from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from data.diffraction import lines_of
from search.mixture.cell import evenly_strained, free_strains, strain_shares, strained_lattice
from tests import crystals


@pytest.mark.parametrize(
    "name, strains", [("ROCK_SALT", 1), ("RUTILE", 2), ("CALCITE", 2), ("QUARTZ", 2)]
)
def test_strains_that_symmetry_leaves(name: str, strains: int) -> None:
    crystal = getattr(crystals, name)
    assert len(free_strains(crystal.lattice, crystal.space_group_number)) == strains


def oblique() -> NDArray[np.float64]:
    return np.array([[5.0, 0.0, 0.0], [0.0, 6.0, 0.0], [-1.0, 0.0, 7.0]])


def lattice_of(number: int) -> NDArray[np.float64]:
    """A cell of the crystal system of a space group."""
    if number == 14:
        return oblique()
    if number == 2:
        return np.array([[5.0, 0, 0], [0.7, 6.0, 0], [-0.8, 0.4, 7.0]])
    if number == 62:
        return np.array([[5.0, 0, 0], [0, 6.0, 0], [0, 0, 7.0]])
    if number == 136:
        return np.array([[5.0, 0, 0], [0, 5.0, 0], [0, 0, 7.0]])
    if number == 167:
        return np.array([[5.0, 0, 0], [-2.5, 2.5 * np.sqrt(3), 0], [0, 0, 14.0]])
    return np.asarray(5.0 * np.eye(3))


HKL = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 2, -3], [2, 0, 1]], np.int16)


@pytest.mark.parametrize("number", [2, 14, 62, 136, 167, 225])
def test_an_even_strain_moves_every_line_alike(number: int) -> None:
    lattice = lattice_of(number)
    even = evenly_strained(lattice, number)
    assert even @ strain_shares(HKL, lattice, number) == pytest.approx(np.ones(len(HKL)))
    longer = strained_lattice(lattice, number, 0.004 * even)
    # The same cell longer, in whatever orientation.
    assert longer @ longer.T == pytest.approx(lattice @ lattice.T / (1 - 0.008))


@pytest.mark.parametrize("number", [2, 14, 62, 136, 167, 225])
def test_shares_are_those_of_the_strained_lattice(number: int) -> None:
    lattice, hkl = lattice_of(number), HKL
    shares = strain_shares(hkl, lattice, number)
    strain = np.linspace(-0.004, 0.006, len(shares))
    moved = strained_lattice(lattice, number, strain)
    before = ((hkl @ np.linalg.inv(lattice).T) ** 2).sum(axis=1)
    after = ((hkl @ np.linalg.inv(moved).T) ** 2).sum(axis=1)
    np.testing.assert_allclose(after, before * (1 - 2 * strain @ shares), rtol=1e-9)


def test_one_strain_of_all_lengths() -> None:
    lines = lines_of(crystals.RUTILE)
    lattice, number = crystals.RUTILE.lattice, 136
    assert (strain_shares(lines.hkl, lattice, number, isotropic=True) == 1.0).all()
    longer = strained_lattice(lattice, number, np.array([0.01]))
    assert longer == pytest.approx(lattice * 1.01, rel=1e-3)
