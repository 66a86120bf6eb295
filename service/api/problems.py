"""Errors as RFC 9457 problem documents that name the field and the remedy."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from data.errors import BraggleError, LibraryError, MissingExtraError

MEDIA_TYPE = "application/problem+json"

KINDS: Mapping[str, tuple[int, str]] = {
    "unreadable-request": (400, "The request cannot be read"),
    "key-needed": (401, "An API key is needed"),
    "not-allowed": (403, "This is not allowed"),
    "not-found": (404, "There is no such thing here"),
    "method-not-allowed": (405, "This method is not served here"),
    "too-slow": (408, "The request came too slowly"),
    "not-ready": (409, "The job has no result"),
    "cursor-gone": (410, "The page can no longer be found"),
    "too-large": (413, "The request is too large"),
    "wrong-content-type": (415, "This content type is not read here"),
    "wrong-host": (421, "The host is not served here"),
    "bad-value": (422, "A value is not understood"),
    "bad-content": (422, "The content cannot be used"),
    "parsing-stopped": (422, "Reading the content was stopped"),
    "key-used-differently": (422, "The idempotency key belongs to another request"),
    "too-many-requests": (429, "Too many requests"),
    "too-many-jobs": (429, "Too many jobs"),
    "unexpected": (500, "Something unexpected happened"),
    "not-installed": (501, "A package is not installed on the server"),
    "not-supported": (501, "This is not supported here"),
    "busy": (503, "The service is busy"),
    "library-unusable": (503, "The library cannot be used"),
    "cut-off": (500, "The job was cut off"),
    "too-long": (500, "The job took too long"),
    "wrong-version": (553, "The version is not served here"),
}
"""Status and title of each kind of problem; its `type` is urn:braggle:problem: and the name."""


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    detail: str
    remedy: str


class Problem(BaseModel):
    """A problem document, as it is described to programs."""

    type: str = Field(description="urn:braggle:problem: and the kind")
    title: str
    status: int
    detail: str = Field(description="What is wrong, and what to do, in one line")
    remedy: str | None = Field(default=None, description="What to do")
    errors: list[FieldError] = Field(default_factory=list)
    request_id: str | None = None


ErrorDocument = Callable[[Request, "ProblemError", Mapping[str, Any]], Response]
"""Makes an answer of a problem, and of the problem document that it is elsewhere."""

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = 80
_OF_STATUS = {400: "unreadable-request", 404: "not-found", 405: "method-not-allowed"}


class ProblemError(HTTPException):
    """A request that is answered with a problem document.

    It is an `HTTPException`, so that it passes unchanged through what reads bodies.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        field: str | None = None,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Say what is wrong.

        Args:
            kind: of `KINDS`.
            detail: one line: what is wrong; what to do.
            field: of the request that it is about.
            retry_after_s: when it may be tried again.
            headers: further ones of the answer.
        """
        all_headers = dict(headers or {})
        if retry_after_s is not None:
            all_headers["Retry-After"] = str(max(1, round(retry_after_s)))
        super().__init__(KINDS[kind][0], detail, all_headers)
        self.kind = kind
        self.errors = [] if field is None else [_error(field, detail)]

    @classmethod
    def of_values(cls, error: ValidationError | RequestValidationError) -> ProblemError:
        """What pydantic found wrong with a request, all of it."""
        found = error.errors()
        if found and found[0]["type"] in {"json_invalid", "json_type"}:
            said = found[0].get("ctx", {}).get("error", found[0]["msg"])
            return cls("unreadable-request", f"the body is no JSON ({said}); correct it there")
        errors = [_value_error(one) for one in found]
        problem = cls("bad-value", "; ".join(one["detail"] for one in errors[:5]))
        problem.errors = errors
        return problem


def document(problem: ProblemError, request_id: str | None = None) -> dict[str, Any]:
    """The problem as RFC 9457 has it, with the members `errors` and `request_id`."""
    return made(problem.kind, str(problem.detail), problem.errors, request_id)


def made(
    kind: str,
    detail: str,
    errors: list[dict[str, str]] | None = None,
    request_id: str | None = None,
) -> dict[str, Any]:
    """A problem document of a kind of `KINDS`."""
    status, title = KINDS[kind]
    said: dict[str, Any] = {
        "type": f"urn:braggle:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if remedy := _remedy(detail):
        said["remedy"] = remedy
    if errors:
        said["errors"] = errors
    if request_id is not None:
        said["request_id"] = request_id
    return said


def of_error(error: BraggleError, field: str | None = None) -> ProblemError:
    """The problem that a Braggle error is to a client."""
    detail = " ".join(str(error).split())
    kind = "bad-content"
    if isinstance(error, MissingExtraError):
        kind = "not-installed"
    elif isinstance(error, LibraryError):
        kind = "library-unusable"
    return ProblemError(kind, detail, field=field)


@contextmanager
def about(field: str) -> Iterator[None]:
    """What goes wrong inside is about this field of the request."""
    try:
        yield
    except BraggleError as error:
        problem = of_error(error, field)
        if problem.kind == "bad-content":
            problem = ProblemError("bad-value", str(problem.detail), field=field)
        raise problem from None
    except typer.BadParameter as error:  # of what the command line reads in the same way
        raise ProblemError("bad-value", error.message.removeprefix("--"), field=field) from None


def respond(request: Request, problem: ProblemError) -> Response:
    """The problem as an answer.

    A part of the service that answers with documents of another standard puts what makes them
    into the app's state, as `error_documents` by the path of that part.
    """
    state = request.scope.get("state", {})
    body = document(problem, state.get("request_id"))
    opened = state.get("opened")
    if opened is not None:
        body = opened.without_paths(body)
    state["problem"] = problem.kind
    others: Mapping[str, ErrorDocument] = getattr(request.app.state, "error_documents", {})
    for place, answer in others.items():
        if request.url.path.startswith(f"{place}/"):
            return answer(request, problem, body)
    return Response(
        json.dumps(body, ensure_ascii=False),
        problem.status_code,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def answer_with_problems(app: FastAPI) -> None:
    """Make every error that a route raises a problem document."""

    async def of_http(request: Request, error: Exception) -> Response:
        if isinstance(error, ProblemError):
            return respond(request, error)
        if isinstance(error, RequestValidationError):
            return respond(request, ProblemError.of_values(error))
        if isinstance(error, BraggleError):
            return respond(request, of_error(error))
        if isinstance(error, HTTPException):
            kind = _OF_STATUS.get(error.status_code, "unreadable-request")
            where = f"{request.method} {request.url.path}"
            said = {
                "not-found": f"{where}: there is no such page; /docs lists what there is",
                "method-not-allowed": f"{where}: not served; /docs lists what is",
            }
            detail = said.get(kind, f"{error.detail}; correct the request")
            return respond(request, ProblemError(kind, detail, headers=error.headers))
        raise error

    for kind in (HTTPException, RequestValidationError, BraggleError):
        app.add_exception_handler(kind, of_http)


def _error(field: str, detail: str) -> dict[str, str]:
    return {"field": field, "detail": detail, "remedy": _remedy(detail)}


def _value_error(found: Mapping[str, Any]) -> dict[str, str]:
    place = [str(part) for part in found["loc"] if part not in ("body", "query", "path", "header")]
    field = ".".join(place)
    said = found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        detail = f"{field}: there is no such option; leave it out, or see /docs for those there are"
    elif found["type"] == "missing":
        detail = f"{field}: missing; give it"
    elif found["type"] == "value_error":
        detail = f"{field}: {said}" if field else said
    else:
        given = _BRIEF.repr(found["input"])
        shown = given if len(given) <= 60 else f"{given[:60]}…"
        detail = f"{field}: {shown} is not understood; {said[:1].lower()}{said[1:]}"
    return _error(field, detail)


def _remedy(detail: str) -> str:
    """A message of the house says what is wrong, then, after a semicolon, what to do."""
    return detail.rpartition("; ")[2] if "; " in detail else ""
