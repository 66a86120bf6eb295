"""OPTIMADE filters as conditions of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Literal, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError
from optimade.filterparser.lark_parser import AVAILABLE_PARSERS

from indexer.conditions import (
    Both,
    Compare,
    Comparison,
    Condition,
    Constant,
    Has,
    Known,
    Length,
    Not,
    Operand,
)
from service.api.optimade.properties import OWN, Kind, Property, unsupported
from service.api.problems import ProblemError

MOST_LETTERS = 4000
MOST_BRACKETS = 50
"""Open at a time."""

_REVERSED: dict[str, Comparison] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_PART: dict[str, Comparison] = {"CONTAINS": "contains", "STARTS": "starts", "ENDS": "ends"}
_ELEMENT: dict[Kind, Kind] = {"texts": "text", "numbers": "number", "anything": "anything"}


@dataclass(frozen=True)
class Filter:
    """What a filter means.

    Attributes:
        condition: for entries; None lets all pass.
        warnings: what had to be taken as unknown, one line each.
    """

    condition: Condition | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Value:
    """What stands on a side of a comparison."""

    said: str
    kind: Kind
    operand: Operand | None


_Rest = Callable[[_Value], Condition]
_Test = tuple[str, _Value]


def translate(text: str, known: Mapping[str, Property]) -> Filter:
    """What a filter means.

    Args:
        text: in the filter language.
        known: properties by name.

    Raises:
        ProblemError: it is no filter, names a property that is none, or needs what is optional in
            OPTIMADE and not supported.
    """
    _check_size(text)
    translation = _Translation(known)
    try:
        condition = translation.transform(_parser().parse(text))
    except UnexpectedInput as error:
        ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        place = "its end" if ended else f"letter {(error.pos_in_stream or 0) + 1}"
        raise wrong(f"it cannot be read at {place}; see the filter language of OPTIMADE") from None
    except VisitError as error:
        if isinstance(error.orig_exc, ProblemError):
            raise error.orig_exc from None
        raise
    return Filter(cast("Condition | None", condition), tuple(dict.fromkeys(translation.warnings)))


def wrong(detail: str) -> ProblemError:
    """A filter that is wrong."""
    return ProblemError("bad-value", f"filter: {detail}", field="filter")


def missing(detail: str) -> ProblemError:
    """A filter that is right but asks for what is optional and not supported."""
    return ProblemError("not-supported", f"filter: {detail}", field="filter")


@cache
def _parser() -> Lark:
    """Reads filters in a time that grows with their length: the grammar is LALR(1)."""
    grammar = AVAILABLE_PARSERS[max(AVAILABLE_PARSERS)]["default"]
    return Lark(grammar.read_text("utf-8"), parser="lalr", maybe_placeholders=False)


def _check_size(text: str) -> None:
    if len(text) > MOST_LETTERS:
        raise wrong(f"{len(text)} letters are more than {MOST_LETTERS}; ask in several requests")
    depth = deepest = 0
    for letter in re.sub(r'"(\\.|[^"\\])*"', "", text):
        depth += (letter == "(") - (letter == ")")
        deepest = max(deepest, depth)
    if deepest > MOST_BRACKETS:
        raise wrong(f"more than {MOST_BRACKETS} brackets are open at a time; use fewer")


@dataclass
class _Translation(Transformer[Token, Any]):
    """Methods are named for the rules of the grammar and get what these consist of."""

    known: Mapping[str, Property]
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def filter(self, parts: list[Condition]) -> Condition | None:
        if len(parts) > 1:
            raise wrong("two conditions stand without AND or OR between them; write it")
        return parts[0] if parts else None

    def expression(self, parts: list[Condition]) -> Condition:
        return parts[0] if len(parts) == 1 else Both(tuple(parts), either=True)

    def expression_clause(self, parts: list[Condition]) -> Condition:
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def expression_phrase(self, parts: list[Any]) -> Condition:
        condition: Condition = parts[-1]
        return Not(condition) if len(parts) == 2 else condition

    def comparison(self, parts: list[Condition]) -> Condition:
        return parts[0]

    def property_first_comparison(self, parts: list[Any]) -> Condition:
        value, rest = parts
        condition: Condition = rest(value)
        return condition

    def constant_first_comparison(self, parts: list[Any]) -> Condition:
        left, how, right = parts
        return _compare(right, _REVERSED.get(how, how), left)

    def value_op_rhs(self, parts: list[Any]) -> _Rest:
        how, right = parts
        return lambda left: _compare(left, how, right)

    def known_op_rhs(self, parts: list[Token]) -> _Rest:
        def condition(value: _Value) -> Condition:
            # What filters cannot compare is there for every entry all the same.
            known = Known(Constant("there") if value.operand is None else value.operand)
            return known if parts[-1] == "KNOWN" else Not(known)

        return condition

    def fuzzy_string_op_rhs(self, parts: list[Any]) -> _Rest:
        def condition(left: _Value) -> Condition:
            for value in (left, parts[-1]):
                if value.kind not in {"text", "anything"}:
                    raise missing(f"{value.said} is no string; {parts[0]} compares strings")
            return Compare(_operand(left), _PART[parts[0]], _operand(parts[-1]))

        return condition

    def length_op_rhs(self, parts: list[Any]) -> _Rest:
        how: Comparison = str(parts[1]) if len(parts) == 3 else "="  # type: ignore[assignment]

        def condition(value: _Value) -> Condition:
            if value.kind not in _ELEMENT:
                raise missing(f"{value.said} is no list, and has no LENGTH; compare its value")
            return Length(_operand(value), how, Constant(parts[-1]))

        return condition

    def set_op_rhs(self, parts: list[Any]) -> _Rest:
        which, *rest = _which(parts)
        items = rest[0] if isinstance(rest[0], list) else _tests(rest)
        return lambda value: _has((value,), which, [[item] for item in items])

    def set_zip_op_rhs(self, parts: list[Any]) -> _Rest:
        others, *after = parts
        which, items = _which(after)
        if not isinstance(items[0], list):
            items = [items]
        return lambda value: _has((value, *others), which, items)

    def property_zip_addon(self, parts: list[_Value]) -> list[_Value]:
        return parts

    def value_list(self, parts: list[Any]) -> list[_Test]:
        return _tests(parts)

    def value_zip(self, parts: list[Any]) -> list[_Test]:
        return _tests(parts)

    def value_zip_list(self, parts: list[list[_Test]]) -> list[list[_Test]]:
        return parts

    def value(self, parts: list[_Value]) -> _Value:
        return parts[0]

    constant = non_string_value = value

    def not_implemented_string(self, _parts: list[_Value]) -> _Value:
        raise missing("two strings are compared; OPTIMADE leaves that undefined")

    def bool(self, _parts: list[Token]) -> _Value:
        raise missing("no property of structures is TRUE or FALSE; compare strings or numbers")

    def string(self, parts: list[Token]) -> _Value:
        text = re.sub(r"\\(.)", r"\1", parts[0][1:-1], flags=re.DOTALL)
        return _Value(str(parts[0]), "text", Constant(text))

    def number(self, parts: list[Token]) -> _Value:
        (said,) = parts
        number = float(said) if said.type == "SIGNED_FLOAT" else _whole(said)
        return _Value(str(said), "number", Constant(number))

    def signed_int(self, parts: list[Token]) -> int | float:
        return _whole(parts[0])

    def property(self, parts: list[Token]) -> _Value:
        name, *deeper = map(str, parts)
        said = ".".join((name, *deeper))
        if deeper and name in {*self.known, "references", "structures"}:
            raise missing(f"{said} is nested; ask for {name} alone")
        if (found := self.known.get(name)) is not None:
            return _Value(said, found.kind, found.operand)
        if not deeper and unsupported(name):
            return _Value(said, "anything", Constant(None))
        if name.startswith("_") and not name.startswith(OWN):
            self.warnings.append(f"{said} belongs to another database; it counts as unknown")
            return _Value(said, "anything", Constant(None))
        raise wrong(f"{said} is no property of structures; /optimade/v1/info/structures lists them")


def _whole(said: str) -> int | float:
    """A whole number; one too long to be exact for anybody is rounded."""
    return int(said) if len(said) <= 18 else float(said)


def _operand(value: _Value) -> Operand:
    if value.operand is None:
        raise missing(f"{value.said} cannot be compared; compare nsites, elements or formulas")
    return value.operand


def _compare(left: _Value, how: str, right: _Value) -> Condition:
    kinds = {left.kind, right.kind} - {"anything"}
    if kinds & {"texts", "numbers"}:
        raise missing("lists are compared as a whole; use HAS, with ALL, ANY or ONLY, or LENGTH")
    first, second = _operand(left), _operand(right)
    if kinds == {"time", "text"}:
        first, second = _as_time(left), _as_time(right)
    elif len(kinds) > 1:
        raise missing(f"{left.said} and {right.said} are of different types; compare equal ones")
    return Compare(first, cast("Comparison", str(how)), second)


def _as_time(value: _Value) -> Operand:
    operand = _operand(value)
    if value.kind == "time":
        return operand
    if isinstance(operand, Constant) and isinstance(operand.value, str):
        try:
            moment = datetime.fromisoformat(operand.value)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return Constant(moment)
    raise wrong(f"{value.said} is no time; write it like 2026-01-31T12:00:00Z")


def _which(parts: list[Any]) -> tuple[Literal["all", "any", "only"], *tuple[Any, ...]]:
    """Which elements are meant, and what stands behind; HAS alone is HAS ANY of one."""
    words: dict[str, Literal["all", "any", "only"]] = {"ALL": "all", "ANY": "any", "ONLY": "only"}
    _has_word, *rest = parts
    if isinstance(rest[0], Token) and rest[0].type in words:
        return words[rest[0].type], *rest[1:]
    return "any", *rest


def _tests(parts: list[Any]) -> list[_Test]:
    """Values, each with the comparison before it, or equality."""
    tests: list[_Test] = []
    how = "="
    for part in parts:
        if isinstance(part, Token):
            how = str(part)
        else:
            tests.append((how, part))
            how = "="
    return tests


def _has(
    lists: tuple[_Value, ...], which: Literal["all", "any", "only"], items: list[list[_Test]]
) -> Condition:
    for value in lists:
        if value.kind not in _ELEMENT:
            raise missing(f"{value.said} is no list, and HAS nothing; compare its value")
    for item in items:
        if len(item) != len(lists):
            raise wrong(f"{len(item)} values stand for {len(lists)} lists; give one for each")
        for value, (_, wanted) in zip(lists, item, strict=True):
            kinds = {_ELEMENT[value.kind], wanted.kind} - {"anything"}
            if len(kinds) > 1:
                raise missing(f"{value.said} holds no {wanted.kind} such as {wanted.said}")
    return Has(
        tuple(_operand(value) for value in lists),
        which,
        tuple(
            tuple((cast("Comparison", how), _operand(wanted)) for how, wanted in item)
            for item in items
        ),
    )
