"""Feed the ingest with broken CIFs: python -m benchmarks.broken_cifs [--count 10000].

Every file goes alone through reading and working out, timed; then a library is built of the folder
that holds them all. What came of each kind is written to benchmarks/broken-cifs.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.broken_cifs.damage import broken_cifs, giants
from benchmarks.broken_cifs.outcome import Outcome, outcome
from data.bundled import bundled_records
from data.cif import write_cif
from data.sources import open_source
from indexer.library import Library
from service.bench.provenance import provenance

RESULT = Path(__file__).parents[1] / "broken-cifs.json"
SEED = 1
TEXTS, MOST_ATOMS = 200, 60
LONG_NAME, LONG_LOOP = 2**20, 5_000
GIANT, TOO_LARGE = 60 * 2**20, 2**30
CHUNK = 25


def texts() -> list[str]:
    """CIFs of bundled crystals, from all over the collection."""
    small = (one.crystal for one in bundled_records() if len(one.crystal) <= MOST_ATOMS)
    return [write_cif(crystal) for crystal in islice(small, 0, TEXTS * 40, 40)]


def write_files(folder: Path, count: int) -> dict[str, str]:
    """The kind of each file, by its name."""
    whole = texts()
    kinds = {}
    made = broken_cifs(whole, count, seed=SEED, length=LONG_NAME, rows=LONG_LOOP)
    for number, (kind, content) in enumerate(made):
        name = f"{number:05}.cif"
        (folder / name).write_bytes(content)
        kinds[name] = kind
    return kinds


def write_giants(folder: Path) -> dict[str, str]:
    """What each giant is full of, by the file's name; the first is a name of 1 GB."""
    kinds = {}
    whole = write_cif(next(iter(bundled_records())).crystal)
    files = [next(giants(whole, TOO_LARGE)), *giants(whole, GIANT)]
    for number, (full_of, pieces) in enumerate(files):
        name = f"giant-{number:02}.cif"
        with (folder / name).open("wb") as file:
            file.writelines(pieces)
        kinds[name] = f"{full_of}, {(folder / name).stat().st_size / 2**20:.0f} MiB"
    return kinds


def outcomes(paths: Sequence[Path], *, alone: bool) -> Iterator[Outcome]:
    """Of every file, in other processes, one a core, which may die without taking this one along.

    Args:
        paths: of the files.
        alone: a fresh process for each, so that the memory is its own.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        1 if alone else os.cpu_count(),
        mp_context=context,
        initializer=logging.disable,
        max_tasks_per_child=1 if alone else None,
    ) as pool:
        yield from pool.map(outcome, paths, chunksize=1 if alone else CHUNK)


def table(found: Sequence[Outcome], kinds: dict[str, str]) -> dict[str, dict[str, Any]]:
    """How many files of each kind gave a crystal, and how many a reason alone."""
    rows: dict[str, dict[str, Any]] = {}
    for one in found:
        row = rows.setdefault(kinds[one.file], {"files": 0, "crystals": 0, "reasons": 0})
        row["files"] += 1
        row["crystals" if one.crystals else "reasons"] += 1
        row["slowest_s"] = max(row.get("slowest_s", 0.0), round(one.seconds, 2))
    return rows


def built(folder: Path, names: set[str], library: Path) -> dict[str, Any]:
    """What a library of the whole folder is made of, and whether each file is accounted for."""
    start = perf_counter()
    made = Library.build(open_source(str(folder)), library)
    seconds = perf_counter() - start
    problems = made.change.problems if made.change else ()
    heard = {problem.where.partition(",")[0].split(" ")[0] for problem in problems}
    for entry in made.entries(range(len(made))):
        heard.update(source.collection for source in entry.sources)
    own, children = (
        resource.getrusage(who).ru_maxrss // 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "entries": len(made),
        "problems": len(problems),
        "files_without_entry_or_problem": sorted(names - heard),
        "seconds": round(seconds, 1),
        "peak_memory_mb": {"parent": own, "largest_worker": children},
    }


def main() -> None:
    """Write the files, run them, write the result."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=10_000)
    arguments.add_argument("--into", type=Path, default=RESULT, metavar="JSON")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "cifs")
        folder.mkdir()
        kinds = write_files(folder, given.count)
        found = list(outcomes([folder / name for name in kinds], alone=False))
        library = built(folder, set(kinds), Path(scratch, "library"))
        for path in folder.iterdir():
            path.unlink()
        large = write_giants(folder)
        told = list(outcomes([folder / name for name in large], alone=True))
    silent = [one.file for one in (*found, *told) if not one.crystals and not one.reasons]
    most = max(one.memory_mb for one in found)
    reasons = Counter(
        " ".join(reason.partition(": ")[2].split()[:4]) for one in found for reason in one.reasons
    )
    result = {
        **provenance(),
        "seed": SEED,
        "files": len(found),
        "gave_crystals": sum(one.crystals > 0 for one in found),
        "gave_reasons_alone": sum(not one.crystals and bool(one.reasons) for one in found),
        "gave_neither": silent,
        "slowest_s": [
            {"kind": kinds[one.file], "seconds": round(one.seconds, 2)}
            for one in sorted(found, key=lambda one: -one.seconds)[:5]
        ],
        "peak_memory_of_a_process_mb": round(most),
        "peak_memory_reached_at": next(kinds[one.file] for one in found if one.memory_mb == most),
        "kinds": table(found, kinds),
        "commonest_reasons": dict(reasons.most_common(20)),
        "library_of_all": library,
        "giants": [
            {
                "full_of": large[one.file],
                "crystals": one.crystals,
                "reason": one.reasons[0].partition(": ")[2] if one.reasons else "",
                "seconds": round(one.seconds, 1),
                "memory_mb": round(one.memory_mb),
            }
            for one in told
        ],
    }
    given.into.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{given.into}\n")
    if silent or library["files_without_entry_or_problem"]:
        sys.exit("some files gave neither an entry nor a reason; the file names them")


if __name__ == "__main__":
    main()
