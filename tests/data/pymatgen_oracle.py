"""pymatgen's XRDCalculator beside our lines, peak for peak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pymatgen.analysis.diffraction.xrd import XRDCalculator

from data.crystal import Crystal
from data.diffraction import lines_of
from data.form_factors import GAUSSIANS, atomic_numbers
from data.profile import lorentz_polarisation, two_theta_deg
from data.pymatgen_bridge import to_pymatgen

Floats = NDArray[np.float64]
LIMIT_DEG = 90.0
APART_DEG = 1e-3
MOTT_BETHE = 41.78214


def our_form_factors(elements: set[str]) -> dict[str, Floats]:
    """Our form factors in the form that pymatgen takes, f = Z - 41.78214·s²·Σ a·exp(-b·s²).

    (1 - exp(-b·s²)) / s² is the integral of exp(-t·s²) over t from 0 to b, which 32
    Gauss-Legendre nodes give to 1e-9 here.
    """
    nodes, weights = np.polynomial.legendre.leggauss(32)
    table = {}
    for symbol in elements:
        row = GAUSSIANS[atomic_numbers([symbol])[0]]
        pairs = []
        for a, b in row[:8].reshape(4, 2):
            pairs += [
                (a * b / 2 * w / MOTT_BETHE, b * (1 + x) / 2)
                for x, w in zip(nodes, weights, strict=True)
            ]
        table[symbol] = np.array(pairs)
    return table


def compare(crystal: Crystal, calculator: XRDCalculator) -> tuple[float, float]:
    """Cosine of the intensities, and the largest distance of a peak from ours in degrees.

    pymatgen's displacement is none. Peaks nearer than 0.001° are one, on both sides: pymatgen
    splits equivalent ones when a cell is given with few digits. Peaks below 1e-5 of the
    highest are not looked for.
    """
    crystal = replace(crystal, u_iso_angstrom2=np.full(len(crystal), np.nan))
    theirs = calculator.get_pattern(
        to_pymatgen(crystal), scaled=False, two_theta_range=(0, LIMIT_DEG)
    )
    wavelength = calculator.wavelength
    d_min = wavelength / 2 / np.sin(np.radians(LIMIT_DEG / 2))
    lines = lines_of(crystal, d_min_angstrom=d_min, default_u=0.0)
    position = two_theta_deg(lines.inv_d2, wavelength)
    strength = lines.strength * lorentz_polarisation(position)

    x = np.concatenate([theirs.x, position])
    y = np.concatenate([theirs.y, strength])
    ours = np.arange(len(x)) >= len(theirs.x)
    order = np.argsort(x)
    group = np.empty(len(x), dtype=np.int64)
    group[order] = np.concatenate([[0], np.cumsum(np.diff(x[order]) > APART_DEG)])
    n = int(group.max()) + 1
    a, b = np.bincount(group[~ours], y[~ours], n), np.bincount(group[ours], y[ours], n)
    means = [np.bincount(group[side], (x * y)[side], n) for side in (~ours, ours)]
    strong = (a > 1e-5 * a.max()) & (b > 0)
    away = np.abs(means[0][strong] / a[strong] - means[1][strong] / b[strong]).max()
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), float(away)
