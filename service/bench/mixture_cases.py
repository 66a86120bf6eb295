"""Mixtures whose phases are known, as the benchmark finds them on disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.canonical import standardize
from data.cif import read_cif
from data.errors import BraggleError, QueryError
from data.formula import parse_formula, reduced_formula
from data.record import Record
from search.agreement import Identity, agreement

A_CASE = (
    "a case is a pattern named like NiO_0p6007-Bi2O3_0p4008--2min.xrdml, by formulas and weighed "
    "shares, or a folder with one pattern and a CIF for each phase"
)

_PHASE = re.compile(r"(?P<formula>[A-Z][A-Za-z0-9().\[\]]*)_(?P<share>\d+p\d+|\d+)")
_NO_PATTERN = (".cif", ".md", ".json")


@dataclass(frozen=True, eq=False)
class TruePhase:
    """A phase that is in a sample.

    Attributes:
        label: its formula as written, or the name of its CIF.
        formula: reduced, hydrogen left out, because many entries leave it out.
        elements: but hydrogen.
        weight_percent: weighed; None where not known.
        crystal: where one is given.
    """

    label: str
    formula: str
    elements: frozenset[str]
    weight_percent: float | None = None
    crystal: Identity | None = None

    def is_named_by(self, found: Identity) -> bool:
        """Whether an entry is this phase.

        Where a crystal of the phase is given, the entry agrees with it strictly or as a species
        (`search.agreement`: space group and composition, or StructureMatcher). Where only a
        formula is, the entry has it, hydrogen left out; which of several polymorphs is then not
        judged.
        """
        if self.crystal is not None:
            return "species" in agreement(self.crystal, found)
        return formula_of(found.fractions) == self.formula


@dataclass(frozen=True, eq=False)
class MixtureCase:
    """A pattern and the phases in its sample.

    Attributes:
        name: of the file or folder.
        series: what follows the phases in a file's name, such as the counting time; "" if nothing.
        pattern: the file.
        phases: in the sample.
    """

    name: str
    series: str
    pattern: Path
    phases: tuple[TruePhase, ...]

    @property
    def elements(self) -> frozenset[str]:
        """Of all phases, but hydrogen."""
        return frozenset[str]().union(*(phase.elements for phase in self.phases))


def find_mixture_cases(folder: Path) -> list[MixtureCase]:
    """Every case of a folder; CIFs in its subfolder `phases` are crystals of named formulas.

    Raises:
        QueryError: there is none, a name cannot be read, or a CIF cannot.
    """
    if not folder.is_dir():
        raise QueryError(f"{folder}: no such folder; {A_CASE}")
    known = {
        formula_of(one.fractions): one
        for path in sorted((folder / "phases").glob("*.cif"))
        for one in [_identity(path)]
    }
    cases = []
    for path in _visible(folder):
        if path.is_file() and path.suffix.lower() not in _NO_PATTERN:
            cases.append(_by_name(path, known))
        elif path.is_dir() and path.name != "phases":
            cases += _by_crystals(path)
    if not cases:
        raise QueryError(f"{folder}: no cases; {A_CASE}")
    return cases


def formula_of(amounts: Mapping[str, float]) -> str:
    """Reduced formula without hydrogen; that of hydrogen alone where there is nothing else."""
    heavy = {symbol: n for symbol, n in amounts.items() if symbol not in ("H", "D")}
    if not heavy:
        return "H"
    least = min(heavy.values())
    # Shares of atoms become counts again before they are reduced.
    whole = {symbol: n / least for symbol, n in heavy.items()}
    for factor in range(1, 13):
        if all(abs(factor * n - round(factor * n)) < 0.02 for n in whole.values()):
            return reduced_formula({symbol: round(factor * n) for symbol, n in whole.items()})
    return reduced_formula(heavy)


def _by_name(path: Path, known: Mapping[str, Identity]) -> MixtureCase:
    named, _, series = path.stem.partition("--")
    phases = []
    for part in named.split("-"):
        match = _PHASE.fullmatch(part)
        if match is None:
            raise QueryError(f"{path}: {part!r} is no formula with a share; {A_CASE}")
        try:
            amounts = parse_formula(match["formula"])
        except (BraggleError, ValueError) as error:
            raise QueryError(f"{path}: {error}") from None
        formula = formula_of(amounts)
        phases.append(
            TruePhase(
                match["formula"],
                formula,
                frozenset(amounts) - {"H", "D"},
                float(match["share"].replace("p", ".")),
                known.get(formula),
            )
        )
    total = sum(phase.weight_percent or 0.0 for phase in phases)
    if not total > 0:
        raise QueryError(f"{path}: the shares add up to nothing; {A_CASE}")
    weighed = [
        TruePhase(
            one.label,
            one.formula,
            one.elements,
            100 * (one.weight_percent or 0.0) / total,
            one.crystal,
        )
        for one in phases
    ]
    return MixtureCase(path.stem, series, path, tuple(weighed))


def _by_crystals(folder: Path) -> list[MixtureCase]:
    files = [one for one in _visible(folder) if one.is_file()]
    truths = [one for one in files if one.suffix.lower() == ".cif"]
    patterns = [one for one in files if one.suffix.lower() not in _NO_PATTERN]
    if not truths and not patterns:
        return []
    if len(patterns) != 1 or not truths:
        raise QueryError(
            f"{folder}: {len(patterns)} pattern file(s) and {len(truths)} CIF(s); {A_CASE}"
        )
    phases = []
    for path in truths:
        crystal = _identity(path)
        elements = frozenset(crystal.fractions) - {"H"}
        phases.append(TruePhase(path.stem, formula_of(crystal.fractions), elements, None, crystal))
    return [MixtureCase(folder.name, "", patterns[0], tuple(phases))]


def _identity(path: Path) -> Identity:
    for block in read_cif(path):
        if isinstance(block, Record):
            return Identity.of(standardize(block.crystal).crystal)
    raise QueryError(f"{path}: the crystal of the phase cannot be read")


def _visible(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if not one.name.startswith("."))
