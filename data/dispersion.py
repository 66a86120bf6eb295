"""Anomalous dispersion: how line strengths change near absorption edges of the crystal's atoms."""

from __future__ import annotations

from functools import cache

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.form_factors import DEFAULT_U_ISO, atomic_numbers, form_factor
from data.lines import Lines

EV_ANGSTROM = 12398.419843320026
"""Energy of a photon in electronvolt times its wavelength in Å."""

_FLOAT = NDArray[np.float64]


@cache
def dispersion(symbol: str, wavelength_angstrom: float) -> complex:
    """Anomalous part f' + i·f'' of an element's form factor, in electrons.

    Cromer and Liberman, J. Chem. Phys. 53 (1970) 1891, as Gemmi calculates it; elements that it
    does not know have none.
    """
    number = int(atomic_numbers([symbol])[0])
    real, imaginary = gemmi.cromer_liberman(z=number, energy=EV_ANGSTROM / wavelength_angstrom)
    value = complex(real, imaginary)
    return value if np.isfinite(value) else 0j


def with_dispersion(crystal: Crystal, lines: Lines, wavelength_angstrom: float) -> Lines:
    """The lines of a crystal as they are at one wavelength.

    Each strength is multiplied by |F|² with dispersion, averaged over the reflection and its
    opposite, over |F|² without.

    Args:
        crystal: whose lines they are, in the cell of `lines.hkl`.
        lines: without dispersion.
        wavelength_angstrom: of the beam.
    """
    symbols = sorted(set(crystal.species))
    elements = np.array([symbols.index(symbol) for symbol in crystal.species])
    numbers = atomic_numbers(crystal.species)
    u = crystal.u_iso_angstrom2
    u = np.where(u >= 0.0, u, DEFAULT_U_ISO[numbers])
    factors = np.stack([form_factor(symbol, lines.inv_d2) for symbol in symbols])
    extra = np.array([dispersion(symbol, wavelength_angstrom) for symbol in symbols])
    strength = np.empty(len(lines))
    # A few hundred lines at a time keep large cells within small memory.
    for first in range(0, len(lines), 256):
        part = slice(first, first + 256)
        phase = np.exp(2j * np.pi * (lines.hkl[part].astype(float) @ crystal.fractional.T))
        damping = crystal.occupancies * np.exp(-2 * np.pi**2 * lines.inv_d2[part, None] * u)
        plain = factors[:, part].T[:, elements]
        wave = damping * phase
        without = np.abs((plain * wave).sum(axis=1)) ** 2
        there = np.abs(((plain + extra[elements]) * wave).sum(axis=1)) ** 2
        back = np.abs(((plain + extra[elements]) * damping * phase.conj()).sum(axis=1)) ** 2
        ratio = np.where(without > 1e-9 * without.max(), (there + back) / 2, without)
        strength[part] = lines.strength[part] * ratio / np.maximum(without, 1e-300)
    return Lines(lines.inv_d2, strength, lines.hkl)
