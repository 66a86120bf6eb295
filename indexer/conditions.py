"""Conditions on the columns of a catalogue, and the DuckDB expressions they are.

A condition is true, false, or unknown where a value it asks about is unknown; only entries for
which it is true pass, so neither `x` nor `not x` finds those for which it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Scalar = str | int | float | datetime
Values = tuple[str, ...] | tuple[float, ...]

_TEMPLATES = {
    "=": "({} = {})",
    "!=": "({} <> {})",
    "<": "({} < {})",
    "<=": "({} <= {})",
    ">": "({} > {})",
    ">=": "({} >= {})",
    "contains": "contains({}, {})",
    "starts": "starts_with({}, {})",
    "ends": "ends_with({}, {})",
}
_UNKNOWN = "NULL::BOOLEAN"
_MOST_INT = 2**63

Comparison = Literal["=", "!=", "<", "<=", ">", ">=", "contains", "starts", "ends"]

COLUMNS = (
    "id",
    "formula",
    "reduced",
    "hill",
    "anonymous",
    "elements",
    "ratios",
    "n_elements",
    "n_sites",
    "features",
    "space_group_number",
    "space_group",
    "hermann_mauguin",
    "volume_angstrom3",
    "density_g_cm3",
    "names",
    "collections",
    "identifiers",
    "citations",
    "licences",
)
"""What may be asked about; `indexer.structures` says what it means."""


@dataclass(frozen=True)
class Column:
    """A column of `COLUMNS`."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in COLUMNS:
            raise ValueError(f"{self.name!r} is no column; there are {', '.join(COLUMNS)}")


@dataclass(frozen=True)
class Constant:
    """A value that is the same for all entries; None is unknown."""

    value: Scalar | Values | None


Operand = Column | Constant


@dataclass(frozen=True)
class Compare:
    """Two scalars of one kind. What `contains`, `starts` or `ends` with what stands left."""

    left: Operand
    how: Comparison
    right: Operand


@dataclass(frozen=True)
class Length:
    """How long a list is."""

    values: Operand
    how: Comparison
    number: Operand


@dataclass(frozen=True)
class Has:
    """What is in a list, or in several lists of one length at the same place.

    Attributes:
        lists: which; elements are compared with the tests of an item in this order.
        which: whether each of the items is matched by some element ("all"), one of them is
            ("any"), or each element matches one of the items ("only").
        items: what elements are compared with, one test for each list.
    """

    lists: tuple[Operand, ...]
    which: Literal["all", "any", "only"]
    items: tuple[tuple[tuple[Comparison, Operand], ...], ...]


@dataclass(frozen=True)
class Known:
    """Whether there is a value; never unknown itself."""

    value: Operand


@dataclass(frozen=True)
class Not:
    """The contrary; unknown where the condition is."""

    condition: Condition


@dataclass(frozen=True)
class Both:
    """All of some conditions, or with `either` at least one of them."""

    conditions: tuple[Condition, ...]
    either: bool = False


Condition = Compare | Length | Has | Known | Not | Both


def expression(condition: Condition) -> tuple[str, list[object]]:
    """A condition as an expression with question marks, and the values for them in order.

    Nothing of the condition stands in the text but names of `COLUMNS`.
    """
    values: list[object] = []
    return _expression(condition, values), values


def _expression(condition: Condition, values: list[object]) -> str:
    match condition:
        case Compare(left, how, right):
            first = _operand(left, values)
            text = _TEMPLATES[how].format(first, _operand(right, values))
        case Length(Constant(None)):
            text = _UNKNOWN
        case Length(of, how, number):
            length = f"len({_operand(of, values)})"
            text = _TEMPLATES[how].format(length, _operand(number, values))
        case Known(value):
            text = f"({_operand(value, values)} IS NOT NULL)"
        case Not(inner):
            text = f"(NOT {_expression(inner, values)})"
        case Both(conditions, either):
            parts = [_expression(one, values) for one in conditions]
            text = f"({(' OR ' if either else ' AND ').join(parts)})"
        case Has():
            text = _has(condition, values)
    return text


def _has(condition: Has, values: list[object]) -> str:
    tested = [operand for item in condition.items for _, operand in item]
    if Constant(None) in (*condition.lists, *tested):
        return _UNKNOWN
    groups = [condition.items] if condition.which != "all" else [(one,) for one in condition.items]
    parts = []
    for items in groups:
        zipped = ", ".join(_operand(one, values) for one in condition.lists)
        wanted = " OR ".join(_matches(item, values) for item in items)
        test = f"NOT ({wanted})" if condition.which == "only" else wanted
        count = f"len(list_filter(list_zip({zipped}), lambda x: {test}))"
        parts.append(f"({count} {'=' if condition.which == 'only' else '>'} 0)")
    return f"({' AND '.join(parts)})"


def _matches(item: tuple[tuple[Comparison, Operand], ...], values: list[object]) -> str:
    tests = [
        _TEMPLATES[how].format(f"x[{place}]", _operand(operand, values))
        for place, (how, operand) in enumerate(item, 1)
    ]
    return f"({' AND '.join(tests)})"


def _operand(operand: Operand, values: list[object]) -> str:
    if isinstance(operand, Column):
        return f'"{operand.name}"'
    value = operand.value
    if value is None:
        return "NULL"
    if isinstance(value, tuple):
        values.append(list(value))
        return "?::VARCHAR[]" if any(isinstance(one, str) for one in value) else "?::DOUBLE[]"
    if isinstance(value, int) and abs(value) >= _MOST_INT:
        value = float(value)
    values.append(value)
    if isinstance(value, datetime):
        return "?::TIMESTAMPTZ"
    return "?::VARCHAR" if isinstance(value, str) else "?"
