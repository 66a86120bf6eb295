from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.canonical import operations_of
from data.diffraction import lines_of, lines_table
from data.lines import Lines, LinesTable
from data.measured_like import measured_like
from data.pattern import Pattern
from data.preparation import prepare
from data.profile import simulate_pattern
from data.radiation import Radiation
from indexer.physical import PhysicalChannel
from indexer.profiles import POWDER, channels_of
from tests import crystals
from tests.data.made_crystals import of_group

Vectors = NDArray[np.float32]
CHANNEL = PhysicalChannel()
NAMES = list(crystals.ALL)
SMALL = [name for name in NAMES if name != "MOF-5"]
LOOK_ALIKE = {"silicon", "fluorite"}
"""One has the strong lines of the other, 0.6 % away."""


@pytest.fixture(scope="module")
def table() -> LinesTable:
    return lines_table(list(crystals.ALL.values()), workers=1)


@pytest.fixture(scope="module")
def stored(table: LinesTable) -> Vectors:
    return CHANNEL.embed_lines(table)


def asked(name: str, **conditions: Any) -> Vectors:
    """Questions of a pattern of a literal crystal, with counting noise."""
    given: dict[str, Any] = {"background_counts": 100.0, "rng": np.random.default_rng(1)}
    return CHANNEL.embed_pattern(
        prepare(simulate_pattern(crystals.ALL[name], **(given | conditions)))
    )


def line(*q_inv_angstrom: float) -> Lines:
    """Lines of strength one at these Q."""
    inv_d2 = (np.array(q_inv_angstrom) / (2 * np.pi)) ** 2
    return Lines(inv_d2, np.ones(len(inv_d2)), np.ones((len(inv_d2), 3), np.int16))


def test_vectors_of_both_sides_are_finite_unit_vectors(stored: Vectors) -> None:
    questions = np.concatenate([asked(name) for name in NAMES])
    assert stored.shape == (len(NAMES), CHANNEL.dimension)
    assert questions.shape == (len(NAMES) * len(CHANNEL.strains), CHANNEL.dimension)
    for vectors in (stored, questions):
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()
        assert vectors.min() >= 0.0
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_pattern_and_crystal_meet(stored: Vectors, name: str) -> None:
    scores = stored @ asked(name).T
    own = scores[NAMES.index(name)]
    assert own[0] > 0.92
    assert CHANNEL.strains[int(own.argmax())] == 0.0
    others = {other: scores[row].max() for row, other in enumerate(NAMES) if other != name}
    if name in LOOK_ALIKE:
        others = {other: score for other, score in others.items() if other not in LOOK_ALIKE}
    assert max(others.values()) < 0.6


@pytest.mark.parametrize("name", SMALL)
def test_both_sides_are_one_where_the_pattern_is_drawn_as_the_crystal_is(
    stored: Vectors, name: str
) -> None:
    radiation = Radiation.monochromatic(CHANNEL.reference_wavelength_angstrom)
    question = asked(
        name,
        radiation=radiation,
        caglioti=(0.0, 0.0, CHANNEL.reference_fwhm_deg**2),
        eta=0.0,
        two_theta_range_deg=(5.0, 140.0),
        highest_counts=1e6,
        background_counts=1.0,
    )[0]
    assert question @ stored[NAMES.index(name)] > 0.997


def test_different_crystals_are_far_from_each_other(stored: Vectors) -> None:
    cosines = stored @ stored.T
    apart = cosines[np.triu_indices(len(NAMES), 1)]
    assert np.median(apart) < 0.2
    assert np.quantile(apart, 0.95) < 0.5


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("strain", [-0.01, -0.005, 0.002, 0.01])
def test_a_strain_of_a_percent_is_found(stored: Vectors, name: str, strain: float) -> None:
    own = asked(name, strain=strain) @ stored[NAMES.index(name)]
    assert own.max() > 0.92
    # The entry is the strained crystal drawn together again.
    assert CHANNEL.strains[int(own.argmax())] == pytest.approx(-strain, abs=0.002)


