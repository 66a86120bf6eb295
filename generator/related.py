"""Moulds of a related formula: two elements made one, or one parted into two.

An ordered compound is often a simpler one whose sites two elements share in turn (ilmenite and
corundum, chalcopyrite and zinc blende), and the other way round (magnetite and spinel). So a
crystal with an element more or less than the sample's may still have its structure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import combinations
from math import comb

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard, standardize
from data.crystal import Crystal
from generator.chemistry import unlikeness
from generator.contacts import distances_by_image
from generator.exchange import LIKENESS

MOST_WAYS = 400
"""Ways of parting the atoms of an element of a primitive cell that are looked at, at most."""
NOBLE_GASES = frozenset({"He", "Ne", "Ar", "Kr", "Xe", "Rn"})
MOST_PARTED = 12
"""Different ones that are gone on with."""


def merged(composition: Mapping[str, float]) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Each pair of elements, and the composition when the second is taken for the first."""
    for first, second in combinations(sorted(composition), 2):
        rest = {symbol: amount for symbol, amount in composition.items() if symbol != second}
        rest[first] = composition[first] + composition[second]
        yield first, second, rest


@cache
def _by_likeness(element: str) -> tuple[str, ...]:
    every = (gemmi.Element(z).name for z in range(1, 95))
    others = [one for one in every if one != element and one not in NOBLE_GASES]
    return tuple(sorted(others, key=lambda one: float(LIKENESS @ unlikeness(element, one))))


def twin_of(element: str, beside: Collection[str]) -> str:
    """The element most like another that is not there yet."""
    return next(one for one in _by_likeness(element) if one not in beside)


def united(crystal: Crystal, first: str, second: str) -> Crystal:
    """A crystal with the second element's atoms taken for the first's, in its new symmetry."""
    species = tuple(first if symbol == second else symbol for symbol in crystal.species)
    return standardize(replace(crystal, species=species)).crystal


def parted(crystal: Crystal, element: str, other: str, share: float) -> Iterator[Crystal]:
    """Crystals in which another element takes a share of an element's atoms.

    Those of the primitive cell are parted in all ways that distances tell apart, few ways at most;
    none where the share is not a whole number of them.

    Args:
        crystal: in the standard setting of its space group, fully occupied.
        element: of it.
        other: that is not in it.
        share: of the element's atoms that the other takes, between 0 and 1.
    """
    primitive = Standard.from_stored(crystal).primitive
    places = [i for i, symbol in enumerate(primitive.species) if symbol == element]
    wanted = share * len(places)
    count = round(wanted)
    if abs(wanted - count) > 1e-3 or not 0 < count < len(places):
        return
    if comb(len(places), count) > MOST_WAYS:
        return
    distances = _distances(primitive)
    seen: set[tuple[float, ...]] = set()
    for chosen in combinations(places, count):
        taken = list(chosen)
        left = [i for i in places if i not in chosen]
        kind = _kind(distances, taken, left)
        if kind in seen:
            continue
        seen.add(kind)
        species = list(primitive.species)
        for i in taken:
            species[i] = other
        yield standardize(replace(primitive, species=tuple(species))).crystal
        if len(seen) == MOST_PARTED:
            return


def _distances(crystal: Crystal) -> NDArray[np.float64]:
    """Between all atoms and the nearest images of all, in Å, ascending. Shape (n, n, 27)."""
    return np.sort(np.stack(list(distances_by_image(crystal)), axis=2), axis=2)


def _kind(distances: NDArray[np.float64], taken: list[int], left: list[int]) -> tuple[float, ...]:
    """Nearest distances within those taken, to those left, and to all: the same where alike."""
    near = distances[taken, :, :8]
    parts = [near[:, others].ravel() for others in (taken, left, list(range(len(distances))))]
    return tuple(round(float(np.exp(-part / 2).sum()), 4) for part in parts) + tuple(
        round(float((part**2 * np.exp(-part / 2)).sum()), 3) for part in parts
    )
