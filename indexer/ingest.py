"""From records to rows: standard crystal, id and lines, worked out by several processes.

Few records are worked out where they are; many are handed to worker processes in chunks, a
bounded number at a time, and come back in the order they went. Processes are spawned, because
Lance does not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from data.canonical import crystal_id, space_group_symbol, standardize
from data.diffraction import lines_of
from data.errors import BraggleError, LibraryError
from data.formula import density_g_cm3, reduced_formula
from data.record import Problem, Record
from indexer.schema import ENTRIES_SCHEMA, SOURCES_SCHEMA, crystal_columns, lines_columns

CHUNK = 32
SMALL = 256
"""Up to this many records are done before worker processes would have started."""

MAX_WORKERS = 16


@dataclass(frozen=True)
class LineSettings:
    """How far the lines of a library go, and how weak the weakest is; see `lines_of`."""

    d_min_angstrom: float = 1.0
    floor: float = 1e-4


@dataclass(frozen=True)
class Chunk:
    """What some records became. Row i of `entries` and of `sources` are of one record.

    Attributes:
        read: how many records and problems went in.
        entries: rows with `ENTRIES_SCHEMA`; the same crystal may be there more than once.
        sources: rows with `SOURCES_SCHEMA`.
        problems: records that gave no entry, and problems that came in place of records.
    """

    read: int
    entries: pa.RecordBatch
    sources: pa.RecordBatch
    problems: tuple[Problem, ...]


def digest(records: Iterable[Record | Problem], settings: LineSettings) -> Chunk:
    """Turn records into rows, here and now."""
    entries: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []
    problems: list[Problem] = []
    read = 0
    for record in records:
        read += 1
        if isinstance(record, Problem):
            problems.append(record)
            continue
        try:
            entry = _entry(record, settings)
        except Exception as error:  # noqa: BLE001 - one bad crystal must not end a build
            problems.append(Problem(_where(record), 0, _reason(error)))
            continue
        entries.append(entry)
        sources.append(_source(record, entry["id"]))
    return Chunk(
        read,
        pa.RecordBatch.from_pylist(entries, ENTRIES_SCHEMA),
        pa.RecordBatch.from_pylist(sources, SOURCES_SCHEMA),
        tuple(problems),
    )


def digest_all(
    records: Iterable[Record | Problem], settings: LineSettings, *, workers: int | None = None
) -> Generator[Chunk]:
    """Turn a stream of records into chunks of rows, in order, never holding more than a few.

    Args:
        records: consumed as workers need them.
        settings: of the library.
        workers: processes; by default one a core, and none for few records. 1 works in this one.

    Raises:
        LibraryError: the worker processes died.
    """
    stream = iter(records)
    few = list(islice(stream, SMALL + 1))
    count = workers or min(_cores(), MAX_WORKERS)
    chunks = _chunks(chain(few, stream))
    if count == 1 or (workers is None and len(few) <= SMALL):
        for chunk in chunks:
            yield digest(chunk, settings)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=follow_parent)
    waiting: deque[Future[Chunk]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(digest, chunk, settings))
            if len(waiting) > 3 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise LibraryError(
            "the processes that work out crystals have died; free some memory or use workers=1 "
            "(in a script, call from under `if __name__ == '__main__':`)"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def follow_parent() -> None:
    """Leave an interrupt to the parent process, and end with it even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _chunks(stream: Iterator[Record | Problem]) -> Iterator[list[Record | Problem]]:
    while chunk := list(islice(stream, CHUNK)):
        yield chunk


def _entry(record: Record, settings: LineSettings) -> dict[str, Any]:
    standard = standardize(record.crystal)
    crystal = standard.crystal
    lines = lines_of(
        crystal,
        d_min_angstrom=settings.d_min_angstrom,
        floor=settings.floor,
        operations=(standard.rotations, standard.translations),
    )
    composition = crystal.composition
    return {
        "id": crystal_id(standard),
        "formula": reduced_formula(composition),
        "elements": sorted(composition),
        "amounts": [composition[element] for element in sorted(composition)],
        "space_group": space_group_symbol(crystal.space_group_number),
        "volume_angstrom3": crystal.volume_angstrom3,
        "density_g_cm3": density_g_cm3(crystal),
        "n_atoms": len(crystal),
        **crystal_columns(crystal),
        **lines_columns(lines),
    }


def _source(record: Record, entry_id: str) -> dict[str, Any]:
    source = record.source
    return {
        "id": entry_id,
        "collection": source.collection,
        "identifier": source.identifier,
        "reference": source.reference,
        "licence": source.licence,
        "names": list(record.names),
    }


def _where(record: Record) -> str:
    return f"{record.source.collection} {record.source.identifier}".strip()


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, BraggleError) else f"{type(error).__name__}: {text}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
