"""Make a library of very many crystals and measure it: python -m benchmarks.million [--entries N].

Each step runs in a process of its own, whose peak memory is noted. A build that was cut off goes on
when it is asked for again in the same folder. The figures go to benchmarks/million.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.million.steps import (
    SEED,
    add,
    build,
    maintain,
    measured,
    recall,
    search,
)
from indexer.library import Library
from indexer.publishing import read_current, size_of
from service.bench.provenance import provenance

RESULT = Path(__file__).parents[1] / "million.json"


def main() -> None:
    """Make and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument(
        "--hours", type=float, default=float("inf"), help="make no more crystals after so many"
    )
    parser.add_argument("--into", type=Path, default=Path("build/million"))
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    path = options.into
    load = os.getloadavg()[0]
    steps = {
        "build": _alone(build, path, options.entries, options.hours),
        "add": _alone(add, path, options.entries),
        "maintain": _alone(maintain, path),
        "search": _alone(search, path),
        "recall@100": _alone(recall, path, options.entries + 1),
    }
    published = read_current(path)
    result = {
        "benchmark": "million",
        "entries": published.entries,
        "seed": SEED,
        "load_before": round(load, 2),
        **{name: figures for name, figures in steps.items() if figures},
        "recall@100_of_the_indexes_own_sample": dict(published.recall),
        "disk_mb": round(size_of(path) / 1e6),
        **provenance(Library.open(path)),
    }
    if "build" not in result and options.result.is_file():
        earlier = json.loads(options.result.read_text())
        if earlier.get("seed") == SEED and "build" in earlier:
            result["build"] = earlier["build"]
    options.result.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def _alone(step: Callable[..., dict[str, Any]], *given: object) -> dict[str, Any]:
    """What a step gives in a process of its own, with that process's peak memory."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        figures, peak_mb = pool.submit(measured, step, *given).result()
    sys.stderr.write(f"{step.__name__}: {json.dumps(figures)}, peak {peak_mb} MB\n")
    return {**figures, "peak_mb": peak_mb} if figures else {}


if __name__ == "__main__":
    main()
