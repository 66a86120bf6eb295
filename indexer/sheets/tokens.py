"""What the two towers read, numpy only: tokens of a sheet's geometry, and of a pattern's peaks.

After Fu et al., Commun. Phys. 8 (2025) 221. Geometry: the cell, then the sites by atomic number
and by their distance from the origin, each with its element. Texture: the position and the
logarithm of the intensity of each peak. Three things differ from theirs. A site and its element are
one token, so that nobody has to learn which belongs to which. Places in the plane are said as
phases of the lowest reflections against the phase of the whole cell, which no choice of origin
alters. Of α, β and c, which are 90°, 90° and a convention in every sheet, there is the thickness
alone; the three longest distances between rows of the net stand beside a, b and γ. And the rods of
the net are tokens, too: where each is, and how strong the ideal sheet is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.preparation import Prepared
from data.profile import lorentz_polarisation
from data.sheet_diffraction import amplitudes, rods_of
from data.sheets import thickness_angstrom
from indexer.sheets.axes import (
    HEIGHTS_ANGSTROM,
    MOST_PEAKS,
    MOST_RODS,
    MOST_SITES,
    Q_RANGE,
    REFLECTIONS,
    SAME_NET,
)

UNEVEN = 1e-3
"""Sums that are smaller, for each electron, are taken for nothing but noise."""
FAINTEST = 1e-4
"""Part of the largest peak, below which a rod is not there."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Geometry:
    """Tokens of a sheet.

    Attributes:
        cell: a value for each of `CELL_TOKENS`: logarithms of Å, γ in radians. Shape (7,).
        elements: atomic numbers. Shape (n,).
        sites: phases, heights and occupancy. Shape (n, SITE_FEATURES).
        rods: ln Q, and the logarithm of the strength, the largest 0. Shape (r, 2).
    """

    cell: _FLOAT
    elements: NDArray[np.int64]
    sites: _FLOAT
    rods: _FLOAT


@dataclass(frozen=True, eq=False)
class Texture:
    """Tokens of a pattern: ln Q and the logarithm of the strength, the largest 0. Shape (m,)."""

    ln_q: _FLOAT
    log_strength: _FLOAT


def geometry_of(sheet: Crystal) -> Geometry:
    """Tokens of a sheet in the frame of sheets.

    Axes of the net that its metric cannot tell apart are chosen by the strengths of
    `REFLECTIONS`, and up by where the heavier atoms are, so that the same sheet has the same tokens
    however it was described.
    """
    numbers = np.array([gemmi.Element(symbol).atomic_number for symbol in sheet.species])
    weights = numbers * sheet.occupancies
    net = sheet.lattice[:2, :2]
    phases, change = _phases(net, sheet.fractional[:, :2], weights)
    net = change @ net
    reciprocal = np.linalg.inv(net)
    rows = np.array([(1, 0), (0, 1), (1, -1)]) @ reciprocal.T
    lengths = np.linalg.norm(net, axis=1)
    cosine = net[0] @ net[1] / lengths.prod()
    cell = [
        *np.log(lengths),
        np.arccos(cosine),
        np.log1p(thickness_angstrom(sheet)),
        *(-np.log(np.linalg.norm(rows, axis=1))),
    ]
    height = (sheet.fractional[:, 2] - 0.5) * sheet.lattice[2, 2]
    height = height * (1.0 if (weights * height**3).sum() >= 0 else -1.0)
    total = phases.T @ weights / weights.sum()
    against = _one_way_round(phases * total.conj(), height, weights)
    turns = 2 * np.pi * height[:, None] / HEIGHTS_ANGSTROM
    sites = np.column_stack(
        [against.real, against.imag, np.sin(turns), np.cos(turns), height / 10, sheet.occupancies]
    )
    distance = np.linalg.norm((sheet.fractional % 1.0) @ sheet.lattice, axis=1)
    order = np.lexsort((distance, numbers))[:MOST_SITES]
    return Geometry(np.array(cell), numbers[order], sites[order], _rods(sheet))


def texture_of(prepared: Prepared) -> Texture:
    """Tokens of a pattern's peaks. None where it has no peak that is read."""
    peaks = prepared.peaks
    seen = (peaks.q_inv_angstrom > Q_RANGE[0]) & (peaks.q_inv_angstrom < Q_RANGE[1])
    peaks = peaks[seen & (peaks.area > 0)]
    strength = peaks.area / lorentz_polarisation(peaks.two_theta_deg)
    kept = np.sort(np.argsort(-peaks.area, kind="stable")[:MOST_PEAKS])
    logs = np.log(strength[kept])
    highest = logs.max(initial=-np.inf) if len(logs) else 0.0
    return Texture(np.log(peaks.q_inv_angstrom[kept]), logs - highest)


def _one_way_round(
    against: NDArray[np.complex128], height: _FLOAT, weights: _FLOAT
) -> NDArray[np.complex128]:
    """Phases, or their conjugates where half a turn of the net makes these the ones to take.

    Strengths do not tell the two; how phases go with heights does, or how skew they lie.
    """
    skew = weights @ (against.imag * height[:, None]), weights @ against.imag**3
    for value in np.concatenate(skew):
        if abs(value) > UNEVEN * weights.sum():
            return against if value > 0 else against.conj()
    return against


def _rods(sheet: Crystal) -> _FLOAT:
    """Tokens of the rods, as of `Geometry`."""
    rods = rods_of(sheet)
    lines = rods.lines(np.abs(amplitudes(sheet, rods)) ** 2)
    height = lines.strength / lines.inv_d2
    seen = np.flatnonzero(height > FAINTEST * height.max(initial=0.0))
    seen = np.sort(seen[np.argsort(-height[seen], kind="stable")[:MOST_RODS]])
    logs = np.log(lines.strength[seen])
    highest = logs.max(initial=-np.inf) if len(logs) else 0.0
    return np.column_stack([np.log(lines.q_inv_angstrom[seen]), logs - highest])


def _phases(
    net: _FLOAT, places: _FLOAT, weights: _FLOAT
) -> tuple[NDArray[np.complex128], NDArray[np.int64]]:
    """Phases of the sites for `REFLECTIONS`, and the axes they are of, of those that are alike.

    Shape (n, reflections) and (2, 2).
    """
    best: tuple[tuple[float, ...], NDArray[np.complex128], NDArray[np.int64]] | None = None
    metric = net @ net.T
    for change in _CHANGES:
        if np.abs(change @ metric @ change.T - metric).max() > SAME_NET * metric[1, 1]:
            continue
        own = places @ np.linalg.inv(change)
        phases = np.exp(2j * np.pi * own @ np.array(REFLECTIONS).T)
        strengths = np.abs(weights @ phases) / weights.sum()
        key = tuple(np.round(strengths, 3).tolist())
        if best is None or key > best[0]:
            best = key, phases, change
    if best is None:
        raise ValueError(f"{net=} is not kept by doing nothing")
    return best[1], best[2]


_CHANGES = [
    np.array([[a, b], [c, d]])
    for a in (1, 0, -1)
    for b in (0, 1, -1)
    for c in (0, 1, -1)
    for d in (1, 0, -1)
    if abs(a * d - b * c) == 1
]
