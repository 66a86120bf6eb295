"""What kind of compound a composition is, as a chemist would sort it at a glance."""

from __future__ import annotations

from collections.abc import Mapping

ELEMENT = "element"
INTERMETALLIC = "intermetallic or alloy"
CARBIDE = "carbide, nitride or pnictide"
SULFIDE = "sulfide, selenide or telluride"
HALIDE = "halide"
OXIDE = "oxide or hydroxide"
CARBONATE = "carbonate or nitrate"
BORATE = "borate"
SULFATE = "sulfate"
PHOSPHATE = "phosphate, arsenate or vanadate"
SILICATE = "silicate"
ORGANIC = "organic or metal-organic"
OTHER = "other"

CLASSES = (
    SILICATE,
    OXIDE,
    PHOSPHATE,
    SULFATE,
    CARBONATE,
    BORATE,
    HALIDE,
    SULFIDE,
    CARBIDE,
    INTERMETALLIC,
    ELEMENT,
    ORGANIC,
    OTHER,
)

_HALOGENS = frozenset({"F", "Cl", "Br", "I", "At"})
_CHALCOGENS = frozenset({"S", "Se", "Te"})
_CARBIDE_FORMERS = frozenset({"N", "P", "As", "C", "B"})
_NOBLE = frozenset({"He", "Ne", "Ar", "Kr", "Xe", "Rn"})
_NONMETALS = _HALOGENS | _CHALCOGENS | _CARBIDE_FORMERS | _NOBLE | {"O"}

# The central atoms of oxygen groups, and how much oxygen each needs to be one.
_OXYGEN_GROUPS = (
    (SILICATE, {"Si": 1.9}),
    (PHOSPHATE, {"P": 2.9, "As": 2.9, "V": 2.9}),
    (SULFATE, {"S": 2.9}),
    (CARBONATE, {"C": 2.5, "N": 2.0}),
    (BORATE, {"B": 1.45}),
)
_CARBONATE = 2.9
"""Oxygen for each carbon, from which on it may all be carbonate."""
_GROUP_SHARE = 0.1
"""Least share of the oxygen that has to belong to groups for them to name the class."""
_ANION_SHARE = 0.1
"""Least share of the atoms that anions have to make up for them to name the class."""


def chemistry_class(composition: Mapping[str, float]) -> str:
    """One of `CLASSES`, by composition alone.

    Hydrogen is not counted, because many sources leave it out; it only tells hydrocarbons from
    carbon. Rules, the first that holds:

    1. one element, or noble gases alone: an element;
    2. carbon with hydrogen, nitrogen, oxygen, sulfur or halogens, more of it than carbonate
       groups can hold and no more metal than other atoms: organic or metal-organic (oxalates and
       cyanides among them, carbon oxides not);
    3. oxygen that outnumbers halogens and chalcogens: the groups that bind most of it (SiO4, PO4,
       SO4, CO3, BO3 and their kin; SiO2 is a silicate), or an oxide if they bind less than a
       tenth;
    4. halogens or chalcogens, whichever are more: a halide or a sulfide;
    5. nitrogen, phosphorus, arsenic, carbon or boron: a carbide, nitride or pnictide;
    6. metals and metalloids alone: intermetallic.

    Args:
        composition: amount of each element in any unit.
    """
    atoms = {e: n for e, n in composition.items() if n > 0 and e != "H"}
    total = sum(atoms.values())
    if _is_organic(atoms, has_hydrogen=composition.get("H", 0) > 0):
        return ORGANIC
    if len(atoms) == 1 or set(atoms) <= _NOBLE:
        return _of_one_element(atoms, has_hydrogen=composition.get("H", 0) > 0)
    oxygen = atoms.get("O", 0.0)
    halogens = _sum(atoms, _HALOGENS)
    chalcogens = _sum(atoms, _CHALCOGENS)
    groups = _oxygen_groups(atoms, oxygen)
    # Chalcogen that is the centre of an oxygen group is no rival of oxygen.
    rival = max(halogens, 0.0 if SULFATE in groups else chalcogens)
    if oxygen >= max(rival, _ANION_SHARE * total):
        return max(groups, key=groups.__getitem__, default=OXIDE)
    if max(halogens, chalcogens) >= _ANION_SHARE * total:
        return HALIDE if halogens >= chalcogens else SULFIDE
    if _sum(atoms, _CARBIDE_FORMERS) >= _ANION_SHARE * total:
        return CARBIDE
    return OTHER if set(atoms) <= _NONMETALS else INTERMETALLIC


def _of_one_element(atoms: Mapping[str, float], *, has_hydrogen: bool) -> str:
    """Ice is an oxide, HCl a halide, ZrH2 neither element nor anything above."""
    if not has_hydrogen or not atoms:
        return ELEMENT
    (symbol,) = atoms
    if symbol == "O":
        return OXIDE
    return HALIDE if symbol in _HALOGENS else SULFIDE if symbol in _CHALCOGENS else OTHER


def _is_organic(atoms: Mapping[str, float], *, has_hydrogen: bool) -> bool:
    carbon, oxygen = atoms.get("C", 0.0), atoms.get("O", 0.0)
    total = sum(atoms.values())
    if carbon < _ANION_SHARE * total:
        return False
    if not has_hydrogen:
        partners = set(atoms) & ({"N", "O", "S"} | _HALOGENS)
        is_oxide = set(atoms) == {"C", "O"} and carbon <= oxygen
        if not partners or is_oxide:
            return False
    metal = total - _sum(atoms, _NONMETALS)
    return metal < total / 2 and carbon > max(oxygen / _CARBONATE, atoms.get("Si", 0.0))


def _oxygen_groups(atoms: Mapping[str, float], oxygen: float) -> dict[str, float]:
    """Oxygen bound by each kind of group, for those that can be there."""
    bound = {}
    for name, centres in _OXYGEN_GROUPS:
        needed = [atoms.get(symbol, 0.0) * each for symbol, each in centres.items()]
        held = min(oxygen, sum(amount for amount in needed if amount <= oxygen))
        if held > 0 and held >= _GROUP_SHARE * oxygen:
            bound[name] = held
    return bound


def _sum(atoms: Mapping[str, float], symbols: frozenset[str]) -> float:
    return sum(amount for symbol, amount in atoms.items() if symbol in symbols)
