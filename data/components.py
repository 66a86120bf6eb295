"""Compositions of coordination compounds, from their metals and ligands.

Ligands are SMILES (Weininger, J. Chem. Inf. Comput. Sci. 28 (1988) 31), which RDKit reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gemmi

from data.errors import CrystalError, MissingExtraError
from data.formula import is_element, reduced_formula

_COUNTED = re.compile(r"(.+):(\d+\.?\d*|\.\d+)")
ROUNDING = 1e-3


@dataclass(frozen=True)
class Component:
    """A metal, or a ligand, of a coordination compound.

    Attributes:
        name: as it was written.
        composition: atoms of each element in one.
        count: of them in a formula unit; None where it was not said.
    """

    name: str
    composition: Mapping[str, float]
    count: float | None = None


def parse_metals(text: str) -> list[Component]:
    """Metals such as "Zn:4,Cu": each with its number in a formula unit, or without.

    Raises:
        CrystalError: something is no metal.
    """
    found = []
    for one in (part.strip() for part in text.split(",") if part.strip()):
        counted = _COUNTED.fullmatch(one)
        symbol = counted[1].strip() if counted else one
        if not (is_element(symbol) and gemmi.Element(symbol).is_metal):
            raise CrystalError(f"metals {text!r}: {one!r} is no metal; write for instance Zn:4,Cu")
        found.append(Component(symbol, {symbol: 1.0}, float(counted[2]) if counted else None))
    if not found:
        raise CrystalError(f"metals {text!r} name none; write for instance Zn:4,Cu")
    return found


def parse_ligand(text: str) -> Component:
    """A ligand such as "[O-2]:1" or "O=C([O-])c1ccc(cc1)C(=O)[O-]", its number after a colon.

    Raises:
        CrystalError: it is no SMILES, or holds atoms of no element.
        MissingExtraError: RDKit is not installed.
    """
    counted = _COUNTED.fullmatch(text.strip())
    # A colon may be an aromatic bond, too: what is no molecule without its end had no number.
    if counted and (atoms := _atoms(counted[1])):
        return Component(counted[1], atoms, float(counted[2]))
    if atoms := _atoms(text):
        return Component(text.strip(), atoms)
    raise CrystalError(
        f'ligand {text!r} is no SMILES; write for instance "O=C([O-])c1ccc(cc1)C(=O)[O-]:3"'
    )


def _atoms(smiles: str) -> dict[str, float] | None:
    """Atoms of each element, hydrogen among them; None where it is no molecule."""
    try:
        from rdkit import Chem, rdBase
    except ImportError:
        raise MissingExtraError(
            "ligands are read by RDKit, which is not installed; pip install 'braggle[ligands]', "
            "or give the formula alone"
        ) from None
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles.strip())
    if molecule is None or molecule.GetNumAtoms() == 0:
        return None
    atoms: dict[str, float] = {}
    for atom in Chem.AddHs(molecule).GetAtoms():
        symbol = atom.GetSymbol()
        if not is_element(symbol):
            return None
        atoms[symbol] = atoms.get(symbol, 0.0) + 1.0
    return atoms


def composition_of(
    components: Sequence[Component], formula: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Atoms of each element in a formula unit that components make up.

    Where all components have a count they say the formula, unless one is given, which may hold
    more, such as solvent. Where one has none a formula is needed. Hydrogen is not compared: many
    structures leave it out.

    Args:
        components: metals and ligands.
        formula: atoms of each element, where it is given.

    Raises:
        CrystalError: counts are missing, or the formula does not hold the components.
    """
    uncounted = [one.name for one in components if one.count is None]
    if formula is None:
        if uncounted:
            raise CrystalError(
                f"{uncounted[0]}: how many in a formula unit is not said; write "
                f"{uncounted[0]}:1, or give the formula, too"
            )
        return _total(components)
    named = reduced_formula(formula)
    for one in components:
        lacking = next((s for s in one.composition if s != "H" and not formula.get(s)), None)
        if lacking:
            raise CrystalError(
                f"formula {named}: it has no {lacking}, which {one.name} has; correct one of them"
            )
    if not uncounted:
        total = _total(components)
        metals = [symbol for symbol in total if gemmi.Element(symbol).is_metal] or list(total)
        units = formula[metals[0]] / total[metals[0]]
        for symbol, amount in total.items():
            short = units * amount - formula.get(symbol, 0.0)
            over = symbol in metals and short < -ROUNDING * units * amount
            if symbol != "H" and (over or short > ROUNDING * units * amount):
                raise CrystalError(
                    f"formula {named}: metals and ligands make up {reduced_formula(total)}, which "
                    f"does not fit in it by its {symbol}; correct one of them"
                )
    return dict(formula)


def _total(components: Sequence[Component]) -> dict[str, float]:
    total: dict[str, float] = {}
    for one in components:
        for symbol, amount in one.composition.items():
            total[symbol] = total.get(symbol, 0.0) + amount * (one.count or 0.0)
    return total
