from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.profile_fit import ProfileFits, fit_profiles
from search.ranking import (
    CROWD,
    FEATURES,
    PRESENCE_FEATURES,
    Ranker,
    features,
    presence_features,
    shares,
)
from tests.crystals import CALCITE, QUARTZ, RUTILE
from tests.search.made import prepared_of, table

SCORES = st.lists(st.floats(-500, 500), min_size=1, max_size=50).map(np.array)


def fits_of(**columns: list[float]) -> ProfileFits:
    """Fits that are perfect but for what is given."""
    n = len(next(iter(columns.values())))
    perfect = {"correlation": 1.0, "explained": 1.0}
    names = ("strain", "zero_shift_deg", "correlation", "explained", "lacking", "lines", "scale")
    made = {name: np.full(n, perfect.get(name, 0.0)) for name in names}
    counts = {name: np.zeros(n, np.int64) for name in ("matched", "unexplained", "missing")}
    given_columns = {name: np.array(values) for name, values in columns.items()}
    every: dict[str, Any] = made | given_columns
    every |= {f"{name}_peaks": values for name, values in counts.items()}
    return ProfileFits(**every)


def test_features_by_hand() -> None:
    fits = fits_of(
        strain=[0.0, -0.01],
        zero_shift_deg=[0.0, 0.05],
        correlation=[1.0, 0.5],
        explained=[1.0, 0.75],
        lacking=[0.0, 0.2],
    )
    np.testing.assert_allclose(
        features(fits), [[0.0] * 5, [float(np.pi) / 3, 0.25, 0.2, 1.0, 0.25]], atol=1e-12
    )


def test_a_correlation_rounded_above_one_is_one() -> None:
    assert features(fits_of(correlation=[1.0 + 1e-12, -1e-12])).tolist() == [
        [0.0] * 5,
        [np.pi / 2, 0.0, 0.0, 0.0, 0.0],
    ]


@pytest.mark.parametrize("name", FEATURES)
def test_each_weight_belongs_to_its_feature(name: str) -> None:
    ranker = Ranker(tuple(float(name == own) for own in FEATURES), (0.0,) * len(PRESENCE_FEATURES))
    column = {
        "misfit": {"correlation": [0.0]},
        "unexplained": {"explained": [0.0]},
        "lacking": {"lacking": [0.5]},
        "strain": {"strain": [0.01]},
        "zero_shift": {"zero_shift_deg": [0.1]},
    }
    for own, changed in column.items():
        assert (ranker.score(fits_of(**changed))[0] != 0.0) == (own == name)


@given(SCORES, st.floats(-1000, 1000))
def test_shares_are_probabilities_in_the_order_of_the_scores(
    score: NDArray[np.float64], shift: float
) -> None:
    found = shares(score)
    assert found.sum() == pytest.approx(1.0)
    assert (found >= 0).all()
    assert (np.diff(found[np.argsort(score, kind="stable")]) >= 0).all()
    np.testing.assert_allclose(shares(score + shift), found, atol=1e-9)


def test_shares_by_hand() -> None:
    np.testing.assert_allclose(shares(np.log([1.0, 3.0, 4.0])), [0.125, 0.375, 0.5])


class TestPresence:
    @given(
        score=st.lists(st.floats(-50, 0), min_size=1, max_size=200, unique=True).map(np.array),
        peaks=st.integers(1, 100),
        seed=st.integers(0, 1000),
    )
    def test_features_are_of_the_best_in_whatever_order(
        self, score: NDArray[np.float64], peaks: int, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        alternatives = rng.random((len(score), len(FEATURES)))
        seen = presence_features(alternatives, score, score, peaks)
        np.testing.assert_array_equal(seen[: len(FEATURES)], alternatives[score.argmax()])
        place = min(CROWD, len(score) - 1)
        lead = score.max() - np.sort(score)[::-1][place]
        np.testing.assert_allclose(seen[len(FEATURES) :], [lead, np.log(1 + peaks), 1.0])
        order = rng.permutation(len(score))
        again = presence_features(alternatives[order], score[order], rng.permutation(score), peaks)
        np.testing.assert_allclose(again, seen)

    @pytest.mark.parametrize("name", PRESENCE_FEATURES)
    def test_it_is_logistic_in_each_feature(self, name: str) -> None:
        prepared = prepared_of(QUARTZ)
        fits = fit_profiles(prepared, table(QUARTZ, CALCITE))
        score, crowd = np.array([-1.0, -7.0]), np.array([-1.0, -7.0, -3.5])
        seen = presence_features(features(fits), score, crowd, len(prepared.peaks))
        value = dict(zip(PRESENCE_FEATURES, seen, strict=True))[name]
        ranker = Ranker((0.0,) * 5, tuple(0.5 * (name == own) for own in PRESENCE_FEATURES))
        found = ranker.presence_probability(fits, score, crowd, prepared)
        assert found == pytest.approx(1 / (1 + np.exp(-0.5 * value)))


class TestShipped:
    def test_every_coefficient_is_in_the_file(self) -> None:
        content = json.loads((files("search") / "ranker.json").read_text())
        assert set(content["weights"]) == set(FEATURES)
        assert set(content["presence"]) == set(PRESENCE_FEATURES)
        assert list(Ranker.shipped().weights) == [content["weights"][name] for name in FEATURES]

    def test_no_kind_of_misfit_counts_in_favour(self) -> None:
        assert (np.array(Ranker.shipped().weights) <= 0.0).all()

    def test_a_crystal_is_preferred_for_its_own_pattern(self) -> None:
        crystals = [QUARTZ, CALCITE, RUTILE]
        ranker = Ranker.shipped()
        for own, crystal in enumerate(crystals):
            score = ranker.score(fit_profiles(prepared_of(crystal), table(*crystals)))
            assert score.argmax() == own
            assert shares(score)[own] > 0.9
