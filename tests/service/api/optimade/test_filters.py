"""Filters find what a plain loop over the answers finds."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.optimade.filters import MOST_BRACKETS, MOST_LETTERS, translate
from service.api.optimade.properties import properties
from service.api.problems import ProblemError
from tests.service.api.optimade.made import ELEMENTS, NAMES, PUBLISHED_AT, Made, catalogue_of, made

KNOWN = properties(PUBLISHED_AT)
Said = dict[str, Any]
Truth = bool | None
"""None is unknown."""
Case = tuple[str, Callable[[Said], Truth]]
"""A filter, and whether it is true of what is said of an entry."""

ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
PARTS: dict[str, Callable[[str, str], bool]] = {
    "CONTAINS": lambda text, part: part in text,
    "STARTS WITH": str.startswith,
    "STARTS": str.startswith,
    "ENDS WITH": str.endswith,
    "ENDS": str.endswith,
}
REVERSED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
TEXTS = ("id", "type", "chemical_formula_descriptive", "_braggle_space_group")
NUMBERS = (
    "nelements",
    "nsites",
    "nperiodic_dimensions",
    "space_group_it_number",
    "_braggle_cell_volume",
    "_braggle_density",
)
TEXT_LISTS = ("elements", "structure_features", "_braggle_names", "_braggle_licences")
NUMBER_LISTS = ("elements_ratios", "dimension_types")
WORDS = (*ELEMENTS, *NAMES, "disorder", "SiO2", "C", "P", "structures", "0" * 20, "CC0-1.0")
FIGURES = (0, 1, 2, 3, 0.5, 64.0, 62, -1.5e3, 10**20)
UNKNOWN = ("_other_thing", "assemblies")

words = st.sampled_from(WORDS)
figures = st.sampled_from(FIGURES)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def comparison(name: str, how: str, value: Any, *, turned: bool) -> Case:
    written = quoted(value) if isinstance(value, str) else str(value)
    text = f"{name} {how} {written}"
    if turned:
        text = f"{written} {REVERSED.get(how, how)} {name}"
    return text, lambda said: None if name in UNKNOWN else ORDERED[how](said[name], value)


def part(name: str, how: str, value: str) -> Case:
    return f"{name} {how} {quoted(value)}", lambda said: PARTS[how](said[name], value)


def length(name: str, how: str, value: int) -> Case:
    return f"{name} LENGTH {how} {value}", lambda said: ORDERED[how or "="](len(said[name]), value)


def known(name: str, word: str) -> Case:
    return f"{name} IS {word}", lambda said: (said.get(name) is not None) == (word == "KNOWN")


def having(names: tuple[str, ...], which: str, items: list[tuple[tuple[str, Any], ...]]) -> Case:
    if which == "":
        items = items[:1]
    written = ", ".join(
        ":".join(f"{how}{quoted(v) if isinstance(v, str) else v}" for how, v in item)
        for item in items
    )

    def truth(said: Said) -> Truth:
        rows = list(zip(*(said[name] for name in names), strict=True))

        def fits(row: tuple[Any, ...], item: tuple[tuple[str, Any], ...]) -> bool:
            return all(ORDERED[how or "="](x, v) for x, (how, v) in zip(row, item, strict=True))

        if which == "ALL":
            return all(any(fits(row, item) for row in rows) for item in items)
        if which == "ONLY":
            return all(any(fits(row, item) for item in items) for row in rows)
        return any(fits(row, item) for row in rows for item in items)

    return f"{':'.join(names)} HAS {which} {written}", truth


orders = st.sampled_from(list(ORDERED))
optional_orders = st.sampled_from(["", *ORDERED])
which = st.sampled_from(["", "ALL", "ANY", "ONLY"])
comparisons = st.one_of(
    st.builds(comparison, st.sampled_from((*TEXTS, *UNKNOWN)), orders, words, turned=st.booleans()),
    st.builds(
        comparison, st.sampled_from((*NUMBERS, *UNKNOWN)), orders, figures, turned=st.booleans()
    ),
    st.builds(part, st.sampled_from(TEXTS), st.sampled_from(list(PARTS)), words),
    st.builds(
        length,
        st.sampled_from(TEXT_LISTS + NUMBER_LISTS),
        optional_orders,
        st.sampled_from([0, 1, 2, 3, 10**19]),
    ),
    st.builds(
        known,
        st.sampled_from((*TEXTS, *TEXT_LISTS, *UNKNOWN)),
        st.sampled_from(["KNOWN", "UNKNOWN"]),
    ),
    st.builds(
        having,
        st.sampled_from(TEXT_LISTS).map(lambda name: (name,)),
        which,
        st.lists(st.tuples(st.tuples(optional_orders, words)), min_size=1, max_size=3),
    ),
    st.builds(
        having,
        st.sampled_from(NUMBER_LISTS).map(lambda name: (name,)),
        which,
        st.lists(st.tuples(st.tuples(optional_orders, figures)), min_size=1, max_size=3),
    ),
    st.builds(
        having,
        st.just(("elements", "elements_ratios")),
        which,
        st.lists(
            st.tuples(st.tuples(optional_orders, words), st.tuples(optional_orders, figures)),
            min_size=1,
            max_size=3,
        ),
    ),
)


def contrary(case: Case) -> Case:
    text, truth = case
    return f"NOT ({text})", lambda said: None if (true := truth(said)) is None else not true


def both(first: Case, second: Case) -> Case:
    def truth(said: Said) -> Truth:
        found = {first[1](said), second[1](said)}
        return False if False in found else None if None in found else True

    return f"({first[0]}) AND ({second[0]})", truth


def either(first: Case, second: Case) -> Case:
    def truth(said: Said) -> Truth:
        found = {first[1](said), second[1](said)}
        return True if True in found else None if None in found else False

    return f"({first[0]}) OR ({second[0]})", truth


cases = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        inner.map(contrary), st.builds(both, inner, inner), st.builds(either, inner, inner)
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=25)
@given(st.lists(made, min_size=1, max_size=8), st.lists(cases, min_size=1, max_size=12))
def test_filters_find_what_a_plain_loop_finds(entries: list[Made], asked: list[Case]) -> None:
    catalogue = catalogue_of(entries)
    said = [one.said(number) for number, one in enumerate(entries)]
    for text, truth in asked:
        expected = [row for row, one in enumerate(said) if truth(one) is True]
        assert catalogue.where(translate(text, KNOWN).condition).tolist() == expected, text


def test_comparisons_work_both_ways_around() -> None:
    entries = [Made(((("O", 1.0),),) * count, (), 1, 4.0) for count in (1, 2, 3)]
    catalogue = catalogue_of(entries)
    for how, compare in ORDERED.items():
        expected = [row for row in range(3) if compare(row + 1, 2)]
        for text in (f"nsites {how} 2", f"2 {REVERSED.get(how, how)} nsites"):
            assert catalogue.where(translate(text, KNOWN).condition).tolist() == expected, text


def test_not_binds_before_and_and_that_before_or() -> None:
    entries = [Made(((("O", 1.0),),) * count, (), 1, 4.0) for count in (1, 2, 3)]
    catalogue = catalogue_of(entries)

    def found(text: str) -> list[int]:
        return list(map(int, catalogue.where(translate(text, KNOWN).condition)))

    assert found("NOT nsites = 1 OR nsites = 1 AND nsites = 2") == [1, 2]
    assert found("nsites=1 OR nsites=3 AND NOT nsites=3") == [0]
    assert found("nsites = nelements") == [0]
    assert found("2 < 1") == []
    assert found("") == [0, 1, 2]


def test_times_are_compared_as_times() -> None:
    catalogue = catalogue_of([Made(((("O", 1.0),),), (), 1, 4.0)])
    for text, count in {
        'last_modified = "2026-01-31T13:00:00+01:00"': 1,
        'last_modified >= "2026-01-31T12:00:00.5Z"': 0,
        '"2026-02-01T00:00:00Z" > last_modified': 1,
    }.items():
        assert len(catalogue.where(translate(text, KNOWN).condition)) == count, text


def test_properties_of_other_databases_are_unknown_and_warned_of() -> None:
    found = translate('_other_gap > 1 OR _other_gap HAS "x" OR nsites > 0', KNOWN)
    assert found.warnings == ("_other_gap belongs to another database; it counts as unknown",)
    assert translate("assemblies IS UNKNOWN", KNOWN).warnings == ()


@pytest.mark.parametrize(
    "text, kind, said",
    [
        ("nsites >", "bad-value", "cannot be read at its end"),
        ("nsites = 3 )", "bad-value", "cannot be read at letter 12"),
        ("nsites = 3 nelements = 2", "bad-value", "without AND or OR"),
        ("crazyfield = 2", "bad-value", "crazyfield is no property of structures"),
        ("_braggle_nothing = 2", "bad-value", "_braggle_nothing is no property"),
        ('last_modified > "yesterday"', "bad-value", "is no time; write it like"),
        ('last_modified > "2026-01-31"', "bad-value", "is no time; write it like"),
        ('elements:elements_ratios HAS "O"', "bad-value", "cannot be read"),
        ('elements:elements_ratios:elements HAS "O":1', "bad-value", "2 values stand for 3 lists"),
        (f"nsites = 1 OR {'(' * 51}nsites=1{')' * 51}", "bad-value", f"more than {MOST_BRACKETS}"),
        (" " * (MOST_LETTERS + 1), "bad-value", "ask in several requests"),
        ('nsites = "3"', "not-supported", "are of different types"),
        ("id = 3", "not-supported", "are of different types"),
        ('"a" = "b"', "not-supported", "two strings are compared"),
        ("nsites = TRUE", "not-supported", "no property of structures is TRUE"),
        ('elements = "O"', "not-supported", "lists are compared as a whole"),
        ('nsites CONTAINS "3"', "not-supported", "nsites is no string"),
        ("nsites LENGTH 3", "not-supported", "nsites is no list"),
        ('id HAS "x"', "not-supported", "id is no list"),
        ("elements HAS 8", "not-supported", "elements holds no number such as 8"),
        ('species HAS "O"', "not-supported", "species cannot be compared"),
        ('species.name HAS "O"', "not-supported", "species.name is nested"),
        ('references.id HAS "x"', "not-supported", "references.id is nested"),
    ],
)
def test_a_wrong_filter_is_one_clear_line(text: str, kind: str, said: str) -> None:
    with pytest.raises(ProblemError, match=r"^\d+: filter: ") as caught:
        translate(text, KNOWN)
    assert caught.value.kind == kind
    assert said in str(caught.value.detail)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_a_clear_error(text: str) -> None:
    with suppress(ProblemError):
        translate(text, KNOWN)
