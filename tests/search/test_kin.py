"""Which entries are of one species, by composition or by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.crystal import Crystal
from data.record import Record, Source
from indexer import Library
from search.kin import kin_of_first, leading, namesakes
from service.bench.truth import TruthTable
from tests import crystals
from tests.service.bench_crystals import identity, richer_in_iron, scaled


def without(crystal: Crystal, symbol: str) -> Crystal:
    """The same crystal as one who could not locate an element has it."""
    kept = [row for row, one in enumerate(crystal.species) if one != symbol]
    return replace(
        crystal,
        species=tuple(crystal.species[row] for row in kept),
        occupancies=crystal.occupancies[kept],
        fractional=crystal.fractional[kept],
        u_iso_angstrom2=crystal.u_iso_angstrom2[kept],
    )


ENTRIES: Mapping[str, tuple[Crystal, str]] = {
    "olivine": (crystals.OLIVINE, "Olivine"),
    "olivine without silicon": (without(crystals.OLIVINE, "Si"), "olivine"),
    "without silicon and unnamed": (without(scaled(crystals.OLIVINE, 1.001), "Si"), ""),
    "as large as none": (without(scaled(crystals.OLIVINE, 1.05), "Si"), "Olivine"),
    "of another group": (crystals.QUARTZ, "Olivine"),
    "of another name": (without(scaled(crystals.OLIVINE, 0.999), "Mg"), "Wadsleyite"),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    records = [
        Record(crystal, (name,) if name else (), Source("made", title))
        for title, (crystal, name) in ENTRIES.items()
    ]
    return Library.build(records, tmp_path_factory.mktemp("kin") / "made", workers=1)


@pytest.fixture(scope="module")
def titles(library: Library) -> list[str]:
    entries = library.entries(np.arange(len(library)))
    return [entry.sources[0].identifier for entry in entries]


def test_namesakes_have_the_name_the_group_and_the_size(
    library: Library, titles: list[str]
) -> None:
    rows = np.arange(len(library))
    found = namesakes(library, rows[[titles.index("olivine")]], rows)
    assert {titles[row] for row in np.flatnonzero(found)} == {"olivine", "olivine without silicon"}


def test_an_entry_without_a_name_has_no_namesakes(library: Library, titles: list[str]) -> None:
    rows = np.arange(len(library))
    unnamed = rows[[titles.index("without silicon and unnamed")]]
    assert not namesakes(library, unnamed, rows).any()
    assert not namesakes(library, rows[:0], rows).any()


def test_kin_share_the_name_or_the_composition(library: Library, titles: list[str]) -> None:
    rows = np.argsort([title != "olivine without silicon" for title in titles], kind="stable")
    kin = {titles[row] for row in rows[kin_of_first(library, rows)]}
    assert kin == {"olivine without silicon", "olivine", "without silicon and unnamed"}


def test_what_the_library_is_not_to_have_goes_by_name_too(
    library: Library, titles: list[str]
) -> None:
    answers = TruthTable(library).answers(identity(crystals.OLIVINE))
    assert {titles[row] for row in np.flatnonzero(answers.right["species"])} == {"olivine"}
    alike = {titles[row] for row in np.flatnonzero(answers.alike)}
    assert alike == {"olivine", "olivine without silicon"}


def test_names_are_those_of_all_sources_in_lower_case(
    library: Library, titles: list[str], tmp_path: Path
) -> None:
    first, second = (Record(crystals.RUTILE, (n,), Source("made", n)) for n in ("Rutile", "TiO2"))
    both = Library.build([first, second], tmp_path / "both", workers=1)
    assert both.names([0]) == (frozenset({"rutile", "tio2"}),)
    assert both.names([]) == ()
    order = [titles.index("of another name"), titles.index("olivine")]
    assert library.names(order) == (frozenset({"wadsleyite"}), frozenset({"olivine"}))


MINES: Mapping[str, Crystal] = {
    "one mine": crystals.OLIVINE,
    "another mine": scaled(crystals.OLIVINE, 1.002),
    "richer in iron": richer_in_iron(crystals.OLIVINE, 0.3),
    "quartz": crystals.QUARTZ,
}


@pytest.fixture(scope="module")
def of_mines(tmp_path_factory: pytest.TempPathFactory) -> Library:
    records = [Record(crystal, (), Source("made", at)) for at, crystal in MINES.items()]
    return Library.build(records, tmp_path_factory.mktemp("leading") / "mines", workers=1)


class TestLeading:
    """Which entry is named where several speak for one compound."""

    def first(self, library: Library, share: Mapping[str, float], among: int = 6) -> str:
        entries = library.entries(np.arange(len(library)))
        rows = {entry.sources[0].identifier: row for row, entry in enumerate(entries)}
        order = sorted(share, key=lambda one: -share[one])
        place = leading(
            library,
            np.array([rows[one] for one in order]),
            np.array([share[one] for one in order]),
            among=among,
        )
        return order[place]

    def test_two_of_one_compound_outweigh_a_relative(self, of_mines: Library) -> None:
        share = {"richer in iron": 0.45, "one mine": 0.3, "another mine": 0.25}
        assert self.first(of_mines, share) == "one mine"
        assert self.first(of_mines, share | {"richer in iron": 0.6}) == "richer in iron"

    def test_three_of_one_species_outweigh_another(self, of_mines: Library) -> None:
        share = {"quartz": 0.4, "richer in iron": 0.25, "another mine": 0.2, "one mine": 0.15}
        assert self.first(of_mines, share) == "another mine"
        assert self.first(of_mines, share | {"quartz": 0.7}) == "quartz"

    def test_the_species_is_chosen_before_the_compound(self, of_mines: Library) -> None:
        share = {"quartz": 0.4, "richer in iron": 0.35, "one mine": 0.25}
        assert self.first(of_mines, share) == "richer in iron"

    def test_only_finalists_are_named(self, of_mines: Library) -> None:
        share = {"quartz": 0.4, "richer in iron": 0.25, "another mine": 0.2, "one mine": 0.15}
        assert self.first(of_mines, share, among=2) == "richer in iron"
        assert self.first(of_mines, share, among=1) == "quartz"

    def test_one_entry_leads_itself(self, of_mines: Library) -> None:
        assert self.first(of_mines, {"quartz": 1.0}, among=1) == "quartz"
