import json
from dataclasses import replace

import numpy as np
import pytest

from data.errors import PatternError
from data.humps import Hump, Humps
from data.pattern import Pattern
from service.answer import answer, failure
from service.terminal import emit
from service.words import phase_name, verdict_sentence
from tests.service.conftest import MakeResult


def test_the_document_has_the_agreed_form(make_result: MakeResult) -> None:
    document = answer(make_result())
    assert set(document) == {
        "query",
        "library",
        "verdict",
        "presence",
        "hits",
        "humps",
        "timings_ms",
    }
    assert {"file", "points", "two_theta_range_deg", "wavelength_angstrom"} <= set(
        document["query"]
    )
    assert document["query"]["wavelength_source"] == "assumed"
    assert document["query"]["two_theta_range_deg"] == [10.0, 110.0]
    assert set(document["library"]) == {"path", "version", "entries", "channels"}
    hit = document["hits"][0]
    assert {"rank", "id", "names", "formula", "space_group", "cell", "source", "score"} <= set(hit)
    assert hit["cell"]["b"] == 5.398
    assert hit["fit"]["unexplained_peaks"] == 2
    assert hit["fit"]["cell"]["b"] == 5.402
    assert [twin["names"] for twin in hit["twins"]] == [["Hashemite"]]
    assert "twins" not in document["hits"][1]
    assert document["humps"] is None
    json.dumps(document, allow_nan=False)


def test_humps_are_told_without_their_curves(make_result: MakeResult) -> None:
    hump = Hump(two_theta_deg=14.0, fwhm_deg=8.0, over_background=2.5)
    humps = Humps((hump,), 60.0, np.ones(3000), np.zeros(3000))
    document = answer(replace(make_result(), humps=humps))
    assert document["humps"] == {
        "area_percent": 60.0,
        "each": [{"two_theta_deg": 14.0, "fwhm_deg": 8.0, "over_background": 2.5}],
    }


def test_a_q_axis_has_no_wavelength(make_result: MakeResult) -> None:
    result = make_result()
    q = np.linspace(0.5, 6, len(result.query))
    pattern = Pattern("q", q, result.query.counts, None, None, None, name="q.xy")
    query = answer(replace(result, query=pattern))["query"]
    assert query["two_theta_range_deg"] is None
    assert query["wavelength_angstrom"] is None
    assert query["q_range_inv_angstrom"] == [0.5, 6.0]


def test_what_json_cannot_hold_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": [float("nan"), 1.5], "b": {"c": float("inf")}, 3: "é"})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": {"c": None}, "3": "é"}


def test_a_failure_names_file_and_reason_in_one_line() -> None:
    document = failure("x.xy", PatternError("x.xy: is empty;\n give a measured pattern"))
    assert document["query"] == {"file": "x.xy"}
    assert document["error"] == "x.xy: is empty; give a measured pattern"


@pytest.mark.parametrize(
    "names, expected",
    [
        ((), "PbSO4"),
        (("Anglesite",), "Anglesite"),
        (("O4 Pb S", "Anglesite"), "Anglesite"),
        (("IWV",), "IWV"),
        (("Pb (S O4)",), "PbSO4"),
        (("Ca2Ce8(SiO4)6O2",), "PbSO4"),
    ],
)
def test_a_formula_is_no_name(
    make_result: MakeResult, names: tuple[str, ...], expected: str
) -> None:
    assert phase_name(make_result(names=names).hits[0]) == expected


def test_the_verdict_is_put_in_words(make_result: MakeResult) -> None:
    result = make_result()
    assert verdict_sentence(result).startswith("The pattern is that of Anglesite (PbSO4, P n m a)")
    barely = replace(result, hits=(replace(result.hits[0], confidence=0.4),))
    assert verdict_sentence(barely).startswith("The pattern is most likely that of Anglesite")
    assert "40 %; look at the difference curve" in verdict_sentence(barely)
    rivals = make_result(verdict="ambiguous")
    assert verdict_sentence(rivals).startswith("Several entries fit about equally well.")
    alone = replace(rivals, hits=rivals.hits[:1])
    assert verdict_sentence(alone).startswith("The pattern may be that of Anglesite")
    nothing = make_result(verdict="no-confident-match")
    assert verdict_sentence(nothing).startswith("Nothing in the library fits")
    assert "comes near" in verdict_sentence(replace(nothing, hits=()))
    sure = replace(result, hits=(replace(result.hits[0], confidence=1.0),))
    assert "with a confidence of over 99 %" in verdict_sentence(sure)
