"""How a cell may change without breaking its symmetry, as each line feels it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FLOAT = NDArray[np.float64]

_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Elements of the reciprocal metric, in Voigt's order."""

RIGHT_ANGLE_TOLERANCE = 1e-4
"""Of the cosine of an angle that symmetry leaves free."""


@dataclass(frozen=True)
class Strain:
    """One way in which a cell may change without breaking its symmetry.

    Attributes:
        elements: of the reciprocal metric that change together, by their places in Voigt's order.
        angle: whether that is the cosine of an angle; a length or several otherwise.
    """

    elements: tuple[int, ...]
    angle: bool = False


WHOLE_CELL = Strain((0, 1, 2, 3, 4, 5))
"""All lengths by one factor, no angle."""


def strain_shares(
    hkl: NDArray[np.int16], lattice: _FLOAT, space_group_number: int, *, isotropic: bool = False
) -> _FLOAT:
    """What part of each line's 1/d² every free strain of the cell moves.

    A strain e_k changes 1/d² of a line by the factor 1 - 2 Σ_k e_k b_k, where b_k is the part of
    1/d² = hᵀ G* h that the k-th independent group of elements of the reciprocal metric G* makes
    up. Free are: one length in cubic crystals; a and c in tetragonal, trigonal and hexagonal
    ones; a, b, c in orthorhombic ones; these and the oblique angle in monoclinic ones; all six
    in triclinic ones. To first order e is the relative change of a length; of an angle it is the
    change of its cosine over two.

    Args:
        hkl: lines, in the cell. Shape (n, 3).
        lattice: conventional cell, rows a, b, c in Å. Shape (3, 3).
        space_group_number: 1 to 230, which decides the crystal system.
        isotropic: allows one strain of all lengths only.

    Returns:
        b. Shape (k, n).
    """
    h = np.asarray(hkl, dtype=np.float64)
    if isotropic:
        return np.ones((1, len(h)))
    metric = np.linalg.inv(lattice @ lattice.T)
    scale = np.sqrt(np.diag(metric))
    parts = np.stack([(2 - (i == j)) * h[:, i] * h[:, j] * metric[i, j] for i, j in _PAIRS])
    total = np.maximum(parts.sum(axis=0), 1e-300)
    shares = []
    for strain in free_strains(lattice, space_group_number):
        if strain.angle:
            (k,) = strain.elements
            i, j = _PAIRS[k]
            shares.append(2 * h[:, i] * h[:, j] * scale[i] * scale[j] / total)
        else:
            shares.append(parts[list(strain.elements)].sum(axis=0) / total)
    return np.stack(shares)


def free_strains(lattice: _FLOAT, space_group_number: int) -> tuple[Strain, ...]:
    """The independent strains that the crystal system leaves."""
    metric = np.linalg.inv(lattice @ lattice.T)
    scale = np.sqrt(np.diag(metric))
    cosine = {k: metric[i, j] / scale[i] / scale[j] for k, (i, j) in enumerate(_PAIRS) if i != j}
    oblique = [k for k, value in cosine.items() if abs(value) > RIGHT_ANGLE_TOLERANCE]
    if space_group_number >= 195:
        return (WHOLE_CELL,)
    if space_group_number >= 143:
        # Rhombohedral axes share one length and one angle; those cells move as a whole.
        return (Strain((0, 1, 5)), Strain((2,))) if oblique == [5] else (WHOLE_CELL,)
    if space_group_number >= 75:
        return (Strain((0, 1)), Strain((2,))) if not oblique else (WHOLE_CELL,)
    axes = (Strain((0,)), Strain((1,)), Strain((2,)))
    if space_group_number >= 16:
        return axes
    if space_group_number >= 3:
        angle = oblique[0] if len(oblique) == 1 else 4
        return (*axes, Strain((angle,), angle=True))
    return (*axes, *(Strain((k,), angle=True) for k in (3, 4, 5)))


def evenly_strained(lattice: _FLOAT, space_group_number: int) -> _FLOAT:
    """How much of each free strain changes all lengths by one and no angle. Shape (k,).

    Where a length alone changes an oblique angle's element of the metric stays behind, and its
    own strain has to follow: by the cosine of the reciprocal angle.
    """
    metric = np.linalg.inv(lattice @ lattice.T)
    scale = np.sqrt(np.diag(metric))
    even = []
    for strain in free_strains(lattice, space_group_number):
        i, j = _PAIRS[strain.elements[0]]
        even.append(metric[i, j] / scale[i] / scale[j] if strain.angle else 1.0)
    return np.array(even)


def strained_lattice(lattice: _FLOAT, space_group_number: int, strain: _FLOAT) -> _FLOAT:
    """The cell after the strains of `strain_shares`. Rows a, b, c in Å. Shape (3, 3).

    Args:
        lattice: as stored. Shape (3, 3).
        space_group_number: 1 to 230.
        strain: one of all lengths, or as many as are free. Shape (k,).
    """
    if len(strain) == 1:
        return np.asarray(lattice / np.sqrt(1 - 2 * strain[0]))
    metric = np.linalg.inv(lattice @ lattice.T)
    moved = metric.copy()
    scale = np.sqrt(np.diag(metric))
    for free, e in zip(free_strains(lattice, space_group_number), strain, strict=True):
        for k in free.elements:
            i, j = _PAIRS[k]
            change = -2 * e * (scale[i] * scale[j] if free.angle else metric[i, j])
            moved[i, j] += change
            if i != j:
                moved[j, i] += change
    # Cholesky factors of a metric are its cell in a standard orientation.
    return np.asarray(np.linalg.cholesky(np.linalg.inv(moved)))
