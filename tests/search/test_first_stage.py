from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.lines import Lines, LinesTable
from data.preparation import Prepared, prepare
from data.profile import lorentz_polarisation, two_theta_deg
from data.radiation import Radiation
from indexer import Library
from search import Searcher
from search.first_stage import LN_Q_STEP, MAX_STRAIN, STRONGEST_LINES, StickIndex, visible
from tests.crystals import BADDELEYITE, CALCITE, CHALCANTHITE, QUARTZ
from tests.search.made import drawn, measured, prepared_of, separate_lines, table


def made_up(count: int, seed: int) -> LinesTable:
    """Crystals of a few lines that stand at least a degree apart for Cu Kα1."""
    rng = np.random.default_rng(seed)
    entries = []
    for _ in range(count):
        angle = np.arange(12.0, 84.0, 3.0) + rng.uniform(-1, 1, 24)
        angle = np.sort(rng.permutation(angle)[: rng.integers(2, 14)])
        d = 1.5406 / 2 / np.sin(np.radians(angle / 2))
        entries.append(separate_lines(d.tolist(), rng.uniform(1, 20, len(d)).tolist()))
    return LinesTable.of(entries)


def dense_cosine(prepared: Prepared, lines: Lines) -> float:
    """The largest over strains, every profile drawn as a sum of Gaussians over the whole axis."""
    measured = np.sqrt(visible(prepared))
    sigma = prepared.fwhm_deg / np.sqrt(8 * np.log(2))
    best = 0.0
    for ln_strain in np.arange(-MAX_STRAIN, MAX_STRAIN + 1e-9, LN_Q_STEP):
        # Intensities stay as they are while the lines move.
        at = two_theta_deg(lines.inv_d2, prepared.wavelengths_angstrom[0])
        area = lines.strength * lorentz_polarisation(at)
        moved = two_theta_deg(
            lines.inv_d2 * np.exp(2 * ln_strain), prepared.wavelengths_angstrom[0]
        )
        peaks = np.exp(-0.5 * ((prepared.two_theta_deg - moved[:, None]) / sigma) ** 2)
        root = np.sqrt(area @ peaks)
        cosine = measured @ root / np.linalg.norm(measured) / np.linalg.norm(root)
        best = max(best, float(cosine))
    return best


@pytest.mark.parametrize("strain", [0.0, 0.004, -0.005])
def test_scores_are_the_cosines_of_profiles_drawn_in_full(strain: float) -> None:
    entries = made_up(40, seed=1)
    prepared = prepare(drawn(entries[0], eta=0.0, strain=strain))
    scores = StickIndex.of(entries).correlate(prepared)
    exact = np.array([dense_cosine(prepared, entries[row]) for row in range(len(entries))])
    np.testing.assert_allclose(scores, exact, atol=0.02)
    assert scores.argmax() == 0
    assert np.ptp(exact) > 0.8


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.integers(0, 29), max_size=40))
def test_comparing_some_rows_is_comparing_all_and_choosing(rows: list[int]) -> None:
    entries = made_up(30, seed=2)
    prepared = prepare(drawn(entries[3]))
    index = StickIndex.of(entries)
    chosen = np.array(rows, dtype=np.int64)
    np.testing.assert_array_equal(
        index.correlate(prepared, chosen), index.correlate(prepared)[chosen]
    )


@pytest.mark.parametrize("kind", ["exhaustive", "physical", "learned", "atoms"])
def test_rows_given_to_the_first_stage_keep_their_order(
    searcher: Searcher, library: Library, kind: str
) -> None:
    prepared = searcher.comparable(prepare(measured(QUARTZ)))
    everything = searcher.first_stage(prepared, None, kind, len(library))  # type: ignore[arg-type]
    assert sorted(everything) == list(range(len(library)))
    some = np.arange(1, len(library), 3)
    found = searcher.first_stage(prepared, some, kind, 20)  # type: ignore[arg-type]
    assert found.tolist() == [row for row in everything if row in set(some)][:20]


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.05, 0.95), factor=st.floats(1e-3, 1e3))
def test_lines_at_one_place_add_and_the_scale_is_free(share: float, factor: float) -> None:
    whole = separate_lines([4.0, 3.0, 2.0], [9.0, 4.0, 1.0])
    parts = separate_lines(
        [4.0, 3.0, 3.0, 2.0], [9.0 * factor, 4 * share * factor, 4 * (1 - share) * factor, factor]
    )
    prepared = prepare(drawn(whole))
    scores = StickIndex.of(LinesTable.of([whole, parts])).correlate(prepared)
    assert scores[1] == pytest.approx(scores[0], rel=1e-4)
    assert 0.8 < scores[0] <= 1.001


