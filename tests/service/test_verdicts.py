from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from service.bench.tables import verdict_table
from service.bench.verdict_plot import verdicts_svg
from service.bench.verdicts import Asked, reliability, verdicts

ASKED = [
    Asked(0.9, matched=True, right=True, withheld=False),
    Asked(0.8, matched=True, right=True, withheld=False),
    Asked(0.6, matched=True, right=False, withheld=False),
    Asked(0.3, matched=False, right=True, withheld=False),
    Asked(0.7, matched=True, right=False, withheld=True),
    Asked(0.1, matched=False, right=False, withheld=True),
    Asked(0.0, matched=False, right=False, withheld=True),
    Asked(0.0, matched=False, right=False, withheld=True),
]


def test_shares_by_hand() -> None:
    found = verdicts(ASKED)
    assert (found["present"], found["right_first"], found["withheld"]) == (4, 3, 4)
    assert found["true_called_match"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["present_called_match"] == 0.75
    assert found["wrong_first_called_match"] == 1
    assert found["withheld_called_match"] == 0.25
    # 0.9 and 0.8 lie above every false one, 0.3 above three of the four.
    assert found["area_under_curve"] == pytest.approx(11 / 12, abs=1e-4)


def test_the_curve_loosens_to_everything() -> None:
    curve = verdicts(ASKED)["curve"]
    for key in ("true", "false"):
        assert (np.diff([point[key] for point in curve]) >= 0).all()
        assert curve[-1][key] == 1.0
    (at,) = (point for point in curve if point["certainty"] == 0.7)
    assert (at["true"], at["false"]) == (pytest.approx(2 / 3, abs=1e-4), 0.25)


def test_without_right_or_withheld_answers_there_is_no_figure() -> None:
    assert verdicts([]) == {}
    assert verdicts(ASKED[:4]) == {}
    assert verdicts(ASKED[4:]) == {}


def test_reliability_by_hand() -> None:
    said = np.array([0.05, 0.05, 0.95, 1.0])
    found = reliability(said, np.array([False, True, True, True]))
    first, *between, last = found["bins"]
    assert (first["queries"], first["observed"]) == (2, 0.5)
    assert (last["queries"], last["predicted"], last["observed"]) == (2, 0.975, 1.0)
    assert all(one["queries"] == 0 for one in between)
    assert found["brier"] == pytest.approx((0.05**2 + 0.95**2 + 0.05**2) / 4, abs=1e-4)
    assert found["expected_calibration_error"] == pytest.approx(0.45 / 2 + 0.025 / 2, abs=1e-4)


def test_it_is_drawn_and_listed() -> None:
    found = verdicts(ASKED)
    drawing = verdicts_svg(found)
    assert drawing.startswith("<svg")
    filled = sum(one["queries"] > 0 for one in found["reliability"]["bins"])
    assert drawing.count("<circle") == 1 + filled
    console = Console(width=120)
    with console.capture() as shown:
        console.print(verdict_table(found))
    assert "66.7" in shown.get()
    assert "25.0" in shown.get()
