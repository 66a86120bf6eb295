"""The map as a page: template, style, script and data in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from indexer.entry import Entry
from service.map.drawing import REST, Colouring, LibraryMap
from service.map.layout import COMPONENTS, ITERATIONS, PERPLEXITY, SEED
from service.notation import space_group_html
from service.pages import (
    asset,
    packed,
    script_json,
    template_environment,
    trusted_asset,
    write_page,
)
from service.words import percent, phase_names

SHOWN_NAMES = 3


def render(drawn: LibraryMap) -> str:
    """One HTML document; it loads nothing from anywhere."""
    template = template_environment().from_string(asset("service.map", "map.html"))
    kept = drawn.layout.neighbours_kept
    return template.render(
        name=Path(drawn.library).name,
        drawn=drawn,
        kept=None if kept is None else percent(kept),
        settings={
            "components": COMPONENTS,
            "perplexity": f"{PERPLEXITY:g}",
            "iterations": ITERATIONS,
            "seed": SEED,
        },
        data=script_json(pack(drawn)),
        style=trusted_asset("service.report", "report.css")
        + trusted_asset("service.map", "map.css"),
        script=trusted_asset("service.map", "map.js"),
    )


def write_map(drawn: LibraryMap, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        BraggleError: the file cannot be written.
    """
    write_page(render(drawn), path, "map")


def pack(drawn: LibraryMap) -> dict[str, Any]:
    """Everything that the page's script needs, numbers as base64 of little-endian values."""
    symbols = sorted({entry.space_group for entry in drawn.entries})
    place = {symbol: i for i, symbol in enumerate(symbols)}
    return {
        "points": packed(drawn.layout.points, "<f4"),
        "names": [", ".join(phase_names(entry)[:SHOWN_NAMES]) for entry in drawn.entries],
        "formulas": [entry.formula for entry in drawn.entries],
        "sources": [_source(entry) for entry in drawn.entries],
        "volumes": packed(
            np.array([entry.crystal.volume_angstrom3 for entry in drawn.entries]), "<f4"
        ),
        "symbols": [space_group_html(symbol) for symbol in symbols],
        "symbol": packed(np.array([place[entry.space_group] for entry in drawn.entries]), "<u2"),
        "colourings": [_colouring(one) for one in drawn.colourings],
    }


def _colouring(one: Colouring) -> dict[str, Any]:
    return {
        "key": one.key,
        "title": one.title,
        "ramp": one.is_ramp,
        "groups": [_label(one, name) for name in one.groups],
        "rest": one.groups.index(REST) if REST in one.groups else -1,
        "of": packed(np.array(one.of), "<u1"),
    }


def _label(one: Colouring, name: str) -> Markup:
    is_symbol = one.key == "group" and name != REST
    return space_group_html(name) if is_symbol else escape(name)


def _source(entry: Entry) -> str:
    first, *others = entry.sources
    shown = f"{first.collection} {first.identifier}"
    return f"{shown} and {len(others)} more" if others else shown
