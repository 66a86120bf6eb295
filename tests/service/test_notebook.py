"""The notebook of the guide runs, on a small library, and what it shows is small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
MOST_BYTES = 500_000

RUN = """
import json, sys
import nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(book, timeout=None, kernel_name="python3").execute()
shown = [one for cell in book.cells for one in cell.get("outputs", [])]
print(json.dumps([one.get("text", "") for one in shown]))
"""


def test_it_runs(minerals: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK)],
        env={**os.environ, "BRAGGLE_LIBRARY": str(minerals), "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = "\n".join(json.loads(done.stdout))
    assert "The pattern is that of Anglesite" in said
    assert "Without S: no-confident-match." in said
    assert "Fluorite, CaF2 (trace)" in said
    assert "1  group  62" in said
    assert "the structure of anglesite" in said


def test_what_it_shows_is_kept_and_small() -> None:
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    book: dict[str, Any] = json.loads(NOTEBOOK.read_text("utf-8"))
    shown = [one for cell in book["cells"] for one in cell.get("outputs", [])]
    assert sum("image/png" in one.get("data", {}) for one in shown) == 3
    assert not [one for one in shown if one["output_type"] == "error"]
