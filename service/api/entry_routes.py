"""The library: what it holds, and changes to it."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from data.cif import write_cif
from data.errors import QueryError
from indexer.entry import Entry
from service.answer import entry_answer
from service.api.bodies import FORM, body_schema, content_type, read_cif, read_form
from service.api.clients import Client, needs
from service.api.job_routes import accepted
from service.api.parsing import columns, simulate
from service.api.problems import ProblemError
from service.api.queries import Options, PageOptions, SimulateOptions
from service.api.served import Opened
from service.api.services import Document, opened_for, services_of
from service.proposals.structure import drawn_cell
from service.templates.listing import answer as templates_answer
from service.templates.listing import list_templates

router = APIRouter(prefix="/v1", tags=["library"])

Read = Annotated[Client, Depends(needs("read"))]
EntryId = Annotated[str, Path(pattern="^[0-9a-f]{20}$", description="20 hexadecimal digits")]
MOST_DRAWN = 1500
"""Atoms of a cell that is drawn."""


class CifResponse(Response):
    """A CIF."""

    media_type = "chemical/x-cif"


@router.get("/entries")
async def entries(
    request: Request, page: Annotated[PageOptions, Query()], _client: Read
) -> Response:
    """Entries that pass filters, in the library's order, a page at a time."""
    opened = opened_for(request)
    return Document(await run_in_threadpool(_page, opened, page))


@router.get("/entries/{entry_id}.cif", response_class=CifResponse)
async def entry_cif(request: Request, entry_id: EntryId, _client: Read) -> Response:
    """One entry as a CIF."""
    entry = await run_in_threadpool(_entry, opened_for(request), entry_id)
    return CifResponse(write_cif(entry.crystal, name=f"{entry.formula}-{entry.id}"))


@router.get("/entries/{entry_id}.xy", response_class=PlainTextResponse)
async def entry_pattern(
    request: Request,
    entry_id: EntryId,
    options: Annotated[SimulateOptions, Query()],
    _client: Read,
) -> Response:
    """The simulated pattern of one entry, as text in two columns: 2θ and counts.

    It is that of a powder, or in a library of sheets that of a sheet in its plane.
    """
    services, opened = services_of(request), opened_for(request)
    wanted = options.simulation(services.settings.max_points, opened.library.profile)

    def pattern() -> str:
        return columns(simulate(_entry(opened, entry_id).crystal, wanted, entry_id))

    return PlainTextResponse(await services.searches.run(pattern))


@router.get("/entries/{entry_id}/drawing")
async def entry_drawing(request: Request, entry_id: EntryId, _client: Read) -> Response:
    """The unit cell of one entry as it is drawn: atoms, bonds and edges, in Å about its middle.

    Each of `atoms` is element, x, y, z and covalent radius; `bonds` are pairs of their numbers;
    `edges` are pairs of numbers of `corners`.
    """
    opened = opened_for(request)

    def drawing() -> dict[str, Any]:
        found = _entry(opened, entry_id)
        if len(found.crystal) > MOST_DRAWN:
            raise ProblemError(
                "bad-content",
                f"{entry_id}: {len(found.crystal)} atoms in the cell are more than {MOST_DRAWN} "
                "that are drawn; open its CIF in a viewer",
            )
        return {**entry_answer(found), **drawn_cell(found.crystal)}

    return Document(await run_in_threadpool(drawing))


@router.get("/entries/{entry_id}")
async def entry(request: Request, entry_id: EntryId, _client: Read) -> Response:
    """One entry; with `.cif` behind its id as a CIF, with `.xy` as a simulated pattern."""
    opened = opened_for(request)
    found = await run_in_threadpool(_entry, opened, entry_id)
    crystal = found.crystal
    details = {
        "elements": list(found.elements),
        "space_group_number": found.space_group_number,
        "density_g_cm3": found.density_g_cm3,
        "volume_angstrom3": crystal.volume_angstrom3,
        "atoms": [
            {
                "element": symbol,
                "occupancy": occupancy,
                "fractional": place,
            }
            for symbol, occupancy, place in zip(
                crystal.species,
                crystal.occupancies.tolist(),
                crystal.fractional.tolist(),
                strict=True,
            )
        ],
    }
    return Document({**entry_answer(found), **details, "library": _library(opened)})


@router.post("/entries", status_code=202, openapi_extra=body_schema(Options, None, many=True))
async def add_entries(
    request: Request, client: Annotated[Client, Depends(needs("write"))]
) -> Response:
    """Add the crystals of CIFs, or of zip archives of CIFs: a job."""
    if content_type(request) == FORM:
        settings = services_of(request).settings
        options, uploads = await read_form(request, Options, settings.max_files)
    else:
        options, upload = await read_cif(request, Options)
        uploads = (upload,)
    return await accepted(request, client, "add", options, uploads)


