"""What OPTIMADE routes answer with: JSON:API documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

from fastapi import Request
from optimade.models import Implementation, Provider, ResponseMeta, Warnings
from optimade.models.optimade_json import ResponseMetaQuery
from starlette.responses import Response

from service.api.optimade.properties import PREFIX
from service.api.optimade.version import API_VERSION, ROOT
from service.api.problems import ProblemError
from service.api.services import Document

SCHEMA = "https://schemas.optimade.org/openapi/v1.2/optimade.json"
PROVIDER = Provider(
    name="Braggle",
    description="Crystals that Braggle looks powder diffraction patterns up in",
    prefix=PREFIX,
)
_STATUS = {422: 400}
"""OPTIMADE calls a value that is not understood a bad request."""


class JsonApi(Document):
    """A JSON:API document."""

    media_type = "application/vnd.api+json"


def answer(
    request: Request,
    data: object,
    *,
    returned: int | None = None,
    available: int | None = None,
    next_page: str | None = None,
    warnings: Sequence[str] = (),
) -> Response:
    """An answer.

    Args:
        request: to what.
        data: resources or one resource, as JSON.
        returned: how many pass the filter, on all pages.
        available: how many there are.
        next_page: where the next page is.
        warnings: what of the request was not followed, one line each.
    """
    meta = _meta(
        request,
        data_returned=returned,
        data_available=available,
        more_data_available=next_page is not None,
        warnings=[Warnings(type="warning", title="Not followed", detail=one) for one in warnings]
        or None,
    )
    links = {"next": next_page}
    return JsonApi({"data": data, "meta": meta, "links": links})


def error(request: Request, problem: ProblemError, body: Mapping[str, Any]) -> Response:
    """A problem as OPTIMADE has it.

    Args:
        request: to what.
        problem: what is wrong.
        body: the same as a problem document.
    """
    status = _STATUS.get(problem.status_code, problem.status_code)
    said = {"status": str(status), "code": problem.kind, "title": body["title"]}
    errors = [
        said | {"detail": one["detail"], "source": {"parameter": one["field"]}}
        for one in body.get("errors", ())
    ]
    meta = _meta(request, more_data_available=False)
    document = {"errors": errors or [said | {"detail": body["detail"]}], "meta": meta}
    return JsonApi(document, status, headers=problem.headers)


def base_url(request: Request) -> str:
    """Where the routes of all versions begin."""
    return f"{request.url.scheme}://{request.url.netloc}{ROOT}"


def _meta(request: Request, **more: object) -> dict[str, Any]:
    path = request.url.path.removeprefix(ROOT)
    query = f"?{unquote(request.url.query)}" if request.url.query else ""
    meta = ResponseMeta(
        query=ResponseMetaQuery(representation=path + query),
        api_version=API_VERSION,
        schema=SCHEMA,
        time_stamp=datetime.now(UTC).replace(microsecond=0),
        provider=PROVIDER,
        implementation=Implementation(name="Braggle", version=version("braggle")),
        **{name: value for name, value in more.items() if value is not None},
    )
    said: dict[str, Any] = meta.model_dump(by_alias=True, exclude_unset=True, mode="json")
    return said
