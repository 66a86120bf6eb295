"""The page itself: template, style and script in one file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from data.errors import BraggleError
from search.result import LookupResult
from service.report.curves import pack
from service.report.notation import formula_html, signed, space_group_html
from service.words import (
    VERDICTS,
    percent,
    phase_name,
    phase_names,
    radiation_words,
    verdict_template,
)


def render(results: Sequence[LookupResult], *, title: str = "Powder pattern look-up") -> str:
    """One HTML document for one or several answers; it loads nothing from anywhere."""
    assets = files("service.report") / "assets"
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "formula": formula_html,
        "signed": signed,
        "space_group": space_group_html,
    }
    environment.globals |= {
        "licences": _licences,
        "percent_words": percent,
        "phase_names": phase_names,
        "radiation_words": radiation_words,
        "verdict": _verdict,
        "verdicts": VERDICTS,
    }
    template = environment.from_string((assets / "report.html").read_text("utf-8"))
    return template.render(
        title=title,
        results=results,
        curves=[_script_json(pack(result)) for result in results],
        style=Markup((assets / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
        script=Markup((assets / "report.js").read_text("utf-8")),  # noqa: S704 - our own file
    )


def write_report(results: Sequence[LookupResult], path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        BraggleError: the file cannot be written.
    """
    page = render(results)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise BraggleError(f"{path}: the report cannot be written: {error.strerror}") from error


def _verdict(result: LookupResult) -> Markup:
    template = Markup("{}").format(verdict_template(result))
    if not result.hits:
        return template
    best = result.hits[0]
    formula, group = formula_html(best.formula), space_group_html(best.space_group)
    phase = Markup("<b>{}</b> ({}, {})").format(phase_name(best), formula, group)
    return template.format(phase=phase)


def _licences(result: LookupResult) -> list[tuple[str, str]]:
    """Collections of the hits, each with the licences it states."""
    shown = [hit for row in result.hits for hit in (row, *row.twins)]
    pairs = {(one.collection, one.licence) for hit in shown for one in hit.sources if one.licence}
    return sorted(pairs)


def _script_json(document: object) -> Markup:
    """JSON that may stand in a script element: no text in it can close the element."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - every character that HTML could see is escaped
