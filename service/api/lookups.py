"""A pattern that is asked about, and its look-up: what several routes have in common."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from fastapi import Request

from data.pattern import Pattern
from search.result import LookupResult
from search.searcher import require_profile
from service.api.bodies import FORM, Upload, content_type, read_form, read_json
from service.api.parsing import parse_pattern
from service.api.problems import about
from service.api.queries import ArraySearch, SearchOptions
from service.api.services import Services, opened_for, services_of


@dataclass(frozen=True)
class Query:
    """What a request asks about: files, or arrays.

    Attributes:
        options: beside them; of arrays, the arrays themselves.
        uploads: none for arrays.
    """

    options: SearchOptions
    uploads: tuple[Upload, ...]

    async def pattern(self, services: Services) -> Pattern:
        """The pattern of the arrays, or of the only file.

        Raises:
            ProblemError: reading was stopped, or arrays do not go together.
            PatternError: it is no pattern, or has too many points.
        """
        most_points = services.settings.max_points
        if isinstance(self.options, ArraySearch):
            return await asyncio.to_thread(self.options.pattern, most_points)
        (upload,) = self.uploads
        return await services.sandbox.run(
            parse_pattern, upload.content, upload.label, self.options.radiation(), most_points
        )


async def read_query(request: Request, most_files: int = 1) -> Query:
    """What a request asks about.

    Raises:
        ProblemError: the body cannot be read, an option is not understood, or the library is of
            another profile than the one that is asked for.
    """
    if content_type(request) != FORM:
        query = Query(await read_json(request, ArraySearch), ())
    else:
        query = Query(*await read_form(request, SearchOptions, most_files))
        query.options.filters()
        query.options.radiation()
    with about("profile"):
        require_profile(opened_for(request).library, query.options.profile)
    return query


async def look_up(
    request: Request, pattern: Pattern, options: SearchOptions, *, overlays: int
) -> LookupResult:
    """Look a pattern up; in the answer the library is called by its name, not its place.

    Args:
        request: that asks.
        pattern: as read.
        options: what else is known.
        overlays: rows that come with curves to draw.

    Raises:
        ProblemError: an option is not understood, or the service is busy.
        BraggleError: as of `Searcher.lookup`.
    """
    services, opened, filters = services_of(request), opened_for(request), options.filters()
    result = await services.searches.run(
        lambda: opened.searcher.lookup(
            pattern,
            filters=filters,
            top=options.top,
            first_stage=options.first_stage,
            phases=options.phases,
            profile=options.profile,
            overlays=overlays,
        )
    )
    for stage, milliseconds in result.timings_ms.items():
        services.metrics.stage_seconds.labels(stage).observe(milliseconds / 1e3)
    return replace(
        result,
        library_path=opened.library.path.name,
        warnings=tuple(opened.without_paths(list(result.warnings))),
    )
