"""A template: a recurring pattern, the structure that recurs with it, and the entries it is of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.templates.shapes import Kind, Shape

INTERVALS = 900
"""Of 2θ, Cu Kα1, from 0°."""

INTERVAL_DEG = 0.1

LEAST_MEMBERS = 4
"""Entries whose patterns and structures have to agree."""


@dataclass(frozen=True, eq=False)
class Template:
    """A recurring pattern–structure pair.

    Attributes:
        id: 20 hexadecimal digits. It stands for the kind, the interval and the entries that
            founded the template; entries that join later do not alter it.
        kind: "global" for the framework of a cell, "local" for a coordination polyhedron.
        interval: of the strongest peak, from 0 to 899.
        members: entry ids; the one whose shape `shape` is, then the other founders, the nearest to
            the centroid first, then those that joined. Entries that were taken out are missing.
        pattern: the centroid of the founders: square roots of intensities by interval, of unit
            length. Shape (900,), float32.
        shape: what the members agree in.
    """

    id: str
    kind: Kind
    interval: int
    members: tuple[str, ...]
    pattern: NDArray[np.float32]
    shape: Shape

    @property
    def two_theta_deg(self) -> float:
        """Where the interval begins."""
        return self.interval * INTERVAL_DEG

    @property
    def classes(self) -> tuple[str, ...]:
        """What stands at each row of `coordinates`: "metal", "ring" or "non-metal"."""
        return self.shape.classes

    @property
    def coordinates(self) -> NDArray[np.float64]:
        """Relative coordinates; see `Framework` and `Polyhedron`. Shape (n, 3)."""
        return self.shape.coordinates


def template_id(kind: Kind, interval: int, founders: Sequence[str], shape_number: int) -> str:
    """Hash of what founded a template, whatever order the library was built in.

    Args:
        kind: of the template.
        interval: of the strongest peak.
        founders: entry ids, the one that leads first.
        shape_number: which of the shapes of the leading entry it is.
    """
    leader, *others = founders
    said = [kind, str(interval), leader, str(shape_number), *sorted(others)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:20]
