from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pymatgen.core.composition import Composition
from pymatgen.core.periodic_table import Element

from data.errors import CrystalError
from data.formula import (
    alphabetical_formula,
    anonymous_formula,
    atomic_mass,
    density_g_cm3,
    hill_formula,
    is_element,
    parse_formula,
    reduced_formula,
    whole_amounts,
)
from tests import crystals

SYMBOLS = [element.symbol for element in Element if element.Z <= 103 and element.symbol != "D"]


@pytest.mark.parametrize(
    "composition, formula",
    [
        ({"Pb": 4, "S": 4, "O": 16}, "PbSO4"),
        ({"O": 2.0}, "O"),
        ({"Ca": 10, "P": 6, "O": 24, "F": 2}, "Ca5P3O12F"),
        ({"Mg": 7.2, "Fe": 0.8, "Si": 4, "O": 16}, "Mg1.8Fe0.2SiO4"),
        ({"V": 0.09, "Bi": 25.36, "O": 40}, "V0.018Bi5.07O8"),
        ({"Mg": 7.2, "Fe": 16.8, "Al": 16, "Si": 24, "O": 96}, "Mg0.9Al2Fe2.1Si3O12"),
        ({"Ba": 0.14, "Ti": 1, "O": 2}, "Ba0.14TiO2"),
        ({"Ni": 1.88, "Fe": 2.12}, "Fe0.53Ni0.47"),
        ({"Al": 3.996, "O": 6.0}, "Al2O3"),
        ({"C": 3, "H": 0.0}, "C"),
    ],
)
def test_reduced_formulas(composition: dict[str, float], formula: str) -> None:
    assert reduced_formula(composition) == formula


# pymatgen warns of the noble gases that have no electronegativity.
REACTIVE = sorted(set(SYMBOLS) - {"He", "Ne", "Ar"})


@example({"Rb": 1, "O": 1})
@given(st.dictionaries(st.sampled_from(REACTIVE), st.integers(1, 40), min_size=2, max_size=5))
def test_whole_amounts_reduce_as_pymatgen_has_them(composition: dict[str, int]) -> None:
    formula, expected = Composition(composition).get_integer_formula_and_factor()
    # pymatgen writes peroxides of alkali metals as molecules: Rb2O2.
    assume(formula not in Composition.special_formulas.values())
    parsed = parse_formula(reduced_formula(composition))
    assert parsed == pytest.approx({s: n / expected for s, n in composition.items()})


@given(st.dictionaries(st.sampled_from(REACTIVE), st.integers(1, 40), min_size=2, max_size=5))
def test_whole_formulas_are_pymatgens(composition: dict[str, int]) -> None:
    expected = Composition(composition)
    factor = expected.get_integer_formula_and_factor()[1]
    numbers = whole_amounts(composition)
    assert numbers == {s: round(n / factor) for s, n in composition.items()}
    assert parse_formula(alphabetical_formula(numbers)) == numbers
    letters = [symbol for symbol in anonymous_formula(numbers) if symbol.isalpha()]
    assert letters == sorted(letters)
    assert hill_formula(numbers) == Composition(numbers).hill_formula.replace(" ", "")


@pytest.mark.parametrize("formula", ["PbSO4", "Al2O3", "NaCl", "MgSiO3", "H2O", "CaTiO3", "FeS2"])
def test_elements_stand_in_pymatgens_order(formula: str) -> None:
    composition = Composition(formula)
    assert reduced_formula(composition.as_dict()) == composition.reduced_formula


@pytest.mark.parametrize(
    "composition, alphabetical, hill, anonymous",
    [
        ({"Pb": 4, "S": 4, "O": 16}, "O4PbS", "O4PbS", "A4BC"),
        ({"H": 12, "C": 12, "Br": 2}, "BrC6H6", "C6H6Br", "A6B6C"),
        ({"Fe": 3.8, "O": 4}, "Fe19O20", "Fe19O20", "A20B19"),
        ({"Ti": 0.001, "O": 2}, "O200Ti", "O200Ti", "A200B"),
        ({"Na": 4, "Cl": 4}, "ClNa", "ClNa", "AB"),
    ],
)
def test_formulas_of_whole_numbers(
    composition: dict[str, float], alphabetical: str, hill: str, anonymous: str
) -> None:
    numbers = whole_amounts(composition)
    assert alphabetical_formula(numbers) == alphabetical
    assert hill_formula(numbers) == hill
    assert anonymous_formula(numbers) == anonymous


def test_labels_of_many_elements_go_on_after_z() -> None:
    formula = anonymous_formula({str(i): 1 for i in range(54)})
    assert formula.endswith("YZAaBaCaDaEaFaGaHaIaJaKaLaMaNaOaPaQaRaSaTaUaVaWaXaYaZaAbBb")


@pytest.mark.parametrize(
    "text, amounts",
    [
        ("PbSO4", {"Pb": 1, "S": 1, "O": 4}),
        ("Ca5(PO4)3F", {"Ca": 5, "P": 3, "O": 12, "F": 1}),
        ("CaSO4·2H2O", {"Ca": 1, "S": 1, "O": 6, "H": 4}),
        ("CaSO4.2H2O", {"Ca": 1, "S": 1, "O": 6, "H": 4}),
        ("CuSO4.5(H2O)", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("Mg1.8Fe0.2SiO4", {"Mg": 1.8, "Fe": 0.2, "Si": 1, "O": 4}),
        ("K[Fe(CN)6]", {"K": 1, "Fe": 1, "C": 6, "N": 6}),
        ("Si4 O16", {"Si": 4, "O": 16}),
        ("D2O", {"H": 2, "O": 1}),
        (" Zn ", {"Zn": 1}),
    ],
)
def test_formulas_are_read(text: str, amounts: dict[str, float]) -> None:
    assert parse_formula(text) == pytest.approx(amounts)


@pytest.mark.parametrize("text", ["", "  ", "xyz", "Pb(SO4", "PbSO4)", "Qq2", "4", "Pb-S", "2.."])
def test_what_is_no_formula_is_quoted(text: str) -> None:
    with pytest.raises(CrystalError, match="formula"):
        parse_formula(text)


@given(st.text(max_size=20))
def test_any_text_is_a_formula_or_a_clear_error(text: str) -> None:
    try:
        amounts = parse_formula(text)
    except CrystalError:
        return
    assert all(is_element(symbol) for symbol in amounts)


def test_unknown_elements_are_refused() -> None:
    for wrong in ({"Xx": 1.0}, {}):
        with pytest.raises(CrystalError):
            reduced_formula(wrong)
    with pytest.raises(CrystalError, match="Xx"):
        atomic_mass("Xx")


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_element_has_its_mass(symbol: str) -> None:
    assert is_element(symbol)
    assert atomic_mass(symbol) == pytest.approx(float(Element(symbol).atomic_mass), rel=0.02)


def test_densities() -> None:
    assert density_g_cm3(crystals.ROCK_SALT) == pytest.approx(2.163, abs=2e-3)
    assert density_g_cm3(crystals.RUTILE) == pytest.approx(4.25, abs=5e-3)
    assert density_g_cm3(crystals.OLIVINE) == pytest.approx(3.38, abs=0.03)
