"""The periodic table as it is laid out on a page, wide and narrow."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi

_IN_ORDER = """
Hydrogen Helium Lithium Beryllium Boron Carbon Nitrogen Oxygen Fluorine Neon Sodium Magnesium
Aluminium Silicon Phosphorus Sulfur Chlorine Argon Potassium Calcium Scandium Titanium Vanadium
Chromium Manganese Iron Cobalt Nickel Copper Zinc Gallium Germanium Arsenic Selenium Bromine
Krypton Rubidium Strontium Yttrium Zirconium Niobium Molybdenum Technetium Ruthenium Rhodium
Palladium Silver Cadmium Indium Tin Antimony Tellurium Iodine Xenon Caesium Barium Lanthanum
Cerium Praseodymium Neodymium Promethium Samarium Europium Gadolinium Terbium Dysprosium Holmium
Erbium Thulium Ytterbium Lutetium Hafnium Tantalum Tungsten Rhenium Osmium Iridium Platinum Gold
Mercury Thallium Lead Bismuth Polonium Astatine Radon Francium Radium Actinium Thorium Protactinium
Uranium Neptunium Plutonium Americium Curium Berkelium Californium Einsteinium Fermium Mendelevium
Nobelium Lawrencium
"""

_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)
"""Atomic numbers that end a period."""


@dataclass(frozen=True)
class Placed:
    """An element and where it stands.

    Attributes:
        symbol, name: such as "Pb" and "Lead".
        wide: column and row, from 1, in eighteen columns; the f block stands below.
        narrow: the same in ten columns: main groups, then the d block, then the f block.
    """

    symbol: str
    name: str
    wide: tuple[int, int]
    narrow: tuple[int, int]


def periodic_table() -> list[Placed]:
    """The elements up to lawrencium, by atomic number."""
    return [_placed(number, name) for number, name in enumerate(_IN_ORDER.split(), start=1)]


def _placed(number: int, name: str) -> Placed:
    period = next(p for p, last in enumerate(_NOBLE) if number <= last)
    from_start, from_end = number - _NOBLE[period - 1], _NOBLE[period] - number
    symbol = gemmi.Element(number).name
    if period >= 6 and 3 <= from_start <= 16:  # La to Yb, Ac to No
        step = from_start - 3
        wide = (3 + step, period + 3)
        narrow = (1 + step % 7, 13 + 2 * (period - 6) + step // 7)
        return Placed(symbol, name, wide, narrow)
    group = from_start if from_start <= 2 and number != 2 else 18 - from_end
    if 3 <= group <= 12:
        return Placed(symbol, name, (group, period), (group - 2, period + 5))
    return Placed(symbol, name, (group, period), (group if group <= 2 else group - 8, period))
