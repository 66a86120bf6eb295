from __future__ import annotations

import numpy as np
import pytest

from data.diffraction import lines_of
from search.mixture.cell import free_strains, strain_shares, strained_lattice
from tests import crystals


@pytest.mark.parametrize(
    "name, strains", [("ROCK_SALT", 1), ("RUTILE", 2), ("CALCITE", 2), ("QUARTZ", 2)]
)
def test_strains_that_symmetry_leaves(name: str, strains: int) -> None:
    crystal = getattr(crystals, name)
    assert len(free_strains(crystal.lattice, crystal.space_group_number)) == strains


def oblique() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([[5.0, 0.0, 0.0], [0.0, 6.0, 0.0], [-1.0, 0.0, 7.0]])


@pytest.mark.parametrize("number", [2, 14, 62, 136, 167, 225])
def test_shares_are_those_of_the_strained_lattice(number: int) -> None:
    if number == 14:
        lattice = oblique()
    elif number == 2:
        lattice = oblique() + np.array([[0, 0, 0], [0.7, 0, 0], [0.2, 0.4, 0]])
    elif number == 62:
        lattice = np.diag([5.0, 6.0, 7.0])
    elif number == 136:
        lattice = np.diag([5.0, 5.0, 7.0])
    elif number == 167:
        lattice = np.array([[5.0, 0, 0], [-2.5, 2.5 * np.sqrt(3), 0], [0, 0, 14.0]])
    else:
        lattice = 5.0 * np.eye(3)
    hkl = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 2, -3], [2, 0, 1]], np.int16)
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
