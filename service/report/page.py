"""The page itself: template, style and script in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from search.result import LookupResult
from service.notation import formula_html, space_group_html
from service.pages import asset, script_json, template_environment, trusted_asset, write_page
from service.report.curves import pack, pack_mixture
from service.words import (
    VERDICTS,
    phase_name,
    verdict_template,
)

PART = '{% from "answer.html" import answer %}{{ answer(result, 1, curves, mixture_curves, true) }}'


def render(results: Sequence[LookupResult], *, title: str = "Powder pattern look-up") -> str:
    """One HTML document for one or several answers; it loads nothing from anywhere."""
    template = _environment().from_string(asset("service.report", "report.html"))
    return template.render(
        title=title,
        results=results,
        curves=[script_json(pack(result)) for result in results],
        mixture_curves=[_mixture_curves(result) for result in results],
        style=trusted_asset("service.report", "report.css"),
        script=trusted_asset("service.report", "report.js"),
    )


def render_part(result: LookupResult) -> str:
    """One answer as a part of a served page, whose links reach the service."""
    template = _environment().from_string(PART)
    return template.render(
        result=result, curves=script_json(pack(result)), mixture_curves=_mixture_curves(result)
    )


def write_report(results: Sequence[LookupResult], path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        BraggleError: the file cannot be written.
    """
    write_page(render(results), path, "report")


def _environment() -> Environment:
    environment = template_environment()
    environment.globals |= {"licences": _licences, "verdict": _verdict, "verdicts": VERDICTS}
    return environment


def _mixture_curves(result: LookupResult) -> str:
    return script_json(pack_mixture(result, result.mixtures[0])) if result.mixtures else ""


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
    shown = [hit.sources for row in result.hits for hit in (row, *row.twins)]
    shown += [phase.sources for mixture in result.mixtures for phase in mixture.phases]
    pairs = {(one.collection, one.licence) for sources in shown for one in sources if one.licence}
    return sorted(pairs)
