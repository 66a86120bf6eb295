from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.network.cells import cell_logarithm, lattice_of

NUMBERS = st.lists(st.floats(-0.8, 0.8), min_size=6, max_size=6)


@settings(deadline=None)  # the first call loads the routines of linear algebra
@given(NUMBERS)
def test_any_six_numbers_are_a_cell_and_come_back(numbers: list[float]) -> None:
    asked = torch.tensor([numbers], dtype=torch.float64) + 1.5 * torch.tensor([1, 1, 1, 0, 0, 0])
    lattice = lattice_of(asked)
    assert float(torch.linalg.det(lattice)) > 0
    torch.testing.assert_close(cell_logarithm(lattice), asked, rtol=0, atol=1e-9)


def test_turning_the_crystal_changes_nothing_and_the_metric_is_kept() -> None:
    rng = np.random.default_rng(0)
    lattice = torch.from_numpy(rng.normal(size=(5, 3, 3)) + 4 * np.eye(3))
    turn, _ = torch.linalg.qr(torch.from_numpy(rng.normal(size=(3, 3))))
    logarithm = cell_logarithm(lattice)
    torch.testing.assert_close(cell_logarithm(lattice @ turn), logarithm)
    back = lattice_of(logarithm)
    torch.testing.assert_close(back @ back.transpose(1, 2), lattice @ lattice.transpose(1, 2))


def test_the_diagonal_sums_to_the_volume() -> None:
    lattice = torch.tensor([[[3.0, 0, 0], [1.0, 4.0, 0], [0.5, 0.2, 5.0]]], dtype=torch.float64)
    assert math.isclose(float(cell_logarithm(lattice)[0, :3].sum()), math.log(60.0))