@pytest.mark.parametrize("name", ["rock salt", "rutile", "quartz"])
def test_questions_leave_no_gap_and_end_soon_after_a_percent(stored: Vectors, name: str) -> None:
    row = NAMES.index(name)
    best = {
        strain: (asked(name, strain=strain) @ stored[row]).max()
        for strain in np.linspace(-0.012, 0.012, 25)
    }
    assert min(best.values()) > 0.9
    one_question = replace(CHANNEL, strains=(0.0,))
    pattern = prepare(simulate_pattern(crystals.ALL[name], strain=0.01))
    assert (one_question.embed_pattern(pattern) @ stored[row]).max() < 0.6
    assert (asked(name, strain=0.03) @ stored[row]).max() < 0.5


@pytest.mark.parametrize("name", SMALL)
def test_the_wavelength_drops_out(stored: Vectors, name: str) -> None:
    first = asked(name, radiation=Radiation.parse("CuKa1"), two_theta_range_deg=(10, 80))[0]
    ranges = {"CoKa": (11.6, 96.5), "MoKa1": (4.6, 34.4), "0.6": (3.9, 29.0)}
    for text, limits in ranges.items():
        radiation = Radiation.parse(text)
        # Widths grow as the wavelength, so that they are alike in Q.
        width = 0.1 * radiation.wavelength_angstrom / 1.5406
        other = asked(
            name,
            radiation=radiation,
            two_theta_range_deg=limits,
            step_deg=0.2 * width,
            caglioti=(0.0, 0.0, width**2),
        )[0]
        assert other @ first > 0.96
        assert other @ stored[NAMES.index(name)] > 0.85


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("limits", [(20.0, 90.0), (5.0, 60.0), (15.0, 65.0)])
def test_angles_that_were_not_measured_cost_little(
    stored: Vectors, name: str, limits: tuple[float, float]
) -> None:
    scores = (stored @ asked(name, two_theta_range_deg=limits).T).max(axis=1)
    assert scores[NAMES.index(name)] > 0.75
    if name not in LOOK_ALIKE:
        assert scores.argmax() == NAMES.index(name)


