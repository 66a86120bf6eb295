from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer import Library
from search import calibration
from search.calibration import (
    ALTERNATIVES,
    FEWEST,
    Question,
    cross_validate,
    estimate,
    questions,
)
from search.ranking import FEATURES, PRESENCE_FEATURES, Ranker, shares

TRUE_WEIGHTS = np.array([-6.0, -3.0, -2.0, 0.0, -1.0])


def made_up(count: int, seed: int, weights: NDArray[np.float64] = TRUE_WEIGHTS) -> list[Question]:
    """Questions whose right answer is drawn as the model of the choice says."""
    rng = np.random.default_rng(seed)
    asked = []
    for _ in range(count):
        alternatives = rng.exponential(1.0, (ALTERNATIVES, len(FEATURES)))
        right = np.zeros(ALTERNATIVES, dtype=bool)
        right[rng.choice(ALTERNATIVES, p=shares(alternatives @ weights))] = True
        asked.append(Question(alternatives, right, right, int(rng.integers(3, 60))))
    return asked


def without_answer(question: Question) -> Question:
    nothing = np.zeros_like(question.strict)
    return Question(question.alternatives, nothing, nothing, question.peaks)


@pytest.fixture(scope="module")
def asked(library: Library) -> list[Question]:
    return questions(library, set(), 30, seed=3)


class TestChoice:
    def test_planted_weights_are_estimated(self) -> None:
        found = np.array(estimate(made_up(800, seed=0)).weights)
        np.testing.assert_allclose(found, TRUE_WEIGHTS, atol=0.15, rtol=0.2)


class TestPresence:
    def test_each_question_is_asked_with_and_without_its_species(self) -> None:
        asked = made_up(5, seed=5)
        asked[0].species[:] = False
        asked[0].species[: ALTERNATIVES - FEWEST + 1] = True  # too few are left without them
        asked.append(without_answer(asked[1]))
        seen, present = calibration._presence_cases(asked, TRUE_WEIGHTS)
        assert seen.shape == (1 + 4 * 2 + 1, len(PRESENCE_FEATURES))
        assert present.tolist() == [True] + [True, False] * 4 + [False]

    def test_without_its_species_the_best_is_another(self) -> None:
        asked = made_up(40, seed=6)
        seen, present = calibration._presence_cases(asked, TRUE_WEIGHTS)
        lead = PRESENCE_FEATURES.index("lead")
        assert (seen[present, lead] >= seen[~present, lead] - 0.5).all()
        assert seen[present, lead].mean() > seen[~present, lead].mean()


class TestOfALibrary:
    def test_questions_are_as_asked_for(self, library: Library, asked: list[Question]) -> None:
        assert len(asked) == 30
        for question in asked:
            assert question.alternatives.shape == (ALTERNATIVES, len(FEATURES))
            assert np.isfinite(question.alternatives).all()
            assert question.peaks >= 3
            assert not (question.strict & ~question.species).any()
        # The crystal itself is nearly always among so many alternatives of so few.
        assert np.mean([question.strict.any() for question in asked]) > 0.9
        again = questions(library, set(), 2, seed=3)
        for one, other in zip(again, asked, strict=False):
            np.testing.assert_array_equal(one.alternatives, other.alternatives)

    def test_excluded_formulas_are_not_asked(self, library: Library) -> None:
        kept = library.entry(0).formula
        others = {library.entry(row).formula for row in range(len(library))} - {kept}
        found = questions(library, others, 1000, seed=0)
        of_it = sum(library.entry(row).formula == kept for row in range(len(library)))
        assert 1 <= len(found) <= of_it
        assert questions(library, others | {kept}, 1000, seed=0) == []

    def test_a_ranker_for_it_finds_what_was_asked(self, asked: list[Question]) -> None:
        ranker = estimate(asked)
        best = [
            question.strict[np.argmax(question.alternatives @ np.array(ranker.weights))]
            for question in asked
            if question.strict.any()
        ]
        assert np.mean(best) > 0.8

    def test_cross_validation_tells_something_from_nothing(self, asked: list[Question]) -> None:
        found = cross_validate(asked)
        assert found["first_right_percent"] > 60.0
        assert found["area_under_curve"] > 0.8
        assert found["absent_called_present_percent"] < found["present_called_present_percent"] - 30
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
        }
        words = [str(word) for pair in given.items() for word in pair]
        monkeypatch.setattr(sys, "argv", ["calibration", *words])
        calibration.main()
        content = json.loads(into.read_text())
        assert json.loads(capsys.readouterr().out) == content
        assert list(content["weights"]) == list(FEATURES)
        assert list(content["presence"]) == list(PRESENCE_FEATURES)
        assert content["queries"] == 12
        assert content["excluded_formulas"] == 2
        again = estimate(questions(library, {"NaCl", "SiO2"}, 12, seed=5))
        assert Ranker(
            tuple(np.round(again.weights, 4)), tuple(np.round(again.presence, 4))
        ) == Ranker(tuple(content["weights"].values()), tuple(content["presence"].values()))
