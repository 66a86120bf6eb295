"""Whether atoms have room: the shortest distances beside what radii say."""

from __future__ import annotations

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal

IMAGES = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])


def closest_contact(crystal: Crystal) -> float:
    """The smallest ratio of a distance between atoms to the sum of their covalent radii.

    Radii are those of Cordero et al., Dalton Trans. (2008) 2832, as gemmi carries them. Bonds have
    ratios around 1; atoms at much less than 0.7 overlap. Of a crystal of one atom it is that to
    its own image.

    Args:
        crystal: whose cell is not much longer than its content needs, as a conventional one.
    """
    radii = np.array([gemmi.Element(symbol).covalent_r for symbol in crystal.species])
    apart = crystal.fractional[:, None] - crystal.fractional[None]
    apart -= np.round(apart)
    closest = np.inf
    sums: NDArray[np.float64] = radii[:, None] + radii[None]
    for image in IMAGES:
        distance = np.linalg.norm((apart + image) @ crystal.lattice, axis=2)
        if not image.any():
            np.fill_diagonal(distance, np.inf)
        closest = min(closest, float((distance / sums).min()))
    return closest