@router.delete("/entries/{entry_id}", status_code=202)
async def remove_entry(
    request: Request, entry_id: EntryId, client: Annotated[Client, Depends(needs("admin"))]
) -> Response:
    """Take an entry out of the library: a job."""
    opened = opened_for(request)
    await run_in_threadpool(_row, opened, entry_id)
    return await accepted(request, client, "remove", RemoveOptions(id=entry_id), ())


@router.get("/templates")
async def templates(
    request: Request,
    _client: Read,
    kind: Literal["global", "local"] | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Response:
    """Templates with most members; the document of `braggle library templates --json`."""
    opened = opened_for(request)

    def listed() -> dict[str, Any]:
        return templates_answer(list_templates(opened.library, kind=kind, most=limit))

    return Document(opened.without_paths(await run_in_threadpool(listed)))


@router.get("/library")
async def library(request: Request, _client: Read) -> Response:
    """The library at a glance; the document of `braggle library info --json`."""
    opened = opened_for(request)
    return Document(await run_in_threadpool(lambda: opened.info))


@router.get("/library/history")
async def history(request: Request, _client: Read) -> Response:
    """The versions that are kept; the document of `braggle library history --json`."""
    opened = opened_for(request)
    versions = await run_in_threadpool(opened.library.history)
    return Document({"library": _library(opened), "versions": [asdict(one) for one in versions]})


class RemoveOptions(Options):
    """Which entry goes."""

    id: str


class DrawOptions(Options):
    """What is drawn."""

    what: Literal["map", "templates"]


@router.post("/library/{what}", status_code=202)
async def drawing(request: Request, what: Literal["map", "templates"], client: Read) -> Response:
    """Draw the library's map, or its templates: a job, the same one for each version."""
    version = opened_for(request).library.version
    key = f"{what} of version {version}"
    return await accepted(request, client, "draw", DrawOptions(what=what), key=key)


@dataclass(frozen=True)
class Found:
    """A page of entries that pass filters.

    Attributes:
        total: how many there are on all pages.
        entries: of this page.
        next_cursor: of the next page; None where there is none.
    """

    total: int
    entries: tuple[Entry, ...]
    next_cursor: str | None


def page_of(opened: Opened, page: PageOptions) -> Found:
    """Entries that pass filters, a page of them.

    Raises:
        ProblemError: a filter or the cursor is not understood, or the cursor's entry has gone.
    """
    library = opened.library
    rows = library.select(page.filters())
    first = 0
    if page.cursor is not None:
        first = int(rows.searchsorted(_row_after(opened, page.cursor)))
    found = library.entries(rows[first : first + page.limit])
    more = first + page.limit < len(rows)
    return Found(len(rows), found, _cursor(found[-1].id) if more else None)


def _page(opened: Opened, page: PageOptions) -> dict[str, Any]:
    found = page_of(opened, page)
    return {
        "library": _library(opened),
        "total": found.total,
        "entries": [entry_answer(one) for one in found.entries],
        "next_cursor": found.next_cursor,
    }


def _cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps({"after": last_id}).encode()).decode()


def _row_after(opened: Opened, cursor: str) -> int:
    """The first row of the page that a cursor begins: behind the last entry of the one before."""
    try:
        last = str(json.loads(base64.urlsafe_b64decode(cursor))["after"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise ProblemError(
            "bad-value",
            "cursor: this is none; give the `next_cursor` of the page before, or leave it out",
            field="cursor",
        ) from None
    try:
        return opened.library.row(last) + 1
    except QueryError:
        raise ProblemError(
            "cursor-gone",
            "cursor: the entry that the page before ended with is no longer in the library; "
            "begin again without a cursor",
            field="cursor",
        ) from None


def _row(opened: Opened, entry_id: str) -> int:
    try:
        return opened.library.row(entry_id)
    except QueryError:
        raise ProblemError(
            "not-found",
            f"no entry has the id {entry_id}; /v1/entries lists those there are",
            field="entry_id",
        ) from None


def _entry(opened: Opened, entry_id: str) -> Entry:
    return opened.library.entry(_row(opened, entry_id))


def _library(opened: Opened) -> dict[str, Any]:
    library = opened.library
    return {
        "path": library.path.name,
        "version": library.version,
        "entries": len(library),
        "channels": [stamp.id for stamp in library.channels],
    }
