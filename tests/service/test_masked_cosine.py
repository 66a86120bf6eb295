"""The control knows clean patterns again, and no more than it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from data.canonical import standardize
from data.diffraction import lines_table
from data.pattern import Pattern
from data.profile import simulate_pattern
from data.radiation import CU_KA, Radiation
from service.bench.masked_cosine import MaskedCosine, _rolling_minimum
from tests import crystals
from tests.service.bench_crystals import LIBRARY


@pytest.fixture(scope="module")
def control() -> MaskedCosine:
    return MaskedCosine(lines_table([standardize(one).crystal for one in LIBRARY.values()]))


@pytest.fixture(scope="module")
def names() -> list[str]:
    return list(LIBRARY)


class TestMaskedCosine:
    @pytest.mark.parametrize("name", ["halite", "rutile", "quartz", "calcite", "olivine"])
    @pytest.mark.parametrize(
        "conditions, least",
        [
            ({}, 0.997),
            ({"strain": 0.004}, 0.997),
            ({"strain": -0.002, "zero_shift_deg": -0.06}, 0.997),
            ({"zero_shift_deg": 0.06}, 0.997),
            ({"two_theta_range_deg": (20.0, 60.0)}, 0.997),
            # Another wavelength brings another polarisation, and other widths.
            ({"radiation": Radiation.parse("CoKa"), "two_theta_range_deg": (6.0, 120.0)}, 0.95),
        ],
        ids=["plain", "strained", "both", "shifted", "cut", "cobalt"],
    )
    def test_it_knows_clean_patterns(
        self,
        control: MaskedCosine,
        names: list[str],
        name: str,
        conditions: dict[str, Any],
        least: float,
    ) -> None:
        pattern = simulate_pattern(
            LIBRARY[name], background_counts=100.0, caglioti=(0.0, 0.0, 0.2**2), **conditions
        )
        scores = control.scores(pattern)
        assert scores.shape == (len(LIBRARY),)
        assert scores.min() >= 0.0
        assert least < scores[names.index(name)] <= 1.0 + 1e-6
        # One olivine is hardly told from the other.
        assert scores[names.index(name)] > scores.max() - 0.02

    def test_it_does_not_know_a_strain_of_two_percent(
        self, control: MaskedCosine, names: list[str]
    ) -> None:
        pattern = simulate_pattern(crystals.RUTILE, strain=0.02)
        assert control.scores(pattern)[names.index("rutile")] < 0.3

    def test_only_what_was_measured_is_compared(
        self, control: MaskedCosine, names: list[str]
    ) -> None:
        # By hand: cosine over the overlap, for a pattern that needs no strain and no shift.
        pattern = simulate_pattern(
            crystals.QUARTZ, CU_KA, two_theta_range_deg=(30.0, 60.0), step_deg=0.05,
            caglioti=(0.0, 0.0, 0.2**2),
        )  # fmt: skip
        whole = simulate_pattern(
            standardize(crystals.RUTILE).crystal, CU_KA, two_theta_range_deg=(5.0, 90.0),
            step_deg=0.05, caglioti=(0.0, 0.0, 0.2**2),
        )  # fmt: skip
        part = (whole.x > 29.99) & (whole.x < 60.01)
        cosine = (pattern.counts @ whole.counts[part]) / (
            np.linalg.norm(pattern.counts) * np.linalg.norm(whole.counts[part])
        )
        # The best of some strains and shifts is at least the one without.
        assert control.scores(pattern)[names.index("rutile")] >= cosine - 0.02
        assert control.scores(pattern)[names.index("quartz")] > 0.99

    def test_a_flat_pattern_is_like_nothing(self, control: MaskedCosine) -> None:
        pattern = Pattern(
            "two_theta", np.linspace(10, 80, 700), np.full(700, 50.0), None, CU_KA, "given"
        )
        np.testing.assert_allclose(control.scores(pattern), 0.0, atol=1e-6)

    def test_a_pattern_beyond_the_axis_is_like_nothing(self, control: MaskedCosine) -> None:
        q = np.linspace(10.0, 20.0, 700)
        pattern = Pattern("q", q, 100 + 50 * np.sin(q), None, None, None)
        np.testing.assert_array_equal(control.scores(pattern), 0.0)

    def test_the_background_joins_the_lowest_points(self) -> None:
        two_theta = np.arange(10.0, 30.0, 0.1)
        slope = 500.0 - 10 * two_theta
        peaks = 1000 * np.exp(-(((two_theta - 17.0) / 0.2) ** 2))
        np.testing.assert_allclose(_rolling_minimum(two_theta, slope), slope, atol=40)
        background = _rolling_minimum(two_theta, slope + peaks)
        assert np.abs(background - slope).max() < 45