def test_a_cell_may_be_off_by_the_largest_strain_and_hardly_more() -> None:
    index = StickIndex.of(table(QUARTZ))
    scores = [
        float(index.correlate(prepared_of(QUARTZ, strain=strain))[0])
        for strain in (0.0, -0.9 * MAX_STRAIN, 0.9 * MAX_STRAIN, -4 * MAX_STRAIN, 4 * MAX_STRAIN)
    ]
    assert min(scores[:3]) > 0.9
    assert max(scores[3:]) < 0.6 * min(scores[:3])


def test_the_wavelength_does_not_matter() -> None:
    index = StickIndex.of(table(QUARTZ, CALCITE, BADDELEYITE, CHALCANTHITE))
    copper = index.correlate(prepared_of(CALCITE, two_theta_range_deg=(10.0, 90.0)))
    short = prepared_of(
        CALCITE,
        Radiation.monochromatic(0.41),
        two_theta_range_deg=(2.66, 21.7),
        step_deg=0.004,
        caglioti=(0.0, 0.0, 0.0005),
    )
    np.testing.assert_allclose(index.correlate(short), copper, atol=0.1)
    assert copper.argmax() == index.correlate(short).argmax() == 1


def test_lines_out_of_range_and_no_lines_score_nothing() -> None:
    none = Lines(np.zeros(0), np.zeros(0), np.zeros((0, 3), np.int16))
    entries = [none, separate_lines([60.0, 30.0, 0.6], [9.0, 9.0, 9.0]), made_up(1, 0)[0], none]
    scores = StickIndex.of(LinesTable.of(entries)).correlate(prepare(drawn(entries[2])))
    assert scores.tolist() == [0.0, 0.0, scores[2], 0.0]
    assert scores[2] > 0.8


def test_a_pattern_too_short_for_any_strain_scores_nothing() -> None:
    prepared = prepare(drawn(made_up(1, 0)[0]))
    beyond = replace(
        prepared, two_theta_deg=prepared.two_theta_deg / 1000, wavelengths_angstrom=(9.0,)
    )
    assert StickIndex.of(made_up(5, 0)).correlate(beyond).tolist() == [0.0] * 5


def test_the_strongest_lines_at_small_angles_are_kept() -> None:
    rng = np.random.default_rng(5)
    inv_d2 = np.sort(rng.uniform(0.01, 1.0, 3 * STRONGEST_LINES))
    many = Lines(inv_d2, rng.uniform(1, 100, len(inv_d2)), np.zeros((len(inv_d2), 3), np.int16))
    few = separate_lines([4.0, 3.0], [2.0, 1.0])
    index = StickIndex.of(LinesTable.of([few, many]))
    assert index.offsets.tolist() == [0, 2, 2 + STRONGEST_LINES]
    expected = np.sort(np.argsort(many.strength / inv_d2)[-STRONGEST_LINES:])
    np.testing.assert_allclose(index.strength[2:], many.strength[expected], rtol=1e-6)
    assert (np.diff(index.bins[2:]) >= 0).all()


def test_only_what_stands_out_of_the_noise_is_visible() -> None:
    prepared = prepared_of(QUARTZ)
    seen: NDArray[np.float64] = visible(prepared)
    assert (seen >= 0).all()
    np.testing.assert_array_equal(seen > 0, prepared.net > 1.5 * prepared.sigma)
    strong = prepared.net > 100 * prepared.sigma
    np.testing.assert_allclose(seen[strong], prepared.net[strong], rtol=0.02)
