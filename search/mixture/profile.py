"""A phase's profile and its derivatives by all that is fitted, in one pass over its lines."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.preparation import Prepared
from search.profile_fit import intensity

SPAN = 6.0
"""Lines are drawn to this many widths on either side."""
POINTS = 2048
"""Of the tables of line shapes."""

VALUE, ZERO, WIDTH, BROADENING, LORENTZIAN, STRAIN = range(6)
"""Rows of what `draw` returns; those of the strains follow the first of them, then the modes'."""

_FLOAT = NDArray[np.float64]


@cache
def shapes() -> _FLOAT:
    """Gaussian and Lorentzian of unit width and area, and their slopes. Shape (4, POINTS + 2)."""
    x = np.linspace(0.0, SPAN * (POINTS + 1) / POINTS, POINTS + 2)
    gauss = 2 * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * x**2)
    lorentz = 2 / np.pi / (1 + 4 * x**2)
    return np.stack([gauss, lorentz, -8 * np.log(2) * x * gauss, -8 * x * lorentz / (1 + 4 * x**2)])


def draw(
    prepared: Prepared,
    half_inv_d: _FLOAT,
    strength: _FLOAT,
    shares: _FLOAT,
    strain: _FLOAT,
    modes: _FLOAT,
    amounts: _FLOAT,
    *,
    zero_shift_deg: float,
    fwhm_deg: float,
    broadening_deg: float,
    lorentzian: float,
) -> _FLOAT:
    """Profile of a phase per unit scale, and its derivatives.

    The width of a line is `fwhm_deg` + `broadening_deg`·tan θ; the area of a line is its
    m·|F|² times Lorentz-polarisation times exp(Σ_k amount_k·mode_k).

    Args:
        prepared: gives axis and radiation.
        half_inv_d: 1/(2d) of the lines in 1/Å. Shape (m,).
        strength: m·|F|². Shape (m,).
        shares: of `strain_shares`. Shape (k, m).
        strain: Shape (k,).
        modes: of intensity, by line. Shape (q, m).
        amounts: of the modes. Shape (q,).
        zero_shift_deg: added to the calculated 2θ.
        fwhm_deg: width at θ = 0 in degrees 2θ.
        broadening_deg: growth of the width with tan θ.
        lorentzian: share of the pseudo-Voigt.

    Returns:
        Rows: value, then derivatives by zero shift, width, broadening, Lorentzian share, each
        strain and each mode's amount. Shape (5 + k + q, n).
    """
    out = np.zeros((STRAIN + len(strain) + len(amounts), len(prepared.net)))
    kernel: Any = _draw
    kernel(
        half_inv_d,
        strength,
        shares,
        strain,
        modes,
        amounts,
        np.asarray(prepared.wavelengths_angstrom),
        np.asarray(prepared.weights),
        float(prepared.two_theta_deg[0]),
        prepared.step_deg,
        shapes(),
        (zero_shift_deg, fwhm_deg, broadening_deg, lorentzian),
        out,
    )
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _draw(
    half_inv_d: _FLOAT,
    strength: _FLOAT,
    shares: _FLOAT,
    strain: _FLOAT,
    modes: _FLOAT,
    amounts: _FLOAT,
    wavelengths: _FLOAT,
    weights: _FLOAT,
    start: float,
    step: float,
    table: _FLOAT,
    common: tuple[float, float, float, float],
    out: _FLOAT,
) -> None:
    zero, width, broadening, eta = common
    size = out.shape[1]
    strains = len(strain)
    degrees = 180 / np.pi
    for j in range(len(half_inv_d)):
        factor = 1.0
        for k in range(strains):
            factor -= 2 * strain[k] * shares[k, j]
        exponent = 0.0
        for q in range(len(amounts)):
            exponent += amounts[q] * modes[q, j]
        changed = strength[j] * np.exp(exponent)
        for w in range(len(wavelengths)):
            sine = half_inv_d[j] * np.sqrt(max(factor, 0.0)) * wavelengths[w]
            if sine >= 0.9999:
                continue
            tangent = sine / np.sqrt(1 - sine * sine)
            centre = 2 * np.arcsin(sine) * degrees + zero
            fwhm = max(width + broadening * tangent, step)
            first = max(int(np.ceil((centre - SPAN * fwhm - start) / step)), 0)
            last = min(int(np.floor((centre + SPAN * fwhm - start) / step)), size - 1)
            if last < first:
                continue
            area = weights[w] * intensity(changed, sine) / fwhm
            pull = -2 * tangent * degrees
            for i in range(first, last + 1):
                u = (start + i * step - centre) / fwhm
                place = abs(u) * (POINTS / SPAN)
                at = int(place)
                part = place - at
                gauss = table[0, at] + part * (table[0, at + 1] - table[0, at])
                lorentz = table[1, at] + part * (table[1, at + 1] - table[1, at])
                slope = (1 - eta) * table[2, at] + eta * table[3, at]
                if u < 0:
                    slope = -slope
                value = gauss + eta * (lorentz - gauss)
                by_centre = -area * slope / fwhm
                by_width = -area * (value + u * slope) / fwhm
                out[0, i] += area * value
                out[1, i] += by_centre
                out[2, i] += by_width
                out[3, i] += by_width * tangent
                out[4, i] += area * (lorentz - gauss)
                for k in range(strains):
                    out[5 + k, i] += by_centre * pull * shares[k, j]
                for q in range(len(amounts)):
                    out[5 + strains + q, i] += area * value * modes[q, j]
