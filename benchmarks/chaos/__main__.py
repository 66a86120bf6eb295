"""Kill writers of a library while others read it: python -m benchmarks.chaos [--rounds 200].

A library of some hundred bundled crystals is added to, taken from, corrected, put in order and
taken back, and in each round the process that does so is killed at a random moment. After it the
library is opened again, verified, and compared with what it should hold; so are all answers of
readers that never stop. What came of it is written to benchmarks/chaos.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.chaos.rounds import Chaos, Violation
from indexer.profiles import POWDER, channels_of
from service.bench.provenance import provenance
from service.tables import key_values
from service.terminal import progress_bar, say, show

RESULT = Path(__file__).parents[1] / "chaos.json"


def run(folder: Path, rounds: int, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - of `Chaos`
    """So many rounds in a folder; options are those of `Chaos`."""
    start, told = monotonic(), 0
    with progress_bar() as progress:
        progress(0, rounds, "rounds")
        with Chaos(folder, **options) as chaos:
            for number in range(rounds):
                chaos.round(number)
                told = _tell(chaos.violations, told)
                progress(number + 1, rounds, "rounds", f"{told} violations")
            disk = chaos.end()
    _tell(chaos.violations, told)
    tallied = chaos.tallied
    return {
        "seed": options["seed"],
        "rounds": rounds,
        "seconds": round(monotonic() - start),
        "crystals": len(chaos.pool),
        "entries_at_the_end": len(chaos.state.ids),
        "channels": list(chaos.channels),
        "kills_by_operation_and_step": {
            verb: dict(steps.most_common()) for verb, steps in sorted(tallied.kills.items())
        },
        "kills_after_the_version_was_published": dict(tallied.published),
        "operations_acknowledged": dict(tallied.acknowledged),
        "versions": max(chaos.versions),
        "kept_versions_opened_and_compared": tallied.versions_checked,
        "readers": {
            "processes": len(chaos.readers),
            "versions": len(tallied.versions_read),
            "answers": tallied.answers,
            "patterns_looked_up": tallied.lookups,
            "indexes_mended": tallied.mended_indexes,
        },
        "bytes": disk,
        "disk_over_live_data": round(disk["after_maintain"] / disk["live_data"], 2),
        "violations": [asdict(one) for one in chaos.violations],
    }


def _tell(violations: Sequence[Violation], told: int) -> int:
    """Each violation once, as soon as it is known; how many there are."""
    for one in violations[told:]:
        say(f"round {one.round} (seed {one.seed}), {one.operation}, {one.moment}: {one.what}")
    return len(violations)


def tell(result: dict[str, Any]) -> None:
    """The counts as a table."""
    kills = result["kills_by_operation_and_step"]
    steps = sum((Counter(one) for one in kills.values()), Counter[str]())
    readers = result["readers"]
    rows = {
        "rounds": f"{result['rounds']}, each with a kill, in {result['seconds']} s",
        "killed": ", ".join(f"{verb} {sum(one.values())}" for verb, one in kills.items()),
        "in the step": ", ".join(f"{step} {count}" for step, count in steps.most_common()),
        "published, not said": str(sum(result["kills_after_the_version_was_published"].values())),
        "acknowledged": str(sum(result["operations_acknowledged"].values())),
        "versions": f"{result['versions']}, {result['kept_versions_opened_and_compared']} times "
        "opened and compared",
        "readers": f"{readers['answers']} answers of {readers['versions']} versions, "
        f"{readers['patterns_looked_up']} look-ups, {readers['indexes_mended']} indexes mended",
        "disk": f"{result['disk_over_live_data']} times the live data",
        "violations": str(len(result["violations"])),
    }
    show(key_values(rows))


def main() -> None:
    """Run, and write the result."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    asked.add_argument("--rounds", type=int, default=200)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--crystals", type=int, default=600, help="of which half are there at first")
    asked.add_argument("--readers", type=int, default=2)
    every = [one.id for one in channels_of(POWDER)]
    asked.add_argument("--channels", nargs="+", choices=every, default=every)
    asked.add_argument("--into", type=Path, default=RESULT, metavar="JSON")
    given = asked.parse_args()
    # Who is killed leaves semaphores to Python's tracker, which clears them away and says so.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    with tempfile.TemporaryDirectory() as folder:
        result = provenance() | run(
            Path(folder),
            given.rounds,
            seed=given.seed,
            crystals=given.crystals,
            channels=given.channels,
            readers=given.readers,
        )
    given.into.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    tell(result)
    if result["violations"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
