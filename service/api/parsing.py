"""What is done with uploaded content in the sandbox's processes. Nothing here looks at the disk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.canonical import space_group_symbol, standardize
from data.cif import read_cif_text
from data.cif_document import decode
from data.crystal import Crystal
from data.errors import CrystalError, PatternError
from data.formula import reduced_formula
from data.pattern import Pattern
from data.profile import simulate_pattern
from data.radiation import CU_KA, Radiation
from data.reading import read_pattern_bytes
from data.record import Record
from indexer.profiles import POWDER, SHEETS, Profile, taken_as
from search.similar import Fingerprint, fingerprint


@dataclass(frozen=True, eq=False)
class ReadCrystal:
    """The first crystal of a CIF.

    Attributes:
        names: what the file calls it.
        print: what it is compared by.
        warnings: what else is wrong in the file.
    """

    names: tuple[str, ...]
    print: Fingerprint
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Simulation:
    """How a pattern is to be simulated; see `data.profile.simulate_pattern`.

    Attributes:
        profile: of the library: of one of sheets, patterns are of sheets, too.
    """

    radiation: Radiation = CU_KA
    two_theta_range_deg: tuple[float, float] = (5.0, 90.0)
    step_deg: float = 0.02
    fwhm_deg: float = 0.1
    eta: float = 0.5
    profile: Profile = POWDER


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated pattern, and of what."""

    pattern: Pattern
    names: tuple[str, ...]
    formula: str
    space_group: str
    warnings: tuple[str, ...]


def parse_pattern(
    content: bytes, label: str, radiation: Radiation | None, max_points: int
) -> Pattern:
    """A measured pattern.

    Raises:
        PatternError: it is none, or has too many points.
    """
    return of_points(read_pattern_bytes(content, label, radiation=radiation), max_points)


def of_points(pattern: Pattern, most: int) -> Pattern:
    """The pattern, where it has no more points than are looked at.

    Raises:
        PatternError: it has.
    """
    if len(pattern) > most:
        raise PatternError(
            f"{pattern.name}: {len(pattern)} points are more than {most}; give a pattern with "
            "larger steps"
        )
    return pattern


def parse_crystal(content: bytes, label: str, max_atoms: int, profile: Profile) -> ReadCrystal:
    """The first crystal of a CIF, as it is compared in a library of a profile.

    Raises:
        CrystalError: there is none, it is too large, or it is no sheet where one is wanted.
    """
    record, warnings = _first(content, label, max_atoms)
    return ReadCrystal(record.names, fingerprint(record.crystal, profile), warnings)


def simulate_cif(content: bytes, label: str, max_atoms: int, wanted: Simulation) -> Simulated:
    """The pattern of the first crystal of a CIF; where sheets are wanted, of its first layer.

    Raises:
        CrystalError: there is none, it is too large, or it is no sheet where one is wanted.
        PatternError: it has no line in the range.
    """
    record, warnings = _first(content, label, max_atoms)
    crystal, *others = taken_as(wanted.profile, record.crystal)
    if wanted.profile == SHEETS:
        crystal = standardize(crystal).crystal
    if others:
        said = f"{label}: has {1 + len(others)} different layers; the pattern is of the first"
        warnings = (*warnings, said)
    return Simulated(
        simulate(crystal, wanted, label),
        record.names,
        reduced_formula(crystal.composition),
        space_group_symbol(crystal.space_group_number),
        warnings,
    )


def simulate(crystal: Crystal, wanted: Simulation, name: str) -> Pattern:
    """The pattern of a crystal, which is a sheet where the library is of sheets.

    Raises:
        PatternError: it has no line in the range.
    """
    return simulate_pattern(
        crystal,
        wanted.radiation,
        two_theta_range_deg=wanted.two_theta_range_deg,
        step_deg=wanted.step_deg,
        caglioti=(0.0, 0.0, wanted.fwhm_deg**2),
        eta=wanted.eta,
        sheet=wanted.profile == SHEETS,
        name=name,
    )


def columns(pattern: Pattern) -> str:
    """A pattern as text in two columns, 2θ in degrees and counts."""
    rows = np.column_stack([pattern.two_theta_deg, pattern.counts])
    return "\n".join(f"{x:.4f} {y:.3f}" for x, y in rows.tolist()) + "\n"


def _first(content: bytes, label: str, max_atoms: int) -> tuple[Record, tuple[str, ...]]:
    problems: list[str] = []
    for block in read_cif_text(decode(content), label):
        if not isinstance(block, Record):
            problems.append(str(block))
            continue
        if len(block.crystal) > max_atoms:
            raise CrystalError(
                f"{label}: {len(block.crystal)} atoms in the cell are more than {max_atoms}; "
                "give a smaller cell"
            )
        return block, tuple(problems)
    raise CrystalError(problems[0] if problems else f"{label}: holds no crystal; give a CIF")
