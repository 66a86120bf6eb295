"""Metals and ligands, and the formula that they make up."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from data.components import Component, composition_of, parse_ligand, parse_metals
from data.errors import CrystalError, MissingExtraError
from data.formula import parse_formula, reduced_formula

TEREPHTHALATE = "O=C([O-])c1ccc(cc1)C(=O)[O-]"


def test_metals_may_be_counted() -> None:
    assert parse_metals("Zn:4, Cu") == [
        Component("Zn", {"Zn": 1.0}, 4.0),
        Component("Cu", {"Cu": 1.0}),
    ]


@pytest.mark.parametrize("text", ["O", "Zn,Xx", "Zn:x", "", ","])
def test_what_is_no_metal_is_named(text: str) -> None:
    with pytest.raises(CrystalError, match=r"write for instance Zn:4,Cu"):
        parse_metals(text)


def test_ligands_are_read() -> None:
    pytest.importorskip("rdkit")
    assert parse_ligand(f"{TEREPHTHALATE}:3") == Component(
        TEREPHTHALATE, {"C": 8.0, "O": 4.0, "H": 4.0}, 3.0
    )
    assert parse_ligand("[O-2]") == Component("[O-2]", {"O": 1.0})
    # The colon of an aromatic bond, before the digit that closes the ring, is no number.
    assert parse_ligand("c1:c:c:c:c:c:1") == Component("c1:c:c:c:c:c:1", {"C": 6.0, "H": 6.0})


@pytest.mark.parametrize("text", ["C1CC", "nonsense", "", "*", ":3"])
def test_what_is_no_smiles_is_named(text: str) -> None:
    pytest.importorskip("rdkit")
    with pytest.raises(CrystalError, match="is no SMILES; write for instance"):
        parse_ligand(text)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("rdkit"):
            raise ImportError(name)
        return genuine(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"braggle\[ligands\]"):
        parse_ligand("O")


ZINC = Component("Zn", {"Zn": 1.0}, 4.0)
OXIDE = Component("[O-2]", {"O": 1.0}, 1.0)
LINKER = Component(TEREPHTHALATE, {"C": 8.0, "O": 4.0, "H": 4.0}, 3.0)


def test_counts_make_up_the_formula() -> None:
    total = composition_of([ZINC, OXIDE, LINKER])
    assert reduced_formula(total) == reduced_formula(parse_formula("Zn4O(C8H4O4)3"))


def test_a_formula_may_hold_more_and_may_lack_hydrogen() -> None:
    for text in ("Zn4O(C8H4O4)3", "Zn8O2(C8H4O4)6", "Zn4O13C24", "Zn4O(C8H4O4)3(H2O)2"):
        formula = parse_formula(text)
        assert composition_of([ZINC, OXIDE, LINKER], formula) == formula
    one = [Component("Zn", {"Zn": 1.0}), Component("CO", {"C": 1.0, "O": 1.0})]
    assert composition_of(one, {"Zn": 1.0, "C": 2.0, "O": 2.0}) == {"Zn": 1.0, "C": 2.0, "O": 2.0}


@pytest.mark.parametrize(
    "components, formula, said",
    [
        ([Component("Zn", {"Zn": 1.0}), LINKER], None, "Zn: how many in a formula unit"),
        ([ZINC], "CuO", "formula CuO: it has no Zn, which Zn has"),
        ([Component("Zn", {"Zn": 1.0}), Component("N", {"N": 1.0})], "ZnO", "it has no N"),
        ([ZINC, OXIDE, LINKER], "Zn4C24O12", "does not fit in it by its O"),
        ([ZINC, Component("Cu", {"Cu": 1.0}, 4.0)], "Zn4Cu2O", "by its Cu"),
        ([ZINC, Component("Cu", {"Cu": 1.0}, 4.0)], "Zn4Cu8O", "by its Cu"),
    ],
)
def test_what_does_not_agree_is_named(
    components: list[Component], formula: str | None, said: str
) -> None:
    with pytest.raises(CrystalError, match=said):
        composition_of(components, parse_formula(formula) if formula else None)
