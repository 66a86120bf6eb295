"""Cells and patterns made worse on purpose, in one respect at a time and by a known amount."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.errors import PatternError
from data.pattern import Pattern
from data.preparation import Prepared

FREE_AXES = 0.6
"""Spread of each free axis beside the isotropic one."""

_FLOAT = NDArray[np.float64]


def moved_lattices(
    lattices: _FLOAT,
    space_group_numbers: NDArray[np.int64],
    spread: float,
    rng: np.random.Generator,
) -> _FLOAT:
    """Cells with lengths changed at random and angles and symmetry kept.

    All lengths of a cell change by one N(0, spread), and each that symmetry leaves free by a
    further N(0, 0.6 spread): a = b from tetragonal to hexagonal, a = b = c where cubic. What is
    drawn does not depend on the spread, so that cells move the further the wider it is.

    Args:
        lattices: conventional cells, rows a, b, c in Å. Shape (N, 3, 3).
        space_group_numbers: Shape (N,).
        spread: relative.
        rng: draws everything.

    Returns:
        Shape (N, 3, 3).
    """
    together = rng.standard_normal((len(lattices), 1))
    own = FREE_AXES * rng.standard_normal((len(lattices), 3))
    own[:, 1] = np.where(space_group_numbers >= 75, own[:, 0], own[:, 1])
    own[:, 2] = np.where(space_group_numbers >= 195, own[:, 0], own[:, 2])
    return np.asarray(lattices * (1 + spread * (together + own))[:, :, None])


def stretched_lattices(
    lattices: _FLOAT,
    space_group_numbers: NDArray[np.int64],
    change: float,
    rng: np.random.Generator,
) -> _FLOAT:
    """Cells whose volumes all change by the same share, up or down, but not their axes.

    Each axis takes a share of the change drawn evenly from all ways of sharing it among three
    (Dirichlet's distribution with ones), so that one axis may take nearly all; axes that symmetry
    makes alike share theirs. What is drawn does not depend on the change.

    Args:
        lattices: conventional cells, rows a, b, c in Å. Shape (N, 3, 3).
        space_group_numbers: Shape (N,).
        change: of the volume, relative.
        rng: draws everything.

    Returns:
        Shape (N, 3, 3).
    """
    own = rng.dirichlet(np.ones(3), len(lattices))
    sign = rng.choice([-1.0, 1.0], len(lattices))
    one_axis = (space_group_numbers >= 75)[:, None]
    own[:, :2] = np.where(one_axis, own[:, :2].mean(axis=1, keepdims=True), own[:, :2])
    own = np.where((space_group_numbers >= 195)[:, None], 1 / 3, own)
    return np.asarray(lattices * ((1 + sign * change)[:, None] ** own)[:, :, None])


def noisy(pattern: Pattern, share: float, rng: np.random.Generator) -> Pattern:
    """Normal noise added, its standard deviation this share of the highest count."""
    sigma = share * float(pattern.counts.max())
    counts = pattern.counts + sigma * rng.standard_normal(len(pattern))
    esd = None if pattern.esd is None else np.hypot(pattern.esd, sigma)
    return replace(pattern, counts=_lifted(counts), esd=esd)


def mixed(prepared: Prepared, other: Prepared, share: float) -> Pattern:
    """Another pattern's net curve laid over, until this share of all net intensity is its own.

    Intensities are integrated over the range of `prepared`, and the other is placed by its Q.

    Raises:
        PatternError: the other has no net intensity in that range.
    """
    pattern = prepared.pattern
    inside = float(_at(prepared.q_inv_angstrom, other, other.net).sum())
    if inside <= 0.0:
        raise PatternError(
            f"{other.pattern.name}: nothing to lay over {pattern.name}, no intensity in its range"
        )
    scale = share / (1 - share) * float(prepared.net.sum()) / inside
    counts = pattern.counts + scale * _at(pattern.q_inv_angstrom, other, other.net)
    esd = pattern.esd
    if esd is not None:
        esd = np.hypot(esd, scale * _at(pattern.q_inv_angstrom, other, other.sigma))
    return replace(pattern, counts=_lifted(counts), esd=esd)


def cut(
    pattern: Pattern, *, first_deg: float | None = None, last_deg: float | None = None
) -> Pattern:
    """What of a pattern lies from one 2θ to another, both in degrees.

    Raises:
        PatternError: that is too little for a pattern.
    """
    inside = np.isfinite(pattern.two_theta_deg)
    if first_deg is not None:
        inside &= pattern.two_theta_deg >= first_deg
    if last_deg is not None:
        inside &= pattern.two_theta_deg <= last_deg
    esd = None if pattern.esd is None else pattern.esd[inside]
    return replace(pattern, x=pattern.x[inside], counts=pattern.counts[inside], esd=esd)


def _lifted(counts: _FLOAT) -> _FLOAT:
    """Shifted as a whole so that nothing is negative."""
    return counts - min(float(counts.min()), 0.0)


def _at(q_inv_angstrom: _FLOAT, other: Prepared, curve: _FLOAT) -> _FLOAT:
    return np.interp(q_inv_angstrom, other.q_inv_angstrom, curve, left=0.0, right=0.0)
