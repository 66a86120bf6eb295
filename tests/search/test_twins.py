from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.diffraction import lines_of
from data.lines import Lines, LinesTable
from data.preparation import Prepared
from data.profile import simulate
from data.radiation import CU_KA
from search.profile_fit import fit_profiles
from search.twins import SAME_PROFILE, group_twins
from tests.crystals import ANATASE, CALCITE, CHALCANTHITE, QUARTZ, ROCK_SALT, RUTILE
from tests.search.made import prepared_of, scaled, table


def groups(prepared: Prepared, lines: LinesTable) -> list[list[int]]:
    fits = fit_profiles(prepared, lines)
    inv_d2 = lines.inv_d2 / np.repeat((1 + fits.strain) ** 2, np.diff(lines.offsets))
    fitted = replace(lines, inv_d2=inv_d2.astype(np.float32))
    return [g.tolist() for g in group_twins(prepared, fitted, fits.zero_shift_deg)]


def changed(lines: Lines, spread: float) -> Lines:
    """The same lines with strengths changed at random."""
    factor = np.exp(np.random.default_rng(0).normal(0, spread, len(lines)))
    return replace(lines, strength=lines.strength * factor)


def test_different_crystals_stay_apart() -> None:
    lines = table(QUARTZ, CALCITE, RUTILE, ANATASE, CHALCANTHITE)
    assert groups(prepared_of(QUARTZ), lines) == [[0], [1], [2], [3], [4]]


def test_copies_join_their_best_wherever_they_stand() -> None:
    lines = table(CALCITE, QUARTZ, RUTILE, QUARTZ, CALCITE, QUARTZ)
    assert groups(prepared_of(QUARTZ), lines) == [[0, 4], [1, 3, 5], [2]]


def test_a_cell_that_the_strain_makes_up_for_is_a_twin_and_a_longer_one_is_not() -> None:
    lines = table(QUARTZ, scaled(QUARTZ, 1.006), scaled(QUARTZ, 1.04))
    assert groups(prepared_of(QUARTZ), lines) == [[0, 1], [2]]


def test_strengths_must_agree() -> None:
    own = lines_of(QUARTZ)
    lines = LinesTable.of([own, changed(own, 0.05), changed(own, 1.0)])
    assert groups(prepared_of(QUARTZ), lines) == [[0, 1], [2]]


def test_what_lies_beyond_the_measured_range_does_not_count() -> None:
    own = lines_of(QUARTZ)
    kept = own.inv_d2 < 1 / 1.5**2
    part = Lines(own.inv_d2[kept], own.strength[kept], own.hkl[kept])
    lines = LinesTable.of([own, part])
    assert groups(prepared_of(QUARTZ, two_theta_range_deg=(10.0, 58.0)), lines) == [[0, 1]]
    assert groups(prepared_of(QUARTZ, two_theta_range_deg=(10.0, 90.0)), lines) == [[0], [1]]


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.2, 0.3, 0.5])
def test_the_bound_is_one_of_square_root_profiles(spread: float) -> None:
    own = lines_of(CALCITE)
    other = changed(own, spread)
    prepared = prepared_of(CALCITE)
    roots = [
        np.sqrt(
            simulate(
                lines,
                CU_KA,
                two_theta_deg=prepared.two_theta_deg,
                caglioti=(0.0, 0.0, prepared.fwhm_deg**2),
                eta=0.4,
            )
        )
        for lines in (own, other)
    ]
    cosine = roots[0] @ roots[1] / np.linalg.norm(roots[0]) / np.linalg.norm(roots[1])
    if abs(cosine - SAME_PROFILE) > 0.004:
        joined = groups(prepared, LinesTable.of([own, other])) == [[0, 1]]
        assert joined == (cosine > SAME_PROFILE)


def test_every_entry_is_in_one_group_led_by_its_best() -> None:
    rng = np.random.default_rng(3)
    crystals = [QUARTZ, CALCITE, RUTILE, ROCK_SALT]
    lines = table(
        *[scaled(crystals[i], 1 + rng.uniform(-0.02, 0.02)) for i in rng.integers(4, size=25)]
    )
    found = groups(prepared_of(QUARTZ), lines)
    assert sorted(row for group in found for row in group) == list(range(25))
    assert all(group[0] == min(group) for group in found)
    assert [group[0] for group in found] == sorted(group[0] for group in found)
    assert 4 <= len(found) < 25


def test_entries_without_lines_in_range_are_alone() -> None:
    none = Lines(np.zeros(0), np.zeros(0), np.zeros((0, 3), np.int16))
    assert groups(prepared_of(QUARTZ), LinesTable.of([lines_of(QUARTZ), none, none])) == [
        [0],
        [1],
        [2],
    ]
