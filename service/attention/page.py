"""Attention maps as a page: figures drawn as SVG, in one file that loads nothing."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from indexer.library import Library
from search.result import LookupResult
from service.attention.looks import ENDS, Attention, Looks, attention_of
from service.pages import asset, template_environment, trusted_asset, write_page
from service.words import phase_names

WIDTH, LEFT, RIGHT = 1080, 88, 20
CURVE, BARS, AXIS = 170, 110, 44
"""Heights in pixels: of the measured curve, of the bars below it, of the axis."""
CELL_MOST, MATRIX = 22.0, 440.0
"""Pixels of a token in a map at most, and of a whole map."""
LABELLED = 48
"""Tokens up to which each has its name beside a map."""
COLOUR = (42, 120, 214)


def render(attention: Attention) -> str:
    """One HTML document; it loads nothing from anywhere."""
    template = template_environment().from_string(asset("service.attention", "attention.html"))
    first, last = attention.sheet.layers[0], len(attention.sheet.layers)
    hit = attention.hit
    return template.render(
        name=attention.prepared.pattern.name,
        hit=hit,
        hit_names=", ".join(phase_names(hit)[:3]),
        cosine=f"{attention.cosine:.3f}",
        layers=last,
        pattern=Markup(_pattern_svg(attention)),  # noqa: S704 - made here, texts escaped
        maps=[
            (f"head {head + 1}", Markup(_map_svg(attention.sheet, weights, head)))  # noqa: S704
            for head, weights in enumerate(first)
        ],
        strips=Markup(_strips_svg(attention.sheet)),  # noqa: S704
        style=trusted_asset("service.report", "report.css")
        + trusted_asset("service.attention", "attention.css"),
    )


def write_attention(result: LookupResult, library: Library, path: Path) -> None:
    """Draw what the towers looked at in a query and its first hit; whole or not at all.

    Raises:
        QueryError: the library is not of sheets, or nothing was found.
        BraggleError: the file cannot be written.
    """
    write_page(render(attention_of(result, library)), path, "attention map")


def _pattern_svg(attention: Attention) -> str:
    """The net curve over 2θ; below it how much the tower's tokens look at each peak at last."""
    prepared, looks = attention.prepared, attention.pattern
    two_theta = prepared.two_theta_deg
    first, last = float(two_theta[0]), float(two_theta[-1])
    root = np.sqrt(np.maximum(prepared.net, 0.0))
    most = float(root.max()) or 1.0

    def x(angle: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (angle - first) / (last - first)

    points = "L".join(
        f"{x(float(a)):.1f} {CURVE - (CURVE - 16) * value / most:.1f}"
        for a, value in zip(two_theta, root, strict=True)
    )
    wavelength = prepared.wavelengths_angstrom[0]
    sine = np.exp(attention.texture.ln_q) * wavelength / (4 * np.pi)
    places = 2 * np.degrees(np.arcsin(np.minimum(sine, 1.0)))
    weights = looks.summed_up.mean(axis=0)
    scale = (BARS - 22) / max(float(weights.max()), 1e-9)
    floor, height = CURVE + BARS, CURVE + BARS + AXIS
    title = "Measured pattern and how much the tower looks at each peak"
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">',
        f'<path class="measured" d="M{points}"/>',
        _text(LEFT - 10, 26, "√ counts", anchor="end"),
        _text(LEFT - 10, CURVE + 40, "attention", anchor="end"),
        f'<path class="frame" d="M{LEFT} {CURVE}H{WIDTH - RIGHT}M{LEFT} {floor}H{WIDTH - RIGHT}"/>',
    ]
    for place, pair, label in zip(places, weights.T, looks.labels, strict=False):
        for shift, value, which in zip((-4.0, 0.5), pair, ENDS, strict=True):
            tall = scale * float(value)
            box = (x(float(place)) + shift, floor - tall, 3.5, tall)
            parts.append(_bar(which, box, f"Q {label} 1/Å, {which}: {100 * value:.1f} %"))
    ticks = range(int(np.ceil(first / 10)) * 10, int(last) + 1, 10)
    parts += [_text(x(tick), floor + 18, str(tick)) for tick in ticks]
    parts.append(_text((LEFT + WIDTH) / 2, floor + 38, "2θ, °"))
    return "".join([*parts, "</svg>"])


