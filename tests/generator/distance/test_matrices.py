"""Distances beside pymatgen's, features beside what is known, and an order that is one's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.canonical import standardize
from data.crystal import Crystal
from data.pymatgen_bridge import to_pymatgen
from generator.distance.features import FEATURES, element_features, rank_of_number
from generator.distance.matrices import distance_matrix, ordered
from tests import crystals

CASES = [crystals.RUTILE, crystals.CALCITE, crystals.ANATASE, crystals.QUARTZ, crystals.FLUORITE]


def numbers_of(crystal: Crystal) -> np.ndarray:
    return np.array([one.specie.Z for one in to_pymatgen(crystal)])


@pytest.mark.parametrize("crystal", CASES)
def test_distances_are_pymatgens(crystal: Crystal) -> None:
    primitive = standardize(crystal).primitive
    found = distance_matrix(primitive.lattice, primitive.fractional)
    np.testing.assert_allclose(found, to_pymatgen(primitive).distance_matrix, atol=1e-6)


@pytest.mark.parametrize("crystal", CASES)
@given(seed=st.integers(0, 99))
def test_the_order_of_atoms_in_a_file_does_not_matter(crystal: Crystal, seed: int) -> None:
    primitive = standardize(crystal).primitive
    shuffled = np.random.default_rng(seed).permutation(len(primitive))
    numbers = numbers_of(primitive)
    matrices = []
    for places in (np.arange(len(primitive)), shuffled):
        own = distance_matrix(primitive.lattice, primitive.fractional[places])
        order = ordered(numbers[places], own)
        assert sorted(order.tolist()) == list(range(len(primitive)))
        matrices.append(own[np.ix_(order, order)])
        ranks = rank_of_number()[numbers[places][order]]
        assert (np.diff(ranks) >= 0).all()
    np.testing.assert_allclose(matrices[0], matrices[1], atol=0.05)


def test_features_are_those_of_table_1() -> None:
    table = element_features()
    assert table.shape == (104, FEATURES)
    assert not table[0].any()
    assert np.isfinite(table).all()
    np.testing.assert_allclose(table[1:].mean(axis=0), 0.0, atol=1e-5)
    # Fluorine is the most electronegative, caesium's radius is beyond potassium's, both group 1.
    negativity, radius, group = table[:, 9], table[:, 3], table[:, 7]
    assert negativity[1:].argmax() + 1 == 9
    assert radius[55] > radius[19]
    assert group[55] == group[19] == group[1]
    assert rank_of_number()[9] == max(rank_of_number()[1:])
