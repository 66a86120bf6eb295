"""What templates compare: frameworks of whole cells, and polyhedra about single positions.

Metals mark positions; in crystals without metals benzene rings do. Hydrogen is left out throughout,
because many sources leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Marker = Literal["metal", "ring"]
"""What marks positions."""

Kind = Literal["global", "local"]
"""Of a template: the framework of a cell, or a polyhedron."""

KINDS: tuple[Kind, ...] = ("global", "local")

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Framework:
    """The marked positions of a primitive cell.

    Attributes:
        marker: of the positions.
        lattice: rows are axes, in units of `size_angstrom`. Shape (3, 3).
        coordinates: fractional, in [0, 1). Shape (n, 3).
        size_angstrom: mean spacing (V/n)^(1/3) of the positions.
        non_metals: sites of the cell that are of non-metals, hydrogen left out.
    """

    marker: Marker
    lattice: _Floats
    coordinates: _Floats
    size_angstrom: float
    non_metals: int

    @property
    def classes(self) -> tuple[str, ...]:
        """What stands at each row of `coordinates`."""
        return (self.marker,) * len(self.coordinates)


@dataclass(frozen=True, eq=False)
class Polyhedron:
    """A position and the non-metals bonded to it.

    Attributes:
        marker: of the position.
        coordinates: Cartesian, in units of `size_angstrom`; the position itself first, at zero,
            then its neighbours, the nearest first. Shape (1 + m, 3).
        size_angstrom: mean distance of the neighbours.
    """

    marker: Marker
    coordinates: _Floats
    size_angstrom: float

    @classmethod
    def of(cls, marker: Marker, vectors_angstrom: _Floats) -> Polyhedron:
        """From vectors in Å that lead from the position to its neighbours. Shape (m, 3)."""
        lengths = np.linalg.norm(vectors_angstrom, axis=1)
        size = float(lengths.mean())
        sorted_vectors = vectors_angstrom[np.argsort(lengths, kind="stable")]
        return cls(marker, np.concatenate([np.zeros((1, 3)), sorted_vectors / size]), size)

    @property
    def classes(self) -> tuple[str, ...]:
        """What stands at each row of `coordinates`."""
        return (self.marker,) + ("non-metal",) * (len(self.coordinates) - 1)

    @cached_property
    def distances(self) -> _Floats:
        """Between every two rows of `coordinates`. Shape (1 + m, 1 + m)."""
        apart = self.coordinates[:, None] - self.coordinates
        return np.asarray(np.linalg.norm(apart, axis=-1))


Shape = Framework | Polyhedron


@dataclass(frozen=True, eq=False)
class Structure:
    """What of one crystal can be part of a template.

    Attributes:
        framework: None where nothing marks a position.
        polyhedra: those about the positions, each shape once.
    """

    framework: Framework | None
    polyhedra: tuple[Polyhedron, ...]

    def of(self, kind: Kind) -> tuple[Shape, ...]:
        """The shapes of a kind."""
        if kind == "local":
            return self.polyhedra
        return () if self.framework is None else (self.framework,)
