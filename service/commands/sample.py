"""What is known of a sample, as it is said on the command line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from generator.candidate import Cell

NEED_A_PATTERN = ("ligands", "wavelength")
NEED_A_FORMULA = ("formula", "metals", "ligands", "formula_units")
"""What elements stand in place of."""
DRAWING = ["pointcloud"]
"""Engines of elements alone."""
LEAST_ANGLE_DEG, MOST_ANGLE_DEG = 10.0, 170.0


@dataclass(frozen=True)
class Sample:
    """What a sample is made of.

    Attributes:
        composition: atoms of each element in a formula unit.
        ligands: atoms of each element in one of each ligand.
    """

    composition: Mapping[str, float]
    ligands: tuple[Mapping[str, float], ...] = field(default=())


def sample_of(formula: str | None, metals: str | None, ligands: Sequence[str] | None) -> Sample:
    """What `--formula`, `--metals` and `--ligand` say together.

    Raises:
        CrystalError: one of them is not understood, or they do not agree.
        MissingExtraError: there are ligands, and RDKit is not installed.
    """
    from data.components import composition_of, parse_ligand, parse_metals
    from data.formula import parse_formula

    if formula is None and not metals and not ligands:
        raise typer.BadParameter(
            "nothing says what the sample is made of; give its formula, or its metals and ligands "
            "with their numbers"
        )
    given = None if formula is None else parse_formula(formula)
    molecules = [parse_ligand(one) for one in ligands or ()]
    components = [*(parse_metals(metals) if metals else ()), *molecules]
    if given is not None and not components:
        return Sample(given)
    return Sample(composition_of(components, given), tuple(one.composition for one in molecules))


def conflict(
    given: Collection[str], engines: Sequence[str] | None, *, measured: bool
) -> tuple[str, str] | None:
    """What is asked of `generate` and does not go with the rest, and why; None where all does.

    Args:
        given: names of what is given: formula, elements, metals, ligands, formula_units,
            wavelength.
        engines: that are named.
        measured: whether there is a pattern.
    """
    if not measured:
        for name in NEED_A_PATTERN:
            if name in given:
                return name, "goes with a pattern; give one, or leave it out"
    if "elements" in given:
        for name in NEED_A_FORMULA:
            if name in given:
                return name, "elements stand in place of it; leave one or the other out"
        if list(engines or ()) != DRAWING:
            return "engines", f"elements go with {DRAWING[0]} alone; name it"
    return None


def withheld_of(text: str) -> frozenset[str]:
    """The reduced formulas that `--without` names."""
    from data.formula import parse_formula, reduced_formula

    return frozenset(reduced_formula(parse_formula(one)) for one in text.split(",") if one.strip())


def cell_of(text: str | None) -> Cell | None:
    """The cell that `--cell` names: a, b, c in Å and α, β, γ in degrees."""
    if text is None:
        return None
    import gemmi

    try:
        a, b, c, alpha, beta, gamma = map(float, text.replace(",", " ").split())
    except ValueError:
        raise typer.BadParameter(
            f"--cell {text!r}: six numbers are needed, such as '8.48 5.40 6.96 90 90 90'"
        ) from None
    angles = (alpha, beta, gamma)
    possible = (
        min(a, b, c) > 0
        and all(LEAST_ANGLE_DEG < angle < MOST_ANGLE_DEG for angle in angles)
        and sum(angles) < 360
        and 2 * max(angles) < sum(angles)
    )
    if not possible or gemmi.UnitCell(a, b, c, *angles).volume < 1:
        raise typer.BadParameter(
            f"--cell {text!r}: there is no such cell; give a, b, c in Å and α, β, γ in degrees"
        )
    return a, b, c, alpha, beta, gamma


def space_group_of(text: str | None) -> int | None:
    """The number of the space group that `--space-group` names, in whatever setting."""
    if text is None:
        return None
    import gemmi

    name = text.strip()
    if name.isdecimal() and 1 <= int(name) <= 230:
        return int(name)
    found = None if name.isdecimal() else gemmi.find_spacegroup_by_name(name)
    if found is None:
        raise typer.BadParameter(
            f"--space-group {text!r}: there is no such; give 1 to 230, or a symbol such as Pnma"
        )
    return int(found.number)
