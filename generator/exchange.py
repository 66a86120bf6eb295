"""Which element of the sample takes the place of which of a known crystal."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice, permutations, product

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
    found = assignments(own, wanted)
    return float(LIKENESS @ found[0][1]) if found else float("inf")


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
    share = sum(own.values()), sum(wanted.values())
    groups: dict[int, tuple[list[str], list[str]]] = {}
    for symbols, side, total in ((own, 0, share[0]), (wanted, 1, share[1])):
        for symbol, amount in sorted(symbols.items()):
            groups.setdefault(round(1000 * amount / total), ([], []))[side].append(symbol)
    ways = product(*(permutations(theirs) for _, theirs in groups.values()))
    mine = [symbol for ours, _ in groups.values() for symbol in ours]
    weight = np.array([own[symbol] for symbol in mine]) / share[0]
    found = []
    for way in islice(ways, PERMUTED):
        theirs = [symbol for part in way for symbol in part]
        if len(theirs) != len(mine):
            return []
        unlike = weight @ np.array([unlikeness(a, b) for a, b in zip(mine, theirs, strict=True)])
        found.append((dict(zip(mine, theirs, strict=True)), unlike))
    return sorted(found, key=lambda one: float(LIKENESS @ one[1]))[:ASSIGNMENTS]
