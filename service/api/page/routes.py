"""The pages themselves, their files, and the parts that their scripts fetch.

Parts are HTML that the server writes, so that formulas, space groups and verdicts are set on these
pages as they are in reports.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from data.bundled import examples
from data.canonical import CRYSTAL_SYSTEMS, crystal_system
from service.api.clients import Client, needs
from service.api.entry_routes import page_of
from service.api.lookups import look_up, read_query
from service.api.page.elements import periodic_table
from service.api.problems import ProblemError
from service.api.queries import PageOptions
from service.api.search_routes import OVERLAID
from service.api.services import opened_for, services_of
from service.pages import asset, inline_hash, template_environment
from service.report import render_part

router = APIRouter(include_in_schema=False)

Read = Annotated[Client, Depends(needs("read"))]

_FRAMED = ("service.map", "map"), ("service.templates", "templates")
_SCRIPTS = " ".join(inline_hash((package, f"{name}.js")) for package, name in _FRAMED)
_STYLES = " ".join(
    inline_hash(("service.report", "report.css"), (package, f"{name}.css"))
    for package, name in _FRAMED
)
POLICY = (
    f"default-src 'none'; script-src 'self' {_SCRIPTS}; style-src 'self' {_STYLES}; "
    "style-src-attr 'unsafe-inline'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Own scripts and style sheets only, in the library's framed map and templates, too; attributes of
style are the plots' colours and places."""

_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_OWN = "service.api.page"
FILES = {
    "report.css": "service.report",
    "report.js": "service.report",
    "proposals.css": "service.proposals",
    "structure.js": "service.proposals",
    "page.css": _OWN,
    "icon.svg": _OWN,
    "batch.js": _OWN,
    "calls.js": _OWN,
    "cells.js": _OWN,
    "elements.js": _OWN,
    "generate.js": _OWN,
    "jobs.js": _OWN,
    "library.js": _OWN,
    "look-up.js": _OWN,
}
"""What pages load, and the package it lies in."""

WAVELENGTHS = ("CuKa", "CuKa1", "CoKa", "MoKa", "AgKa", "CrKa", "FeKa")
ENGINES = {
    "substitution": "known structure types, their elements exchanged",
    "diffusion": "a network draws atoms in the cell, shown templates",
    "direct": "atoms moved about until the pattern fits",
    "distance": "a network predicts distances of the formula's atoms",
    "pointcloud": "a network draws clouds of points; for elements alone, up to three",
}
"""Those of the solver, and what they do."""
MOST_COUNTED = 12
LAST_ADDED = 6


@router.get("/", response_class=HTMLResponse)
def index(request: Request) -> Response:
    """Look a pattern up."""
    return _page(
        "index.html",
        here="/",
        opened=request.state.opened,
        elements=periodic_table(),
        examples=examples(),
        wavelengths=WAVELENGTHS,
        engines=ENGINES,
    )


@router.get("/library", response_class=HTMLResponse)
def library(request: Request) -> Response:
    """See what the library holds, and add to it."""
    return _page("library.html", here="/library", opened=request.state.opened)


@router.get("/assets/{name}")
def file(name: str) -> Response:
    """A script or a style sheet of the pages."""
    if name not in FILES:
        raise ProblemError("not-found", f"{name[:40]}: there is no such file; begin at /")
    kind = _KINDS[name.rpartition(".")[2]]
    return Response(asset(FILES[name], name), media_type=kind)


@router.get("/examples/{name}")
def example(name: str) -> Response:
    """A measured pattern that ships, byte for byte."""
    found = examples().get(name)
    if found is None:
        raise ProblemError(
            "not-found", f"{name[:40]}: there is no such example; / lists those there are"
        )
    return Response(found.path.read_bytes(), media_type="application/octet-stream")


@router.post("/parts/answer", response_class=HTMLResponse)
async def answer_part(request: Request, _client: Read) -> Response:
    """The answer to a pattern, as the report has it, with links to what the service can do."""
    query = await read_query(request)
    pattern = await query.pattern(services_of(request))
    result = await look_up(request, pattern, query.options, overlays=OVERLAID)
    return HTMLResponse(await run_in_threadpool(render_part, result))


@router.get("/parts/library", response_class=HTMLResponse)
async def library_part(request: Request, _client: Read) -> Response:
    """The library at a glance."""
    opened = opened_for(request)

    def shown() -> Response:
        counts = opened.info["statistics"]
        systems: Counter[str] = Counter()
        for number, count in counts["space_groups"].items():
            systems[crystal_system(int(number))] += count
        rows = len(opened.library)
        return _part(
            "library_part.html",
            info=opened.info,
            systems={name: systems[name] for name in CRYSTAL_SYSTEMS if systems[name]},
            elements=[(one, counts["elements"].get(one.symbol, 0)) for one in periodic_table()],
            last=opened.library.entries(range(rows - 1, max(rows - 1 - LAST_ADDED, -1), -1)),
            most=MOST_COUNTED,
        )

    return await run_in_threadpool(shown)


@router.get("/parts/entries", response_class=HTMLResponse)
async def entries_part(
    request: Request, options: Annotated[PageOptions, Query()], _client: Read
) -> Response:
    """Rows of entries that pass filters."""
    opened = opened_for(request)
    found = await run_in_threadpool(page_of, opened, options)
    return _part("entries_part.html", found=found)


def _page(name: str, **values: Any) -> Response:  # noqa: ANN401 - as templates take them
    return HTMLResponse(_rendered(name, **values), headers={"Content-Security-Policy": POLICY})


def _part(name: str, **values: Any) -> Response:  # noqa: ANN401 - as templates take them
    return HTMLResponse(_rendered(name, **values))


def _rendered(name: str, **values: Any) -> str:  # noqa: ANN401 - as templates take them
    environment = template_environment()
    environment.filters |= {
        "brief": _brief,
        "depth": _depth,
        "wavelength": _wavelength_words,
    }
    return environment.from_string(asset(_OWN, name)).render(**values)


def _wavelength_words(name: str) -> str:
    """The name of a radiation as it is written: "CuKa1" becomes "Cu Kα₁"."""
    return re.sub("K(a)(1?)$", lambda found: f" Kα{'₁' if found[2] else ''}", name)


def _brief(count: int) -> str:
    """A count that fits in a small box: "8.5k"."""
    return str(count) if count < 1000 else f"{count / 1000:.{int(count < 10_000)}f}k"


def _depth(count: int, most: int) -> int:
    """How deep a box is coloured, in percent: by the logarithm of its count."""
    return round(100 * math.log1p(count) / math.log1p(most)) if most else 0
