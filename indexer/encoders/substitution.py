"""New crystals from known ones: related elements exchanged, the cell scaled by their radii."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal

FAMILIES: tuple[tuple[str, ...], ...] = tuple(
    tuple(family.split())
    for family in (
        "Li Na K Rb Cs Ag Cu Tl",
        "Be Mg Ca Sr Ba Mn Fe Co Ni Cu Zn Cd Hg Pb Sn Eu",
        "B Al Ga In Sc Y Ti V Cr Mn Fe Co Rh Sb Bi",
        "Y La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu",
        "Si Ge Sn Pb Ti Zr Hf Ce Th U Mo Ru Os Ir Pt",
        "P As V Sb Nb Ta",
        "Cr Mo W",
        "O S Se Te",
        "N P As Sb",
        "F Cl Br I",
        "Sc Ti V Cr Mn Fe Co Ni Cu Zn",
        "Y Zr Nb Mo Ru Rh Pd Ag Cd",
        "Hf Ta W Re Os Ir Pt Au Hg",
        "Al Ga In Tl Si Ge Sn Pb Sb Bi",
    )
)
"""Elements that take each other's place at the same charge, or in alloys."""

KEPT = frozenset({"H", "C", "He", "Ne", "Ar", "Kr", "Xe"})
"""Never exchanged: molecules and linkers stay what they are."""

ORGANIC_KEPT = frozenset({"N", "O", "S", "P", "B", "Si"})
"""Not exchanged beside carbon either."""

RADIUS_TOLERANCE_ANGSTROM = 0.2
"""Partners are drawn with the weight of a normal distribution of this width over the radius."""

CHANCE = 0.6
"""An element is exchanged with this chance; at least one is."""

CELL_SPREAD, AXIS_SPREAD = 0.015, 0.01
"""Relative spread of the cell about what the radii say: of all lengths, and of each free axis."""


@dataclass(frozen=True)
class Substitution:
    """Which element takes whose place, and what that does to lengths."""

    partners: dict[str, str]
    stretch: float


def draw_substitution(
    crystal: Crystal, rng: np.random.Generator, *, chance: float = CHANCE
) -> Substitution | None:
    """Draw an exchange of elements, no two by the same one; None where none can be exchanged.

    Args:
        crystal: known.
        rng: draws.
        chance: of each element to be exchanged.
    """
    own = sorted(set(crystal.species))
    organic = "C" in own
    may = [e for e in own if e not in KEPT and not (organic and e in ORGANIC_KEPT)]
    may = [e for e in may if len(_partners(e)[0])]
    if not may:
        return None
    chosen = [element for element in may if rng.random() < chance] or [may[rng.integers(len(may))]]
    partners: dict[str, str] = {}
    for element in rng.permutation(chosen).tolist():
        taken = {partners.get(other, other) for other in own}
        names, weights = _partners(element)
        free = np.array([name not in taken for name in names])
        if free.any():
            weights = np.where(free, weights, 0.0)
            partners[element] = names[rng.choice(len(names), p=weights / weights.sum())]
    if not partners:
        return None
    before = after = 0.0
    for symbol, amount in crystal.composition.items():
        before += amount * radius_angstrom(symbol)
        after += amount * radius_angstrom(partners.get(symbol, symbol))
    return Substitution(partners, float(np.clip(after / before, 0.8, 1.25)))


def substituted(crystal: Crystal, substitution: Substitution, rng: np.random.Generator) -> Crystal:
    """The crystal with elements exchanged and its cell scaled, a little off what radii say.

    Args:
        crystal: in the standard setting of its space group.
        substitution: of its elements.
        rng: draws the cell's deviation, which keeps to the space group.
    """
    free = AXIS_SPREAD * rng.normal(size=3)
    number = crystal.space_group_number
    if number >= 195:
        free[:] = 0.0
    elif number >= 75:
        free[1] = free[0]
    scale = substitution.stretch * np.exp(CELL_SPREAD * rng.normal() + free)
    return replace(
        crystal,
        lattice=crystal.lattice * scale[:, None],
        species=tuple(substitution.partners.get(symbol, symbol) for symbol in crystal.species),
    )


@cache
def radius_angstrom(symbol: str) -> float:
    """Covalent radius in Å (Cordero et al., Dalton Trans. (2008) 2832, as gemmi carries it)."""
    return float(gemmi.Element(symbol).covalent_r)


@cache
def _partners(symbol: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Elements of the same families, with weights that favour like radii."""
    names = tuple(
        dict.fromkeys(
            other for family in FAMILIES if symbol in family for other in family if other != symbol
        )
    )
    apart = np.array([radius_angstrom(name) - radius_angstrom(symbol) for name in names])
    return names, np.exp(-0.5 * (apart / RADIUS_TOLERANCE_ANGSTROM) ** 2)
