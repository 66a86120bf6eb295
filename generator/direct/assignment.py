"""Ways of putting the atoms of a formula on the positions of a space group, the simplest first."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from data.canonical import operations_of
from generator.direct.frame import centrings_of
from generator.direct.wyckoff import GENERIC, SAME, Position, points_at, positions_of

SITE_COST, FREE_COST, EXTRA_COST = 1.0, 0.25, 0.3
"""What a site, each free coordinate, and an element's further site count for."""
LOOKED_AT = 40_000
"""Partial assignments, before what was found has to do."""

Assignment = tuple[tuple[str, int], ...]
"""Element and position, of each site."""


def assignments(number: int, counts: Mapping[str, int], most: int) -> list[Assignment]:
    """Assignments of atoms to positions, in the order of their costs.

    Those that differ by where the origin is among equivalent ones are given once.

    Args:
        number: of the space group.
        counts: atoms of each element in the primitive cell.
        most: at most so many.
    """
    positions = positions_of(number)
    sizes = [one.multiplicity // centrings_of(number) for one in positions]
    # Elements of few atoms have few ways: they go first.
    elements = sorted(counts, key=lambda symbol: (counts[symbol], symbol))
    least = _least_costs(sizes, [one.free for one in positions], max(counts.values()))
    ahead = np.cumsum([0.0, *(least[counts[symbol]] for symbol in reversed(elements))])[::-1]
    if not np.isfinite(ahead[0]):
        return []
    heap: list[tuple[float, int, int, int, int, Assignment]] = [
        (float(ahead[0]), 0, 0, counts[elements[0]], 0, ())
    ]
    found: dict[Assignment, None] = {}
    looked = serial = 0
    while heap and looked < LOOKED_AT and len(found) < most:
        estimate, _, at, left, first, sites = heapq.heappop(heap)
        looked += 1
        if left == 0:
            at += 1
            if at == len(elements):
                found.setdefault(_representative(number, sites))
                continue
            left, first = counts[elements[at]], 0
        taken = {k for _, k in sites}
        begun = bool(sites) and sites[-1][0] == elements[at]
        before = estimate - least[left] - ahead[at + 1]
        for k in range(first, len(positions)):
            if sizes[k] > left or (positions[k].free == 0 and k in taken):
                continue
            rest = least[left - sizes[k]]
            if not np.isfinite(rest):
                continue
            cost = before + _cost(positions[k].free) + EXTRA_COST * begun + rest + ahead[at + 1]
            serial += 1
            entry = (*sites, (elements[at], k))
            heapq.heappush(heap, (cost, serial, at, left - sizes[k], k, entry))
    return list(found)


def _cost(free: int) -> float:
    return SITE_COST + FREE_COST * free


def _least_costs(sizes: Sequence[int], free: Sequence[int], most: int) -> list[float]:
    """Of placing 0, 1, … atoms of one element, were every position free. Length most + 1."""
    costs = [0.0] + [np.inf] * most
    for n in range(1, most + 1):
        for size, own in zip(sizes, free, strict=True):
            if size <= n:
                costs[n] = min(costs[n], costs[n - size] + _cost(own))
    return costs


def _representative(number: int, sites: Assignment) -> Assignment:
    """One of all that are the same but for the origin."""
    return min(
        tuple(sorted((symbol, way[k]) for symbol, k in sites)) for way in origin_changes(number)
    )


@cache
def origin_changes(number: int) -> tuple[tuple[int, ...], ...]:
    """Which position each becomes where the origin goes to another point of the same surroundings.

    These are translations of the Euclidean normalizer by quarters and thirds.
    """
    rotations, translations = operations_of(number)
    pure = translations[(rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))]
    unique = np.unique(rotations, axis=0)
    positions = positions_of(number)
    quarters = list(product((0.0, 0.25, 0.5, 0.75), repeat=3))
    thirds = [one for one in product((0.0, 1 / 3, 2 / 3), repeat=3) if any(one)]
    ways = set()
    for shift in np.array(quarters + thirds):
        moved = unique @ shift - shift
        apart = moved[:, None] - pure
        if (np.abs(apart - np.round(apart)).max(axis=2).min(axis=1) > SAME).any():
            continue
        ways.add(tuple(_becomes(number, one, shift) for one in positions))
    return tuple(sorted(ways))


def _becomes(number: int, position: Position, shift: NDArray[np.float64]) -> int:
    point = position.at(GENERIC[: position.free]) + shift
    return next(
        k
        for k, other in enumerate(positions_of(number))
        if (other.multiplicity, other.free) == (position.multiplicity, position.free)
        and points_at(number, other, point)
    )
