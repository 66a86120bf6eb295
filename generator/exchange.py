"""Which element of the sample takes the place of which of a known crystal."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import chain, islice, permutations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from generator.chemistry import unlikeness

ASSIGNMENTS = 6
"""Ways of putting the elements into one crystal that are tried, the likeliest."""
PERMUTED = 5000
"""Ways that are looked at to find them."""
LIKENESS = np.array([1 / 0.6, 1 / 0.25, 1 / 6.0])
"""What a difference of electronegativity, radius in Å and group counts for."""


def unlikely(own: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    """How unlike the elements are in the likeliest way, see `assignments`; infinite for none."""
    tried = _tried(own, wanted)
    return float("inf") if tried is None else float((tried.unlike @ LIKENESS).min())


def assignments(
    own: Mapping[str, float], wanted: Mapping[str, float]
) -> list[tuple[dict[str, str], NDArray[np.float64]]]:
    """Ways of putting wanted elements in the place of a crystal's own, likeliest first.

    Args:
        own: atoms of each of the crystal's elements.
        wanted: atoms of each element wanted, in the same proportions.

    Returns:
        Who takes whose place, and how unlike they are, a mean over atoms. Shape (3,) each.
    """
    tried = _tried(own, wanted)
    if tried is None:
        return []
    # Ways that are as likely stay in order, whatever the last bits of their sums are.
    order = np.argsort(np.round(tried.unlike @ LIKENESS, 9), kind="stable")[:ASSIGNMENTS]
    return [
        (
            {one: tried.takers[i] for one, i in zip(tried.places, tried.ways[way], strict=True)},
            tried.unlike[way],
        )
        for way in order
    ]


class _Tried(NamedTuple):
    """Ways, each with the taker of every place, shape (w, n), and how unlike they are, (w, 3)."""

    places: list[str]
    takers: list[str]
    ways: NDArray[np.intp]
    unlike: NDArray[np.float64]


def _tried(own: Mapping[str, float], wanted: Mapping[str, float]) -> _Tried | None:
    mine, theirs = _by_share(own), _by_share(wanted)
    if {one: len(part) for one, part in mine.items()} != {
        one: len(part) for one, part in theirs.items()
    }:
        return None
    places = [symbol for part in mine.values() for symbol in part]
    takers = [symbol for share in mine for symbol in theirs[share]]
    ways = _ways(tuple(len(part) for part in mine.values()))
    unlike = np.array([[unlikeness(a, b) for b in takers] for a in places])
    weight = np.array([own[symbol] for symbol in places]) / sum(own.values())
    means = np.einsum("p,wpf->wf", weight, unlike[np.arange(len(places)), ways])
    return _Tried(places, takers, ways, means)


def _by_share(amounts: Mapping[str, float]) -> dict[int, list[str]]:
    """Elements by their share of the atoms, in thousandths."""
    total = sum(amounts.values())
    groups: dict[int, list[str]] = {}
    for symbol, amount in sorted(amounts.items()):
        groups.setdefault(round(1000 * amount / total), []).append(symbol)
    return groups


@cache
def _ways(sizes: tuple[int, ...]) -> NDArray[np.intp]:
    """Permutations within groups of so many that lie one behind the other. Shape (ways, n)."""
    ends = np.cumsum(sizes)
    groups = (range(end - size, end) for size, end in zip(sizes, ends, strict=True))
    ways = product(*(permutations(group) for group in groups))
    return np.array([list(chain(*way)) for way in islice(ways, PERMUTED)], np.intp)
