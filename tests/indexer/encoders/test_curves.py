from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BraggleError
from indexer.encoders.curves import PANEL, TOP, WIDTH, curves_svg, round_ticks
from indexer.encoders.log import read_log
from indexer.encoders.training import Progress

LOG = [
    Progress(100, 2.0, 300.0),
    Progress(200, 1.0, 310.0, 0.25, 0.5),
    Progress(300, 0.5, 305.0),
    Progress(400, 0.25, 290.0, 0.5, 0.875),
]
SVG = "{http://www.w3.org/2000/svg}"


def parsed(page: str) -> ET.Element:
    return ET.fromstring(page)  # noqa: S314 - our own page


def curves(page: str) -> dict[str, list[tuple[float, float]]]:
    """Places of each curve, by its colour."""
    return {
        path.attrib["class"].split()[1]: [
            (float(x), float(y)) for x, y in (p.split() for p in path.attrib["d"][1:].split("L"))
        ]
        for path in parsed(page).iter(f"{SVG}path")
        if path.attrib["class"].startswith("curve")
    }


def words(page: str) -> list[str]:
    return [text.text or "" for text in parsed(page).iter(f"{SVG}text")]


def test_curves_are_where_their_values_are() -> None:
    page = curves_svg(LOG)
    drawn = curves(page)
    loss = drawn["k1"]
    assert [x - loss[0][0] for x, _ in loss] == pytest.approx(
        [(loss[3][0] - loss[0][0]) * i / 3 for i in range(4)], abs=0.1
    )
    bottom = TOP + PANEL  # where the loss is nothing; its ceiling is two
    assert [y for _, y in loss] == pytest.approx(
        [bottom - PANEL * value / 2 for value in (2.0, 1.0, 0.5, 0.25)], abs=0.1
    )
    assert [x for x, _ in drawn["k2"]] == [x for x, _ in drawn["k3"]] == [loss[1][0], loss[3][0]]
    rise = drawn["k2"][0][1] - drawn["k2"][1][1]
    assert rise == pytest.approx(PANEL * 0.25, abs=0.1)
    assert {"0.25", "50.0 at 1", "87.5 at 10", "step", "400"} <= set(words(page))


def test_all_of_it_is_on_the_page() -> None:
    root = parsed(curves_svg(LOG))
    width, height = (float(root.attrib[key]) for key in ("width", "height"))
    assert width == WIDTH
    for places in curves(curves_svg(LOG)).values():
        assert all(0 < x < width and 0 < y < height for x, y in places)


@pytest.mark.parametrize("log", [LOG[:1], [Progress(1, 0.0, 1.0)], LOG[1:2]])
def test_a_short_log_can_be_drawn(log: list[Progress]) -> None:
    drawn = curves(curves_svg(log))
    assert len(drawn["k1"]) == 1
    assert ("k2" in drawn) == (log[0].recall_at_1 is not None)


def test_a_log_is_read_as_it_was_told(tmp_path: Path) -> None:
    lines = [json.dumps(asdict(one)) for one in LOG]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines) + "\n")
    assert read_log(path, Progress) == LOG
    # Cut short by a crash, then resumed from step 200.
    path.write_text("\n".join([*lines[:2], lines[2].replace("0.5", "0.6"), lines[3][:20], *lines]))
    assert read_log(path, Progress) == LOG


def test_no_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BraggleError, match="no log"):
        read_log(tmp_path / "log.jsonl", Progress)


@given(st.floats(1e-6, 1e7))
def test_ticks_are_few_and_round(most: float) -> None:
    ticks = round_ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most * (1 - 1e-6)
    assert ticks[-2] < most
    assert 3 <= len(ticks) <= 7
    step = ticks[1]
    leading = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(leading - one) for one in (1, 2, 5, 10)) < 1e-6
