from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer import Library
from indexer.publishing import read_current
from indexer.recall import DEPTH, ENOUGH, Noted, nearest_exactly, sample
from indexer.vectors import VectorIndex, make_index
from tests.indexer.test_vectors import unit
from tests.indexer.toy import ToyChannel, records

CHANNELS = [ToyChannel()]
Floats = NDArray[np.float32]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few vectors are many."""
    monkeypatch.setattr("indexer.vectors.FLAT_UP_TO", 500)


@pytest.fixture
def scattered() -> Floats:
    """Vectors that lie nowhere in particular, which a parted index finds worst; as stored."""
    return unit(np.random.default_rng(3), 2000).astype(np.float16).astype(np.float32)


def probed(index: Any) -> int:
    """How many lists a search reads."""
    return int(index.nprobe)


def asked_anew(index: VectorIndex, stored: Floats, queries: Floats) -> float:
    """The recall of real searches."""
    exact, _ = nearest_exactly(stored, queries, DEPTH)
    found = [index.nearest(query, DEPTH)[0] for query in queries]
    return float(np.mean([np.isin(*pair).mean() for pair in zip(exact, found, strict=True)]))


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch, scattered: Floats) -> None:
    queries = scattered[:7]
    order = np.argsort(-(queries @ scattered.T), axis=1, kind="stable")[:, :30]
    monkeypatch.setattr("indexer.recall.BLOCK", 300)
    rows, scores = nearest_exactly(scattered, queries, 30)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ scattered.T, order, 1))


@pytest.mark.usefixtures("parts")
def test_as_many_parts_are_read_as_it_takes(
    monkeypatch: pytest.MonkeyPatch, scattered: Floats
) -> None:
    queries = unit(np.random.default_rng(4), 50)
    index = make_index(scattered)
    assert asked_anew(index, scattered, queries) > ENOUGH - 0.01
    monkeypatch.setattr("indexer.vectors.AIM", 0.0)
    careless = make_index(scattered)
    assert probed(careless.main) < probed(index.main)
    assert asked_anew(careless, scattered, queries) < 0.9


@pytest.mark.usefixtures("parts")
def test_recall_follows_from_notes_as_if_it_were_asked_anew(
    monkeypatch: pytest.MonkeyPatch, scattered: Floats
) -> None:
    monkeypatch.setattr("indexer.vectors.AIM", 0.0)
    main, rng = make_index(scattered), np.random.default_rng(5)
    gone = rng.random(len(scattered)) < 0.1
    rows = np.where(gone, -1, np.cumsum(~gone) - 1)
    delta = unit(rng, 150)
    now = np.concatenate([scattered[~gone], delta])
    noted = main.noted
    assert noted is not None
    again = Noted.from_json(json.loads(json.dumps(noted.to_json())))
    index = VectorIndex(main.main, rows, delta, again)
    said = index.recall(lambda some: now[some])
    asked = rows[sample(len(scattered))]
    assert said == pytest.approx(asked_anew(index, now, now[asked[asked >= 0]]), abs=1e-3)
    assert said is not None
    assert said < 0.9


@pytest.mark.usefixtures("parts")
def test_where_too_much_has_gone_nothing_is_said(scattered: Floats) -> None:
    main = make_index(scattered)
    rows = np.where(np.arange(len(scattered)) < 1000, -1, np.arange(len(scattered)) - 1000)
    index = VectorIndex(main.main, rows, None, main.noted)
    assert index.recall(lambda some: scattered[1000:][some]) is None
    assert VectorIndex(main.main).recall(lambda some: scattered[some]) is None


def test_every_version_says_its_recall_and_one_that_finds_too_little_is_mended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("indexer.vectors.FLAT_UP_TO", 100)
    monkeypatch.setattr("indexer.vectors.PROBED", 0.0)
    monkeypatch.setattr("indexer.vectors.AIM", 0.0)
    with monkeypatch.context() as careless:
        careless.setattr("indexer.checking.ENOUGH", 0.0)
        library = Library.build(records(250), tmp_path / "one", channels=CHANNELS)
    before = read_current(library.path).recall["toy"]
    assert before < ENOUGH
    monkeypatch.undo()
    monkeypatch.setattr("indexer.vectors.FLAT_UP_TO", 100)
    changed = library.add(records(3, start=250), channels=CHANNELS)
    assert read_current(library.path).recall["toy"] >= ENOUGH
    assert changed.verify().ok
