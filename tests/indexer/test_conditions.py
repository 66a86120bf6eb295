from __future__ import annotations

import pytest

from indexer import Library
from indexer.conditions import COLUMNS, Column, Compare, Constant, Has, Known, Not, expression

EVIL = "x'); DROP TABLE structures; --"


def test_values_never_stand_in_the_text() -> None:
    lists = (Column("elements"), Column("ratios"))
    has = Has(lists, "all", ((("=", Constant(EVIL)), ("<", Constant(0.5))),))
    text, values = expression(has)
    assert EVIL not in text
    assert values == [EVIL, 0.5]
    text, values = expression(Compare(Column("formula"), "contains", Constant(EVIL)))
    assert text == 'contains("formula", ?::VARCHAR)'
    assert values == [EVIL]


@pytest.mark.parametrize("name", ["", "row", EVIL, 'id"'])
def test_what_is_no_column_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="is no column; there are id, formula"):
        Column(name)


def test_every_column_can_be_asked_about(library: Library) -> None:
    for name in COLUMNS:
        assert len(library.where(Known(Column(name)))) == len(library), name
        assert len(library.where(Not(Known(Column(name))))) == 0
    assert len(library.where(None)) == len(library)


def test_rows_are_sorted_by_columns_and_then_by_row(library: Library) -> None:
    rows = library.where(None, ((Column("n_elements"), True), (Column("density_g_cm3"), False)))
    facts = library.structures(rows.tolist())
    keys = [(-one["n_elements"], one["density_g_cm3"]) for one in facts]
    assert keys == sorted(keys)
    assert sorted(rows.tolist()) == list(range(len(library)))
    same = library.where(None, ((Column("collections"), True),))
    assert same.tolist() == list(range(len(library)))


def test_a_library_says_what_its_entries_say(library: Library) -> None:
    (row,) = library.where(
        Has((Column("identifiers"),), "any", ((("=", Constant("rutile 1.0000 0")),),))
    )
    entry = library.entry(int(row))
    (facts,) = library.structures([int(row)])
    assert facts["id"] == entry.id
    assert facts["names"] == ["rutile"]
    assert (facts["reduced"], facts["hill"], facts["anonymous"]) == ("O2Ti", "O2Ti", "A2B")
    assert facts["n_sites"] == len(entry.crystal) == 6
    assert facts["licences"] == ["CC0-1.0"]
    assert facts["citations"] == ["On rutile"]
