"""How texture changes intensities, in as few numbers as show in a mixture."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

TEXTURE_SPREAD = 0.3
"""Standard deviation expected of each coefficient; March and Dollase's r of 0.9 makes 0.47."""

_FLOAT = NDArray[np.float64]


def intensity_modes(hkl: NDArray[np.int16], lattice: _FLOAT, space_group_number: int) -> _FLOAT:
    """Logarithms of intensity that a unit of each mode adds to every line. Shape (q, m).

    They are the harmonics of second order that the symmetry leaves (Järvinen, J. Appl.
    Cryst. 26 (1993) 525) in an exponential, so that no intensity turns negative: quadratic forms
    of the line's direction that average to zero over the sphere. Cubic crystals have none of this
    order, those with one main axis one, orthorhombic ones two, monoclinic ones three. Triclinic
    ones would have five, too many for a phase of a mixture; they get none.

    Args:
        hkl: Shape (m, 3).
        lattice: conventional cell, rows a, b, c in Å. Shape (3, 3).
        space_group_number: 1 to 230.
    """
    normals = hkl @ np.linalg.inv(lattice).T
    square = (normals**2).sum(axis=1)
    directions = normals / np.sqrt(np.maximum(square, 1e-300))[:, None]
    forms = _forms(directions @ _axes(lattice, space_group_number).T, space_group_number)
    return np.array(forms).reshape(-1, len(hkl))


def mean_over_sphere(amounts: _FLOAT, space_group_number: int) -> float:
    """Factor by which texture changes the intensity of all directions together.

    A scale times this is the scale of as much material without texture.

    Args:
        amounts: of `intensity_modes`. Shape (q,).
        space_group_number: 1 to 230.
    """
    forms = _forms(_sphere(), space_group_number)
    if not forms:
        return 1.0
    return float(np.exp(amounts @ np.stack(forms)).mean())


def _forms(directions: _FLOAT, space_group_number: int) -> list[_FLOAT]:
    """By direction along main axes, the unique or longest one last. Shape (m,) each."""
    x, y, z = directions.T
    if space_group_number >= 195 or space_group_number < 3:
        return []
    if space_group_number >= 75:
        return [z**2 - 1 / 3]
    if space_group_number >= 16:
        return [z**2 - 1 / 3, x**2 - y**2]
    return [z**2 - 1 / 3, x**2 - y**2, 2 * x * y]


def _axes(lattice: _FLOAT, space_group_number: int) -> _FLOAT:
    """Cartesian axes that the forms refer to, z the unique one. Rows. Shape (3, 3)."""
    unique = _unique_axis(lattice) if 3 <= space_group_number < 16 else 2
    first = lattice[1 if unique == 0 else 0]
    z = lattice[unique] / np.linalg.norm(lattice[unique])
    x = first - (first @ z) * z
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _unique_axis(lattice: _FLOAT) -> int:
    """The axis of a monoclinic cell that stands upright on both others."""
    unit = lattice / np.linalg.norm(lattice, axis=1)[:, None]
    cosines = np.abs(unit @ unit.T)
    tilt = cosines.sum(axis=1)
    return 1 if np.ptp(tilt) < 1e-4 else int(np.argmin(tilt))


@cache
def _sphere() -> _FLOAT:
    """Directions spread evenly (Fibonacci's lattice). Shape (n, 3)."""
    count = 1000
    i = np.arange(count) + 0.5
    z = 1 - 2 * i / count
    turn = np.pi * (1 + np.sqrt(5)) * i
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), z], axis=1)
