"""Formulas and space groups as a printed page sets them: subscripts, overbars, italics."""

from __future__ import annotations

import re

import gemmi
from markupsafe import Markup, escape

_AMOUNT = re.compile(r"(?<=[A-Za-z)\]])(\d+(?:\.\d+)?)")
_AXIS = re.compile(r"(-)?([12346])([1-5])?")


def formula_html(formula: str) -> Markup:
    """Amounts as subscripts: "PbSO4" becomes PbSO<sub>4</sub>."""
    return Markup(_AMOUNT.sub(r"<sub>\1</sub>", str(escape(formula))))  # noqa: S704 - escaped


def space_group_html(symbol: str) -> Markup:
    """A Hermann-Mauguin symbol: letters italic, screw axes as subscripts, inversion as overbar.

    A symbol that is in no table is shown as it is written.
    """
    try:
        known = gemmi.SpaceGroup(symbol.replace("_", ""))
    except ValueError:
        return escape(symbol)
    letter, *elements = known.hm.split()
    if known.crystal_system_str() == "monoclinic":
        elements = [element for element in elements if element != "1"]
    parts = [f"<i>{letter}</i>", *(_element(element) for element in elements)]
    return Markup("".join(parts))  # noqa: S704 - made of a table's letters and digits


def signed(value: float, digits: int) -> str:
    """A number with its sign, a true minus: "+0.02", "−0.012"."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _element(element: str) -> str:
    axis, slash, plane = element.partition("/")
    shown = _AXIS.sub(_rotation, axis)
    if axis.isalpha():
        shown = f"<i>{axis}</i>"
    return f"{shown}/<i>{plane}</i>" if slash else shown


def _rotation(match: re.Match[str]) -> str:
    inversion, order, screw = match.groups()
    shown = f'<span class="bar">{order}</span>' if inversion else order
    return f"{shown}<sub>{screw}</sub>" if screw else shown
