"""Clouds of known crystals, a little scattered: what a well trained network would draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.canonical import Standard, standardize
from data.crystal import Crystal
from generator.pointcloud.clusters import Cloud


def cloud_of(
    crystal: Crystal, *, scatter: float = 0.004, seed: int = 0, points: int = 128
) -> Cloud:
    """Points about the atoms of the primitive cell, as they are dealt out."""
    primitive = standardize(crystal).primitive
    symbols = tuple(dict.fromkeys(primitive.species))
    own = np.arange(points) * len(primitive) // points
    rng = np.random.default_rng(seed)
    kinds = np.array([symbols.index(one) for one in primitive.species])[own]
    return Cloud(
        (primitive.fractional[own] + rng.normal(0, scatter, (points, 3))) % 1.0,
        2.0 * np.eye(len(symbols))[kinds] - 1.0,
        primitive.cell,
        symbols,
    )


class Drawing:
    """Stands for `inference.drawn`: these crystals' clouds, once, whatever is asked for."""

    def __init__(self, crystals: Sequence[Crystal]) -> None:
        self.crystals, self.asked = crystals, list[tuple[tuple[str, ...], int]]()
        self.units = list[Mapping[str, int] | None]()

    def __call__(
        self,
        symbols: Sequence[str],
        count: int,
        *,
        unit: Mapping[str, int] | None = None,
        **_: Any,
    ) -> Iterator[list[Cloud]]:
        self.asked.append((tuple(symbols), count))
        self.units.append(unit)
        yield [cloud_of(one, seed=i) for i, one in enumerate(self.crystals)]


def primitive_of(crystal: Crystal) -> Crystal:
    """Without its symmetry."""
    return replace(Standard.from_stored(crystal).primitive, space_group_number=1)
