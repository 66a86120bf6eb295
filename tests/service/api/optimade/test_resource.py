"""Entries as resources: OPTIMADE's own models accept them, and they say what the crystal is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimade.models import StructureResource, StructureResourceAttributes
from optimade.models.utils import ANONYMOUS_ELEMENTS, reduce_formula

from data.canonical import standardize
from indexer.structures import hermann_mauguin
from service.api.optimade.properties import properties
from service.api.optimade.resource import resource
from tests import layered
from tests.service.api.optimade.made import PUBLISHED_AT, Made, catalogue_of, made

KNOWN = properties(PUBLISHED_AT)


def resources(entries: list[Made]) -> list[dict[str, Any]]:
    facts = catalogue_of(entries).structures(range(len(entries)))
    return [
        resource(one.entry(number), said, KNOWN, None)
        for number, (one, said) in enumerate(zip(entries, facts, strict=True))
    ]


@settings(deadline=None, max_examples=20)
@given(st.lists(made, min_size=1, max_size=6))
def test_resources_are_valid_and_say_what_the_entry_says(entries: list[Made]) -> None:
    for number, (one, found) in enumerate(zip(entries, resources(entries), strict=True)):
        StructureResource(**found)
        attributes = found["attributes"] | {"id": found["id"], "type": found["type"]}
        expected = one.said(number) | {"last_modified": "2026-01-31T12:00:00Z"}
        assert {name: attributes[name] for name in expected} == expected
        reduced = attributes["chemical_formula_reduced"]
        assert reduce_formula(reduced) == reduced
        assert attributes["chemical_formula_anonymous"].startswith(ANONYMOUS_ELEMENTS[0])


@settings(deadline=None, max_examples=20)
@given(made)
def test_sites_hold_what_the_cell_holds(one: Made) -> None:
    (found,) = resources([one])
    attributes = found["attributes"]
    species = {each["name"]: each for each in attributes["species"]}
    total: dict[str, float] = {}
    for name in attributes["species_at_sites"]:
        shares = zip(species[name]["chemical_symbols"], species[name]["concentration"], strict=True)
        for symbol, share in shares:
            total[symbol] = total.get(symbol, 0.0) + share
    assert sum(total.values()) == pytest.approx(attributes["nsites"])
    total.pop("vacancy", None)
    assert total == pytest.approx(one.crystal.composition)
    lattice = np.array(attributes["lattice_vectors"])
    fractional = np.array(attributes["cartesian_site_positions"]) @ np.linalg.inv(lattice)
    assert np.unique(one.crystal.fractional, axis=0) == pytest.approx(fractional)


def test_only_what_is_wanted_is_said() -> None:
    one = Made(((("O", 1.0),), (("Si", 0.5), ("C", 0.25))), (), 1, 4.0)
    (facts,) = catalogue_of([one]).structures([0])
    found = resource(one.entry(0), facts, KNOWN, ("species", "id", "assemblies", "_other_gap"))
    assert found["id"] == "0" * 20
    assert found["attributes"] == {
        "species": [
            {"name": "O", "chemical_symbols": ["O"], "concentration": [1.0]},
            {
                "name": "Si0.5C0.25",
                "chemical_symbols": ["Si", "C", "vacancy"],
                "concentration": [0.5, 0.25, 0.25],
            },
        ],
        "assemblies": None,
        "_other_gap": None,
    }


def test_the_axis_that_a_sheet_does_not_repeat_along_is_told() -> None:
    one = Made(((("O", 1.0),),), (), 1, 4.0).entry(0)
    names = ("dimension_types", "nperiodic_dimensions", "space_group_it_number")
    known = properties(PUBLISHED_AT, "2d")
    for crystal, expected in (
        (layered.sheet(layered.BRUCITE), [1, 1, 0]),
        (layered.OBLIQUE, [1, 0, 1]),
    ):
        entry = replace(one, crystal=standardize(crystal).crystal)
        attributes = resource(entry, {}, known, names)["attributes"]
        assert list(attributes.values()) == [expected, 2, None]


@pytest.mark.parametrize(
    "number, symbol",
    [(1, "P 1"), (5, "C 2"), (14, "P 21/c"), (62, "P n m a"), (150, "P 3 2 1"), (227, "F d -3 m")],
)
def test_symbols_of_space_groups_have_blanks(number: int, symbol: str) -> None:
    assert hermann_mauguin(number) == symbol


def test_all_symbols_are_written_as_optimade_wants_them() -> None:
    for number in range(1, 231):
        StructureResourceAttributes(
            space_group_symbol_hermann_mauguin=hermann_mauguin(number),
            structure_features=[],
            last_modified=None,
        )


def test_rows_come_in_the_order_they_are_asked_for() -> None:
    catalogue = catalogue_of([Made(((("O", 1.0),),) * n, (), 1, 4.0) for n in (1, 2, 3, 4)])
    assert [one["n_sites"] for one in catalogue.structures([3, 0, 2])] == [4, 1, 3]
    assert catalogue.structures([]) == []
