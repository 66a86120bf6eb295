"""Reading a request's body: a form with files, or JSON; nothing else, and no more than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from service.api.problems import ProblemError
from service.api.queries import Options, label_of

FORM, JSON = "multipart/form-data", "application/json"
MOST_FIELDS = 100
MOST_FIELD_BYTES = 100_000
MOST_JSON_BYTES = 16_000_000
"""Whole arrays of numbers are held as objects while they are checked."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Upload:
    """The content of a file, and what answers call it."""

    label: str
    content: bytes


class CifText(Options):
    """A CIF in a JSON body, beside the options."""

    model_config = ConfigDict(extra="ignore")

    cif: str = Field(min_length=1, description="The text of a CIF")
    name: str = Field(default="crystal.cif", max_length=200, description="What answers call it")


def content_type(request: Request) -> str:
    """Of the body, without parameters.

    Raises:
        ProblemError: it is neither a form with files nor JSON.
    """
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said not in (FORM, JSON):
        raise ProblemError(
            "wrong-content-type",
            f"Content-Type: {said or 'none'} is not read here; send {FORM} or {JSON}",
            headers={"Accept-Post": f"{FORM}, {JSON}"},
        )
    return said


async def read_form(
    request: Request, model: type[M], most_files: int, least_files: int = 1
) -> tuple[M, tuple[Upload, ...]]:
    """The options and the files of a form; each file stands in a field `file`.

    Raises:
        ProblemError: it is no such form, has too few files or too many, or an option is not
            understood.
    """
    try:
        async with request.form(
            max_files=most_files, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES
        ) as form:
            fields, uploads = await _parted(form)
    except ProblemError:
        raise
    except HTTPException as error:
        raise ProblemError(
            "unreadable-request", f"the form cannot be read ({error.detail}); correct it"
        ) from None
    if len(uploads) < least_files:
        raise ProblemError(
            "bad-value", "file: missing; send a file in the field `file`", field="file"
        )
    return checked(model, fields), tuple(uploads)


async def _parted(form: FormData) -> tuple[dict[str, Any], list[Upload]]:
    """Named values and files of a form; empty values are as good as none."""
    fields: dict[str, Any] = {}
    uploads = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != "file":
                raise ProblemError(
                    "bad-value",
                    f"{name[:100]}: files are not read from this field; name it `file`",
                    field=name[:100],
                )
            uploads.append(Upload(label_of(value.filename), await value.read()))
        elif name in fields:
            raise ProblemError(
                "bad-value", f"{name[:100]}: given twice; give it once", field=name[:100]
            )
        elif value:
            fields[name] = value
    return fields, uploads


async def read_json(request: Request, model: type[M]) -> M:
    """The options of a JSON body.

    Raises:
        ProblemError: it is no JSON, or an option is not understood.
    """
    body = await request.body()
    if len(body) > MOST_JSON_BYTES:
        raise ProblemError(
            "too-large",
            f"the body is JSON of more than {MOST_JSON_BYTES / 1e6:g} MB; send less, or a file in "
            "a form",
        )
    try:  # large arrays take a while
        return await asyncio.to_thread(model.model_validate_json, body)
    except ValidationError as error:
        raise ProblemError.of_values(error) from None


async def read_cif(request: Request, model: type[M]) -> tuple[M, Upload]:
    """The options and the one CIF of a form or of a JSON body.

    Raises:
        ProblemError: as of `read_form` and `read_json`.
    """
    if content_type(request) == FORM:
        options, uploads = await read_form(request, model, 1)
        return options, uploads[0]
    given = await read_json(request, CifText)
    body: dict[str, Any] = await request.json()
    options = checked(model, {k: v for k, v in body.items() if k not in CifText.model_fields})
    return options, Upload(label_of(given.name), given.cif.encode())


def checked(model: type[M], fields: Mapping[str, Any]) -> M:
    """Options from named values.

    Raises:
        ProblemError: one of them is not understood.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise ProblemError.of_values(error) from None


def body_schema(
    options: type[BaseModel], json: type[BaseModel] | None, *, many: bool
) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself: the form, and the JSON that it takes.

    Args:
        options: beside the files of the form.
        json: of the JSON body; None for a CIF beside the options.
        many: whether the form may have several files.
    """
    extra = form_schema(options, many=many)
    if json is None:
        body = _schema(options)
        cif = _schema(CifText)
        body["properties"] = {**cif["properties"], **body.get("properties", {})}
        body["required"] = ["cif", *body.get("required", [])]
    else:
        body = _schema(json)
    extra["requestBody"]["content"][JSON] = {"schema": body}
    return extra


def form_schema(options: type[BaseModel], *, many: bool, needed: bool = True) -> dict[str, Any]:
    """The same for a route that takes a form only.

    Args:
        options: beside the files.
        many: whether the form may have several files.
        needed: whether it has to have one.
    """
    form = _schema(options)
    file: dict[str, Any] = {"type": "string", "format": "binary"}
    form["properties"] = {
        "file": {"type": "array", "items": file} if many else file,
        **form.get("properties", {}),
    }
    if needed:
        form["required"] = ["file", *form.get("required", [])]
    return {"requestBody": {"required": True, "content": {FORM: {"schema": form}}}}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema: dict[str, Any] = _without_titles(model.model_json_schema())
    schema.pop("description", None)
    return schema


def _without_titles(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    if isinstance(schema, dict):
        return {
            key: _without_titles(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str))
        }
    if isinstance(schema, Iterable) and not isinstance(schema, str):
        return [_without_titles(value) for value in schema]
    return schema
