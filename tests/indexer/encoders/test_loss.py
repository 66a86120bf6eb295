"""The loss against loops over pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexer.encoders.axis import BINS
from indexer.encoders.loss import COARSE_BINS, TWIN_COSINE, contrastive, ranks, twins

Floats = NDArray[np.float64]


def unit(rng: np.random.Generator, rows: int, dimension: int = 6) -> Floats:
    vectors = rng.normal(size=(rows, dimension))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def infonce(queries: Floats, answers: Floats, alike: NDArray[np.bool_], scale: float) -> float:
    """Cross-entropy of the own answer among the strangers and it, both ways."""
    total = 0.0
    for i in range(len(queries)):
        for rows, columns in ((queries, answers), (answers, queries)):
            forward = rows is queries
            rivals = [
                scale * float(rows[i] @ columns[j])
                for j in range(len(queries))
                if j == i or not (alike[i, j] if forward else alike[j, i])
            ]
            own = scale * float(rows[i] @ columns[i])
            total -= own - math.log(sum(math.exp(one) for one in rivals))
    return total / (2 * len(queries))


@given(st.integers(0, 10_000), st.integers(2, 9), st.floats(0.1, 60.0))
def test_the_loss_is_that_of_its_definition(seed: int, batch: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    queries, answers = unit(rng, batch), unit(rng, batch)
    alike = rng.random((batch, batch)) < 0.3
    alike |= alike.T | np.eye(batch, dtype=bool)
    loss = contrastive(
        torch.from_numpy(queries),
        torch.from_numpy(answers),
        torch.from_numpy(alike),
        torch.tensor(scale, dtype=torch.float64),
    )
    assert float(loss) == pytest.approx(infonce(queries, answers, alike, scale), abs=1e-9)


def test_twins_are_not_pushed_apart() -> None:
    """What pulls at a query has nothing of its twin's answer in it."""
    rng = np.random.default_rng(1)
    queries, answers = (torch.from_numpy(unit(rng, 3)).requires_grad_() for _ in range(2))
    alike = torch.eye(3, dtype=torch.bool)
    alike[0, 1] = alike[1, 0] = True
    contrastive(queries, answers, alike, torch.tensor(5.0)).backward()  # type: ignore[no-untyped-call]
    assert queries.grad is not None
    own, _, stranger = answers.detach()
    basis, pull = torch.stack([own, stranger]).T, queries.grad[0]
    combined = torch.linalg.lstsq(basis, pull[:, None]).solution
    torch.testing.assert_close(basis @ combined, pull[:, None])


def test_all_twins_cost_nothing() -> None:
    vectors = torch.from_numpy(unit(np.random.default_rng(2), 4))
    loss = contrastive(vectors, vectors, torch.ones(4, 4, dtype=torch.bool), torch.tensor(9.0))
    assert float(loss) == pytest.approx(0.0, abs=1e-12)


def test_profiles_alike_when_seen_coarsely_are_twins() -> None:
    rng = np.random.default_rng(3)
    comb = np.zeros((4, 2, BINS), np.float32)
    places = rng.choice(BINS // COARSE_BINS, 60, replace=False) * COARSE_BINS
    comb[0, 0, places + 1] = comb[1, 0, places + 5] = comb[2, 0, places[:40]] = 1.0
    comb[3, 0, (places + BINS // 2) % BINS] = 1.0
    comb[:, 1] = rng.random((4, 1))  # where was measured has no say
    coarse = comb[:, 0].reshape(4, -1, COARSE_BINS).mean(axis=2)
    coarse /= np.linalg.norm(coarse, axis=1, keepdims=True)
    found = twins(torch.from_numpy(comb)).numpy()
    np.testing.assert_array_equal(found, coarse @ coarse.T > TWIN_COSINE)
    assert found[0, 1]
    assert not found[0, 2]


def test_a_profile_of_nothing_is_its_own_twin_alone() -> None:
    found = twins(torch.zeros(3, 2, BINS))
    assert torch.equal(found, torch.eye(3, dtype=torch.bool))


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(12, 30))
def test_ranks_count_what_stands_before_the_answer(seed: int, asked: int, known: int) -> None:
    rng = np.random.default_rng(seed)
    queries, answers = unit(rng, asked), unit(rng, known)
    truth = rng.integers(0, known, asked)
    order = np.argsort(-(queries @ answers.T), axis=1)
    vectors = torch.from_numpy(queries), torch.from_numpy(answers)
    own = torch.from_numpy(truth)
    expected = [row.tolist().index(own) for row, own in zip(order, truth, strict=True)]
    assert ranks(*vectors, own).tolist() == expected
    passed = rng.random((asked, known)) < 0.3
    fewer = [at - int(passed[i, order[i, :at]].sum()) for i, at in enumerate(expected)]
    assert ranks(*vectors, own, torch.from_numpy(passed)).tolist() == fewer
