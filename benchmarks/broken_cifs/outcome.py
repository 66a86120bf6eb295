"""What the ingest makes of one file."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from data.cif import read_cif
from indexer.ingest import LineSettings, digest


@dataclass(frozen=True)
class Outcome:
    """What came of one file.

    Attributes:
        file: its name.
        crystals: entries that it gave.
        reasons: why it gave no more, one line each.
        seconds: processor time.
        memory_mb: the most that the process had by then.
    """

    file: str
    crystals: int
    reasons: tuple[str, ...]
    seconds: float
    memory_mb: float


def outcome(path: Path) -> Outcome:
    """Read one file and work its crystals out, as the ingest does."""
    start = process_time()
    chunk = digest(read_cif(path), LineSettings())
    seconds = process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    reasons = tuple(str(problem) for _, problem in chunk.problems[:3])
    return Outcome(path.name, chunk.entries.num_rows, reasons, seconds, memory)
