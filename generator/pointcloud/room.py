"""Atoms that overlap pushed apart as balls are, so that a force field can begin from them."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np

from data.crystal import Crystal
from generator.contacts import IMAGES

ROOM = 0.85
"""Distances up to which atoms push, over the sum of the covalent radii."""
STEPS, PACE = 120, 0.4
LEAST_ANGSTROM = 1e-3


def with_room(crystal: Crystal, steps: int = STEPS) -> Crystal:
    """The crystal with its atoms moved from those that they overlap, the cell as it is.

    In each step both atoms of a pair go a part of what their distance lacks, along the line between
    them; each image of a neighbour pushes.

    Args:
        crystal: without symmetry.
        steps: at most.
    """
    radii = np.array([gemmi.Element(symbol).covalent_r for symbol in crystal.species])
    wanted = ROOM * (radii[:, None] + radii[None])
    places, inverse = crystal.fractional.copy(), np.linalg.inv(crystal.lattice)
    images = (IMAGES @ crystal.lattice)[:, None, None]
    for _ in range(steps):
        apart = places[:, None] - places[None]
        lines = (apart - np.round(apart)) @ crystal.lattice + images
        lengths = np.linalg.norm(lines, axis=3).clip(min=LEAST_ANGSTROM)
        lacking = (wanted - lengths).clip(min=0.0)
        lacking[len(IMAGES) // 2, np.arange(len(places)), np.arange(len(places))] = 0.0
        if not lacking.any():
            break
        places += PACE * np.einsum("imn,imnk->mk", lacking / lengths, lines) @ inverse
    return replace(crystal, fractional=places % 1.0)
