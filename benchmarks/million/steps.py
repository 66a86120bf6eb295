"""The steps of the benchmark, each for a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.million.crystals import Varied
from benchmarks.serving import START_S, serving
from data.bundled import example_patterns
from data.canonical import Standard, crystal_id, standardize
from data.offered import Offered
from data.reading import read_pattern
from indexer.channel import ReadsAtoms
from indexer.ingest import LineSettings, digest
from indexer.library import Library
from indexer.profiles import POWDER, channels_of
from indexer.publishing import is_library, read_current
from service.api.served import Opened

SEED = 1
RUNS = 5
SAMPLE = 2000
"""Crystals that are made up once more, to tell what making them up takes."""
LOOK_S = 0.02
QUESTIONS, DEPTH = 200, 100


def build(path: Path, entries: int, hours: float) -> dict[str, Any]:
    """Make the library, or what is missing of it, of so many crystals or those of so many hours."""
    first = 0
    if is_library(path):
        if not read_current(path).is_unfinished_build:
            return {}
        first = Library.open(path).ledger_length
    start = time.perf_counter()
    made = 0

    def crystals() -> Iterator[Varied]:
        nonlocal made
        for number in range(first, entries):
            if time.perf_counter() - start > 3600 * hours:
                return
            made += 1
            yield Varied.of(number, SEED)

    library = Library.build(crystals(), path, progress=_progress(start))
    seconds = time.perf_counter() - start
    own, workers = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    writer_s, workers_s = (one.ru_utime + one.ru_stime for one in (own, workers))
    return {
        "made": made,
        "entries": len(library),
        "seconds": round(seconds),
        "entries_a_second": round(made / seconds, 1),
        "processor_ms_an_entry": round(1e3 * (writer_s + workers_s) / made, 2),
        "writer_processor_ms_an_entry": round(1e3 * writer_s / made, 2),
        "of_it_making_a_cif_ms": round(1e3 * _making_s(), 2),
        "peak_worker_mb": round(workers.ru_maxrss / 1024),
    }


def _making_s() -> float:
    """Processor time in which one crystal is made up and written as a CIF, no part of a build."""
    Varied.of(0, SEED).read()
    start = time.process_time()
    for number in range(SAMPLE):
        Varied.of(number, SEED).read()
    return (time.process_time() - start) / SAMPLE


def search(path: Path) -> dict[str, Any]:
    """Open the library as the service does, and look the bundled patterns up."""
    patterns = [read_pattern(file) for file in example_patterns().values()]
    start = time.perf_counter()
    opened = Opened.at(path)
    opened.warm()
    open_s = time.perf_counter() - start
    stages: dict[str, list[float]] = {}
    for run in range(RUNS + 1):
        for pattern in patterns:
            timings = opened.searcher.lookup(pattern).timings_ms
            if run:  # the first one loads and compiles
                for stage, spent in timings.items():
                    stages.setdefault(stage, []).append(spent)
    total = stages["total"]
    return {
        "lookups": len(total),
        "open_s": round(open_s, 2),
        "median_ms": round(float(np.median(total)), 1),
        "p95_ms": round(float(np.percentile(total, 95)), 1),
        "stages_median_ms": {
            name: round(float(np.median(all_)), 1) for name, all_ in stages.items()
        },
        "resident_mb": _resident_mb(),
    }


def add(path: Path, first: int) -> dict[str, Any]:
    """Add crystals, one at a time, beside a service with its defaults, until that has them."""
    files = [Varied.of(first + number, SEED).read() for number in range(RUNS)]
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(path, Path(folder)) as (_, url),
        httpx.Client(base_url=url, timeout=START_S, trust_env=False) as client,
        ProcessPoolExecutor(1, mp_context=context) as pool,
    ):
        pool.submit(_begun, path, files[0]).result()
        loads = os.getloadavg()[0]
        published_s, answered_s = zip(
            *(_added(path, one, client, pool) for one in files), strict=True
        )
    return {
        "additions": RUNS,
        "published_s": {"median": sorted(published_s)[RUNS // 2], "most": max(published_s)},
        "answered_s": {"median": sorted(answered_s)[RUNS // 2], "most": max(answered_s)},
        "load_before": round(loads, 2),
    }


def _added(
    path: Path, new: Offered, client: httpx.Client, pool: ProcessPoolExecutor
) -> tuple[float, float]:
    """Seconds until a crystal is published, and until a service answers with it."""
    (record,) = new.items()
    new_id = crystal_id(standardize(record.crystal))  # type: ignore[union-attr]
    version = read_current(path).version
    start = time.perf_counter()
    adding = pool.submit(_add, path, new)
    while read_current(path).version == version and not adding.done():
        time.sleep(LOOK_S)
    published_s = time.perf_counter() - start
    while client.get(f"/v1/entries/{new_id}").is_error:
        adding.result(0) if adding.done() else time.sleep(LOOK_S)
    answered_s = time.perf_counter() - start
    adding.result()
    near = client.post("/v1/similar", files={"file": ("new.cif", new.content)}).json()
    # Of a million, isotypes of like atoms may be as near.
    if new_id not in {one["id"] for one in near["entries"]}:
        raise SystemExit(f"braggle: {new_id} was added, and is not near to itself")
    return round(published_s, 2), round(answered_s, 2)


def recall(path: Path, first: int) -> dict[str, Any]:
    """Part of the 100 nearest that indexes find, asked with crystals that the library has not.

    Its own figures, of every version, are of rows that its indexes were tuned with.
    """
    library = Library.open(path)
    new = [Varied.of(first + number, SEED) for number in range(QUESTIONS)]
    asked = digest(new, LineSettings(), channels_of(POWDER)).vectors
    found: dict[str, Any] = {}
    for channel_id, made in asked.items():
        questions = made.astype(np.float32)
        near = [set(library.nearest(channel_id, one, DEPTH)[0].tolist()) for one in questions]
        scores = library.vectors(channel_id) @ questions.T
        rows = np.argpartition(-scores, DEPTH - 1, axis=0)[:DEPTH].T
        least = np.sort(scores, axis=0)[-DEPTH]
        parts = [
            # What is as near as the last of them may stand in its place.
            np.mean([row in there or scores[row, i] <= least[i] for row in rows[i]])
            for i, there in enumerate(near)
        ]
        found[channel_id] = {"mean": round(float(np.mean(parts)), 4), "least": round(min(parts), 4)}
    return found


def maintain(path: Path) -> dict[str, Any]:
    """Put the library in order, keeping one version."""
    start, before = time.perf_counter(), time.process_time()
    done = Library.open(path).maintain(keep_last=1, keep_days=0)
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "processor_s": round(time.process_time() - before, 1),
        "remade": list(done.remade),
        "compacted": list(done.compacted),
        "mb_freed": round(done.bytes_freed / 1e6),
    }


def measured(step: Callable[..., dict[str, Any]], *given: object) -> tuple[dict[str, Any], int]:
    """What a step gives, and the peak memory of this process in MB."""
    figures = step(*given)
    return figures, round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _begun(path: Path, new: Offered) -> None:
    """Load what a process that has added before has loaded."""
    import lancedb  # noqa: F401

    library = Library.open(path)
    library.add([new], dry_run=True)
    for channel in channels_of(POWDER):
        if isinstance(channel, ReadsAtoms):
            channel.embed_crystals([Standard.from_stored(library.entry(0).crystal)])
        else:
            channel.embed_lines(library.lines_of(np.array([0])))


def _add(path: Path, new: Offered) -> None:
    Library.open(path).add([new])


def _resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20)


def _progress(start: float) -> Callable[[int, int | None, str], None]:
    last = [0.0]

    def report(done: int, _total: int | None, stage: str) -> None:
        now = time.perf_counter()
        if now - last[0] > 60:
            last[0] = now
            sys.stderr.write(f"{now - start:.0f} s: {stage} {done}\n")

    return report
