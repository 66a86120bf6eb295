"""What every page that Braggle writes has in common: one file that loads nothing, written whole."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from data.errors import BraggleError
from service.notation import formula_html, signed, space_group_html
from service.words import for_reading, percent, phase_name, phase_names, radiation_words


def asset(package: str, name: str) -> str:
    """The text of a file in a package's folder `assets`."""
    return (files(package) / "assets" / name).read_text("utf-8")


def trusted_asset(package: str, name: str) -> Markup:
    """The same, to stand in a page as it is: our own style or script."""
    return Markup(asset(package, name))  # noqa: S704 - our own file


def inline_hash(*assets: tuple[str, str]) -> str:
    """What a policy lets run or style, in `page.html` or a page of its kind: the files alone.

    Args:
        assets: package and name of each file, in the order in which they stand in the element.
    """
    text = "".join(asset(package, name) for package, name in assets)
    digest = hashlib.sha256(f"\n{text}\n".encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def template_environment() -> Environment:
    """Templates that escape what they are given and refuse what they are not.

    They may extend and import those of the folder `service/assets`.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(partial(asset, "service")),
    )
    environment.filters |= {
        "formula": formula_html,
        "grouped": _grouped,
        "reading": for_reading,
        "signed": signed,
        "space_group": space_group_html,
    }
    environment.globals |= {
        "percent_words": percent,
        "phase_name": phase_name,
        "phase_names": phase_names,
        "radiation_words": radiation_words,
    }
    return environment


def _grouped(number: int) -> str:
    """Digits by threes: "14 190"."""
    return f"{number:,}".replace(",", "\N{THIN SPACE}")


def script_json(document: object) -> Markup:
    """JSON that may stand in a script element: no text in it can close the element."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - every character that HTML could see is escaped


def packed(values: NDArray[Any], kind: str) -> str:
    """Numbers for a page's script as base64, `kind` being NumPy's, such as "<f4"."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")


def write_page(page: str, path: Path, what: str) -> None:
    """Write a page, whole or not at all.

    Raises:
        BraggleError: the file cannot be written; `what` names it in the message.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise BraggleError(f"{path}: the {what} cannot be written: {error.strerror}") from error
