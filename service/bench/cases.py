"""Measured patterns whose crystals are known, as benchmarks find them on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.canonical import standardize
from data.cif import read_cif
from data.errors import QueryError
from data.record import Record
from search.agreement import Identity

A_CASE = "a case is a folder with one pattern file and one CIF of its truth"


@dataclass(frozen=True)
class Case:
    """A folder with one pattern and the crystal of its truth."""

    name: str
    pattern: Path
    truth: Path


def find_cases(folder: Path) -> list[Case]:
    """Every folder below, which holds one CIF and one pattern beside it.

    What is hidden, .md and .json are looked past, and so is a folder that holds nothing else.

    Raises:
        QueryError: there is none, or one holds more or less than that.
    """
    cases = []
    places = [p for p in _visible(folder) if p.is_dir()] if folder.is_dir() else []
    for place in places:
        files = [f for f in _visible(place) if f.is_file()]
        truths = [f for f in files if f.suffix.lower() == ".cif"]
        patterns = [f for f in files if f.suffix.lower() not in (".cif", ".md", ".json")]
        if len(truths) == 1 and len(patterns) == 1:
            cases.append(Case(place.name, patterns[0], truths[0]))
        elif truths or patterns:
            raise QueryError(
                f"{place}: {len(patterns)} pattern file(s) and {len(truths)} CIF(s); {A_CASE}"
            )
    if not cases:
        raise QueryError(f"{folder}: no cases; {A_CASE}")
    return cases


def truth_of(case: Case) -> Identity:
    """The crystal that a case's pattern is of.

    Raises:
        QueryError: its CIF holds no crystal that can be read.
    """
    for block in read_cif(case.truth):
        if isinstance(block, Record):
            return Identity.of(standardize(block.crystal).crystal)
    raise QueryError(f"{case.truth}: the crystal of the truth cannot be read")


def _visible(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if not one.name.startswith("."))
