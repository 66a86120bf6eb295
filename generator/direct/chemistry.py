"""What atoms want: charges that balance, bonds of the right lengths, room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import gemmi
import numpy as np
from numpy.typing import NDArray

LEAST_CONTRAST, LEAST_NEGATIVITY = 0.6, 2.5
"""Of electronegativities (Pauling) the range, and the greatest, for bonds of ions to be counted."""
OVERLAP, UNLIKE = 0.72, 0.8
"""Bonds between ions of unlike charge, and between other unlike atoms, are not shorter than this
part of the sum of covalent radii."""
ALIKE, LIKE_CATIONS = 0.9, 1.2
"""The same for two atoms of a metal or of one element, and for two cations of nonmetals."""
ANIONS_APART = {"O": 2.2, "F": 2.2, "N": 2.3, "Cl": 3.0, "S": 2.9, "Se": 3.1, "Te": 3.3, "Br": 3.2,
                "I": 3.5}  # fmt: skip
"""Shortest distances in Å between two anions of one element in crystals of ions."""
FULL_CHARGE = {"O": 2.0, "S": 2.0, "Se": 2.0, "Te": 2.0, "N": 3.0, "F": 1.0, "Cl": 1.0, "Br": 1.0,
               "I": 1.0}  # fmt: skip
"""Of anions that have no bonds among themselves; those of less do, as in peroxides and azides."""
PARTLY = 0.85
HYDROGENS_APART, HYDROGEN_APART = 1.45, 1.7
"""Of hydrogens in Å from each other, and from other cations."""
WIDTH_ANGSTROM = 0.37
"""Of the exponential of bond valences."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chemistry:
    """Of the elements of one formula.

    Attributes:
        elements: ascending by symbol. Length e.
        charges: formal; all zero where none balance. Shape (e,).
        lengths: of a bond of valence one in Å; 0 where two elements make none. Shape (e, e).
        nearest: distances in Å below which atoms crowd. Shape (e, e).
    """

    elements: tuple[str, ...]
    charges: _FLOAT
    lengths: _FLOAT
    nearest: _FLOAT

    @classmethod
    def of(cls, composition: Mapping[str, float]) -> Chemistry:
        """Charges by how often they occur, lengths by O'Keeffe and Brese."""
        elements = tuple(sorted(composition))
        key = tuple((symbol, float(composition[symbol])) for symbol in elements)
        charges = np.array(_charges(key))
        e = len(elements)
        lengths, nearest = np.zeros((e, e)), np.zeros((e, e))
        for i, one in enumerate(elements):
            for j, other in enumerate(elements):
                if charges[i] * charges[j] < 0:
                    lengths[i, j] = bond_length(one, other)
                nearest[i, j] = _nearest(one, other, float(charges[i]), float(charges[j]))
        return cls(elements, charges, lengths, nearest)


@lru_cache(maxsize=256)
def _charges(composition: tuple[tuple[str, float], ...]) -> tuple[float, ...]:
    from pymatgen.core.composition import Composition

    none = (0.0,) * len(composition)
    whole = Composition(dict(composition))
    if len(composition) == 1:
        return none
    negativity = [_negativity(symbol) for symbol, _ in composition]
    if max(negativity) - min(negativity) < LEAST_CONTRAST or max(negativity) < LEAST_NEGATIVITY:
        return none
    guesses = whole.oxi_state_guesses(max_sites=-1)
    if not guesses:
        return none
    return tuple(float(guesses[0].get(symbol, 0.0)) for symbol, _ in composition)


def bond_length(one: str, other: str) -> float:
    """Length in Å of a bond of valence one; 0 where an element is not known.

    O'Keeffe and Brese, J. Am. Chem. Soc. 113 (1991) 3226, equation 4.
    """
    from pymatgen.analysis.bond_valence import BV_PARAMS
    from pymatgen.core.periodic_table import Element

    known = [BV_PARAMS.get(Element(symbol)) for symbol in (one, other)]
    if known[0] is None or known[1] is None:
        return 0.0
    (r, c), (s, d) = ((float(one["r"]), float(one["c"])) for one in known if one is not None)
    return float(r + s - r * s * (np.sqrt(c) - np.sqrt(d)) ** 2 / (c * r + d * s))


def _nearest(one: str, other: str, charge: float, other_charge: float) -> float:
    total = float(gemmi.Element(one).covalent_r + gemmi.Element(other).covalent_r)
    hydrogens = (one, other).count("H")
    if hydrogens == 2:
        return HYDROGENS_APART
    if charge < 0 and other_charge < 0:
        partly = -charge < PARTLY * FULL_CHARGE.get(one, 4.0)
        if one == other and partly:
            return UNLIKE * total
        return float(np.mean([ANIONS_APART.get(symbol, total) for symbol in (one, other)]))
    if charge > 0 and other_charge > 0:
        metals = gemmi.Element(one).is_metal and gemmi.Element(other).is_metal
        return HYDROGEN_APART if hydrogens else total * (ALIKE if metals else LIKE_CATIONS)
    if charge * other_charge < 0:
        return OVERLAP * total
    return total * (ALIKE if one == other else UNLIKE)


def _negativity(symbol: str) -> float:
    from pymatgen.core.periodic_table import Element

    value = float(Element(symbol).X)
    return value if value == value else 2.0  # noqa: PLR0124