@pytest.mark.parametrize(
    "conditions",
    [
        {"caglioti": (0.0, 0.0, 0.05**2)},
        {"caglioti": (0.0, 0.0, 0.3**2)},
        {"eta": 1.0},
        {"zero_shift_deg": 0.05},
        {"displacement_deg": -0.05},
        {"background_counts": 5000.0},
        {"highest_counts": 300.0, "background_counts": 10.0},
        {"in_plane": 0.8},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["rutile", "calcite", "baddeleyite"])
def test_what_instruments_do_costs_little(
    stored: Vectors, name: str, conditions: dict[str, Any]
) -> None:
    scores = (stored @ asked(name, **conditions).T).max(axis=1)
    assert scores.argmax() == NAMES.index(name)
    assert scores.max() > 0.85


def test_patterns_find_their_crystal_among_a_hundred() -> None:
    made = [of_group(number, seed=number) for number in range(3, 231, 2)]
    lines = lines_table(made, workers=1)
    stored = CHANNEL.embed_lines(lines)
    rng = np.random.default_rng(1)
    first = []
    for row, crystal in enumerate(made):
        rotations = operations_of(crystal.space_group_number)[0]
        pattern = measured_like(crystal, lines[row], rotations, rng, impurity=lines[row - 1])
        scores = (stored @ CHANNEL.embed_pattern(prepare(pattern)).T).max(axis=1)
        first.append(scores.argmax() == row)
    assert np.mean(first) >= 0.95


def test_a_stretched_entry_is_a_shifted_one() -> None:
    one = line(1.0, 1.7, 2.9, 4.1)
    strain = np.exp(0.05) - 1
    moved = Lines(one.inv_d2 / (1 + strain) ** 2, one.strength, one.hkl)
    first, second = CHANNEL.embed_lines(LinesTable.of([one, moved]))
    shift = round(0.05 / 5e-4 / CHANNEL.samples)
    assert first[shift:] @ second[:-shift] > 0.98
    assert first @ second < 0.1


def test_a_line_stands_at_its_place_on_the_axis() -> None:
    low, high = np.log(CHANNEL.q_range_inv_angstrom)
    places = np.exp(low + (np.arange(40, 500, 60) + 0.5) * CHANNEL.samples * 5e-4)
    vectors = CHANNEL.embed_lines(LinesTable.of([line(q) for q in places]))
    np.testing.assert_array_equal(vectors.argmax(axis=1), np.arange(40, 500, 60))
    assert np.exp(low + CHANNEL.dimension * CHANNEL.samples * 5e-4) == pytest.approx(
        np.exp(high), rel=0.01
    )


def test_strengths_are_compared_by_their_square_roots() -> None:
    both = line(1.5, 3.0)
    weak = Lines(both.inv_d2, np.array([1.0, 0.25]), both.hkl)
    one, other = CHANNEL.embed_lines(LinesTable.of([both, weak]))
    # The second line falls to half where its strength falls to a quarter.
    first = slice(0, int(np.log(2.0 / 0.35) / 5e-4 / CHANNEL.samples))
    heights = [vector[first].max() / vector[first.stop :].max() for vector in (one, other)]
    assert heights[1] / heights[0] == pytest.approx(2.0, rel=1e-3)


def test_lines_that_cannot_be_seen_leave_a_zero_vector() -> None:
    nothing = Lines(np.zeros(0), np.zeros(0), np.zeros((0, 3), np.int16))
    vectors = CHANNEL.embed_lines(LinesTable.of([nothing, line(1.5), line(0.1, 9.0)]))
    np.testing.assert_array_equal(vectors[[0, 2]], 0.0)
    assert np.linalg.norm(vectors[1]) == pytest.approx(1.0)
    assert CHANNEL.embed_lines(LinesTable.of([])).shape == (0, CHANNEL.dimension)


def test_a_pattern_outside_the_axis_leaves_zero_vectors() -> None:
    axis = np.linspace(0.05, 0.3, 400)
    counts = np.round(1000 * np.exp(-(((axis - 0.2) / 0.005) ** 2)) + 20)
    pattern = Pattern("q", axis, counts, None, None, None)
    questions = CHANNEL.embed_pattern(prepare(pattern))
    np.testing.assert_array_equal(questions, 0.0)


def test_entries_are_embedded_alone_as_together(table: LinesTable, stored: Vectors) -> None:
    for row in range(len(table)):
        alone = CHANNEL.embed_lines(LinesTable.of([table[row]]))
        np.testing.assert_allclose(alone[0], stored[row], atol=1e-6)
    order = np.arange(len(table))[::-1].copy()
    np.testing.assert_allclose(CHANNEL.embed_lines(table.take(order)), stored[order], atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1e6), st.sampled_from(SMALL))
def test_scale_says_nothing(scale: float, name: str) -> None:
    lines = lines_of(crystals.ALL[name])
    scaled = Lines(lines.inv_d2, lines.strength * scale, lines.hkl)
    one, other = CHANNEL.embed_lines(LinesTable.of([lines, scaled]))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_hash_names_every_parameter() -> None:
    changed: list[dict[str, Any]] = [
        {},
        {"q_range_inv_angstrom": (0.4, 6.2)},
        {"samples": 8},
        {"blur": 6.0},
        {"reference_wavelength_angstrom": 1.0},
        {"reference_fwhm_deg": 0.1},
        {"strains": (0.0,)},
        {"noise_clip": 1.0},
        {"version": "2"},
    ]
    hashes = {replace(CHANNEL, **change).sha256 for change in changed}
    assert len(hashes) == len(changed)
    assert PhysicalChannel().sha256 == CHANNEL.sha256


def test_every_library_has_it() -> None:
    (channel,) = (one for one in channels_of(POWDER) if one.id == "physical")
    assert (channel.dimension, channel.sha256) == (CHANNEL.dimension, CHANNEL.sha256)
