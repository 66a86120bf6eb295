"""What a request to an OPTIMADE route says in its query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fastapi import Request

from indexer.catalogue import Order
from indexer.conditions import Condition
from service.api.optimade.filters import translate
from service.api.optimade.properties import OWN, Property, unsupported
from service.api.optimade.version import MAJOR, VERSIONS
from service.api.problems import ProblemError

PAGE = 20
MOST_OF_A_PAGE = 200
_OF_ANY = frozenset({"response_format", "email_address", "api_hint"})
_OF_ENTRIES = frozenset({"response_fields", "include"})
_OF_LISTS = frozenset({"filter", "sort", "page_limit", "page_offset", "page_number", "page_cursor"})


@dataclass(frozen=True)
class Asked:
    """What is wanted.

    Attributes:
        warnings: what of the query was not followed, one line each.
        fields: names of properties; None for all.
        condition: for entries.
        order: of entries.
        limit: entries of a page.
        offset: entries to pass over.
        after: id of the entry that the page before ended with.
    """

    warnings: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
    condition: Condition | None = None
    order: Order = ()
    limit: int = PAGE
    offset: int = 0
    after: str | None = None


def asked(
    request: Request, options: frozenset[str] = frozenset(), *, strict: bool = False
) -> Asked:
    """What every route is asked.

    Args:
        request: whose query is read.
        options: besides those of every route.
        strict: whether an option that is none is refused, or passed over with a warning.

    Raises:
        ProblemError: an option that is none, or has no such value.
    """
    warnings = []
    said = request.query_params
    for name in said:
        if name.startswith("_") and not name.startswith(OWN):
            warnings.append(f"{name} belongs to another database; it was passed over")
        elif name not in _OF_ANY | options:
            if strict:
                raise _wrong(name, "there is no such option; leave it out")
            warnings.append(f"{name}: there is no such option; it was passed over")
    if (form := said.get("response_format", "json")) != "json":
        raise _wrong("response_format", f"{form!r} is not answered; leave it out for json")
    if (hint := said.get("api_hint")) is not None:
        versioned = any(f"/v{one}/" in request.url.path for one in VERSIONS)
        warnings += _hinted(hint, versioned=versioned)
    return Asked(tuple(warnings))


def asked_of_entry(request: Request, known: Mapping[str, Property]) -> Asked:
    """What is asked of one entry."""
    return _with_fields(asked(request, _OF_ENTRIES), request, known)


def asked_of_entries(request: Request, known: Mapping[str, Property]) -> Asked:
    """What is asked of many."""
    found = _with_fields(asked(request, _OF_ENTRIES | _OF_LISTS, strict=True), request, known)
    said = request.query_params
    limit = _number(request, "page_limit", PAGE, 1)
    if limit > MOST_OF_A_PAGE:
        raise ProblemError(
            "not-allowed",
            f"page_limit: {limit} is more than {MOST_OF_A_PAGE}; follow `links.next`",
            field="page_limit",
        )
    offset = _number(request, "page_offset", 0, 0)
    if "page_number" in said:
        offset = limit * (_number(request, "page_number", 1, 1) - 1)
    filtered = translate(said.get("filter", ""), known)
    return replace(
        found,
        warnings=(*found.warnings, *filtered.warnings),
        condition=filtered.condition,
        order=_order(said.get("sort", ""), known),
        limit=limit,
        offset=offset,
        after=said.get("page_cursor"),
    )


def _with_fields(found: Asked, request: Request, known: Mapping[str, Property]) -> Asked:
    said = request.query_params
    for name in _names(said.get("include", "")):
        if name != "references":
            raise _wrong("include", f"{name!r} is related to nothing here; leave it out")
    if "response_fields" not in said:
        return found
    fields = _names(said["response_fields"])
    foreign = {name for name in fields if name.startswith("_") and not name.startswith(OWN)}
    for name in fields:
        if name not in known and name not in foreign and not unsupported(name):
            raise _wrong("response_fields", f"{name!r} is no property of structures; leave it out")
    said_of_them = [f"{name} belongs to another database; it is null" for name in sorted(foreign)]
    return replace(found, fields=fields, warnings=(*found.warnings, *said_of_them))


def _order(text: str, known: Mapping[str, Property]) -> Order:
    order = []
    for said in _names(text):
        name = said.removeprefix("-")
        column = known[name].sort_column if name in known else None
        if column is None:
            raise _wrong(
                "sort", f"{name!r} does not sort; /optimade/v1/info/structures says what does"
            )
        order.append((column, said.startswith("-")))
    return tuple(order)


def _hinted(hint: str, *, versioned: bool) -> list[str]:
    if versioned:
        return [f"api_hint: {hint!r} was passed over, since the address names a version"]
    if (found := re.fullmatch(r"v(\d{1,9})(\.\d{1,9})?", hint)) is None:
        return [f"api_hint: {hint!r} is not understood, and was passed over"]
    if int(found[1]) > MAJOR:
        raise ProblemError(
            "wrong-version", f"api_hint: {hint} is not served; ask for v{MAJOR}", field="api_hint"
        )
    return []


def _number(request: Request, name: str, default: int, least: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) < least:
        raise _wrong(name, f"{text!r} is no whole number from {least}; give one")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


def _wrong(field: str, detail: str) -> ProblemError:
    return ProblemError("bad-value", f"{field}: {detail}", field=field)
