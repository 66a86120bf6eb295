"""Training needs torch and numpy, and of Braggle what the guide says is to be copied."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

LACKING = ["duckdb", "faiss", "gemmi", "lance", "lancedb", "moyopy", "numba", "platformdirs",
           "pyarrow", "pybaselines", "pydantic", "pymatgen", "rich", "safetensors", "scipy",
           "sklearn", "spglib", "typer"]  # fmt: skip

RUN = f"""
import runpy, sys
sys.path = [sys.argv[1], *(place for place in sys.path if place not in ("", {str(ROOT)!r}))]
for name in {LACKING!r}:
    sys.modules[name] = None
import data.errors, indexer.encoders.run
assert all(m.__file__.startswith(sys.argv[1]) for m in (data.errors, indexer.encoders.run))
del sys.argv[1], sys.modules["indexer.encoders.run"]
runpy.run_module("indexer.encoders.run", run_name="__main__")
"""


def bare(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m indexer.encoders.run` where nothing else is."""
    command = [sys.executable, "-c", RUN, str(folder), *(str(word) for word in words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, check=False
    )


def test_training_runs_beside_torch_and_numpy_alone(packed_file: Path, tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "indexer/encoders",
        tmp_path / "indexer/encoders",
        ignore=shutil.ignore_patterns("__pycache__", "weights"),
    )
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data/errors.py", tmp_path / "data")
    words = (packed_file, "--out", "trained", "--steps", 2, "--batch", 4, "--device", "cpu")
    done = bare(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("step 2: loss ")
    assert "recall@1" in done.stderr
    made = {file.name for file in (tmp_path / "trained").iterdir()}
    assert made == {"checkpoint.pt", "log.jsonl"}
    again = bare(tmp_path, *words)
    assert again.returncode == 1
    assert again.stderr.startswith("braggle: trained/checkpoint.pt: a training is there already")
