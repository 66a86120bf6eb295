"""What a result must name: code, library, channels, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from indexer.library import Library


def provenance(library: Library | None = None) -> dict[str, Any]:
    """Commit, library version, channel ids and machine of a measurement."""
    named: dict[str, Any] = {
        "commit": _commit(),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.system(),
        },
    }
    if library is not None:
        named["library"] = {
            "name": library.path.name,
            "version": library.version,
            "entries": len(library),
        }
        named["channels"] = [
            {"id": one.id, "version": one.version, "sha256": one.sha256} for one in library.channels
        ]
    return named


def _commit() -> str:
    here = Path(__file__).resolve().parent
    try:
        command = ["git", "-C", str(here), "describe", "--always", "--dirty"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
