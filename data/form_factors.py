"""How much an atom scatters: X-ray form factors and displacement."""

from __future__ import annotations

from collections.abc import Sequence

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.errors import CrystalError

HEAVIEST = 98


def _gaussians() -> NDArray[np.float64]:
    table = np.zeros((HEAVIEST + 1, 9))
    for number in range(1, HEAVIEST + 1):
        known = gemmi.Element(number).it92
        table[number, 0:8:2] = known.a
        table[number, 1:8:2] = known.b
        table[number, 8] = known.c
    return table


GAUSSIANS = _gaussians()
"""Coefficients a1 b1 a2 b2 a3 b3 a4 b4 c of f(s) = Σ a·exp(-b·s²) + c with s = sin θ / λ in 1/Å,
by atomic number; shape (99, 9). Neutral atoms, International Tables for Crystallography (1992),
volume C, table 6.1.1.4; they hold for s below 2, which is d above 0.25 Å. Hydrogen is the bonded
one of Stewart, Davidson and Simpson, J. Chem. Phys. 42 (1965) 3175."""

DEFAULT_U_ISO = np.full(HEAVIEST + 1, 0.010)
"""Mean square displacement in Å² of an atom whose source gives none, by atomic number: medians
over the minerals of the American Mineralogist Crystal Structure Database."""
DEFAULT_U_ISO[1] = 0.030
DEFAULT_U_ISO[2:11] = 0.012

_NUMBERS = {gemmi.Element(number).name: number for number in range(1, HEAVIEST + 1)} | {"D": 1}


def atomic_numbers(species: Sequence[str]) -> NDArray[np.int64]:
    """Atomic number of each element symbol; deuterium is hydrogen. Shape (n,).

    Raises:
        CrystalError: a symbol is no element up to californium, so its form factor is not known.
    """
    try:
        return np.array([_NUMBERS[symbol] for symbol in species], dtype=np.int64)
    except KeyError as error:
        raise CrystalError(
            f"no X-ray form factor for {error.args[0]!r}; they are known for the elements "
            "from H to Cf"
        ) from None


def form_factor(symbol: str, inv_d2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Form factor in electrons at 1/d² in 1/Å²; same shape as `inv_d2`.

    Raises:
        CrystalError: the symbol is no element up to californium.
    """
    row = GAUSSIANS[atomic_numbers([symbol])[0]]
    damping = np.exp(-row[1:8:2] * inv_d2[..., None] / 4)
    return np.asarray(damping @ row[0:8:2] + row[8])
