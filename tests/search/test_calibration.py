from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data.errors import QueryError
from indexer import Library
from search import calibration, laboratory
from search.calibration import (
    KEPT,
    cross_validate,
    final_weights_of,
    match_from,
    presence_of,
    weights_of,
)
from search.laboratory import Call, Final, Laboratory, Question
from search.ranking import FEATURES, FINAL_FEATURES, PRESENCE_FEATURES, final_features, shares
from tests.search.made import cell_fit

TRUE_WEIGHTS = np.array([-6.0, -3.0, -2.0, 0.0, -1.0, -0.5])
TRUE_PRESENCE = np.array([-5.0, -3.0, -0.5, -1.0, 0.8, 0.0, 0.7, 1.0])
ALTERNATIVES = 120


def made_up(count: int, seed: int, weights: NDArray[np.float64] = TRUE_WEIGHTS) -> list[Question]:
    """Questions whose right answer is drawn as the model of the choice says."""
    rng = np.random.default_rng(seed)
    asked = []
    for _ in range(count):
        alternatives = rng.exponential(1.0, (ALTERNATIVES, len(FEATURES)))
        right = np.zeros(ALTERNATIVES, dtype=bool)
        right[rng.choice(ALTERNATIVES, p=shares(alternatives @ weights))] = True
        asked.append(Question(alternatives, right, right, right))
    return asked


def calls_made_up(count: int, seed: int) -> list[Call]:
    """Calls whose truth is drawn as the model of presence says."""
    rng = np.random.default_rng(seed)
    calls = []
    for place in range(count):
        seen = np.append(rng.exponential(0.5, len(PRESENCE_FEATURES) - 1), 1.0)
        present = bool(rng.random() < 1 / (1 + np.exp(-seen @ TRUE_PRESENCE)))
        share = float(rng.uniform(0.2, 1.0))
        calls.append(Call(place, seen, share, present, present, present))
    return calls


@pytest.fixture(scope="module")
def thirty(library: Library) -> Laboratory:
    return Laboratory(library, set(), 30, seed=3)


@pytest.fixture(scope="module")
def finals(thirty: Laboratory) -> list[Final]:
    return thirty.finals(weights_of(thirty.questions))


@pytest.fixture(scope="module")
def calls(thirty: Laboratory, finals: list[Final]) -> list[Call]:
    return [thirty.call(one, final_weights_of(finals)) for one in finals]


def test_planted_weights_of_the_choice_are_estimated() -> None:
    found = weights_of(made_up(800, seed=0))
    np.testing.assert_allclose(found, TRUE_WEIGHTS, atol=0.15, rtol=0.2)


def test_planted_weights_of_the_second_step_are_estimated() -> None:
    """Among finalists whose right one is drawn by score and misfit."""
    rng = np.random.default_rng(4)
    finals: list[Final] = []
    for _ in range(1500):
        score = -np.sort(rng.exponential(1.0, 40))
        fits = tuple(cell_fit(misfit=misfit) for misfit in rng.uniform(0.1, 0.6, 6))
        seen = final_features(score, fits)
        right = np.zeros(40, dtype=bool)
        right[rng.choice(40, p=shares(seen @ [1.5, -0.8]))] = True
        finals.append(Final(len(finals), True, np.arange(40), score, fits, right))
    np.testing.assert_allclose(final_weights_of(finals), [1.5, -0.8], rtol=0.2)


def test_planted_weights_of_presence_are_estimated() -> None:
    found = presence_of(calls_made_up(8000, seed=1))
    np.testing.assert_allclose(found, TRUE_PRESENCE, atol=0.25, rtol=0.2)


def test_a_match_is_what_keeps_the_right_ones() -> None:
    calls = calls_made_up(4000, seed=2)
    at = match_from(calls, TRUE_PRESENCE)
    certainty = [call.share / (1 + np.exp(-call.seen @ TRUE_PRESENCE)) for call in calls]
    right = np.array([call.right for call in calls])
    assert np.mean(np.array(certainty)[right] >= at) == pytest.approx(KEPT, abs=0.01)


