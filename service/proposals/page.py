"""The page of `braggle generate`: each proposal's fit and its structure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.canonical import space_group_symbol
from data.formula import reduced_formula
from generator.solver import Proposal, Solution
from service.notation import space_group_html
from service.pages import asset, script_json, template_environment, trusted_asset, write_page
from service.proposals.structure import drawn_cell
from service.report.curves import pack_curves, packed_overlay

DRAWN, OVERLAID = 12, 5
"""Structures that are drawn, and those whose curves are."""


PART = (
    '{% from "proposed.html" import proposed %}'
    "{{ proposed(solution, groups, formulas, curves, structures, drawn, overlaid) }}"
)


def render(solution: Solution) -> str:
    """One HTML document that loads nothing from anywhere."""
    template = template_environment().from_string(asset("service.proposals", "proposals.html"))
    return template.render(
        **_values(solution),
        style=trusted_asset("service.report", "report.css")
        + trusted_asset("service.proposals", "proposals.css"),
        script=trusted_asset("service.report", "report.js"),
        viewer=trusted_asset("service.proposals", "structure.js"),
    )


def render_part(solution: Solution) -> str:
    """The same as a part of a served page."""
    return template_environment().from_string(PART).render(**_values(solution))


def _values(solution: Solution) -> dict[str, Any]:
    curves = None
    if solution.query is not None:
        drawn = [
            packed_overlay(one.rank, _name(one), one.overlay)
            for one in solution.proposals[:OVERLAID]
            if one.overlay is not None
        ]
        curves = script_json(pack_curves(solution.query, solution.background, drawn))
    return {
        "solution": solution,
        "groups": [
            space_group_html(space_group_symbol(one.candidate.crystal.space_group_number))
            for one in solution.proposals
        ],
        "formulas": [
            reduced_formula(one.candidate.crystal.composition) for one in solution.proposals
        ],
        "curves": curves,
        "drawn": DRAWN,
        "overlaid": 0 if curves is None else OVERLAID,
        "structures": script_json(_structures(solution)),
    }


def write_proposals(solution: Solution, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        BraggleError: the file cannot be written.
    """
    write_page(render(solution), path, "page")


def _name(one: Proposal) -> str:
    crystal = one.candidate.crystal
    group = space_group_symbol(crystal.space_group_number)
    return f"{reduced_formula(crystal.composition)}, {group}"


def _structures(solution: Solution) -> list[dict[str, Any]]:
    return [drawn_cell(one.candidate.crystal) for one in solution.proposals[:DRAWN]]
