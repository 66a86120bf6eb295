"""Chemical formulas: reading them, writing them reduced, and the density that follows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import cache

import gemmi

from data.crystal import Crystal
from data.errors import CrystalError

# By Pauling's electronegativity, then by symbol; the noble gases without one stand last.
_ORDER = """
    Fr Cs K Rb Ba Ra Na Sr Li Ca Ac La Tb Yb Ce Pm Pr Nd Sm Eu Gd Dy Y Ho Er Tm Lu Pu Am Bk Cf Cm
    Es Fm Hf Lr Md No Th Mg Zr Np Sc U Pa Ta Ti Mn Be Nb Al Tl V Zn Cr Cd In Ga Fe Co Cu Re Si Tc
    Ni Ag Sn Hg Po Ge Bi B Sb Te Mo As P At H Ir Os Pd Rn Ru Pt Rh Pb W Au C Se S Xe I Br Kr N Cl
    O F Ar He Ne
"""
_RANK = {symbol: rank for rank, symbol in enumerate(_ORDER.split())}
_DALTON_PER_CUBIC_ANGSTROM_IN_G_CM3 = 1.66053906660
_NUMBER = r"(\d+\.?\d*|\.\d+)?"
_ITEM = re.compile(r"([A-Z][a-z]?)\s*" + _NUMBER + r"\s*")
_GROUP = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]\s*" + _NUMBER)
_JOINT = re.compile(r"[·•*]|\.(?=\s*[A-Z(\[{])|(?<!\d)\.|\.(?=\d*[(\[]?[HD]2O)")


def is_element(symbol: str) -> bool:
    """Whether this is the symbol of an element up to lawrencium (not D, which is hydrogen)."""
    return symbol in _RANK


@cache
def atomic_mass(symbol: str) -> float:
    """Standard atomic mass in dalton."""
    if symbol not in _RANK:
        raise CrystalError(f"{symbol!r} is not an element; write a symbol such as Fe")
    return float(gemmi.Element(symbol).weight)


_MOST_UNITS = 12
_FINENESS = 100


def _whole(amount: float) -> bool:
    return amount > 0.5 and abs(amount - round(amount)) < 0.01


def reduced_formula(composition: Mapping[str, float]) -> str:
    """The formula with the amounts divided by their greatest common divisor, as in "PbSO4".

    Elements stand in the order of their electronegativity, as pymatgen writes them, but without
    brackets. Where some amounts are fractions the divisor is that of the whole ones, or a part of
    it that lets the fractions add up to a whole, as on shared sites: "Mg0.9Al2Fe2.1Si3O12". Where
    none is whole the amounts add up to one. Fractions keep three digits.

    Args:
        composition: amount of each element in any unit, for instance atoms per cell.

    Raises:
        CrystalError: an element is unknown, or nothing is there.
    """
    amounts = {symbol: float(amount) for symbol, amount in composition.items() if amount > 0}
    for symbol in amounts:
        if symbol not in _RANK:
            raise CrystalError(f"{symbol!r} is not an element; write a symbol such as Fe")
    if not amounts:
        raise CrystalError("the composition is empty; give at least one element")
    whole = [round(amount) for amount in amounts.values() if _whole(amount)]
    divisor = float(math.gcd(*whole)) if whole else math.fsum(amounts.values())
    shared = math.fsum(amount for amount in amounts.values() if not _whole(amount))
    if whole and shared:
        divisor /= _units(shared / divisor, math.gcd(*whole))
    parts = []
    for symbol in sorted(amounts, key=_RANK.__getitem__):
        amount = amounts[symbol] / divisor
        number = f"{round(amount)}" if _whole(amount) else f"{amount:.3g}"
        parts.append(symbol if number == "1" else symbol + number)
    return "".join(parts)


def _units(shared: float, divisor: int) -> int:
    """Formula units, of those that the divisor allows, in which the fractions make a whole."""
    for units in range(1, min(divisor, _MOST_UNITS) + 1):
        total = units * shared
        if divisor % units == 0 and abs(total - round(total)) < 0.02 * total:
            return units
    return 1


def is_whole(composition: Mapping[str, float]) -> bool:
    """Whether every amount is a whole number, but for what rounding of occupancies leaves."""
    return all(_whole(amount) for amount in composition.values())


def whole_amounts(composition: Mapping[str, float]) -> dict[str, int]:
    """The smallest whole numbers in the ratio of the amounts; elements in alphabetical order.

    Where some amounts are fractions, the numbers stand for hundredths, and each is at least one:
    Fe0.95O is Fe19O20.

    Args:
        composition: amount of each element in any unit, for instance atoms per cell.
    """
    amounts = {symbol: composition[symbol] for symbol in sorted(composition)}
    scale = 1 if is_whole(composition) else _FINENESS
    numbers = {symbol: max(1, round(scale * amount)) for symbol, amount in amounts.items()}
    divisor = math.gcd(*numbers.values())
    return {symbol: number // divisor for symbol, number in numbers.items()}


def alphabetical_formula(numbers: Mapping[str, int]) -> str:
    """Whole numbers of atoms as a formula in alphabetical order: "O4PbS"."""
    return _written((symbol, numbers[symbol]) for symbol in sorted(numbers))


def hill_formula(numbers: Mapping[str, int]) -> str:
    """Whole numbers of atoms in Hill's order: carbon, then hydrogen, then the alphabet.

    Without carbon it is the alphabet alone (E. A. Hill, J. Am. Chem. Soc. 22 (1900) 478).
    """
    first = ("C", "H") if "C" in numbers else ()
    order = sorted(numbers, key=lambda symbol: (symbol not in first, symbol))
    return _written((symbol, numbers[symbol]) for symbol in order)


def anonymous_formula(numbers: Mapping[str, int]) -> str:
    """Whole numbers of atoms without their elements, the largest first: "A4BC" for PbSO4.

    Labels are A to Z, then Aa to Za, Ab to Zb and so on.
    """
    return _written(
        (chr(ord("A") + i % 26) + ("" if i < 26 else chr(ord("a") + i // 26 - 1)), number)
        for i, number in enumerate(sorted(numbers.values(), reverse=True))
    )


def _written(parts: Iterable[tuple[str, int]]) -> str:
    return "".join(symbol if number == 1 else f"{symbol}{number}" for symbol, number in parts)


def parse_formula(text: str) -> dict[str, float]:
    """Amount of each element in a formula such as "Ca5(PO4)3F", "CaSO4·2H2O" or "Fe0.95 O".

    Deuterium counts as hydrogen. Brackets nest; a dot between two parts adds them.

    Raises:
        CrystalError: the text is not a formula; the message quotes what is not understood.
    """
    total: dict[str, float] = {}
    for part in _JOINT.split(text):
        if not part.strip():
            continue
        leading = re.match(r"\s*(\d+\.?\d*|\.\d+)\s*", part)
        multiplier = float(leading[1]) if leading else 1.0
        rest = part[leading.end() :] if leading else part
        while group := _GROUP.search(rest):
            times = float(group[2] or 1)
            inner = _without_brackets(group[1], text)
            flat = "".join(f"{symbol}{amount * times:.9f}" for symbol, amount in inner.items())
            rest = rest[: group.start()] + flat + rest[group.end() :]
        for symbol, amount in _without_brackets(rest, text).items():
            total[symbol] = total.get(symbol, 0.0) + amount * multiplier
    if not total:
        raise CrystalError(f"formula {text!r} names no element; write for instance PbSO4")
    return total


def _without_brackets(part: str, text: str) -> dict[str, float]:
    amounts: dict[str, float] = {}
    end = len(part) - len(part.lstrip())
    while end < len(part):
        item = _ITEM.match(part, end)
        if item is None:
            raise CrystalError(f"formula {text!r}: {part[end:].strip()!r} is not understood")
        symbol = "H" if item[1] == "D" else item[1]
        if symbol not in _RANK:
            raise CrystalError(
                f"formula {text!r}: {symbol!r} is not an element; write a formula such as PbSO4"
            )
        amounts[symbol] = amounts.get(symbol, 0.0) + float(item[2] or 1)
        end = item.end()
    return amounts


def density_g_cm3(crystal: Crystal) -> float:
    """Density in g/cm³ from the cell's content, occupancies counted."""
    mass = math.fsum(atomic_mass(symbol) * n for symbol, n in crystal.composition.items())
    return mass / crystal.volume_angstrom3 * _DALTON_PER_CUBIC_ANGSTROM_IN_G_CM3
