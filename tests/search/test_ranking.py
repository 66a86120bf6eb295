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
    ENOUGH_LEAD,
    FEATURES,
    FINAL_FEATURES,
    PRESENCE_FEATURES,
    Ranker,
    features,
    presence_features,
    shares,
)
from tests.crystals import CALCITE, QUARTZ, RUTILE
from tests.search.made import cell_fit, prepared_of, table

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
        strain=[0.0, -0.003],
        zero_shift_deg=[0.0, 0.05],
        correlation=[1.0, 0.5],
        explained=[1.0, 0.75],
        lacking=[0.0, 0.2],
    )
    np.testing.assert_allclose(
        features(fits, np.array([0.0, 0.004])),
        [[0.0] * 6, [float(np.pi) / 3, 0.25, 0.2, np.log(2), np.log(5), 0.25]],
        atol=1e-12,
    )


def test_a_correlation_rounded_above_one_is_one() -> None:
    found = features(fits_of(correlation=[1.0 + 1e-12, -1e-12]), np.zeros(2))
    assert found.tolist() == [[0.0] * 6, [np.pi / 2, 0.0, 0.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize("name", FEATURES)
def test_each_weight_belongs_to_its_feature(name: str) -> None:
    weights = tuple(float(name == own) for own in FEATURES)
    ranker = Ranker(weights, (1.0, 0.0), (0.0,) * len(PRESENCE_FEATURES), 0.5)
    column = {
        "misfit": {"correlation": [0.0]},
        "unexplained": {"explained": [0.0]},
        "lacking": {"lacking": [0.5]},
        "strain": {"strain": [0.01]},
        "distortion": {"strain": [0.0]},
        "zero_shift": {"zero_shift_deg": [0.1]},
    }
    for own, changed in column.items():
        distortion = np.array([0.01 if own == "distortion" else 0.0])
        assert (ranker.score(fits_of(**changed), distortion)[0] != 0.0) == (own == name)


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


class TestSecondStep:
    ranker = Ranker((0.0,) * len(FEATURES), (2.0, -1.0), (0.0,) * len(PRESENCE_FEATURES), 0.5)

    def test_score_by_hand(self) -> None:
        fits = [cell_fit(misfit=0.3), cell_fit(misfit=0.2)]
        found = self.ranker.final_score(np.array([0.0, -0.1, -3.0]), fits)
        # Who was not fitted again leaves as much as the worst who was.
        np.testing.assert_allclose(found, [-3.0, -2.2, -9.0])

    @given(SCORES, st.lists(st.floats(0, np.pi / 2), min_size=1, max_size=6))
    def test_nobody_overtakes_the_finalists(
        self, score: NDArray[np.float64], misfits: list[float]
    ) -> None:
        score = -np.sort(-score)
        fits = [cell_fit(misfit=one) for one in misfits[: len(score)]]
        found = self.ranker.final_score(score, fits)
        assert found[len(fits) :].max(initial=-np.inf) <= found[: len(fits)].min() + 1e-9


class TestPresence:
    stored = np.diag([4.0, 5.0, 6.0])
    best = cell_fit(lattice=np.diag([4.0, 5.0, 6.0]) * 1.003, unexplained=0.1, lacking=0.04)

    def seen(self, score: list[float], kin: list[bool]) -> NDArray[np.float64]:
        return presence_features(self.best, self.stored, 47, np.array(score), np.array(kin), 9)

    def test_features_by_hand(self) -> None:
        found = self.seen([-1.0, -1.5, -3.0, -4.0], [True, True, False, False])
        expected = [0.1, 0.2, np.log(2), 0.0, 2.0, np.log(10), np.log(3), 1.0]
        np.testing.assert_allclose(found, expected, atol=1e-9)

    def test_a_species_leads_by_its_best_entry(self) -> None:
        """The first may be one that others of its compound put there."""
        lead = PRESENCE_FEATURES.index("lead")
        assert self.seen([-1.5, -1.0, -4.0], [True, True, False])[lead] == pytest.approx(3.0)
        assert self.seen([-1.5, -1.0, -4.0], [True, False, False])[lead] == pytest.approx(-0.5)

    def test_a_long_lead_says_no_more_than_one_that_is_long_enough(self) -> None:
        lead = PRESENCE_FEATURES.index("lead")
        assert self.seen([0.0, -50.0], [True, False])[lead] == ENOUGH_LEAD
        assert self.seen([0.0, -1.0], [True, True])[lead] == ENOUGH_LEAD

    @pytest.mark.parametrize("name", PRESENCE_FEATURES)
    def test_it_is_logistic_in_each_feature(self, name: str) -> None:
        seen = self.seen([-1.0, -1.5, -3.0], [True, True, False])
        value = dict(zip(PRESENCE_FEATURES, seen, strict=True))[name]
        weights = tuple(0.5 * (name == own) for own in PRESENCE_FEATURES)
        found = Ranker((0.0,) * len(FEATURES), (1.0, 0.0), weights, 0.5).presence_probability(seen)
        assert found == pytest.approx(1 / (1 + np.exp(-0.5 * value)))


class TestShipped:
    def test_every_coefficient_is_in_the_file(self) -> None:
        content = json.loads((files("search") / "ranker.json").read_text())
        assert set(content["weights"]) == set(FEATURES)
        assert set(content["final"]) == set(FINAL_FEATURES)
        assert set(content["presence"]) == set(PRESENCE_FEATURES)
        assert list(Ranker.shipped().final) == [content["final"][name] for name in FINAL_FEATURES]
        assert list(Ranker.shipped().weights) == [content["weights"][name] for name in FEATURES]

    def test_no_kind_of_misfit_counts_in_favour(self) -> None:
        assert (np.array(Ranker.shipped().weights) <= 0.0).all()
        score, misfit = Ranker.shipped().final
        assert score > 0.0
        assert misfit < 0.0

    def test_what_is_left_over_speaks_against_presence_and_a_lead_for_it(self) -> None:
        presence = dict(zip(PRESENCE_FEATURES, Ranker.shipped().presence, strict=True))
        assert all(presence[name] < 0 for name in ("unexplained", "strain", "distortion"))
        assert presence["lead"] > 0
        assert 0.0 < Ranker.shipped().match < 1.0

    def test_a_crystal_is_preferred_for_its_own_pattern(self) -> None:
        crystals = [QUARTZ, CALCITE, RUTILE]
        ranker = Ranker.shipped()
        for own, crystal in enumerate(crystals):
            fits = fit_profiles(prepared_of(crystal), table(*crystals))
            score = ranker.score(fits, np.zeros(len(fits)))
            assert score.argmax() == own
            assert shares(score)[own] > 0.9
