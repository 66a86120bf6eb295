"""True against false matches, and said against seen, as a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.bench.robustness_plot import STYLE

LEFT, SIDE, BETWEEN, RIGHT, TOP, BOTTOM = 60, 260, 90, 24, 64, 62
"""Sizes in pixels; both panels are squares."""
TITLE = "Called a match, and how sure"


def verdicts_svg(found: Mapping[str, Any]) -> str:
    """Two squares of percent against percent.

    Args:
        found: of `service.bench.verdicts.verdicts`.
    """
    width, height = LEFT + 2 * SIDE + BETWEEN + RIGHT, TOP + SIDE + BOTTOM
    curve = [(0.0, 0.0), *((100 * one["false"], 100 * one["true"]) for one in found["curve"])]
    chosen = (100 * found["withheld_called_match"], 100 * found["true_called_match"])
    bins = [one for one in found["reliability"]["bins"] if one["queries"]]
    seen = [(100 * one["predicted"], 100 * one["observed"]) for one in bins]
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{TITLE}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="28">{TITLE}</text>',
        *_frame(LEFT, "called a match with the truth withheld, %", "right ones called a match, %"),
        *_line(LEFT, curve, "k1"),
        *_dots(LEFT, [chosen], "k2", [5.0]),
        *_frame(LEFT + SIDE + BETWEEN, "certainty, %", "right, %"),
        *_line(LEFT + SIDE + BETWEEN, [(0, 0), (100, 100)], "k3 one"),
        *_dots(
            LEFT + SIDE + BETWEEN,
            seen,
            "k1",
            [3 + 0.6 * float(one["queries"]) ** 0.5 for one in bins],
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _place(left: int, point: tuple[float, float]) -> tuple[float, float]:
    return left + SIDE * point[0] / 100, TOP + SIDE * (1 - point[1] / 100)


def _frame(left: int, across: str, up: str) -> Iterator[str]:
    for percent in range(0, 101, 20):
        x, y = _place(left, (percent, percent))
        yield f'<path class="grid" d="M{left} {y:.1f}h{SIDE}M{x:.1f} {TOP}v{SIDE}"/>'
        yield f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{percent}</text>'
        yield f'<text x="{x:.1f}" y="{TOP + SIDE + 18}" text-anchor="middle">{percent}</text>'
    middle = left + SIDE / 2
    yield f'<text x="{middle}" y="{TOP + SIDE + 42}" text-anchor="middle">{across}</text>'
    yield f'<text x="{left}" y="{TOP - 12}">{up}</text>'


def _line(left: int, points: Sequence[tuple[float, float]], colour: str) -> Iterator[str]:
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in (_place(left, point) for point in points))
    yield f'<path class="curve {colour}" d="M{line}"/>'


def _dots(
    left: int, points: Sequence[tuple[float, float]], colour: str, sizes: Sequence[float]
) -> Iterator[str]:
    for point, size in zip(points, sizes, strict=True):
        x, y = _place(left, point)
        yield f'<circle class="{colour} dot" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"/>'