def _text(x: float, y: float, text: str, *, anchor: str = "middle", size: float = 12.0) -> str:
    style = f'style="font-size:{size:.1f}px" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _upright(x: float, y: float, text: str, size: float) -> str:
    """Text that runs upwards from a place."""
    style = f'style="font-size:{size:.1f}px" text-anchor="start"'
    move = f'transform="translate({x + size / 3:.1f} {y:.1f}) rotate(-90)"'
    return f"<text {style} {move}>{escape(text)}</text>"


def _bar(
    which: str, box: tuple[float, float, float, float], said: str, opacity: float = 1.0
) -> str:
    """A rectangle that says something when pointed at; `box` is x, y, width and height."""
    x, y, width, height = box
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    shade = f'class="{which}" fill-opacity="{opacity:.3f}"'
    return f"<rect {shade} {size}><title>{escape(said)}</title></rect>"


def _map_svg(looks: Looks, weights: NDArray[np.float32], head: int) -> str:
    """How much each token looks at each: rows look at columns."""
    count = len(looks.labels)
    size = min(CELL_MOST, MATRIX / count)
    named = count <= LABELLED
    side, room = size * count, 64 if named else 26
    parts = [
        (
            f'<svg viewBox="0 0 {side + room + 4:.0f} {side + room + 4:.0f}" role="img" '
            f'aria-label="First layer, head {head + 1}">'
        ),
        (
            f'<image x="{room}" y="{room}" width="{side:.1f}" height="{side:.1f}" '
            f'preserveAspectRatio="none" class="map" href="{_png(weights)}"/>'
        ),
        f'<rect class="box" x="{room}" y="{room}" width="{side:.1f}" height="{side:.1f}"/>',
    ]
    font = min(size * 0.85, 11.0)
    for at, label in enumerate(looks.labels if named else ()):
        middle = room + (at + 0.5) * size
        parts.append(_text(room - 5, middle + font / 3, label, anchor="end", size=font))
        parts.append(_upright(middle, room - 5, label, font))
    parts += _group_lines(looks, size, room, named=named)
    return "".join([*parts, "</svg>"])


def _group_lines(looks: Looks, size: float, room: float, *, named: bool) -> Iterator[str]:
    """Lines between kinds of tokens; their names where tokens have none."""
    side, at = size * len(looks.labels), 0
    for name, count in looks.groups:
        if not named and count:
            yield _text(room + (at + count / 2) * size, room - 8, name.split(",")[0])
        at += count
        place = room + at * size
        path = f"M{place:.1f} {room}v{side:.1f}M{room} {place:.1f}h{side:.1f}"
        yield f'<path class="between" d="{path}"/>'


def _strips_svg(looks: Looks) -> str:
    """What the two tokens of the tower look at in the last layer: a row for each and head."""
    weights = looks.summed_up
    heads, _, count = weights.shape
    size = min(CELL_MOST, (WIDTH - 2 * LEFT) / count)
    room, tall = 74, 17
    width, height = LEFT + size * count + 24, room + heads * (2 * tall + 8) + 4
    most = max(float(weights.max()), 1e-9)
    parts = [
        (
            f'<svg viewBox="0 0 {width:.0f} {height}" style="max-width:{width:.0f}px" role="img" '
            'aria-label="Last layer: what the start and the end token look at">'
        )
    ]
    font = min(size * 0.85, 11.0)
    for at, label in enumerate(looks.labels[:count]):
        parts.append(_upright(LEFT + (at + 0.5) * size, room - 6, label, font))
    for head in range(heads):
        for row, which in enumerate(ENDS):
            top = room + head * (2 * tall + 8) + row * tall
            said = f"head {head + 1}, {which}"
            parts.append(_text(LEFT - 8, top + 12, said, anchor="end"))
            for at, value in enumerate(weights[head, row].tolist()):
                box = (LEFT + at * size, top, size - 1, tall - 2)
                told = f"{said}: {looks.labels[at]}, {100 * value:.1f} %"
                parts.append(_bar(which, box, told, value / most))
    return "".join([*parts, "</svg>"])


def _png(weights: NDArray[np.float32]) -> str:
    """Weights as a picture of one colour, the more opaque the heavier, as a data address."""
    rows, columns = weights.shape
    pixels = np.zeros((rows, columns, 4), np.uint8)
    pixels[..., :3] = COLOUR
    pixels[..., 3] = np.rint(255 * np.sqrt(weights / max(float(weights.max()), 1e-9)))
    # Each row of a PNG begins with the number of its filter, 0 for none.
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    content = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
