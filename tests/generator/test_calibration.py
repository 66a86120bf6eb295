"""What the coefficients of the candidates' ranking are made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.canonical import Standard
from data.errors import BraggleError
from data.formula import reduced_formula
from data.record import Record, Source
from generator.calibration import (
    MOST_ATOMS,
    PRIOR,
    Job,
    choice,
    cross_validate,
    read_choices,
    sought,
    weights_of,
    write_choices,
)
from generator.ranking import FEATURES
from indexer import Library
from indexer.encoders import packing
from tests import crystals


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    records = [
        Record(crystal, (name,), Source("made", name)) for name, crystal in crystals.ALL.items()
    ]
    return Library.build(records, tmp_path_factory.mktemp("libraries") / "made", workers=1)


class TestSought:
    @pytest.fixture(autouse=True)
    def _every_type(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("generator.calibration.HELD_OUT", 1)

    def test_crystals_come_with_variants_and_no_formula_twice(self, library: Library) -> None:
        found = list(sought(library, set(), 60, seed=1))
        formulas = [reduced_formula(one.composition) for one in found]
        assert len(set(formulas)) == len(formulas)
        own = {one.formula for one in library.entries(range(len(library)))}
        made = [formula for formula in formulas if formula not in own]
        assert len(made) >= 0.5 * (len(formulas) - len(made))
        for one in found:
            assert one.is_ordered
            assert len(Standard.from_stored(one).primitive) <= MOST_ATOMS

    def test_excluded_formulas_are_neither_taken_nor_made(self, library: Library) -> None:
        formulas = {reduced_formula(one.composition) for one in sought(library, set(), 60, seed=1)}
        excluded = set(sorted(formulas)[::2])
        left = {reduced_formula(one.composition) for one in sought(library, excluded, 60, seed=1)}
        assert left
        assert not left & excluded

    def test_no_more_crystals_than_asked_for(self, library: Library) -> None:
        own = {one.formula for one in library.entries(range(len(library)))}
        found = [reduced_formula(one.composition) for one in sought(library, set(), 3, seed=1)]
        assert sum(formula in own for formula in found) == 3


def test_only_held_out_types_are_sought(library: Library) -> None:
    for one in sought(library, set(), 60, seed=1):
        atoms = len(Standard.from_stored(one).primitive)
        # A variant has its parent's type, as packing counts it.
        assert packing.prototype_of(one, atoms) % packing.HELD_OUT == 0


def test_a_task_gives_features_and_what_is_right(library: Library) -> None:
    found = choice(Job(str(library.path), crystals.ROCK_SALT, (1, 2)))
    assert found is not None
    seen, right = found
    assert seen.shape == (len(right), len(FEATURES))
    assert np.isfinite(seen).all()
    assert 0 < right.sum() < len(right)


class TestWeights:
    def asked(
        self, rng: np.random.Generator, tasks: int
    ) -> list[
        tuple[
            np.ndarray[tuple[int, int], np.dtype[np.float64]],
            np.ndarray[tuple[int], np.dtype[np.bool_]],
        ]
    ]:
        made = []
        for _ in range(tasks):
            seen = rng.normal(size=(30, len(FEATURES)))
            worth = -3 * seen[:, 0] + 2 * seen[:, 6] + rng.gumbel(size=30)
            made.append((seen, np.arange(30) == worth.argmax()))
        return made

    def test_many_tasks_say_what_counts(self) -> None:
        weights = weights_of(self.asked(np.random.default_rng(0), 800))
        expected = np.zeros(len(FEATURES))
        expected[[0, 6]] = -3, 2
        # Drawn a little towards the prior, which knows neither.
        np.testing.assert_allclose(weights, expected, atol=0.75)

    def test_no_task_leaves_the_prior(self) -> None:
        blind = [(np.zeros((3, len(FEATURES))), np.array([True, False, False]))]
        weights = dict(zip(FEATURES, weights_of(blind), strict=True))
        assert weights == pytest.approx({name: PRIOR.get(name, 0.0) for name in FEATURES}, abs=1e-3)

    def test_cross_validation_counts_first_ones(self) -> None:
        found = cross_validate(self.asked(np.random.default_rng(1), 200))
        assert found["first_right_percent"] > found["first_right_by_fit_alone_percent"]
        assert 50 < found["first_right_percent"] <= 100


def test_choices_are_kept_for_other_coefficients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    made = [(rng.normal(size=(n, len(FEATURES))), rng.random(n) > 0.5) for n in (3, 1, 5)]
    path = tmp_path / "choices.npz"
    write_choices(made, path)
    for (seen, right), (seen_again, right_again) in zip(made, read_choices(path), strict=True):
        np.testing.assert_array_equal(seen_again, seen)
        np.testing.assert_array_equal(right_again, right)
    monkeypatch.setattr("generator.calibration.FEATURES", (*FEATURES, "another"))
    with pytest.raises(BraggleError, match="other features"):
        read_choices(path)
