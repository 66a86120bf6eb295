"""A sheet with its atoms in motion: one snapshot of a few cells, and what it scatters.

Atoms are displaced at random, each by a normal distribution of its own mean square displacement:
what molecular dynamics in the harmonic limit would give, without the motions of neighbours being
related. The mean over many snapshots is the ideal sheet with its Debye-Waller factors; a single
one of a few cells is noisy about it, as a trajectory of such a box is.
"""

from __future__ import annotations

import numpy as np

from data.crystal import Crystal
from data.lines import Lines
from data.sheet_diffraction import Rods, displacements, rods_of, scattering

CELLS = (3, 3)
"""Of the sheet that move independently, in a snapshot."""


def snapshot_lines(
    sheet: Crystal,
    rng: np.random.Generator,
    *,
    warmth: float = 1.0,
    cells: tuple[int, int] = CELLS,
    d_min_angstrom: float = 1.0,
) -> Lines:
    """Lines of one snapshot: the coherent reflections of the net, what lies between them left out.

    Args:
        sheet: in the frame of sheets.
        rng: draws the displacements.
        warmth: by what mean square displacements are multiplied; 1 is room temperature.
        cells: along a and b.
        d_min_angstrom: in the plane.

    Raises:
        CrystalError: an element without form factor, or too many rods.
    """
    rods = rods_of(sheet, d_min_angstrom=d_min_angstrom)
    count = cells[0] * cells[1]
    spread = np.sqrt(warmth * displacements(sheet))
    moved = rng.normal(size=(count, len(sheet), 3)) * spread[:, None]
    places = sheet.fractional @ sheet.lattice
    factors = scattering(sheet, rods)
    total = np.zeros(factors.shape[:2], np.complex128)
    for one in moved:
        # A whole cell away is a whole turn of phase for every rod: only the displacement counts.
        phase = 2j * np.pi * (rods.vectors @ (places + one).T)
        total += (factors * np.exp(phase)).sum(axis=2)
    return rods.lines(np.abs(total / count) ** 2)


def diffuse(sheet: Crystal, rods: Rods) -> Lines:
    """What uncorrelated motion of one cell scatters at each line, in the units of its strength.

    A snapshot of N independent cells has this over N as the variance of its structure factors.
    """
    vectors2 = (rods.vectors**2).sum(axis=2)[..., None]
    lost = 1 - np.exp(-4 * np.pi**2 * displacements(sheet) * vectors2)
    return rods.lines((scattering(sheet, rods) ** 2 * lost).sum(axis=2))
