"""Many sheets from known crystals.

    python -m indexer.sheets.making --into sheets.parquet [--sources bundled standata]

Layered crystals are exfoliated to mono- and bilayers, related elements exchanged in them, and
monolayers laid on themselves and on others whose nets agree. The file can be packed to train with
(`indexer.sheets.packing`) and is a source of crystals for `braggle library build --profile 2d`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.canonical import Standard, crystal_id, standardize
from data.crystal import Crystal
from data.errors import BraggleError
from data.formula import reduced_formula
from data.record import Problem, Record, Source
from data.sheets import is_sheet, layers_of, pairs_of, sheet_of
from data.sources import open_source
from data.sources.packed import write_packed
from data.stacking import REGISTRIES, matches, stacked
from indexer.encoders.packing import formulas_in
from indexer.encoders.substitution import draw_substitution, substituted

MOST_ATOMS = 48
"""Of a sheet that is made."""
COLLECTION = "sheets"
KINDS = ("monolayer", "bilayer", "heterolayer")
MADE = {"monolayer": 0.40, "bilayer": 0.25, "heterolayer": 0.35}
"""Shares of the sheets that are made beyond those that crystals give."""
TRIES = 40
"""Draws for each sheet that is wanted before a kind is given up."""
BESIDE = " + "
"""Between the origins of sheets that were laid on each other."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A sheet and what it is.

    Attributes:
        sheet: in the frame of sheets.
        kind: one of `KINDS`.
        names: for people.
        origin: which crystals it goes back to; sheets of one origin are relatives.
        source: of the first of these.
    """

    sheet: Crystal
    kind: str
    names: tuple[str, ...]
    origin: str
    source: Source

    @property
    def formula(self) -> str:
        """Reduced."""
        return reduced_formula(self.sheet.composition)

    @property
    def crystals(self) -> set[str]:
        """That it goes back to, without the number of the layer."""
        return {one.rsplit(" ", 1)[0] for one in self.origin.split(BESIDE)}


class Making:
    """Sheets as they come about, each once, and none of an excluded formula."""

    def __init__(self, excluded: set[str], seed: int) -> None:
        """Nothing is made yet."""
        self.excluded, self.rng = excluded, np.random.default_rng(seed)
        self.made: dict[str, Sheet] = {}
        self._said: set[tuple[str, str, str]] = set()

    def of(self, kind: str) -> list[Sheet]:
        """Those of a kind."""
        return [one for one in self.made.values() if one.kind == kind]

    def take(self, one: Sheet) -> bool:
        """Keep a sheet that is new: not its like with a cell that is a little other either."""
        said = (one.origin, one.kind, one.formula)
        if len(one.sheet) > MOST_ATOMS or one.formula in self.excluded or said in self._said:
            return False
        try:
            key = crystal_id(standardize(one.sheet))
        except BraggleError:
            return False
        if key in self.made:
            return False
        self.made[key] = one
        self._said.add(said)
        return True

    def exfoliate(self, records: Iterable[Record]) -> None:
        """Sheets as they are, and layers and pairs of layers of layered crystals."""
        for record in records:
            try:
                standard = standardize(record.crystal)
            except BraggleError:
                continue
            sheet = sheet_of(standard)
            if sheet is not None:
                if is_sheet(standard):
                    self._taken(record, "monolayer", (sheet,))
                continue
            self._taken(record, "monolayer", layers_of(standard))
            self._taken(record, "bilayer", pairs_of(standard))

    def _taken(self, record: Record, kind: str, sheets: tuple[Crystal, ...]) -> None:
        for number, sheet in enumerate(sheets):
            origin = f"{record.source.collection} {record.source.identifier} {number}"
            name = (*record.names, reduced_formula(record.crystal.composition))[0]
            self.take(Sheet(sheet, kind, (f"{kind} of {name}",), origin, record.source))

    def substitute(self, known: list[Sheet], wanted: int) -> int:
        """Relatives of known sheets with other elements; how many were made."""
        return self._until(wanted, lambda: self._substituted(self._any(known)))

    def stack(self, known: list[Sheet], wanted: int) -> int:
        """Sheets laid on themselves; how many were made."""
        return self._until(wanted, lambda: self._stacked(self._any(known)))

    def join(self, known: list[Sheet], wanted: int) -> int:
        """Sheets laid on others; how many were made."""
        return self._until(wanted, lambda: self._joined(self._any(known), self._any(known)))

    def _any(self, known: list[Sheet]) -> Sheet:
        return known[int(self.rng.integers(len(known)))]

    def _until(self, wanted: int, make: Callable[[], Sheet | None]) -> int:
        made = 0
        for _ in range(TRIES * wanted):
            if made == wanted:
                break
            one = make()
            made += one is not None and self.take(one)
        return made

    def _substituted(self, known: Sheet) -> Sheet | None:
        standard = standardize(known.sheet)
        exchange = draw_substitution(standard.crystal, self.rng)
        if exchange is None:
            return None
        new = substituted(standard.crystal, exchange, self.rng)
        sheet = sheet_of(Standard.from_stored(new))
        if sheet is None:
            return None
        named = f"{known.kind} {reduced_formula(sheet.composition)} after {known.formula}"
        return Sheet(sheet, known.kind, (named,), known.origin, known.source)

    def _stacked(self, known: Sheet) -> Sheet:
        registry = REGISTRIES[int(self.rng.integers(len(REGISTRIES)))]
        turned = bool(self.rng.random() < 0.5)
        sheet = stacked(known.sheet, known.sheet, registry=registry, turned=turned)
        named = f"bilayer {known.formula}"
        return Sheet(sheet, "bilayer", (named,), known.origin, known.source)

    def _joined(self, lower: Sheet, upper: Sheet) -> Sheet | None:
        if lower.formula == upper.formula:
            return None
        found = list(matches(lower.sheet, upper.sheet, most_atoms=MOST_ATOMS))
        if not found:
            return None
        match = min(found, key=lambda one: one.misfit)
        registry = REGISTRIES[int(self.rng.integers(len(REGISTRIES)))]
        turned = bool(self.rng.random() < 0.5)
        sheet = stacked(lower.sheet, upper.sheet, match=match, registry=registry, turned=turned)
        named = f"{lower.formula} on {upper.formula}"
        origin = f"{lower.origin}{BESIDE}{upper.origin}"
        return Sheet(sheet, "heterolayer", (named,), origin, lower.source)


def make(records: Iterable[Record], wanted: int, *, excluded: set[str], seed: int) -> list[Sheet]:
    """So many sheets of known crystals, those that the crystals give first.

    Raises:
        BraggleError: no crystal is a sheet or layered.
    """
    making = Making(excluded, seed)
    making.exfoliate(records)
    if not making.made:
        raise BraggleError("none of the crystals is a sheet or layered; name others")
    more = max(wanted - len(making.made), 0)
    alone = making.of("monolayer")
    # Sheets with other elements are half of what is laid on others, too.
    making.substitute(alone, round(MADE["monolayer"] * more))
    alone = making.of("monolayer")
    pairs = making.of("bilayer")
    bilayers = round(MADE["bilayer"] * more)
    if pairs:
        making.substitute(pairs, bilayers // 2)
    making.stack(alone, bilayers - bilayers // 2)
    making.join(alone, wanted - len(making.made))
    return list(making.made.values())


def record_of(one: Sheet, number: int) -> Record:
    """A sheet as a record; the origin stands in the reference."""
    source = Source(
        COLLECTION,
        f"{one.kind}-{number:05d}",
        f"made from {one.origin}. {one.source.reference}".strip(),
        one.source.licence,
    )
    return Record(one.sheet, one.names, source)


def main() -> None:
    """Make sheets of the sources that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--sources", nargs="+", default=["bundled", "standata"])
    parser.add_argument("--exclude", type=Path, help="reduced formulas that are not to be made")
    parser.add_argument("--sheets", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    excluded = formulas_in(asked.exclude) if asked.exclude else set()
    records = (item for source in asked.sources for item in open_source(source))
    sheets = make(
        (item for item in records if not isinstance(item, Problem)),
        asked.sheets,
        excluded=excluded,
        seed=asked.seed,
    )
    write_packed((record_of(one, i) for i, one in enumerate(sheets)), asked.into)
    counts = Counter(one.kind for one in sheets)
    said = ", ".join(f"{counts[kind]} {kind}s" for kind in KINDS)
    crystals = {crystal for one in sheets for crystal in one.crystals}
    sys.stderr.write(
        f"{asked.into}: {len(sheets)} sheets that go back to {len(crystals)} crystals: {said}\n"
    )


if __name__ == "__main__":
    try:
        main()
    except BraggleError as error:
        sys.exit(f"braggle: {error}")
