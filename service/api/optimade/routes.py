"""The OPTIMADE routes. They describe themselves under `info`, and not in the OpenAPI file."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from optimade.models.baseinfo import BaseInfoAttributes, BaseInfoResource
from optimade.models.entries import EntryInfoProperty, EntryInfoResource
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from data.errors import QueryError
from indexer.profiles import SHEETS
from service.api.clients import Client, needs
from service.api.optimade.answers import PROVIDER, answer, base_url, error
from service.api.optimade.asked import Asked, asked, asked_of_entries, asked_of_entry
from service.api.optimade.properties import ENTRY_TYPE, Property, properties
from service.api.optimade.resource import resource
from service.api.optimade.version import API_VERSION, MAJOR, ROOT, VERSIONS
from service.api.problems import ProblemError
from service.api.served import Opened
from service.api.services import opened_for

Read = Annotated[Client, Depends(needs("read"))]


def mount(app: FastAPI, *, to_other_sites: bool) -> None:
    """Serve OPTIMADE.

    Args:
        app: of the service.
        to_other_sites: whether pages of other sites may read the answers.
    """
    app.include_router(_router())
    app.state.error_documents = {ROOT: error}
    if to_other_sites:
        app.add_middleware(OtherSites)


class OtherSites:
    """Lets pages of other sites read what is answered here, and nothing else of the service."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._shared = CORSMiddleware(
            app, allow_origins=["*"], allow_methods=["GET"], allow_headers=["Authorization"]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        here = scope["type"] == "http" and scope["path"].startswith(f"{ROOT}/")
        await (self._shared if here else self._app)(scope, receive, send)


def _router() -> APIRouter:
    router = APIRouter(prefix=ROOT, include_in_schema=False)
    router.add_api_route("/versions", versions)
    for base in ("", *(f"/v{one}" for one in VERSIONS)):
        router.add_api_route(f"{base}/info", info)
        router.add_api_route(f"{base}/info/{ENTRY_TYPE}", info_of_structures)
        router.add_api_route(f"{base}/links", links)
        router.add_api_route(f"{base}/{ENTRY_TYPE}", structures)
        router.add_api_route(f"{base}/{ENTRY_TYPE}/{{entry_id:path}}", structure)
    router.add_api_route("/{path:path}", nothing)
    return router


async def versions(_client: Read) -> Response:
    """Major versions that are served."""
    return Response(f"version\n{MAJOR}\n", media_type="text/csv; header=present")


async def info(request: Request, _client: Read) -> Response:
    """What there is."""
    found = asked(request)
    data = BaseInfoResource(
        attributes=BaseInfoAttributes(
            api_version=API_VERSION,
            available_api_versions=[
                {"url": f"{base_url(request)}/v{MAJOR}", "version": API_VERSION}
            ],
            formats=["json"],
            available_endpoints=["info", "links", ENTRY_TYPE],
            entry_types_by_format={"json": [ENTRY_TYPE]},
            is_index=False,
        )
    )
    return answer(
        request,
        {"id": data.id, "type": data.type}
        | data.model_dump(mode="json", include={"attributes"}, exclude_unset=True),
        warnings=found.warnings,
    )


async def info_of_structures(request: Request, _client: Read) -> Response:
    """The properties of structures."""
    found = asked(request)
    opened = opened_for(request)
    known = _known(opened)
    of_sheets = opened.library.profile == SHEETS
    what = "Sheets of the library, with vacuum" if of_sheets else "Crystals of the library"
    data = EntryInfoResource(
        id=ENTRY_TYPE,
        type="info",
        formats=["json"],
        description=f"{what}: the conventional cell in the standard setting.",
        properties={
            one.name: EntryInfoProperty(
                description=one.description,
                type=one.type,
                sortable=one.sort_column is not None,
                **({} if one.unit is None else {"unit": one.unit}),
            )
            for one in known.values()
        },
        output_fields_by_format={"json": list(known)},
    )
    return answer(
        request, data.model_dump(mode="json", exclude_unset=True), warnings=found.warnings
    )


async def links(request: Request, _client: Read) -> Response:
    """Other databases that belong to this one: it is the only one, and its own root."""
    found = asked(request)
    root = {
        "id": "root",
        "type": "links",
        "attributes": {
            "name": PROVIDER.name,
            "description": PROVIDER.description,
            "base_url": base_url(request),
            "homepage": None,
            "link_type": "root",
        },
    }
    return answer(request, [root], returned=1, available=1, warnings=found.warnings)


async def structures(request: Request, _client: Read) -> Response:
    """Structures that pass a filter, a page of them."""
    opened = opened_for(request)
    return await run_in_threadpool(_page, request, opened)


async def structure(request: Request, entry_id: str, _client: Read) -> Response:
    """One structure, or null."""
    opened = opened_for(request)
    return await run_in_threadpool(_one, request, opened, entry_id)


async def nothing(path: str, _client: Read) -> Response:
    """What is asked for in a version that is not served, or is not there."""
    found = re.match(r"v\d[\d.]*", path)
    if found and found[0].removeprefix("v") not in VERSIONS:
        raise ProblemError(
            "wrong-version", f"{ROOT}/{found[0]}: not served; ask for {ROOT}/v{MAJOR}"
        )
    raise ProblemError(
        "not-found", f"{ROOT}/{path}: there is nothing; {ROOT}/v{MAJOR}/info lists what there is"
    )


def _known(opened: Opened) -> dict[str, Property]:
    library = opened.library
    return properties(datetime.fromisoformat(library.published_at), library.profile)


def _page(request: Request, opened: Opened) -> Response:
    library = opened.library
    known = _known(opened)
    found = asked_of_entries(request, known)
    rows = library.where(found.condition, found.order)
    first = found.offset if found.after is None else _behind(opened, rows.tolist(), found.after)
    last = first + found.limit
    data = _resources(opened, known, found, rows[first:last].tolist())
    next_page = None
    if last < len(rows):
        url = request.url.remove_query_params(["page_offset", "page_number"])
        next_page = str(url.include_query_params(page_cursor=data[-1]["id"]))
    return answer(
        request,
        data,
        returned=len(rows),
        available=len(library),
        next_page=next_page,
        warnings=found.warnings,
    )


def _one(request: Request, opened: Opened, entry_id: str) -> Response:
    known = _known(opened)
    found = asked_of_entry(request, known)
    try:
        rows = [opened.library.row(entry_id)]
    except QueryError:
        rows = []
    data = _resources(opened, known, found, rows)
    return answer(
        request,
        data[0] if data else None,
        returned=len(data),
        available=len(opened.library),
        warnings=found.warnings,
    )


def _resources(
    opened: Opened, known: dict[str, Property], found: Asked, rows: list[int]
) -> list[dict[str, Any]]:
    entries = opened.library.entries(rows)
    facts = opened.library.structures(rows)
    return [
        resource(entry, said, known, found.fields)
        for entry, said in zip(entries, facts, strict=True)
    ]


def _behind(opened: Opened, rows: list[int], after: str) -> int:
    """The place behind the entry that the page before ended with."""
    try:
        return rows.index(opened.library.row(after)) + 1
    except (QueryError, ValueError):
        raise ProblemError(
            "cursor-gone",
            "page_cursor: the entry that the page before ended with is no longer among those that "
            "pass; begin again without it",
            field="page_cursor",
        ) from None
