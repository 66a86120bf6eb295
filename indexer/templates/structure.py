"""From a crystal to the shapes that templates compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.sites import grouped
from indexer.templates.agreement import agree
from indexer.templates.neighbours import neighbours
from indexer.templates.rings import benzene_rings
from indexer.templates.shapes import Framework, Marker, Polyhedron, Structure

PRESENT = 0.5
"""Sites that are emptier than this are left out."""

BOND_MARGIN_ANGSTROM = 0.4
"""Atoms no further apart than the sum of their covalent radii and this are bonded: the criterion
of the Cambridge Structural Database with the radii of Cordero et al., Dalton Trans. 2008, 2832."""

TOO_NEAR_ANGSTROM = 0.6
"""Alternatives of one disordered atom, no neighbours."""

BEHIND_ANGSTROM = 0.25
"""A neighbour that is bonded to one which is nearer by this much stands behind it: the silicon
behind the oxygen of a silicate, the carbon of a carboxylate."""

RING_RADIUS_ANGSTROM = 1.39
"""From the centre of a benzene ring to its carbons."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sites:
    """Occupied sites of a cell, hydrogen left out.

    Attributes:
        fractional: coordinates. Shape (n, 3).
        species: what there is most of on each.
        is_metal: whether metals hold at least half of what is there. Shape (n,).
    """

    fractional: _Floats
    species: tuple[str, ...]
    is_metal: NDArray[np.bool_]


@cache
def is_metal(symbol: str) -> bool:
    """Whether an element is a metal; B, Si, As, Te and At are not, Al, Ge, Sb and Po are."""
    return bool(gemmi.Element(symbol).is_metal)


def structure_of(primitive: Crystal) -> Structure:
    """The framework and the polyhedra of a crystal, given its primitive cell."""
    sites = sites_of(primitive)
    lattice = np.array(primitive.lattice)
    others = sites.fractional[~sites.is_metal]
    radii = np.array([_radius(symbol) for symbol in sites.species])
    if sites.is_metal.any():
        marker: Marker = "metal"
        positions, own = sites.fractional[sites.is_metal], radii[sites.is_metal]
    else:
        marker = "ring"
        positions = _rings(primitive, sites)
        own = np.full(len(positions), RING_RADIUS_ANGSTROM + _radius("C"))
    if len(positions) == 0:
        return Structure(None, ())
    spacing = float((abs(np.linalg.det(lattice)) / len(positions)) ** (1 / 3))
    framework = Framework(marker, lattice / spacing, positions, spacing, len(others))
    about = _neighbourhoods(marker, lattice, (positions, own), (others, radii[~sites.is_metal]))
    found: list[Polyhedron] = []
    for corners in about:
        polyhedron = Polyhedron.of(marker, corners) if len(corners) > 1 else None
        if polyhedron and not any(agree(polyhedron, known) for known in found):
            found.append(polyhedron)
    return Structure(framework, tuple(found))


def _rings(primitive: Crystal, sites: Sites) -> _Floats:
    """Centres of benzene rings; graphite and its like are no organics. Shape (r, 3)."""
    if len(set(primitive.species)) == 1:
        return np.zeros((0, 3))
    carbon = np.array([symbol == "C" for symbol in sites.species], dtype=np.bool_)
    return benzene_rings(np.array(primitive.lattice), sites.fractional[carbon])


def _neighbourhoods(
    marker: Marker,
    lattice: _Floats,
    positions: tuple[_Floats, _Floats],
    others: tuple[_Floats, _Floats],
) -> Iterator[_Floats]:
    """Vectors to the non-metals bonded to each position, in Å; coordinates come with radii."""
    (places, own), (other_places, radii) = positions, others
    reach = own[:, None] + radii + BOND_MARGIN_ANGSTROM
    nearest = TOO_NEAR_ANGSTROM if marker == "metal" else RING_RADIUS_ANGSTROM + TOO_NEAR_ANGSTROM
    centres, which, vectors = neighbours(lattice, places, other_places, reach, nearest)
    lengths = np.linalg.norm(vectors, axis=1)
    for centre in range(len(places)):
        at = np.flatnonzero(centres == centre)
        apart = np.linalg.norm(vectors[at][:, None] - vectors[at], axis=-1)
        bonded = apart <= radii[which[at]][:, None] + radii[which[at]] + BOND_MARGIN_ANGSTROM
        behind = lengths[at][:, None] > lengths[at] + BEHIND_ANGSTROM
        yield vectors[at][~(bonded & behind).any(axis=1)]


def sites_of(crystal: Crystal) -> Sites:
    """Those of a crystal that are at least half full."""
    shares: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    first: dict[int, int] = {}
    site_of_row = grouped(crystal.fractional, crystal.lattice).tolist()
    rows = zip(site_of_row, crystal.species, crystal.occupancies.tolist(), strict=True)
    for row, (site, symbol, occupancy) in enumerate(rows):
        if symbol != "H":
            shares[site][symbol] += occupancy
            first.setdefault(site, row)
    kept = [site for site, share in shares.items() if sum(share.values()) >= PRESENT]
    metal = [
        sum(part if is_metal(symbol) else -part for symbol, part in shares[site].items()) >= 0
        for site in kept
    ]
    return Sites(
        np.array(crystal.fractional)[[first[site] for site in kept]].reshape(-1, 3),
        tuple(max(shares[site], key=shares[site].__getitem__) for site in kept),
        np.array(metal, dtype=np.bool_),
    )


@cache
def _radius(symbol: str) -> float:
    """Covalent radius in Å."""
    return float(gemmi.Element(symbol).covalent_r)
