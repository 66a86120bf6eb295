"""Clouds of points back to crystals: points that lie together are an atom.

Points are parted by average linkage (scikit-learn) of their distances in the decoded cell, the
nearest images counted, so that 0 and 1 are one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering

from data.crystal import Crystal
from generator.contacts import IMAGES
from generator.known import lattice_of_cell

JOINED_ANGSTROM = 0.9
"""Groups of points whose mean distance is less are one atom."""
COPIES_ANGSTROM = 0.2
"""The same where the points of an atom are copies of each other, as the network leaves them."""
UNLIKE_ANGSTROM = 0.3
"""What a unit of difference in likelihoods counts for as a distance."""
SMALLEST = 0.35
"""Clusters of fewer points, beside that of the median point, are noise."""
LEAST_VOLUME_ANGSTROM3 = 3.0
"""Of a cell, that is one."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cloud:
    """A cloud that is read.

    Attributes:
        places: fractional coordinates of the points. Shape (n, 3).
        likelihoods: of the elements, 1 where sure and -1 where not. Shape (n, elements).
        cell: a, b, c in Å and α, β, γ in degrees.
        symbols: of the elements, in the order of `likelihoods`.
    """

    places: _FLOAT
    likelihoods: _FLOAT
    cell: tuple[float, ...]
    symbols: tuple[str, ...]


def crystal_of(cloud: Cloud, *, joined_angstrom: float = JOINED_ANGSTROM) -> Crystal | None:
    """The crystal of a cloud, without symmetry; None where the cell is none.

    An atom is where the circular mean of its points is, and of the element that they are likeliest.

    Args:
        cloud: of points.
        joined_angstrom: mean distance within which groups of points are one atom.
    """
    lattice = _lattice_of(cloud.cell)
    if lattice is None:
        return None
    labels = parted(cloud, lattice, joined_angstrom)
    sizes = np.bincount(labels)
    kept = np.flatnonzero(sizes >= SMALLEST * np.median(sizes[labels]))
    members = [labels == label for label in kept]
    places = np.array([circular_mean(cloud.places[own]) for own in members])
    kinds = [int(cloud.likelihoods[own].mean(axis=0).argmax()) for own in members]
    return Crystal(
        lattice=lattice,
        species=tuple(cloud.symbols[kind] for kind in kinds),
        occupancies=np.ones(len(kept)),
        fractional=places,
        u_iso_angstrom2=np.full(len(kept), np.nan),
        space_group_number=1,
    )


def parted(cloud: Cloud, lattice: _FLOAT, joined_angstrom: float) -> NDArray[np.int64]:
    """Number of the cluster of each point. Shape (n,)."""
    apart = torus_distances(cloud.places, lattice)
    likely = np.clip(cloud.likelihoods, -1.0, 1.0)
    unlike = np.linalg.norm(likely[:, None] - likely[None], axis=2)
    found = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=joined_angstrom
    ).fit(np.hypot(apart, UNLIKE_ANGSTROM * unlike))
    return np.asarray(found.labels_, np.int64)


def torus_distances(places: _FLOAT, lattice: _FLOAT) -> _FLOAT:
    """Between points, to the nearest image, in Å.

    Args:
        places: fractional. Shape (n, 3).
        lattice: of a cell that is not much skewed, rows in Å. Shape (3, 3).

    Returns:
        Shape (n, n).
    """
    one, other = np.triu_indices(len(places), 1)
    found = np.zeros((len(places), len(places)))
    found[one, other] = nearest_images(places[one] - places[other], lattice)
    return found + found.T


def nearest_images(apart: _FLOAT, lattice: _FLOAT) -> _FLOAT:
    """Lengths of differences of fractional coordinates, the shortest of their images, in Å.

    Args:
        apart: Shape (..., 3).
        lattice: as of `torus_distances`.
    """
    begin = (apart - np.round(apart)) @ lattice
    squares = [((begin + image) ** 2).sum(axis=-1) for image in IMAGES @ lattice]
    return np.asarray(np.sqrt(np.min(squares, axis=0)))


def circular_mean(places: _FLOAT) -> _FLOAT:
    """Mean of coordinates of period one, from 0 to 1. Shapes (n, 3) and (3,)."""
    mean = np.angle(np.exp(2j * np.pi * places).mean(axis=0)) / (2 * np.pi)
    return np.asarray(mean % 1.0)


def symbols_of(numbers: Sequence[int]) -> tuple[str, ...]:
    """Of atomic numbers, 0 being none."""
    return tuple(gemmi.Element(number).name for number in numbers if number)


def _lattice_of(cell: Sequence[float]) -> _FLOAT | None:
    """Rows in Å, None where there is no such cell."""
    lengths, angles = np.array(cell[:3]), np.radians(cell[3:])
    if not np.isfinite(cell).all() or (lengths <= 0).any():
        return None
    cosines = np.cos(angles)
    room = 1.0 - (cosines**2).sum() + 2.0 * cosines.prod()
    if room <= 1e-3 or lengths.prod() * room**0.5 < LEAST_VOLUME_ANGSTROM3:
        return None
    a, b, c, alpha, beta, gamma = (float(one) for one in cell)
    return lattice_of_cell((a, b, c, alpha, beta, gamma))
