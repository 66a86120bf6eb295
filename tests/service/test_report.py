from __future__ import annotations

import base64
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import BraggleError
from data.humps import Hump, Humps
from service.report import render, write_report
from tests.service.conftest import MakeResult
from tests.service.html_page import Page


def unpack(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_a_page_loads_nothing(make_result: MakeResult) -> None:
    source = render([make_result()])
    assert Page(source).loaded() == []
    assert set(re.findall(r"url\((.)", source)) == {"#"}


def test_the_answer_can_be_read_off_the_page(make_result: MakeResult) -> None:
    result = make_result()
    text = " ".join(Page(render([result])).text.split())
    for words in (
        "pbso4.xye",
        "Match The pattern is that of Anglesite (PbSO4, Pnma), with a confidence of 97 %.",
        "One further entry is too similar for a powder pattern to tell apart.",
        "Hashemite",
        "The wavelength is assumed to be Cu Kα",
        "CuKa, 1.54059 Å (assumed, the file does not say)",
        "8.4820 5.3980 6.9590 Å",
        "amcsd 0000109",
        "Miyake et al. (1978)",
        "Licence of cod CC0",
        "version 3, 13021 entries",
        "first stage 25 ms",
    ):
        assert words in text


def test_curves_reach_the_page_unharmed(make_result: MakeResult) -> None:
    result = make_result()
    (curves,) = Page(render([result])).documents
    np.testing.assert_allclose(unpack(curves["x"]), result.query.x, rtol=1e-6)
    np.testing.assert_allclose(unpack(curves["counts"]), result.query.counts, rtol=1e-6)
    assert curves["wavelength"] == pytest.approx(1.5405929)
    assert [hit["rank"] for hit in curves["hits"]] == [1, 2]
    overlay = result.hits[0].overlay
    assert overlay is not None
    hkl = np.frombuffer(base64.b64decode(curves["hits"][0]["hkl"]), "<i2").reshape(-1, 3)
    np.testing.assert_array_equal(hkl, overlay.ticks_hkl)
    assert "humps" not in curves


def test_humps_reach_the_page(make_result: MakeResult) -> None:
    smooth, curve = np.linspace(50, 20, 3000), np.linspace(0, 90, 3000)
    humps = Humps((Hump(14.0, 8.0, 2.5),), 60.0, smooth, curve)
    (curves,) = Page(render([replace(make_result(), humps=humps)])).documents
    under, over = (unpack(one) for one in curves["humps"])
    np.testing.assert_allclose(under, smooth, rtol=1e-6)
    np.testing.assert_allclose(over, smooth + curve, rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "</script><b>", '"><img src=x onerror=alert(1)>', "a & b"]
)
def test_names_are_text_wherever_they_stand(make_result: MakeResult, name: str) -> None:
    page = Page(render([make_result(names=(name,), file=name), make_result()]))
    assert len(page.scripts) == 3
    assert name in page.text
    assert page.documents[0]["hits"][0]["name"] == name
    assert not [one for one in page.attributes if one[1] == "onerror"]


def test_several_patterns_have_an_index(make_result: MakeResult) -> None:
    results = [make_result(file="a.xy"), make_result(file="b.xy", verdict="no-confident-match")]
    page = Page(render(results))
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    sections = [value for tag, name, value in page.attributes if (tag, name) == ("section", "id")]
    assert links == ["#q1", "#q2"]
    assert sections == ["q1", "q2"]
    assert "No confident match" in page.text


def test_a_report_is_written_whole(make_result: MakeResult, tmp_path: Path) -> None:
    target = tmp_path / "new" / "out.html"
    write_report([make_result()], target)
    assert Page(target.read_text("utf-8")).documents
    assert [one.name for one in target.parent.iterdir()] == ["out.html"]


def test_a_place_that_cannot_be_written_is_named(make_result: MakeResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BraggleError, match=r"file/out\.html: the report cannot be written"):
        write_report([make_result()], tmp_path / "file" / "out.html")


def test_style_and_script_stay_small() -> None:
    assets = files("service.report") / "assets"
    size = sum(len((assets / name).read_bytes()) for name in ("report.css", "report.js"))
    assert size < 60_000