class TestOfALibrary:
    def test_questions_are_as_asked_for(self, library: Library, thirty: Laboratory) -> None:
        assert len(thirty.questions) == 30
        for question in thirty.questions:
            assert question.alternatives.shape == (len(question.strict), len(FEATURES))
            assert np.isfinite(question.alternatives).all()
            assert not (question.strict & ~question.species).any()
            assert not (question.species & ~question.withheld).any()
        # The crystal itself is nearly always among so many alternatives of so few.
        assert np.mean([question.strict.any() for question in thirty.questions]) > 0.9
        again = Laboratory(library, set(), 2, seed=3).questions
        for one, other in zip(again, thirty.questions, strict=False):
            np.testing.assert_array_equal(one.alternatives, other.alternatives)

    def test_each_is_called_with_its_truth_and_without(
        self, thirty: Laboratory, finals: list[Final], calls: list[Call]
    ) -> None:
        present = [call for call in calls if call.present]
        absent = [call for call in calls if not call.present]
        assert len(present) == sum(one.strict.any() for one in thirty.questions)
        assert len(absent) == 30
        for final in finals:
            question = thirty.questions[final.place]
            assert final.present or not question.withheld[final.order].any()
            assert final.seen.shape == (len(final.order), len(FINAL_FEATURES))
        assert not any(call.right or call.strict for call in absent)
        assert np.mean([call.right for call in present]) > 0.8
        unexplained = PRESENCE_FEATURES.index("unexplained")
        means = [np.mean([call.seen[unexplained] for call in of]) for of in (present, absent)]
        assert means[0] < means[1] - 0.2
        assert all(0.0 < call.share <= 1.0 + 1e-9 for call in calls)

    def test_what_is_kept_is_not_drawn_again(
        self, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = tmp_path / "kept"
        drawn = Laboratory(library, {"NaCl"}, 3, seed=3, kept=kept)
        weights = weights_of(drawn.questions)
        finals = drawn.finals(weights)
        monkeypatch.setattr(laboratory, "measured_like", None)
        monkeypatch.setattr(laboratory, "fit_entry", None)
        read = Laboratory(library, {"NaCl"}, 3, seed=3, kept=kept)
        np.testing.assert_array_equal(weights_of(read.questions), weights)
        for one, other in zip(read.finals(weights), finals, strict=True):
            np.testing.assert_array_equal(one.seen, other.seen)
            assert read.call(one, np.array([1.0, -1.0])).seen == pytest.approx(
                drawn.call(other, np.array([1.0, -1.0])).seen
            )
        with pytest.raises(QueryError, match="queries of another library, seed"):
            Laboratory(library, {"NaCl"}, 3, seed=4, kept=kept)

    def test_excluded_formulas_are_not_asked(self, library: Library) -> None:
        kept = library.entry(0).formula
        others = {library.entry(row).formula for row in range(len(library))} - {kept}
        found = Laboratory(library, others, 1000, seed=0).questions
        of_it = sum(library.entry(row).formula == kept for row in range(len(library)))
        assert 1 <= len(found) <= of_it
        assert Laboratory(library, others | {kept}, 1000, seed=0).questions == []

    def test_cross_validation_tells_something_from_nothing(
        self, thirty: Laboratory, finals: list[Final], calls: list[Call]
    ) -> None:
        found = cross_validate(thirty.questions, finals, calls)
        assert found["first_right_percent"] > 60.0
        assert found["first_of_right_species_percent"] >= found["first_right_percent"]
        assert found["area_under_curve"] > 0.8
        assert found["absent_called_present_percent"] < found["present_called_present_percent"] - 30
        assert found["absent_called_match_percent"] < found["right_called_match_percent"] - 30
        assert all(0.0 <= value <= 100.0 for value in found.values())

    def test_the_command_writes_what_the_ranker_reads(
        self,
        library: Library,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        into = tmp_path / "ranker.json"
        excluded = tmp_path / "formulas.txt"
        excluded.write_text("NaCl\nSiO2\n")
        given = {
            "--library": library.path,
            "--exclude": excluded,
            "--queries": 12,
            "--seed": 5,
            "--into": into,
            "--keep": tmp_path / "kept",
        }
        words = [str(word) for pair in given.items() for word in pair]
        monkeypatch.setattr(sys, "argv", ["calibration", *words])
        calibration.main()
        content = json.loads(into.read_text())
        assert json.loads(capsys.readouterr().out) == content
        assert list(content["weights"]) == list(FEATURES)
        assert list(content["final"]) == list(FINAL_FEATURES)
        assert list(content["presence"]) == list(PRESENCE_FEATURES)
        assert content["queries"] == 12
        assert content["excluded_formulas"] == 2
        assert 0.0 <= content["match"] <= 1.0
