"""What a template's picture shows: balls, and the lines between them, in Å about their middle."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from indexer.entry import Entry
from indexer.templates.shapes import Framework, Polyhedron, Shape
from indexer.templates.structure import sites_of

MOST_BALLS = 300
"""Beyond so many, non-metals are left out."""

ON_A_FACE = 0.02
"""Positions nearer to a face of the cell than this part of the axis repeat on the opposite one."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Picture:
    """Balls and lines.

    Attributes:
        balls: Shape (n, 3).
        classes: "metal", "ring" or "non-metal" of each ball.
        lines: ends of the edges of the cell, or of the bonds. Shape (m, 2, 3).
    """

    balls: _Floats
    classes: tuple[str, ...]
    lines: _Floats


def picture(shape: Shape, leader: Entry) -> Picture:
    """Draw a shape; of a framework, the non-metals of the entry that leads are drawn with it."""
    if isinstance(shape, Polyhedron):
        balls = shape.coordinates * shape.size_angstrom
        lines = np.stack([np.broadcast_to(balls[0], balls[1:].shape), balls[1:]], axis=1)
        return _centred(balls, shape.classes, lines)
    return _cell(shape, leader)


def _cell(shape: Framework, leader: Entry) -> Picture:
    lattice = shape.lattice * shape.size_angstrom
    positions = _with_faces(shape.coordinates)
    sites = sites_of(Standard.from_stored(leader.crystal).primitive)
    others = _with_faces(sites.fractional[~sites.is_metal])
    if len(positions) + len(others) > MOST_BALLS:
        others = np.zeros((0, 3))
    corners = np.array(list(product((0.0, 1.0), repeat=3)))
    edges = [(a, b) for a in corners for b in corners if (b - a).sum() == 1 and (b >= a).all()]
    classes = (shape.marker,) * len(positions) + ("non-metal",) * len(others)
    balls = np.concatenate([positions, others])
    turned = lattice @ _long_side_across(corners @ lattice)
    return _centred(balls @ turned, classes, np.array(edges) @ turned)


def _long_side_across(corners: _Floats) -> _Floats:
    """A rotation, as columns, that lays the longest extent along x and the next along z."""
    _, directions = np.linalg.eigh(np.cov(corners.T))
    shortest, middle, longest = directions.T
    rotation = np.stack([longest, shortest, middle], axis=1)
    return np.asarray(rotation * [1, np.sign(np.linalg.det(rotation)), 1])


def _with_faces(fractional: _Floats) -> _Floats:
    """Positions of one cell, and those that repeat them on its opposite faces. Shape (n, 3)."""
    places = []
    for position in fractional % 1.0:
        inside = np.where(position > 1 - ON_A_FACE, position - 1, position)
        shifts = [(0.0, 1.0) if value < ON_A_FACE else (0.0,) for value in inside]
        places += [inside + shift for shift in product(*shifts)]
    return np.array(places).reshape(-1, 3)


def _centred(balls: _Floats, classes: tuple[str, ...], lines: _Floats) -> Picture:
    ends = np.concatenate([balls, lines.reshape(-1, 3)])
    middle = (ends.min(axis=0) + ends.max(axis=0)) / 2
    return Picture(balls - middle, classes, lines - middle)
