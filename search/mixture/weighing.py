"""From scale factors to weight fractions, and how strongly a phase diffracts for its weight."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.diffraction import lines_of
from data.dispersion import with_dispersion
from data.formula import atomic_mass
from data.profile import lorentz_polarisation, two_theta_deg
from data.radiation import CU_KA

ONE_LINE_DEG = 0.01
"""Lines closer in 2θ are one when the strongest is sought: 333 and 511 of a cubic crystal."""

_FLOAT = NDArray[np.float64]


def cell_mass_dalton(crystal: Crystal) -> float:
    """Mass of one unit cell's atoms, the Z·M of Hill and Howard."""
    return sum(n * atomic_mass(symbol) for symbol, n in crystal.composition.items())


def weight_fractions(scales: _FLOAT, crystals: tuple[Crystal, ...]) -> _FLOAT:
    """Shares of the crystalline weight, W_p = S_p (Z M V)_p / Σ_q S_q (Z M V)_q.

    Hill and Howard, J. Appl. Cryst. 20 (1987) 467. A flat sample's line has the area
    K·v_p/V_p²·m|F|²·LP, v_p being the phase's share of the volume and V_p its cell, as long as
    phases absorb alike or grains are fine. A scale times m|F|²·LP is that area, m|F|² being that
    of the whole cell as `Lines.strength` is; so S_p is proportional to v_p/V_p², and a volume is
    its weight over Z·M/V. Where nothing has a scale all shares are zero.

    Args:
        scales: of lines of the conventional cell. Shape (p,).
        crystals: conventional cells.

    Returns:
        Shape (p,).
    """
    weights = np.array(
        [
            scale * cell_mass_dalton(crystal) * crystal.volume_angstrom3
            for scale, crystal in zip(scales, crystals, strict=True)
        ]
    )
    return np.asarray(weights / (weights.sum() or 1.0))


def reference_intensity_ratio(crystal: Crystal) -> float:
    """I/Ic: the strongest line's area over that of corundum in a 1:1 mixture by weight, Cu Kα.

    Of integrated intensities of the strongest line of either, calculated with anomalous
    dispersion at Kα1 (Hubbard, Evans and Smith, J. Appl. Cryst. 9 (1976) 169); measured values
    in tables are often of peak heights and several percent off.

    Raises:
        CrystalError: as for `data.diffraction.lines_of`.
    """
    return _strongest_for_its_weight(crystal) / _corundum()


@cache
def _corundum() -> float:
    return _strongest_for_its_weight(corundum())


def corundum() -> Crystal:
    """α-Al2O3 as Lewis, Schwarzenbach and Flack refined it, Acta Cryst. A38 (1982) 733."""
    a, c, z_al, x_o = 4.7602, 12.9933, 0.35216, 0.30624
    aluminium = [(0, 0, z) for z in (z_al, 0.5 - z_al, -z_al, 0.5 + z_al)]
    oxygen = [(x_o, 0, 0.25), (0, x_o, 0.25), (-x_o, -x_o, 0.25)]
    oxygen += [(-x, -y, -z) for x, y, z in oxygen]
    centrings = np.array([(0, 0, 0), (2 / 3, 1 / 3, 1 / 3), (1 / 3, 2 / 3, 2 / 3)])
    sites = np.array(aluminium + oxygen)
    fractional = (sites[:, None] + centrings).reshape(-1, 3) % 1.0
    lattice = np.array([(a, 0, 0), (-a / 2, a * np.sqrt(3) / 2, 0), (0, 0, c)])
    return Crystal(
        lattice=lattice,
        species=("Al",) * 12 + ("O",) * 18,
        occupancies=np.ones(30),
        fractional=fractional,
        u_iso_angstrom2=np.array([0.0027] * 12 + [0.0030] * 18),
        space_group_number=167,
    )


def _strongest_for_its_weight(crystal: Crystal) -> float:
    """Largest m|F|²·LP of a line over mass and volume of the cell."""
    wavelength = CU_KA.wavelengths_angstrom[0]
    lines = with_dispersion(crystal, lines_of(crystal, d_min_angstrom=0.9), wavelength)
    place = two_theta_deg(lines.inv_d2, wavelength)
    area = lines.strength * lorentz_polarisation(place)
    total = np.concatenate([[0.0], np.cumsum(area)])
    last = np.searchsorted(place, place + ONE_LINE_DEG, side="right")
    strongest = float((total[last] - total[:-1]).max(initial=0.0))
    return strongest / (cell_mass_dalton(crystal) * crystal.volume_angstrom3)
