from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from indexer import gpu
from indexer.gpu import MOST
from indexer.recall import DEPTH, ENOUGH, nearest_exactly
from indexer.vectors import VectorIndex, make_index
from tests.indexer.test_vectors import unit

Floats = NDArray[np.float32]


class Card:
    """What FAISS does on a GPU, done by the processor, with what a GPU cannot do refused."""

    def __init__(self, index: Any) -> None:
        self.index = faiss.deserialize_index(faiss.serialize_index(index))
        self.searches = 0

    def search(self, queries: Floats, k: int, params: Any = None) -> Any:
        assert k <= MOST
        assert params.sel is None
        assert params.nprobe <= MOST
        self.searches += 1
        return self.index.search(queries, k, params=params)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> list[Card]:
    """One GPU; every copy that is put on it."""
    made: list[Card] = []

    def to_gpu(_resources: object, device: int, index: Any) -> Card:
        assert device == 0
        made.append(Card(index))
        return made[-1]

    gpu._said_that_there_is_none.cache_clear()
    monkeypatch.setattr("indexer.vectors.FLAT_UP_TO", 500)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", to_gpu, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", lambda index: index, raising=False)
    return made


@pytest.fixture
def scattered() -> Floats:
    """Vectors that lie nowhere in particular, as stored."""
    return unit(np.random.default_rng(3), 2000).astype(np.float16).astype(np.float32)


def recall(index: VectorIndex, stored: Floats, queries: Floats) -> float:
    """Of the nearest, the part that searches find."""
    exact, _ = nearest_exactly(stored, queries, DEPTH)
    found = [index.nearest(query, DEPTH)[0] for query in queries]
    return float(np.mean([np.isin(*pair).mean() for pair in zip(exact, found, strict=True)]))


def test_it_parts_the_vectors_and_the_index_is_one_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, cards: list[Card], scattered: Floats
) -> None:
    asked: list[Any] = []

    def to_gpus(index: Any) -> Any:
        asked.append(index)
        return index

    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", to_gpus)
    index = make_index(scattered)
    assert len(asked) == 1
    assert asked[0].ntotal > 0  # the middles were found with it
    main: Any = index.main
    assert main.clustering_index is None
    assert not cards
    read: Any = faiss.deserialize_index(faiss.serialize_index(main))
    assert read.nprobe == main.nprobe
    assert recall(VectorIndex(read), scattered, scattered[:20]) > ENOUGH - 0.02


def test_it_answers_as_the_processor_does(
    monkeypatch: pytest.MonkeyPatch, cards: list[Card], scattered: Floats
) -> None:
    index = make_index(scattered)
    queries = unit(np.random.default_rng(4), 6)
    answers = index.nearest(queries, 40)
    index.nearest(queries, 40)
    assert [card.searches for card in cards] == [2]  # one copy, made once
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    with pytest.warns(UserWarning, match="FAISS, which is that of the extra `gpu`, finds none"):
        others = index.nearest(queries, 40)
    for one, other in zip(answers, others, strict=True):
        np.testing.assert_array_equal(one, other)
    assert cards[0].searches == 2
    make_index(scattered).nearest(queries, 40)  # said once is enough


@pytest.mark.usefixtures("cards")
def test_nobody_misses_a_card_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, scattered: Floats
) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    monkeypatch.delattr(faiss, "StandardGpuResources")
    found, _ = make_index(scattered).nearest(scattered[7], 20)
    assert found[0] == 7


def test_few_vectors_are_left_to_the_processor(cards: list[Card], scattered: Floats) -> None:
    found, _ = make_index(scattered[:300]).nearest(scattered[7], 20)
    assert found[0] == 7
    assert not cards


def test_what_has_gone_is_not_found_on_it(cards: list[Card], scattered: Floats) -> None:
    main = make_index(scattered).main
    gone = np.argsort(-(scattered @ scattered[7]))[:300]  # the nearest
    rows = np.arange(len(scattered))
    rows[gone] = -1
    rows[rows >= 0] = np.arange(len(scattered) - 300)
    kept = np.delete(scattered, gone, axis=0)
    found, scores = VectorIndex(main, rows).nearest(scattered[7], 20)
    assert cards[-1].searches == 1
    assert len(found) == 20
    np.testing.assert_allclose(scores, kept[found] @ scattered[7], atol=2e-3)
    exact, _ = nearest_exactly(kept, scattered[7:8], 20)
    assert np.isin(found, exact).mean() > 0.8


def test_certain_rows_are_asked_of_the_processor_where_too_many_would_be_passed_over(
    cards: list[Card],
) -> None:
    stored = unit(np.random.default_rng(6), MOST + 100)
    index = make_index(stored)
    rows = np.arange(5, 25)
    found, _ = index.nearest(stored[3], 20, rows)
    assert set(found) == set(rows)
    assert not any(card.searches for card in cards)


def test_where_too_much_has_gone_that_is_said_once(cards: list[Card]) -> None:
    stored = unit(np.random.default_rng(6), MOST + 600)
    main = make_index(stored).main
    rows = np.arange(len(stored))
    rows[:MOST] = -1
    rows[MOST:] -= MOST
    index = VectorIndex(main, rows)
    with pytest.warns(UserWarning, match="more rows have gone since the index was made") as said:
        found = [index.nearest(stored[MOST + 9], 20)[0] for _ in range(2)]
    assert len(said) == 1
    assert found[0][0] == found[1][0] == 9
    assert not any(card.searches for card in cards)


@pytest.mark.parametrize("step", ["StandardGpuResources", "index_cpu_to_gpu"])
def test_one_that_fails_is_done_without_and_said_once(
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
    cards: list[Card],
    scattered: Floats,
    step: str,
) -> None:
    def fails(*_given: object) -> object:
        raise RuntimeError("CUDA error 2 out of memory")

    index = make_index(scattered)
    monkeypatch.setattr(faiss, step, fails)
    for _ in range(2):
        found, _ = index.nearest(scattered[9], 5)
        assert found[0] == 9
    (said,) = recwarn.list
    assert "the GPU cannot be used (CUDA error 2 out of memory)" in str(said.message)
    assert not cards


def test_k_means_that_fails_on_it_is_done_without(
    monkeypatch: pytest.MonkeyPatch, cards: list[Card], scattered: Floats
) -> None:
    def fails(_index: object) -> object:
        raise RuntimeError("CUDA error 2 out of memory")

    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", fails)
    with pytest.warns(UserWarning, match="the GPU cannot be used .*out of memory"):
        index = make_index(scattered)
    assert recall(index, scattered, scattered[:20]) > ENOUGH - 0.02
    assert cards
