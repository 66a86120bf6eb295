"""Sheets laid on sheets: bilayers of one, heterolayers of two whose nets nearly agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.sheets import framed

MISFIT = 0.02
"""Relative difference of the lengths of two nets that are laid on each other, at most."""
MISFIT_DEG = 1.0
"""Of their angles."""
CONTACT = 0.95
"""Atoms of two sheets come as near as this part of the sum of their van der Waals radii."""
REGISTRIES = ((0.0, 0.0), (1 / 3, 2 / 3), (2 / 3, 1 / 3), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
"""Shifts of the upper sheet along a and b."""
LARGER = (
    ((1, 0), (0, 1)),
    ((1, 1), (-1, 1)),
    ((2, 1), (-1, 1)),
    ((2, 0), (0, 1)),
    ((1, 0), (0, 2)),
    ((2, 0), (0, 2)),
    ((3, 1), (-1, 2)),
    ((2, 1), (-1, 2)),
)
"""Larger cells of a net that another may match: itself, √2, √3, 1 × 2, 2 × 2, √7, √5."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Match:
    """Larger cells of two sheets that nearly agree.

    Attributes:
        lower, upper: rows are the new a and b in terms of the old ones. Shape (2, 2) each.
        misfit: of the lengths, relative.
    """

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    misfit: float


def matches(lower: Crystal, upper: Crystal, *, most_atoms: int) -> Iterator[Match]:
    """How two sheets may be laid on each other within `MISFIT`, one of them in its own cell.

    Args:
        lower: in the frame of sheets.
        upper: in the frame of sheets.
        most_atoms: of both together.
    """
    own = np.array(LARGER[0])
    for number, larger in enumerate(LARGER):
        cell = np.array(larger)
        for one, other in ((own, cell), (cell, own)) if number else ((own, own),):
            times = [round(abs(np.linalg.det(part))) for part in (one, other)]
            if times[0] * len(lower) + times[1] * len(upper) > most_atoms:
                continue
            misfit = _misfit(one @ lower.lattice[:2, :2], other @ upper.lattice[:2, :2])
            if misfit is not None:
                yield Match(one, other, misfit)


def stacked(
    lower: Crystal,
    upper: Crystal,
    *,
    match: Match | None = None,
    registry: tuple[float, float] = (0.0, 0.0),
    turned: bool = False,
) -> Crystal:
    """One sheet on another, as near as their atoms let it, both strained to the mean of their nets.

    Args:
        lower: in the frame of sheets.
        upper: in the frame of sheets.
        match: how their nets agree; cell on cell when None.
        registry: shift of the upper one in parts of a and b of the common cell.
        turned: whether the upper one is turned upside down, by half a turn about an axis of the
            plane; by inversion, where that would not keep its net.

    Returns:
        In the frame of sheets.
    """
    own = np.array(LARGER[0])
    match = match or Match(own, own, 0.0)
    one, other = _repeated(lower, match.lower), _repeated(upper, match.upper)
    net = (_upright(one.lattice[:2, :2]) + _upright(other.lattice[:2, :2])) / 2
    below = _heights(one)
    above = -_heights(other) if turned else _heights(other)
    across = -other.fractional[:, :2] if turned else other.fractional[:, :2]
    across = across + registry
    lift = _lift(one.fractional[:, :2], below, across, above, net, (one.species, other.species))
    places = np.column_stack(
        [
            np.concatenate([one.fractional[:, :2], across]) @ net,
            np.concatenate([below, above + lift]),
        ]
    )
    n = len(one) + len(other)
    atoms = Crystal(
        np.eye(3) * 100,
        (*one.species, *other.species),
        np.concatenate([one.occupancies, other.occupancies]),
        np.zeros((n, 3)),
        np.concatenate([one.u_iso_angstrom2, other.u_iso_angstrom2]),
    )
    return framed(np.column_stack([net, np.zeros(2)]), places, atoms).sheet


def _misfit(one: _FLOAT, other: _FLOAT) -> float | None:
    lengths = np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    angles = [
        np.degrees(np.arccos(net[0] @ net[1] / np.prod(np.linalg.norm(net, axis=1))))
        for net in (one, other)
    ]
    misfit = float(np.abs(lengths - 1).max())
    return misfit if misfit <= MISFIT and abs(angles[0] - angles[1]) <= MISFIT_DEG else None


def _repeated(sheet: Crystal, cell: NDArray[np.int64]) -> Crystal:
    """A sheet in a larger cell of its net, with every atom in it."""
    times = round(abs(float(np.linalg.det(cell))))
    if times == 1 and (cell == np.eye(2)).all():
        return sheet
    reach = range(-3, 4)
    inverse = np.linalg.inv(cell)
    steps = np.array([(u, v) for u in reach for v in reach])
    inside = steps @ inverse
    steps = steps[((inside > -1e-9) & (inside < 1 - 1e-9)).all(axis=1)]
    places = (sheet.fractional[None, :, :2] + steps[:, None]).reshape(-1, 2) @ inverse
    lattice = sheet.lattice.copy()
    lattice[:2] = cell @ sheet.lattice[:2]
    count = len(steps)
    return Crystal(
        lattice,
        sheet.species * count,
        np.tile(sheet.occupancies, count),
        np.column_stack([places, np.tile(sheet.fractional[:, 2], count)]),
        np.tile(sheet.u_iso_angstrom2, count),
    )


def _upright(net: _FLOAT) -> _FLOAT:
    """A net turned so that its a lies along x, right-handed. Shape (2, 2)."""
    length = np.linalg.norm(net[0])
    along, across = net[1] @ net[0] / length, np.linalg.det(net) / length
    return np.array([[length, 0.0], [along, abs(across)]])


def _heights(sheet: Crystal) -> _FLOAT:
    """Of the atoms over the middle, in Å. Shape (n,)."""
    return np.asarray((sheet.fractional[:, 2] - 0.5) * sheet.lattice[2, 2])


def _lift(
    one: _FLOAT,
    below: _FLOAT,
    other: _FLOAT,
    above: _FLOAT,
    net: _FLOAT,
    species: tuple[tuple[str, ...], tuple[str, ...]],
) -> float:
    """How far the upper sheet is moved up so that no two atoms are nearer than `CONTACT` allows."""
    radii = [np.array([gemmi.Element(symbol).vdw_r for symbol in some]) for some in species]
    touch = CONTACT * (radii[0][:, None] + radii[1])
    apart = other[None] - one[:, None]
    lifts = []
    for u in (-1, 0, 1):
        for v in (-1, 0, 1):
            across = (apart - np.round(apart) + (u, v)) @ net
            room = np.sqrt(np.maximum(touch**2 - (across**2).sum(axis=2), 0.0))
            met = (across**2).sum(axis=2) < touch**2
            lifts.append(np.where(met, below[:, None] - above[None] + room, -np.inf).max())
    return float(max(lifts))
