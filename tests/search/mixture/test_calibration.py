from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer import Library
from search.mixture import calibration
from search.mixture.calibration import (
    BINS,
    MISSING,
    Question,
    cross_validate,
    estimate,
    questions,
    species_of,
    weights_of,
)
from search.mixture.confidence import UNEXPLAINED, WHETHER, WHICH, Belief
from search.ranking import shares

TRUE_WHICH = np.array([2.0, -1.0])


def made_up(count: int, seed: int) -> list[Question]:
    """Questions answered as the models say; a right answer is missing where much is unexplained.

    There is none at all in the half of them that lack a phase.
    """
    rng = np.random.default_rng(seed)
    asked = []
    for _ in range(count):
        which = np.column_stack([rng.normal(0, 1, 3), rng.integers(1, 5, 3)])
        left = rng.uniform(0, 1)
        right = np.zeros(3, dtype=bool)
        complete = bool(rng.integers(2))
        if complete and rng.random() > left:
            right[rng.choice(3, p=shares(which @ TRUE_WHICH))] = True
        rest = np.column_stack([np.full(3, left), np.ones(3)])
        asked.append(Question(which, rest, right, known=True, complete=complete))
    return asked


def test_planted_coefficients_are_estimated() -> None:
    belief = estimate(made_up(3000, seed=0))
    np.testing.assert_allclose(belief.which, TRUE_WHICH, rtol=0.2)
    unexplained = belief.whether[WHETHER.index("unexplained")]
    assert unexplained < -3


def test_confidence_is_as_often_right_as_it_says() -> None:
    found = cross_validate(made_up(2000, seed=1))
    assert found["brier"] < found["brier_of_the_mean"]
    assert len(found["reliability"]) == len(BINS) - 1
    for row in found["reliability"]:
        if row["queries"] > 100:
            assert row["right_percent"] == pytest.approx(row["mean_confidence_percent"], abs=10)


def test_nothing_found_is_no_answer() -> None:
    empty = Question(
        np.zeros((0, len(WHICH))),
        np.zeros((0, len(WHETHER) - 1)),
        np.zeros(0, dtype=bool),
        known=False,
        complete=True,
    )
    found = cross_validate([*made_up(50, seed=2), empty])
    assert found["first_right_percent"]["none, complete"] == 0.0


def test_phases_are_missing_as_often_as_supposed() -> None:
    asked = made_up(2000, seed=5)
    weight = weights_of(asked)
    missing = np.array([not one.complete for one in asked])
    assert weight.mean() == pytest.approx(1.0)
    assert weight[missing].mean() * missing.mean() == pytest.approx(MISSING)
    belief = estimate(asked)
    found = [belief.confidences(one.which, one.open).sum() for one in asked]
    right = [one.right.any() for one in asked]
    # Half of the complete ones are right, so two fifths of all; a quarter, were they not weighted.
    assert np.average(found, weights=weight) == pytest.approx((1 - MISSING) / 2, abs=0.03)
    assert np.average(right, weights=weight) == pytest.approx((1 - MISSING) / 2, abs=0.03)
    assert (weights_of([one for one in asked if one.complete]) == 1.0).all()


def test_a_set_that_explains_the_peaks_leads_one_that_does_not() -> None:
    belief = Belief((1.0, 0.0), (0.0,) * len(WHETHER))
    which = np.array([[3.0, 1.0], [1.0, 2.0], [2.0, 2.0]])
    rest = np.zeros((3, len(WHETHER) - 1))
    rest[:, UNEXPLAINED] = np.sqrt([0.78, 0.02, 0.12])
    found = belief.confidences(which, rest)
    assert found[0] == 0.0
    assert np.argmax(found) == 2
    # Where none explains most of the peaks, the score alone orders them.
    rest[:, UNEXPLAINED] = np.sqrt([0.78, 0.6, 0.9])
    assert np.argsort(-belief.confidences(which, rest)).tolist() == [0, 2, 1]


def test_a_species_takes_its_polymorphs_of_one_formula_along(library: Library) -> None:
    rows = {row: library.entry(row) for row in range(len(library))}
    rutile = next(row for row, entry in rows.items() if "rutile" in entry.names)
    gone = set(species_of(library, rutile).tolist())
    assert rutile in gone
    assert {row for row, entry in rows.items() if entry.formula == "TiO2"} <= gone
    assert not {row for row, entry in rows.items() if entry.formula == "NaCl"} & gone


def test_questions_of_a_library(library: Library) -> None:
    asked = questions(library, set(), 4, seed=3)
    assert len(asked) == 4
    for question in asked:
        assert question.which.shape == (len(question.right), len(WHICH))
        assert question.open.shape == (len(question.right), len(WHETHER) - 1)
        assert np.isfinite(question.which).all()
        assert np.isfinite(question.open).all()
    again = questions(library, set(), 1, seed=3)
    np.testing.assert_array_equal(again[0].which, asked[0].which)
    formulas = {library.entry(row).formula for row in range(len(library))}
    assert questions(library, formulas, 4, seed=3) == []


def test_the_command_writes_what_is_shipped(
    library: Library,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = made_up(60, seed=4)
    monkeypatch.setattr(calibration, "questions", lambda *_: asked)
    into = tmp_path / "belief.json"
    words = ["--library", str(library.path), "--into", str(into)]
    monkeypatch.setattr(sys, "argv", ["calibration", *words])
    calibration.main()
    content = json.loads(into.read_text())
    assert json.loads(capsys.readouterr().out) == content
    assert list(content["which"]) == list(WHICH)
    assert list(content["whether"]) == list(WHETHER)
    belief = estimate(asked)
    np.testing.assert_allclose(list(content["which"].values()), belief.which, atol=1e-4)
    shipped = json.loads((Path(calibration.__file__).with_name("belief.json")).read_text())
    assert shipped.keys() == content.keys()
    assert Belief.shipped().which == tuple(shipped["which"].values())
