"""The templates as a page: template, style, script and data in one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from service.pages import (
    asset,
    packed,
    script_json,
    template_environment,
    trusted_asset,
    write_page,
)
from service.templates.drawing import picture
from service.templates.listing import Listing, TemplateRow, interval_words
from service.words import phase_names

SHOWN = 400
"""Templates on a page: those with most members."""

SHOWN_NAMES = 3
SHOWN_FORMULAS = 40
CLASSES = ("metal", "ring", "non-metal")


def render(listing: Listing) -> str:
    """One HTML document of the first `SHOWN` templates; it loads nothing from anywhere."""
    listing = replace(listing, rows=listing.rows[:SHOWN])
    template = template_environment().from_string(asset("service.templates", "templates.html"))
    return template.render(
        name=Path(listing.library).name,
        listing=listing,
        data=script_json(pack(listing)),
        style=trusted_asset("service.report", "report.css")
        + trusted_asset("service.templates", "templates.css"),
        script=trusted_asset("service.templates", "templates.js"),
    )


def write_templates(listing: Listing, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        BraggleError: the file cannot be written.
    """
    write_page(render(listing), path, "page")


def pack(listing: Listing) -> dict[str, Any]:
    """Everything that the page's script needs, numbers as base64 of little-endian values."""
    return {"classes": CLASSES, "templates": [_packed(row) for row in listing.rows]}


def _packed(row: TemplateRow) -> dict[str, Any]:
    template = row.template
    intervals = np.flatnonzero(template.pattern)
    height = template.pattern[intervals] ** 2
    drawn = picture(template.shape, row.entries[0])
    names = dict.fromkeys(name for entry in row.entries for name in phase_names(entry))
    return {
        "id": template.id,
        "kind": template.kind,
        "interval": template.interval,
        "where": interval_words(template),
        "classes": row.classes,
        "members": len(row.entries),
        "formulas": list(row.formulas.items())[:SHOWN_FORMULAS],
        "more": max(0, len(row.formulas) - SHOWN_FORMULAS),
        "names": list(names)[:SHOWN_NAMES],
        "sticks": packed(intervals, "<u2"),
        "heights": packed(255 * height / height.max(), "<u1"),
        "balls": packed(drawn.balls, "<f4"),
        "of": packed(np.array([CLASSES.index(one) for one in drawn.classes]), "<u1"),
        "lines": packed(drawn.lines, "<f4"),
    }
