"""Hits of the first stages against what was made worse, as a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from indexer.learned import LearnedChannel
from indexer.physical import PhysicalChannel
from service.bench.stages import EXHAUSTIVE, ONE_VECTOR

LEFT, PANEL, BETWEEN, RIGHT = 52, 220, 40, 24
TOP, HEIGHT, BOTTOM, COLUMNS = 84, 180, 62, 3
"""Sizes in pixels, and panels side by side; what the curves are stands above the panels."""

HIT = "hit@10"
TITLE = "Truth among the first 10 of a first stage alone, in % of queries"
PANELS = {
    "cells": "cells moved, spread in %",
    "noise": "noise, % of the highest count",
    "impurity": "impurity, % of the intensity",
    "texture": "simulated: texture, spread of ln r",
    "start": "range cut below, ° 2θ",
}
ANEW = "texture"
"""What begins with patterns of its own; the others begin with those as measured."""
CURVES = {
    LearnedChannel.id: ("k1", "learned"),
    PhysicalChannel.id: ("k2", "physical"),
    ONE_VECTOR: ("k2 one", "physical, one vector"),
    EXHAUSTIVE: ("k3", "exhaustive"),
}
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #5c6877; }
.title { font-weight: 600; fill: #16202c; }
.page { fill: #ffffff; } .grid { stroke: #dfe4ea; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; } .one { stroke-dasharray: 5 4; }
.k1 { stroke: #1f6fd1; } .k2 { stroke: #d43d2f; } .k3 { stroke: #16875a; }
.k1.dot { fill: #1f6fd1; } .k2.dot { fill: #d43d2f; } .k3.dot { fill: #16875a; }
.one.dot { fill: #ffffff; stroke-dasharray: none; }
@media (prefers-color-scheme: dark) {
  .page, .one.dot { fill: #181f27; } .grid { stroke: #2d3742; } text { fill: #9aa7b5; }
  .title { fill: #e7ecf2; }
}
"""


@dataclass(frozen=True)
class _Curve:
    """Percent against level, rising in level."""

    colour: str
    points: Sequence[tuple[float, float]]


def robustness_svg(result: Mapping[str, Any]) -> str:
    """A panel for each of `PANELS`.

    All but texture begin at the patterns as measured, which are the cells as stored.

    Args:
        result: of `bench_robustness`.
    """
    width = LEFT + COLUMNS * PANEL + (COLUMNS - 1) * BETWEEN + RIGHT
    height = TOP + -(-len(PANELS) // COLUMNS) * (HEIGHT + BOTTOM)
    shown = {name: of for name, of in CURVES.items() if name in result["stages"]}
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{TITLE}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="28">{TITLE}</text>',
        *_legend(list(shown.values())),
    ]
    for place, (condition, title) in enumerate(PANELS.items()):
        curves = [
            _Curve(colour, _points(result["conditions"], condition, stage))
            for stage, (colour, _) in shown.items()
        ]
        row, column = divmod(place, COLUMNS)
        corner = (LEFT + column * (PANEL + BETWEEN), TOP + row * (HEIGHT + BOTTOM))
        parts += _panel(corner, title, curves, numbered=column == 0)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _points(
    rows: Sequence[Mapping[str, Any]], condition: str, stage: str
) -> list[tuple[float, float]]:
    found = {
        row["level"]: 100 * row["strict"][stage][HIT]
        for row in rows
        if row["strict"][stage]
        and (row["condition"] == condition or (condition != ANEW and _is_as_measured(row)))
    }
    return sorted(found.items())


def _is_as_measured(row: Mapping[str, Any]) -> bool:
    return (row["condition"], row["level"]) == ("cells", 0.0)


def _legend(curves: Sequence[tuple[str, str]]) -> Iterator[str]:
    x = LEFT
    for colour, name in curves:
        yield f'<path class="curve {colour}" d="M{x} 50H{x + 26}"/>'
        yield f'<circle class="{colour} dot" cx="{x + 13}" cy="50" r="3"/>'
        yield f'<text x="{x + 33}" y="54">{name}</text>'
        x += 33 + 7 * len(name) + 24


def _panel(
    corner: tuple[float, float], title: str, curves: Sequence[_Curve], *, numbered: bool
) -> Iterator[str]:
    """0 to 100 % against the levels that were measured; `numbered` names the percents."""
    left, top = corner
    levels = sorted({level for curve in curves for level, _ in curve.points})
    last = levels[-1] if levels and levels[-1] > 0 else 1.0
    bottom = top + HEIGHT

    def x(level: float) -> float:
        return left + PANEL * level / last

    def y(percent: float) -> float:
        return bottom - HEIGHT * percent / 100

    for percent in range(0, 101, 20):
        down = y(percent)
        yield f'<path class="grid" d="M{left} {down:.1f}H{left + PANEL}"/>'
        if numbered:
            yield f'<text x="{left - 8}" y="{down + 4:.1f}" text-anchor="end">{percent}</text>'
    for level in levels:
        yield f'<text x="{x(level):.1f}" y="{bottom + 18}" text-anchor="middle">{level:g}</text>'
    middle = left + PANEL / 2
    yield f'<text x="{middle}" y="{bottom + 42}" text-anchor="middle">{title}</text>'
    for curve in curves:
        places = [(x(level), y(percent)) for level, percent in curve.points]
        line = "L".join(f"{across:.1f} {down:.1f}" for across, down in places)
        if places:
            yield f'<path class="curve {curve.colour}" d="M{line}"/>'
        for across, down in places:
            yield f'<circle class="{curve.colour} dot" cx="{across:.1f}" cy="{down:.1f}" r="3"/>'
