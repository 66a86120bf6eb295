"""Looking up: patterns and crystals in, ranked answers out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from data.pattern import Pattern
from search.similar import similar_to
from service.answer import answer, similar_answer
from service.api.bodies import FORM, body_schema, content_type, read_cif, read_form, read_json
from service.api.clients import Client, needs
from service.api.job_routes import accepted
from service.api.parsing import Simulated, parse_crystal, parse_pattern, simulate_cif
from service.api.queries import (
    ArraySearch,
    SearchOptions,
    SimilarOptions,
    SimulateOptions,
)
from service.api.services import Document, Services, opened_for, services_of

router = APIRouter(prefix="/v1", tags=["look-up"])

Read = Annotated[Client, Depends(needs("read"))]


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
    most_points = services.settings.max_points
    if content_type(request) == FORM:
        options, uploads = await read_form(request, SearchOptions, services.settings.max_files)
        options.filters()
        radiation = options.radiation()
        if len(uploads) > 1:
            return await accepted(request, client, "search", options, uploads)
        (upload,) = uploads
        pattern = await services.sandbox.run(
            parse_pattern, upload.content, upload.label, radiation, most_points
        )
    else:
        arrays = await read_json(request, ArraySearch)
        options = arrays
        pattern = await asyncio.to_thread(arrays.pattern, most_points)
    return Document(await _look_up(request, services, pattern, options))


@router.post("/similar", openapi_extra=body_schema(SimilarOptions, None, many=False))
async def similar(request: Request, _client: Read) -> Response:
    """Find crystals whose powder patterns are like that of a given one.

    The answer is the document of `braggle similar --json`, and in its query what else is wrong in
    the CIF.
    """
    services, opened = services_of(request), opened_for(request)
    options, upload = await read_cif(request, SimilarOptions)
    crystal = await services.sandbox.run(
        parse_crystal, upload.content, upload.label, services.settings.max_atoms
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
    """Simulate the powder pattern of a crystal: arrays of 2θ and counts, the highest 10,000."""
    services = services_of(request)
    options, upload = await read_cif(request, SimulateOptions)
    wanted = options.simulation(services.settings.max_points)
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


async def _look_up(
    request: Request, services: Services, pattern: Pattern, options: SearchOptions
) -> dict[str, Any]:
    opened, filters = opened_for(request), options.filters()
    result = await services.searches.run(
        lambda: opened.searcher.lookup(
            pattern,
            filters=filters,
            top=options.top,
            first_stage=options.first_stage,
            phases=options.phases,
            overlays=0,
        )
    )
    for stage, milliseconds in result.timings_ms.items():
        services.metrics.stage_seconds.labels(stage).observe(milliseconds / 1e3)
    document: dict[str, Any] = opened.without_paths(answer(result))
    return document
