from __future__ import annotations

import gc
import json
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.errors import LibraryError, QueryError
from indexer import Library
from indexer.publishing import ChannelStamp
from indexer.vectors import VectorIndex, make_index, vector_rows


def unit(rng: np.random.Generator, count: int, dimension: int = 16) -> NDArray[np.float32]:
    vectors = rng.standard_normal((count, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 60),
    queries=st.integers(1, 30),
    k=st.integers(0, 70),
    filtered=st.booleans(),
)
def test_nearest_is_exact(seed: int, count: int, queries: int, k: int, filtered: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(seed)
    stored, asked = unit(rng, count), unit(rng, queries)
    rows = np.flatnonzero(rng.random(count) < 0.4) if filtered else None
    found, scores = make_index(stored).nearest(asked, k, rows)
    exact = (stored @ asked.T).max(axis=1)
    candidates = np.arange(count) if rows is None else rows
    best = np.sort(exact[candidates])[::-1][:k]
    assert set(found) <= set(candidates)
    assert len(set(found)) == len(found) == min(k, len(candidates))
    np.testing.assert_allclose(scores, best, atol=1e-5)
    np.testing.assert_allclose(exact[found], scores, atol=1e-5)


@pytest.fixture
def parted(monkeypatch: pytest.MonkeyPatch) -> tuple[VectorIndex, NDArray[np.float32]]:
    """An index of 3,000 vectors around 60 middles, parted into lists, and the vectors."""
    monkeypatch.setattr("indexer.vectors.FLAT_UP_TO", 500)
    rng = np.random.default_rng(5)
    vectors = unit(rng, 60)[rng.integers(60, size=3000)] + 0.1 * unit(rng, 3000)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    stored = vectors.astype(np.float16).astype(np.float32)  # as a library stores them
    return make_index(stored), stored


def test_many_vectors_are_parted_and_the_nearest_found_all_the_same(
    parted: tuple[VectorIndex, NDArray[np.float32]],
) -> None:
    index, stored = parted
    assert len(index) == 3000
    np.testing.assert_array_equal(index.vectors, stored)
    with pytest.raises(ValueError, match="read-only"):
        index.vectors[0, 0] = 1.0
    for row in range(0, 3000, 300):
        found, scores = index.nearest(stored[row], 10)
        exact = np.sort(stored @ stored[row])[::-1][:10]
        assert found[0] == row
        np.testing.assert_allclose(scores, exact, atol=2e-3)


def test_certain_rows_are_all_compared_however_far(
    parted: tuple[VectorIndex, NDArray[np.float32]],
) -> None:
    index, stored = parted
    rows = np.argsort(stored @ stored[0])[:40]  # the farthest
    found, scores = index.nearest(stored[0], 40, rows)
    assert set(found) == set(rows)
    np.testing.assert_allclose(scores, np.sort((stored @ stored[0])[rows])[::-1], atol=2e-3)


def test_a_parted_index_is_the_same_from_disk(
    parted: tuple[VectorIndex, NDArray[np.float32]],
) -> None:
    index, stored = parted
    again = VectorIndex(faiss.deserialize_index(faiss.serialize_index(index.main)))
    for one, other in zip(
        index.nearest(stored[:9], 50), again.nearest(stored[:9], 50), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_equal_scores_come_in_row_order() -> None:
    vector = np.eye(1, 8, dtype=np.float32)
    found, scores = make_index(np.repeat(vector, 5, axis=0)).nearest(vector, 5)
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert scores.tolist() == [1.0] * 5


def test_a_single_vector_is_a_query_too(library: Library) -> None:
    vectors = library.vectors("toy")
    found, scores = library.nearest("toy", vectors[4], 3)
    assert found[0] == 4
    assert scores[0] == pytest.approx(1.0, abs=2e-3)


def test_vectors_outlive_their_library(built: Path) -> None:
    kept = [Library.open(built).vectors("toy") for _ in range(20)]
    gc.collect()
    for one in kept:
        np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1.0, atol=1e-2)
        np.testing.assert_array_equal(one, kept[0])


def test_stored_vectors_cannot_be_changed(library: Library) -> None:
    with pytest.raises(ValueError, match="read-only"):
        library.vectors("toy")[0, 0] = 1.0


@pytest.mark.parametrize(
    "vectors, message",
    [
        (np.zeros((1, 7), np.float32), r"have shape \(1, 7\), this channel's have length 48"),
        (np.full((1, 48), np.nan, np.float32), "not a finite number"),
    ],
)
def test_a_wrong_query_is_refused(
    library: Library, vectors: NDArray[np.float32], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        library.nearest("toy", vectors, 3)


def test_an_unknown_channel_is_named(library: Library) -> None:
    with pytest.raises(QueryError, match="no vectors of channel 'learned'; there are: toy"):
        library.vectors("learned")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_never_stored(value: float) -> None:
    vectors = np.ones((2, 4), np.float32)
    vectors[1, 2] = value
    with pytest.raises(LibraryError, match="not finite; nothing was published"):
        vector_rows(ChannelStamp("toy", "1", "0" * 64, 4), pa.array(["a", "b"]), vectors)


def cache_file(path: Path) -> Path:
    (file,) = (path / "cache").glob("*.faiss")
    return file


def check_mended(path: Path, built: Path) -> None:
    """The library answers as the undamaged one does, and says what it did, once."""
    library = Library.open(path)
    np.testing.assert_array_equal(library.vectors("toy"), Library.open(built).vectors("toy"))
    assert len(library.warnings) == 1
    assert "was made again" in library.warnings[0]
    again = Library.open(path)
    again.vectors("toy")
    assert again.warnings == ()


@settings(max_examples=8, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_index_is_noticed(built: Path, place: float, bit: int) -> None:
    file = cache_file(built)
    whole = file.read_bytes()
    damaged = bytearray(whole)
    damaged[int(place * len(whole))] ^= 1 << bit
    file.write_bytes(damaged)
    check_mended(built, built)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("length", [0, 10, 1000])
def test_a_truncated_index_is_made_again(copy: Path, built: Path, length: int) -> None:
    file = cache_file(copy)
    file.write_bytes(file.read_bytes()[:length])
    check_mended(copy, built)


@pytest.mark.parametrize("stamp", ["", "{}", "[]", "\xff"])
def test_a_foreign_stamp_is_refused(copy: Path, built: Path, stamp: str) -> None:
    cache_file(copy).with_suffix(".json").write_bytes(stamp.encode("latin-1"))
    check_mended(copy, built)


@pytest.mark.parametrize("length", [0, 8, 100])
def test_a_truncated_list_of_rows_is_noticed(copy: Path, built: Path, length: int) -> None:
    file = cache_file(copy).with_suffix(".rows")
    file.write_bytes(file.read_bytes()[:length])
    check_mended(copy, built)


def test_an_index_over_other_rows_is_refused(copy: Path, built: Path) -> None:
    file = cache_file(copy)
    rows = np.fromfile(file.with_suffix(".rows"), np.int64)
    rows[[0, 1]] = rows[[1, 0]]
    rows.tofile(file.with_suffix(".rows"))
    check_mended(copy, built)


def test_an_index_of_an_earlier_braggle_is_made_again_without_a_word(
    copy: Path, built: Path
) -> None:
    stamp_file = cache_file(copy).with_suffix(".json")
    stamp = json.loads(stamp_file.read_text())
    old = {name: stamp[name] for name in ("library_version", "count", "channel", "sha256")}
    stamp_file.write_text(json.dumps({**old, "table_version": 3}))
    library = Library.open(copy)
    np.testing.assert_array_equal(library.vectors("toy"), Library.open(built).vectors("toy"))
    assert library.warnings == ()
    assert "rows_sha256" in json.loads(stamp_file.read_text())


def test_a_missing_cache_is_no_news(copy: Path, built: Path) -> None:
    for file in (copy / "cache").iterdir():
        file.unlink()
    library = Library.open(copy)
    np.testing.assert_array_equal(library.vectors("toy"), Library.open(built).vectors("toy"))
    assert library.warnings == ()
    assert cache_file(copy).exists()
