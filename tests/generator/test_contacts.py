"""Room between atoms, and what of symmetry may be looked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.canonical import standardize
from generator.contacts import closest_contact, safe_tolerances
from tests import crystals

HALITE = standardize(crystals.ROCK_SALT).crystal


def test_bonds_have_ratios_around_one() -> None:
    assert closest_contact(HALITE) == pytest.approx(2.82 / (1.66 + 1.02), rel=0.01)


def test_atoms_that_touch_allow_small_tolerances_alone() -> None:
    assert safe_tolerances(HALITE, (0.5, 0.4, 0.05)) == [0.4, 0.05]
    moved = np.array(HALITE.fractional)
    moved[1] = moved[0] + [0.5 / HALITE.cell[0], 0.0, 0.0]
    assert safe_tolerances(replace(HALITE, fractional=moved % 1), (0.5, 0.4, 0.05)) == [0.05]
    moved[1] = moved[0]
    assert safe_tolerances(replace(HALITE, fractional=moved), (0.5, 0.4, 0.05)) == []
