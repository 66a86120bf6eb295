"""How much an atom scatters: X-ray form factors and displacement."""

from __future__ import annotations

from functools import cache

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.errors import CrystalError

LIGHT_U_ISO_ANGSTROM2 = 0.013
HEAVY_U_ISO_ANGSTROM2 = 0.008
LAST_LIGHT_ELEMENT = 10


@cache
def gaussians(symbol: str) -> tuple[float, ...]:
    """Coefficients a1 b1 a2 b2 a3 b3 a4 b4 c of f(s) = Σ a·exp(-b·s²) + c, s = sin θ / λ in 1/Å.

    Neutral atoms, International Tables for Crystallography (1992), volume C, table 6.1.1.4;
    they hold for s below 2, d above 0.25 Å. Deuterium scatters as hydrogen.

    Raises:
        CrystalError: the symbol is no element up to californium.
    """
    element = gemmi.Element(symbol)
    if element.atomic_number == 0 or element.it92 is None:
        raise CrystalError(
            f"no X-ray form factor for {symbol!r}; they are known for the elements from H to Cf"
        )
    table = element.it92
    pairs = [value for pair in zip(table.a, table.b, strict=True) for value in pair]
    return (*pairs, table.c)


def form_factor(symbol: str, inv_d2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Form factor in electrons at 1/d² in 1/Å²; same shape as `inv_d2`.

    Raises:
        CrystalError: the symbol is no element up to californium.
    """
    *pairs, constant = gaussians(symbol)
    s2 = inv_d2 / 4
    total = np.full_like(s2, constant)
    for a, b in zip(pairs[::2], pairs[1::2], strict=True):
        total += a * np.exp(-b * s2)
    return total


@cache
def default_u_iso(symbol: str) -> float:
    """Mean square displacement in Å² for an atom whose source gives none."""
    light = gemmi.Element(symbol).atomic_number <= LAST_LIGHT_ELEMENT
    return LIGHT_U_ISO_ANGSTROM2 if light else HEAVY_U_ISO_ANGSTROM2
