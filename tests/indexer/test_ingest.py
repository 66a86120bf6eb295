from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from data.errors import LibraryError
from data.offered import Offered
from data.record import Problem, Record
from indexer.embedding import embed
from indexer.ingest import CHUNK, SMALL, LineSettings, digest, digest_all
from indexer.profiles import POWDER, channels_of
from tests.indexer.toy import record, records

SETTINGS = LineSettings()


def stream(count: int) -> Iterator[Record | Problem]:
    for i, one in enumerate(records(count)):
        yield Problem("a.cif", i, "bad") if i % 7 == 3 else one


def test_worker_processes_give_what_this_process_gives() -> None:
    together = digest(stream(70), SETTINGS)
    chunks = list(digest_all(stream(70), SETTINGS, workers=2))
    assert len(chunks) == -(-70 // CHUNK)
    assert sum(chunk.read for chunk in chunks) == 70
    for part in ("entries", "sources"):
        expected = pa.Table.from_batches([getattr(together, part)])
        got = pa.Table.from_batches([getattr(chunk, part) for chunk in chunks])
        for name in expected.column_names:
            # As text, because NaN, which stands for "no displacement given", equals nothing.
            assert str(got[name].to_pylist()) == str(expected[name].to_pylist()), name
    assert sum((chunk.problems for chunk in chunks), ()) == together.problems


def test_vectors_come_along_whoever_makes_them() -> None:
    channels = channels_of(POWDER)
    together = digest(stream(70), SETTINGS, channels)
    chunks = list(digest_all(stream(70), SETTINGS, channels, workers=2))
    stored = pa.Table.from_batches([together.entries])
    for channel in channels:
        got = np.concatenate([chunk.vectors[channel.id] for chunk in chunks])
        np.testing.assert_allclose(got, together.vectors[channel.id], atol=1e-3)
        np.testing.assert_allclose(got, embed(channel, stored), atol=1e-3)
    nothing = digest([], SETTINGS, channels)
    assert [one.shape for one in nothing.vectors.values()] == [(0, c.dimension) for c in channels]


def test_few_records_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.workers.ProcessPoolExecutor", None)
    assert len(list(digest_all(stream(40), SETTINGS))) == 2


def test_records_are_taken_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[Problem]:
        nonlocal taken
        while True:
            taken += 1
            yield Problem("a.cif", taken, "bad")

    chunks = digest_all(endless(), SETTINGS, workers=1)
    for _ in range(20):
        next(chunks)
    chunks.close()
    assert taken <= SMALL + 1 + 20 * CHUNK


class Deadly:
    """Ends the process that unpacks it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (1,)


def test_workers_that_die_are_one_clear_line() -> None:
    deadly = Deadly()
    with pytest.raises(LibraryError, match="have died; free some memory or use workers=1"):
        list(digest_all([record("quartz"), deadly], SETTINGS, workers=2))  # type: ignore[list-item]


def test_a_crystal_that_breaks_something_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("indexer.ingest.standardize", broken)
    chunk = digest([record("quartz")], SETTINGS)
    assert chunk.entries.num_rows == 0
    assert str(chunk.problems[0][1]) == "toy quartz 1.0000 0: ZeroDivisionError: division by zero"


def test_a_file_that_breaks_something_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr("data.offered.read_cif_text", broken)
    for limit in (10, 10_000):  # as a whole, and piece by piece
        monkeypatch.setattr("indexer.ingest.LARGE_BYTES", limit)
        (chunk,) = digest_all([Offered.of(b"x" * 100, "a.cif", path="/b/a.cif")], SETTINGS)
        ((key, problem),) = chunk.problems
        assert (key, str(problem)) == ("/b/a.cif", "a.cif: RecursionError: too deep")
        assert (chunk.read, chunk.ended[0].key) == (1, "/b/a.cif")
