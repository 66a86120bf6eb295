import pytest

from service.notation import formula_html, signed, space_group_html


@pytest.mark.parametrize(
    "formula, expected",
    [
        ("PbSO4", "PbSO<sub>4</sub>"),
        ("Ba0.13Sr0.87SO4", "Ba<sub>0.13</sub>Sr<sub>0.87</sub>SO<sub>4</sub>"),
        (
            "Ca2Ce8(SiO4)6O2",
            "Ca<sub>2</sub>Ce<sub>8</sub>(SiO<sub>4</sub>)<sub>6</sub>O<sub>2</sub>",
        ),
        ("C", "C"),
        ("<b>O2", "&lt;b&gt;O<sub>2</sub>"),
    ],
)
def test_amounts_are_subscripts(formula: str, expected: str) -> None:
    assert formula_html(formula) == expected


@pytest.mark.parametrize(
    "symbol, expected",
    [
        ("P n m a", "<i>P</i><i>n</i><i>m</i><i>a</i>"),
        ("Pnma", "<i>P</i><i>n</i><i>m</i><i>a</i>"),
        ("Fm-3m", '<i>F</i><i>m</i><span class="bar">3</span><i>m</i>'),
        ("P4_2/mnm", "<i>P</i>4<sub>2</sub>/<i>m</i><i>n</i><i>m</i>"),
        ("P212121", "<i>P</i>2<sub>1</sub>2<sub>1</sub>2<sub>1</sub>"),
        ("P321", "<i>P</i>321"),
        ("P3121", "<i>P</i>3<sub>1</sub>21"),
        ("P422", "<i>P</i>422"),
        ("C 1 2/m 1", "<i>C</i>2/<i>m</i>"),
        ("P1", "<i>P</i>1"),
        ("P-1", '<i>P</i><span class="bar">1</span>'),
        ("in <no> table", "in &lt;no&gt; table"),
    ],
)
def test_space_groups_are_set_as_in_print(symbol: str, expected: str) -> None:
    assert space_group_html(symbol) == expected


def test_a_minus_is_a_minus() -> None:
    assert signed(-0.0123, 3) == "\N{MINUS SIGN}0.012"
    assert signed(1.0, 1) == "+1.0"
