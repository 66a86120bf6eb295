"""How a training went: a drawing of loss and recall against step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexer.encoders.training import Progress

WIDTH, LEFT, RIGHT = 760, 64, 96
TOP, PANEL, BETWEEN, BOTTOM = 40, 190, 64, 48
"""Sizes in pixels; room at the right names the curves."""

LABEL = "Loss and recall against step"
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #5c6877; }
.title { font-weight: 600; fill: #16202c; }
.page { fill: #ffffff; } .grid { stroke: #dfe4ea; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.k1 { stroke: #1f6fd1; } .k2 { stroke: #d43d2f; } .k3 { stroke: #16875a; }
text.k1 { fill: #1f6fd1; } text.k2 { fill: #d43d2f; } text.k3 { fill: #16875a; }
text.k1, text.k2, text.k3 { stroke: none; }
.k1.dot { fill: #1f6fd1; } .k2.dot { fill: #d43d2f; } .k3.dot { fill: #16875a; }
@media (prefers-color-scheme: dark) {
  .page { fill: #181f27; } .grid { stroke: #2d3742; } text { fill: #9aa7b5; }
  .title { fill: #e7ecf2; }
}
"""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """Values against step, with a colour and what the last one is called."""

    colour: str
    points: Points
    last: str


def curves_svg(log: Sequence[Progress]) -> str:
    """A page of two panels: the loss, and the recall on held-out crystals.

    Args:
        log: by rising step, one report at least.
    """
    loss = Curve("k1", [(one.step, one.loss) for one in log], "{:.3g}")
    tenth = Curve(
        "k3",
        [(one.step, 100 * one.recall_at_10) for one in log if one.recall_at_10 is not None],
        "{:.1f} at 10",
    )
    first = Curve(
        "k2",
        [(one.step, 100 * one.recall_at_1) for one in log if one.recall_at_1 is not None],
        "{:.1f} at 1",
    )
    recalls = "Recall on held-out crystals in %, the right one first or among ten"
    lost = Panel("Loss", (loss,), max(value for _, value in loss.points))
    return page_svg(LABEL, (lost, Panel(recalls, (first, tenth), 100)), log[-1].step)


@dataclass(frozen=True)
class Panel:
    """Curves over one axis, which goes a little beyond `most`."""

    title: str
    curves: Sequence[Curve]
    most: float


def page_svg(label: str, panels: Sequence[Panel], last: float) -> str:
    """Panels below each other, steps from 0 to `last`.

    Args:
        label: what the page shows, for those who do not see it.
        panels: from the top.
        last: step.
    """
    height = TOP + len(panels) * PANEL + (len(panels) - 1) * BETWEEN + BOTTOM
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
    ]
    for i, one in enumerate(panels):
        parts += _panel(TOP + i * (PANEL + BETWEEN), one.title, one.curves, last, one.most)
    parts += [
        f'<text x="{middle}" y="{height - 10}" text-anchor="middle">step</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(
    top: float, title: str, curves: Sequence[Curve], last: float, most: float
) -> Iterator[str]:
    """One panel, steps from 0 to `last` and values from 0 to a little over `most`."""
    ticks = round_ticks(most)
    right, bottom, ceiling = WIDTH - RIGHT, top + PANEL, ticks[-1]

    def x(step: float) -> float:
        return LEFT + (right - LEFT) * step / max(last, 1)

    def y(value: float) -> float:
        return bottom - PANEL * value / ceiling

    yield f'<text class="title" x="{LEFT}" y="{top - 12}">{title}</text>'
    for tick in ticks:
        level = y(tick)
        yield f'<path class="grid" d="M{LEFT} {level:.1f}H{right}"/>'
        yield f'<text x="{LEFT - 8}" y="{level + 4:.1f}" text-anchor="end">{tick:g}</text>'
    for tick in round_ticks(last):
        if tick <= last:
            at = x(tick)
            yield f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>'
    for curve in curves:
        if not curve.points:
            continue
        places = [(x(step), y(value)) for step, value in curve.points]
        line = "L".join(f"{across:.1f} {down:.1f}" for across, down in places)
        across, down = places[-1]
        yield f'<path class="curve {curve.colour}" d="M{line}"/>'
        yield f'<circle class="{curve.colour} dot" cx="{across:.1f}" cy="{down:.1f}" r="3"/>'
        value = curve.last.format(curve.points[-1][1])
        yield (
            f'<text class="{curve.colour}" x="{across + 9:.1f}" y="{down + 4:.1f}">{value}</text>'
        )


def round_ticks(most: float) -> list[float]:
    """Round numbers from 0, four to seven of them, the last not below `most`."""
    if not most > 0:
        return [0.0, 1.0]
    rough = most / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [step * i for i in range(math.ceil(most / step - 1e-9) + 1)]
