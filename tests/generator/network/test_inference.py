from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.canonical import standardize
from data.preparation import prepare
from data.profile import simulate_pattern
from generator.network.inference import Questioned, TemplateRow, shipped_network
from generator.network.model import MOST_ATOMS, MULTIPLES, GeneratorNetwork
from tests import crystals

RUTILE = standardize(crystals.RUTILE)
PATTERN = prepare(simulate_pattern(crystals.RUTILE, rng=np.random.default_rng(0)))
FORMULA = {"Ti": 1.0, "O": 2.0}


@pytest.fixture
def asked(network: GeneratorNetwork) -> Questioned:
    return Questioned(PATTERN, FORMULA, network=network)


def test_first_guesses_are_probabilities(asked: Questioned) -> None:
    guess = asked.guess()
    assert guess.space_group.shape == (230,)
    assert guess.multiple.shape == (MULTIPLES,)
    assert guess.space_group.sum() == pytest.approx(1.0, abs=1e-5)
    assert asked.most_units == MOST_ATOMS // 3


def test_what_is_drawn_has_the_formula(asked: Questioned) -> None:
    drawn = [*asked.from_noise(2, 3), *asked.from_guess(2, 2)]
    assert len(drawn) == 5
    for one in drawn:
        assert one.composition == {"Ti": 2.0, "O": 4.0}
        assert one.fractional.min() >= 0
        assert one.volume_angstrom3 > 0
    assert np.abs(drawn[0].fractional - drawn[1].fractional).max() > 1e-3


def test_the_same_question_gets_the_same_answer(network: GeneratorNetwork) -> None:
    first, second = (
        Questioned(PATTERN, FORMULA, network=network).from_noise(1, 2) for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.fractional, other.fractional)


def test_little_noise_leads_back_near_the_structure(asked: Questioned) -> None:
    (near,) = asked.from_structures([RUTILE.primitive], time=0.02)
    apart = near.fractional - RUTILE.primitive.fractional
    assert np.abs(apart - np.round(apart)).max() < 0.1
    assert near.species == RUTILE.primitive.species


def test_structures_of_several_sizes_are_judged_together(asked: Questioned) -> None:
    others = [RUTILE.primitive, standardize(crystals.ANATASE).primitive]
    together = asked.verdicts([*others, *others])
    alone = np.concatenate([asked.verdicts([one]) for one in others])
    np.testing.assert_allclose(together, np.tile(alone, 2), atol=0.01)  # bfloat16
    assert asked.verdicts([]).shape == (0,)


def test_templates_are_read_and_large_ones_by_their_pattern_alone(
    network: GeneratorNetwork, asked: Questioned
) -> None:
    vector = np.full(256, 1 / 16, np.float32)
    large = standardize(crystals.OLIVINE).primitive
    assert len(large) > MOST_ATOMS
    alone = Questioned(PATTERN, FORMULA, [TemplateRow(vector, None)], network=network)
    too_large = Questioned(PATTERN, FORMULA, [TemplateRow(vector, large)], network=network)
    small = Questioned(PATTERN, FORMULA, [TemplateRow(vector, RUTILE.primitive)], network=network)
    assert alone.reading.there[0, :3].tolist() == [True, True, False]
    assert (alone.reading.summary == too_large.reading.summary).all()
    assert (alone.reading.summary != small.reading.summary).any()
    assert (alone.reading.summary != asked.reading.summary).any()


def test_the_shipped_network_tells_right_from_wrong() -> None:
    assert not shipped_network().training
    wrong = RUTILE.primitive
    moved = np.array(wrong.fractional)
    moved[[0, 2]] = moved[[2, 0]]
    right, spoilt = Questioned(PATTERN, FORMULA).verdicts([wrong, replace(wrong, fractional=moved)])
    assert right > spoilt
