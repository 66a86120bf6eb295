"""Looking up: patterns and crystals in, ranked answers out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from data.preparation import prepare
from search.overlay import on_axis
from search.similar import similar_to
from service.answer import answer, query_answer, similar_answer
from service.api.bodies import body_schema, form_schema, read_cif, read_form
from service.api.clients import Client, needs
from service.api.job_routes import accepted
from service.api.lookups import look_up, read_query
from service.api.parsing import Simulated, parse_crystal, parse_pattern, simulate_cif
from service.api.problems import ProblemError
from service.api.queries import (
    ArraySearch,
    PatternOptions,
    SearchOptions,
    SimilarOptions,
    SimulateOptions,
)
from service.api.services import Document, attachment, opened_for, services_of
from service.handover import hand_over_zip, phases_of
from service.report import render
from service.report.curves import pack, pack_curves, pack_mixture

router = APIRouter(prefix="/v1", tags=["look-up"])

Read = Annotated[Client, Depends(needs("read"))]
OVERLAID = 5
"""Rows of a report whose curves are drawn."""


class ZipResponse(Response):
    """A zip archive."""

    media_type = "application/zip"


@router.post(
    "/search",
    openapi_extra=body_schema(SearchOptions, ArraySearch, many=True),
    responses={202: {"description": "Several files: a job, whose place is in `Location`"}},
)
async def search(request: Request, client: Read) -> Response:
    """Name the phases of a measured pattern.

    One file, or arrays, are answered at once with the document of `braggle search --json`; several
    files are a job.
    """
    services = services_of(request)
    query = await read_query(request, services.settings.max_files)
    options = query.options
    if len(query.uploads) > 1:
        if options.curves:
            raise ProblemError(
                "bad-value", "curves: given with several files; send one at a time", field="curves"
            )
        return await accepted(request, client, "search", options, query.uploads)
    result = await look_up(request, await query.pattern(services), options, overlays=options.curves)
    document = answer(result)
    if options.curves:
        document["curves"] = pack(result)
        if result.mixtures:
            document["mixtures"][0]["curves"] = pack_mixture(result, result.mixtures[0])
    return Document(document)


@router.post("/patterns", openapi_extra=form_schema(PatternOptions, many=False))
async def patterns(request: Request, _client: Read) -> Response:
    """Read a pattern file: what is in it, and its curve, before it is looked up."""
    services = services_of(request)
    options, (upload,) = await read_form(request, PatternOptions, 1)
    pattern = await services.sandbox.run(
        parse_pattern,
        upload.content,
        upload.label,
        options.radiation(),
        services.settings.max_points,
    )

    def curve() -> dict[str, Any]:
        whole = prepare(pattern)
        return pack_curves(pattern, on_axis(whole, whole.background), [])

    curves = await services.searches.run(curve)
    said = {**query_answer(pattern), "warnings": list(pattern.warnings)}
    return Document({"query": said, "curves": curves})


@router.post(
    "/report",
    openapi_extra=body_schema(SearchOptions, ArraySearch, many=False),
    response_class=HTMLResponse,
)
async def report(request: Request, _client: Read) -> Response:
    """Look a pattern up and answer with the page of `braggle search --report`: one file."""
    query = await read_query(request)
    pattern = await query.pattern(services_of(request))
    result = await look_up(request, pattern, query.options, overlays=OVERLAID)
    page = await run_in_threadpool(lambda: render([result]))
    return HTMLResponse(page, headers=attachment("report.html"))


@router.post(
    "/hand-over",
    openapi_extra=body_schema(SearchOptions, ArraySearch, many=False),
    response_class=ZipResponse,
)
async def hand_over(request: Request, _client: Read) -> Response:
    """Look a pattern up and answer with what `braggle search --export` writes, as a zip archive."""
    services, opened = services_of(request), opened_for(request)
    query = await read_query(request)
    pattern = await query.pattern(services)
    result = await look_up(request, pattern, query.options, overlays=0)
    content = await services.searches.run(
        lambda: hand_over_zip(result, phases_of(result, opened.library))
    )
    return ZipResponse(content, headers=attachment("hand-over.zip"))


@router.post("/similar", openapi_extra=body_schema(SimilarOptions, None, many=False))
async def similar(request: Request, _client: Read) -> Response:
    """Find crystals whose powder patterns are like that of a given one.

    The answer is the document of `braggle similar --json`, and in its query what else is wrong in
    the CIF. Of a library of sheets, the crystal is taken as the layers it has.
    """
    services, opened = services_of(request), opened_for(request)
    options, upload = await read_cif(request, SimilarOptions)
    crystal = await services.sandbox.run(
        parse_crystal,
        upload.content,
        upload.label,
        services.settings.max_atoms,
        opened.library.profile,
    )
    library = opened.library

    def find() -> dict[str, Any]:
        found = similar_to(library, crystal.print, top=options.top)
        return similar_answer(upload.label, crystal.names, library, found)

    document = opened.without_paths(await services.searches.run(find))
    document["query"]["warnings"] = list(crystal.warnings)
    return Document(document)


@router.post("/simulate", openapi_extra=body_schema(SimulateOptions, None, many=False))
async def simulate(request: Request, _client: Read) -> Response:
    """Simulate the powder pattern of a crystal: arrays of 2θ and counts, the highest 10,000.

    Of a library of sheets it is the pattern of the sheet, or of the first layer, in its plane.
    """
    services, opened = services_of(request), opened_for(request)
    options, upload = await read_cif(request, SimulateOptions)
    wanted = options.simulation(services.settings.max_points, opened.library.profile)
    simulated = await services.sandbox.run(
        simulate_cif, upload.content, upload.label, services.settings.max_atoms, wanted
    )
    return Document(simulated_answer(simulated))


def simulated_answer(simulated: Simulated) -> dict[str, Any]:
    """A simulated pattern. Angles in degrees, the wavelength in Å."""
    pattern = simulated.pattern
    return {
        "query": {
            "file": pattern.name,
            "names": list(simulated.names),
            "warnings": list(simulated.warnings),
        },
        "formula": simulated.formula,
        "space_group": simulated.space_group,
        "wavelength_angstrom": pattern.wavelength_angstrom,
        "two_theta_deg": pattern.x.round(6).tolist(),
        "counts": pattern.counts.round(4).tolist(),
    }
