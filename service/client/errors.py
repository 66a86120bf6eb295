"""What the service says when it cannot answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from data.errors import BraggleError

PREFIX = "urn:braggle:problem:"


class FieldError(TypedDict):
    """What is wrong with one field of a request."""

    field: str
    detail: str
    remedy: str


class ServiceError(BraggleError):
    """The service answered with a problem, or could not be reached.

    Attributes:
        status: of HTTP; None where there was no answer.
        type: `urn:braggle:problem:` and the kind, as `docs/service.md` lists them.
        detail: what is wrong, and what to do, in one line.
        remedy: what to do; may be empty.
        fields: that it is about.
        request_id: the request's name in the service's logs.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        type: str = f"{PREFIX}unreachable",  # noqa: A002 - as RFC 9457 calls it
        remedy: str = "",
        fields: tuple[FieldError, ...] = (),
        request_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.type = type
        self.detail = detail
        self.remedy = remedy
        self.fields = fields
        self.request_id = request_id

    @classmethod
    def of(cls, problem: Mapping[str, Any]) -> ServiceError:
        """The error that a problem document describes."""
        return cls(
            str(problem.get("detail") or problem.get("title") or "no reason was given"),
            status=problem.get("status"),
            type=str(problem.get("type", "about:blank")),
            remedy=str(problem.get("remedy", "")),
            fields=tuple(problem.get("errors", ())),
            request_id=problem.get("request_id"),
        )

    @property
    def kind(self) -> str:
        """The type without what all of them begin with: `bad-value`."""
        return self.type.removeprefix(PREFIX)
