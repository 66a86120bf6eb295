"""`braggle bench ingest`: CIFs a second into a library, beside pymatgen on the same files."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.io.cif import CifParser

from data.cif import read_cif
from data.errors import QueryError
from data.offered import Offered
from data.record import Record
from data.sources.stream import SourceStream
from indexer.library import Library
from indexer.workers import one_a_core
from service.bench.provenance import provenance
from service.bench.speed import LAST_TWO_THETA_DEG, WAVELENGTH_ANGSTROM

SIZES = ((1, 8), (9, 15), (16, 24), (25, 64), (65, 20_000))
"""Atoms of the cell that a file describes, first and last of each group."""

FEWEST = 100
"""Groups of fewer files are not timed: starting would be most of it."""

SEED = 1
WARMING = 8
Advance = Callable[[int, int, str], None]


def bench_ingest(
    files: Sequence[Path],
    *,
    workers: int | None = None,
    sample: int = 50,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Build a library of CIFs, all of them and by size of the cell, and parse a sample by pymatgen.

    What is timed is `Library.build` as `braggle library build` calls it: reading, standard setting,
    lines, vectors of every channel, templates, writing, checking and publishing. A library of a few
    files is built before, so that compiled code is loaded. pymatgen parses (`CifParser`) and
    simulates (`XRDCalculator` to 2θ = 90° of Cu Kα1) one file after the other. `times_faster` is of
    processor time, all processes and threads counted, which other work on the machine alters
    little; `files_a_second` is by the clock.

    Args:
        files: CIFs, and folders that are searched for them at every depth.
        workers: processes; one a core by default.
        sample: files of each group that pymatgen gets, drawn at random.
        advance: called with done, total and the stage.

    Raises:
        QueryError: there are no CIFs.
    """
    report = advance or _silent
    paths = sorted(set(_found(files)))
    if not paths:
        raise QueryError(f"{', '.join(map(str, files))}: no *.cif here; name CIFs, or folders")
    groups = _by_size(paths)
    cores = workers or one_a_core()
    total = 1 + len(groups)
    with tempfile.TemporaryDirectory() as scratch:
        Library.build(_stream(paths[:WARMING]), Path(scratch, "warm"), workers=1)
        everything: dict[str, Any] = {}
        for done, (name, members) in enumerate({"all": paths, **groups}.items()):
            report(done, total, f"cells: {name}")
            load = os.getloadavg()[0]
            library, spent = _built(members, Path(scratch, f"library-{done}"), cores)
            entries = len(library)
            if not done:
                named = provenance(library)
            reference = _pymatgen(_sampled(members, sample))
            processor_ms = 1000 * spent.processor_s / len(members)
            reference_ms = reference["parse_ms"] + reference["simulate_ms"]
            everything[name] = {
                "files": len(members),
                "entries": entries,
                "problems": len(library.change.problems) if library.change else 0,
                "seconds": round(spent.wall_s, 2),
                "files_a_second": round(len(members) / spent.wall_s, 1),
                "processor_ms": round(processor_ms, 2),
                "pymatgen": reference,
                "times_faster": round(reference_ms / processor_ms, 1),
                "load_before": round(load, 2),
            }
        report(total, total, "done")
    return {**named, "cores": cores, "by_atoms_in_cell": everything}


def _stream(paths: Sequence[Path]) -> SourceStream:
    return SourceStream.of_files("files", map(Offered.file, paths), len(paths))


def _found(files: Sequence[Path]) -> Iterator[Path]:
    for file in files:
        if not file.exists():
            raise QueryError(f"{file}: no such file or folder; check the path")
        if file.is_dir():
            yield from file.rglob("*.cif")
        else:
            yield file


def _by_size(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of each range of `SIZES`, where there are enough."""
    atoms = {path: _atoms(path) for path in paths}
    groups = {
        f"{first} to {last}" if last < SIZES[-1][1] else f"{first} and more": [
            path for path in paths if first <= atoms[path] <= last
        ]
        for first, last in SIZES
    }
    return {name: members for name, members in groups.items() if len(members) >= FEWEST}


def _atoms(path: Path) -> int:
    records = (item for item in read_cif(path) if isinstance(item, Record))
    first = next(records, None)
    return len(first.crystal) if first else 0


@dataclass(frozen=True)
class _Spent:
    """Time that a build took; its processes' starting and ending are in it."""

    wall_s: float
    processor_s: float


def _built(paths: Sequence[Path], into: Path, workers: int) -> tuple[Library, _Spent]:
    start, before = perf_counter(), os.times()
    library = Library.build(_stream(paths), into, workers=workers)
    spent = [now - then for now, then in zip(os.times()[:4], before[:4], strict=True)]
    return library, _Spent(perf_counter() - start, sum(spent))


def _sampled(paths: Sequence[Path], count: int) -> list[Path]:
    chosen = np.random.default_rng(SEED).permutation(len(paths))[:count]
    return [paths[row] for row in sorted(chosen)]


def _pymatgen(paths: Sequence[Path]) -> dict[str, Any]:
    """Processor time of pymatgen's parser and simulator, in ms a file; failures cost time, too."""
    calculator = XRDCalculator(WAVELENGTH_ANGSTROM)
    parsing = simulating = 0.0
    failed = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in paths:
            start = process_time()
            try:
                structure = CifParser(path).parse_structures(primitive=False)[0]
            except (ValueError, KeyError, IndexError, TypeError, AssertionError):
                failed += 1
                continue
            finally:
                parsing += process_time() - start
            start = process_time()
            calculator.get_pattern(structure, two_theta_range=(0, LAST_TWO_THETA_DEG))
            simulating += process_time() - start
    return {
        "files": len(paths),
        "failed": failed,
        "parse_ms": round(1000 * parsing / len(paths), 2),
        "simulate_ms": round(1000 * simulating / len(paths), 2),
    }


def _silent(_done: int, _total: int, _stage: str) -> None:
    """Nobody asked for progress."""
