from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import QueryError
from indexer import Filters, Library
from indexer.catalogue import FACTS_COLUMNS, TRACE, Catalogue
from indexer.schema import ENTRIES_SCHEMA

ELEMENTS = ["H", "C", "O", "Si", "Fe", "Pb"]
symbols = st.lists(st.sampled_from(ELEMENTS), unique=True, max_size=4)
compositions = st.dictionaries(
    st.sampled_from(ELEMENTS),
    st.one_of(st.integers(1, 40).map(float), st.floats(0.01, 1.0)),
    min_size=1,
    max_size=4,
)


def facts(entries: list[dict[str, float]]) -> pa.Table:
    rows = [
        {
            "id": str(i),
            "formula": "".join(sorted(entry)),
            "elements": sorted(entry),
            "amounts": [entry[element] for element in sorted(entry)],
            "space_group_number": 1 + i % 230,
            "volume_angstrom3": 100.0 + i,
            "density_g_cm3": 1.0 + i,
        }
        for i, entry in enumerate(entries)
    ]
    schema = pa.schema([ENTRIES_SCHEMA.field(name) for name in FACTS_COLUMNS])
    return pa.Table.from_pylist(rows, schema)


def no_sources() -> pa.Table:
    raise AssertionError("sources are read only when asked about")


def no_structures() -> list[pa.RecordBatch]:
    raise AssertionError("structures are read only when asked about")


def passes(entry: dict[str, float], filters: Filters) -> bool:
    heavy = {element: amount for element, amount in entry.items() if element != "H"}
    foreign = sum(amount for element, amount in heavy.items() if element not in filters.elements)
    if filters.elements and foreign > (TRACE + 1e-9) * sum(heavy.values()):
        return False
    if filters.elements and not set(filters.elements) & entry.keys():
        return False
    return set(filters.require) <= entry.keys() and not set(filters.exclude) & entry.keys()


@settings(deadline=None, max_examples=40)
@given(st.lists(compositions, max_size=8), symbols, symbols, symbols)
def test_elements_are_as_in_a_plain_loop(
    entries: list[dict[str, float]], only: list[str], require: list[str], exclude: list[str]
) -> None:
    filters = Filters(only, require, exclude)
    expected = [row for row, entry in enumerate(entries) if passes(entry, filters)]
    assert Catalogue(facts(entries), no_sources, no_structures).select(filters).tolist() == expected


def test_traces_and_hydrogen_do_not_count() -> None:
    gypsum = {"Ca": 1.0, "S": 1.0, "O": 6.0, "H": 4.0}
    traced = {"Pb": 0.98, "Fe": 0.02, "S": 1.0, "O": 4.0}
    mixed = {"Pb": 0.5, "Fe": 0.5, "S": 1.0, "O": 4.0}
    catalogue = Catalogue(facts([gypsum, traced, mixed]), no_sources, no_structures)
    assert catalogue.select(Filters("Ca,S,O")).tolist() == [0]
    assert catalogue.select(Filters("Pb S O")).tolist() == [1]
    assert catalogue.select(Filters(exclude=["H"])).tolist() == [1, 2]
    assert catalogue.select(Filters(exclude="Fe")).tolist() == [0]
    assert catalogue.select(Filters(require="D")).tolist() == [0]


def test_hydrogen_alone_passes_only_when_it_is_named() -> None:
    solid, titanium, hydride = {"H": 2.0}, {"Ti": 2.0}, {"Ti": 1.0, "H": 2.0}
    catalogue = Catalogue(facts([solid, titanium, hydride]), no_sources, no_structures)
    assert catalogue.select(Filters("Ti")).tolist() == [1, 2]
    assert catalogue.select(Filters("Ti,H")).tolist() == [0, 1, 2]
    assert catalogue.select(Filters("D")).tolist() == [0]


def test_an_empty_filter_passes_everything(library: Library) -> None:
    assert not Filters()
    assert Filters(space_group=1)
    assert library.select(Filters()).tolist() == list(range(len(library)))


@pytest.mark.parametrize("formula", ["TiO2", "O2 Ti", "Ti2O4"])
def test_a_formula_in_any_order_and_multiple(library: Library, formula: str) -> None:
    rows = library.select(Filters(formula=formula))
    assert {library.entry(row).names for row in rows} == {("rutile",), ("anatase",)}


@pytest.mark.parametrize("group", [62, "62", "Pnma", "P n m a", "Pbnm"])
def test_a_space_group_in_any_setting(library: Library, group: int | str) -> None:
    rows = library.select(Filters(space_group=group))
    assert {library.entry(row).names for row in rows} == {("olivine",)}


def test_ranges_include_their_ends(library: Library) -> None:
    volume = float(np.sort(library.volumes)[4])
    assert len(library.select(Filters(volume_angstrom3=(None, volume)))) == 5
    assert len(library.select(Filters(volume_angstrom3=(volume, None)))) == len(library) - 4
    assert len(library.select(Filters(volume_angstrom3=(volume, volume)))) == 1
    heavy = library.select(Filters(density_g_cm3=(5.0, None)))
    assert {library.entry(row).names[0] for row in heavy} == {"baddeleyite"}


def test_sources_and_names_are_found_in_whatever_case(library: Library) -> None:
    assert len(library.select(Filters(source="TOY"))) == len(library)
    assert len(library.select(Filters(source="to"))) == 0
    found = library.select(Filters(text="Rutil", elements="Ti,O"))
    assert {library.entry(row).names for row in found} == {("rutile",)}
    (one,) = library.select(Filters(text="rutile 1.0000 0"))
    assert library.entry(int(one)).sources[0].identifier == "rutile 1.0000 0"
    assert len(library.select(Filters(text="' OR true --"))) == 0


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"elements": "Pb,Xx"}, "elements: 'Xx' is not a chemical element; give symbols such as"),
        ({"require": ["1"]}, "require: '1' is not a chemical element"),
        ({"exclude": ["lead"]}, "exclude: 'Lead' is not a chemical element"),
        ({"formula": "PbXo4"}, "formula 'PbXo4' is not understood"),
        ({"formula": ""}, "formula '' is not understood"),
        ({"space_group": 231}, "space group 231 is not known; give a number from 1 to 230"),
        ({"space_group": "Pqrs"}, "space group 'Pqrs' is not known"),
        ({"volume_angstrom3": (300.0, 200.0)}, "volume_angstrom3: .* 300 to 200 is upside down"),
    ],
)
def test_a_wrong_filter_is_one_clear_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Filters(**wrong)


def test_statistics_count_entries(library: Library) -> None:
    statistics = library.info().statistics
    assert statistics.collections == {"toy": 33}
    assert statistics.licences == {"CC0-1.0": 33}
    assert sum(statistics.space_groups.values()) == 33
    assert statistics.space_groups[225] == 6
    assert statistics.elements["Ti"] == 6
    assert next(iter(statistics.elements)) == "O"
