"""Measure the service under load: python -m benchmarks.load LIBRARY.

`braggle serve` answers 1, 8 and 64 clients on loopback over a copy of the library. Every half
minute the command line adds a crystal, so that the service takes up a new version, and a job adds
another.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.load.locustfile import REFUSED, SEARCH
from benchmarks.serving import BRAGGLE, START_S, serving
from indexer.library import Library
from service.bench.provenance import provenance

HERE = Path(__file__).parent
CHANGE_EVERY_S = 30.0
LOOK_EVERY_S = 2.0
QUARTERS = 4


@dataclass
class Watch:
    """What is seen of the server while clients ask.

    Attributes:
        memory_mb: of all its processes, resident, by seconds since the stage began.
        largest_mb: that the process which answers took.
        adds: exit statuses of `braggle library add`.
        jobs: the states in which jobs ended.
    """

    memory_mb: list[float] = field(default_factory=list)
    largest_mb: float = 0.0
    adds: list[int] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)


def main() -> None:
    """Measure, and write the figures."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    asked.add_argument("library", type=Path, help="folder of a library; it is copied")
    asked.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    asked.add_argument("--seconds", type=int, nargs="+", default=[180, 180, 600])
    asked.add_argument("--out", type=Path, default=HERE.parent / "load.json")
    given = asked.parse_args()
    if len(given.clients) != len(given.seconds):
        asked.error("--clients and --seconds: give as many of one as of the other")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / given.library.name
        shutil.copytree(given.library, library)
        result = provenance(Library.open(library))
        with serving(library, Path(folder)) as (server, url):
            made, result["stages"] = count(), []
            before = _problems(url)  # while it was not ready
            for clients, seconds in zip(given.clients, given.seconds, strict=True):
                stage = _stage(server, url, library, Path(folder), clients, seconds, made)
                result["stages"].append(stage)
                result["problems"] = {
                    kind: number - before.get(kind, 0) for kind, number in _problems(url).items()
                }
                given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _stage(
    server: psutil.Process,
    url: str,
    library: Path,
    folder: Path,
    clients: int,
    seconds: int,
    made: Iterator[int],
) -> dict[str, Any]:
    watch, stop = Watch(), threading.Event()
    before = _version(url)
    threads = [
        threading.Thread(target=_look_at_memory, args=(server, watch, stop)),
        threading.Thread(target=_change, args=(url, library, folder, watch, stop, made)),
    ]
    for thread in threads:
        thread.start()
    try:
        said = _locust(url, clients, seconds)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return {
        "clients": clients,
        **_answered(said),
        "refused": sum(one["num_requests"] for one in said if one["name"] == REFUSED),
        "memory_mb": _memory(watch),
        "versions_taken_up": _version(url) - before,
        "adds_failed": sum(status != 0 for status in watch.adds),
        "jobs": {state: watch.jobs.count(state) for state in sorted(set(watch.jobs))},
    }


def _locust(url: str, clients: int, seconds: int) -> list[dict[str, Any]]:
    said = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "--headless", "--json", "--only-summary"),
            *("--locustfile", str(HERE / "locustfile.py"), "--host", url),
            *("--users", str(clients), "--spawn-rate", str(clients)),
            *("--run-time", f"{seconds}s", "--stop-timeout", "120", "--exit-code-on-error", "0"),
        ],
        check=True,
        stdout=subprocess.PIPE,
    )
    found: list[dict[str, Any]] = json.loads(said.stdout)
    return found


def _answered(said: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures of the look-ups that were answered. Times in milliseconds, as locust rounds them."""
    (search,) = (one for one in said if one["name"] == SEARCH)
    histogram: Mapping[str, int] = search["response_times"]
    times = np.repeat([float(ms) for ms in histogram], list(histogram.values()))
    median, most = np.percentile(times, [50, 95])
    seconds = search["last_request_timestamp"] - search["start_time"]
    return {
        "seconds": round(seconds, 1),
        "searches": search["num_requests"],
        "searches_per_second": round(search["num_requests"] / seconds, 2),
        "median_ms": round(median),
        "p95_ms": round(most),
        "errors": search["num_failures"],
    }


def _look_at_memory(server: psutil.Process, watch: Watch, stop: threading.Event) -> None:
    while not stop.wait(LOOK_EVERY_S):
        sizes = []
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.Error):
                sizes.append(process.memory_info().rss / 1e6)
        watch.memory_mb.append(sum(sizes))
        watch.largest_mb = max(watch.largest_mb, sizes[0])


def _memory(watch: Watch) -> dict[str, Any]:
    quarters = np.array_split(np.array(watch.memory_mb), QUARTERS)
    return {
        "start": round(watch.memory_mb[0]),
        "end": round(watch.memory_mb[-1]),
        "most": round(max(watch.memory_mb)),
        "medians_of_quarters": [round(float(np.median(one))) for one in quarters],
        "most_of_the_answering_process": round(watch.largest_mb),
    }


def _change(
    url: str, library: Path, folder: Path, watch: Watch, stop: threading.Event, made: Iterator[int]
) -> None:
    """Let the command line add a crystal and a job another, in turn."""
    with httpx.Client(base_url=url, timeout=START_S, trust_env=False) as client:
        while not stop.wait(CHANGE_EVERY_S):
            number = next(made)
            if number % 2:
                cif = folder / f"made-{number}.cif"
                cif.write_text(_cif(number), encoding="utf-8")
                command = [*BRAGGLE, "library", "add", str(cif), "--library", str(library)]
                watch.adds.append(subprocess.run(command, check=False).returncode)
            else:
                watch.jobs.append(_job(client, number))


def _job(client: httpx.Client, number: int) -> str:
    """The state in which a job ended that adds a crystal."""
    while True:
        answer = client.post(
            "/v1/entries", json={"cif": _cif(number), "name": f"made-{number}.cif"}
        )
        if answer.status_code == 202:
            break
        time.sleep(float(answer.headers["Retry-After"]))
    while True:
        with suppress(httpx.TransportError):  # a connection that was idle may be closed meanwhile
            job = client.get(answer.headers["Location"])
            if job.is_success and job.json()["ended_at"] is not None:
                return str(job.json()["state"])
        time.sleep(1.0)


def _version(url: str) -> int:
    answer = httpx.get(f"{url}/healthz", trust_env=False)
    return int(answer.headers["Braggle-Library-Version"])


def _problems(url: str) -> dict[str, int]:
    """Problems that the server answered with, by kind."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    lines = [line for line in text.splitlines() if line.startswith("braggle_problems_total{")]
    return {line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in lines}


def _cif(number: int) -> str:
    """A crystal that no library has: cubic, of two elements, its edge unlike that of all others."""
    edge = 4.2 + 0.0173 * number
    return (
        f"data_made_{number}\n_cell_length_a {edge}\n_cell_length_b {edge}\n_cell_length_c {edge}\n"
        "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
        "_space_group_name_H-M_alt 'P m -3 m'\nloop_\n_atom_site_label\n_atom_site_fract_x\n"
        "_atom_site_fract_y\n_atom_site_fract_z\nCs 0 0 0\nI 0.5 0.5 0.5\n"
    )


if __name__ == "__main__":
    main()
