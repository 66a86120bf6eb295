"""The choice among alternatives against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import check_grad

from search.choice import RIDGE, _Choices, likeliest_weights
from search.ranking import shares

WEIGHTS = np.array([-3.0, 0.0, 1.5])

Sets = list[tuple[NDArray[np.float64], NDArray[np.bool_]]]


def drawn(count: int, seed: int) -> Sets:
    """Sets of alternatives, each with a right one drawn as the model says."""
    rng = np.random.default_rng(seed)
    sets = []
    for _ in range(count):
        seen = rng.exponential(1.0, (int(rng.integers(2, 40)), len(WEIGHTS)))
        right = np.zeros(len(seen), dtype=bool)
        right[rng.choice(len(seen), p=shares(seen @ WEIGHTS))] = True
        sets.append((seen, right))
    return sets


def test_planted_weights_are_estimated() -> None:
    np.testing.assert_allclose(likeliest_weights(drawn(3000, 0)), WEIGHTS, atol=0.15)


def test_the_gradient_is_that_of_the_loss() -> None:
    sets = drawn(20, 1)
    sets[3][1][:2] = True  # several alternatives may be right
    choices = _Choices.of(sets)
    prior = np.ones(3)
    for weights in (np.zeros(3), WEIGHTS, -WEIGHTS):
        error = check_grad(
            lambda w: choices.loss(w, prior, 0.1)[0],
            lambda w: choices.loss(w, prior, 0.1)[1],
            weights,
        )
        assert error < 1e-5


def test_the_loss_is_the_mean_surprise_at_the_right_answers() -> None:
    sets = drawn(7, 2)
    sets[0][1][:2] = True
    probability = [shares(seen @ WEIGHTS)[right].sum() for seen, right in sets]
    loss, _ = _Choices.of(sets).loss(WEIGHTS, np.zeros(3), RIDGE)
    assert loss == pytest.approx(-np.mean(np.log(probability)) + RIDGE * WEIGHTS @ WEIGHTS)


def test_few_sets_leave_the_weights_near_the_prior() -> None:
    prior = np.array([5.0, -5.0, 0.0])
    stiff = likeliest_weights(drawn(4, 3), prior=prior, ridge=100.0)
    np.testing.assert_allclose(stiff, prior, atol=0.05)
    free = likeliest_weights(drawn(3000, 0), prior=prior)
    np.testing.assert_allclose(free, WEIGHTS, atol=0.2)


def test_sets_without_an_answer_say_nothing() -> None:
    sets = drawn(15, 4)
    nothing = [(seen, np.zeros_like(right)) for seen, right in sets[:3]]
    np.testing.assert_allclose(
        likeliest_weights([*sets[:7], *nothing, *sets[7:]]), likeliest_weights(sets)
    )
