"""Whatever is wrong with a file: one clear line, exit status 1, no traceback, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.service.conftest import Braggle

AXIS = np.linspace(10, 80, 1000)


def columns(counts: np.ndarray[tuple[int], np.dtype[np.float64]], *, last: str = "") -> bytes:
    rows = [f"{x:.3f} {y:g}" for x, y in zip(AXIS, counts, strict=True)]
    return "\n".join([*rows, last]).encode()


FLAT = np.full(1000, 100.0)
BAD_PATTERNS = {
    "empty": (b"", "empty"),
    "binary": (bytes(range(256)) * 40, ""),
    "not a number": (columns(FLAT, last="90 nan"), "not finite numbers"),
    "negative": (columns(np.where(AXIS > 70, -5.0, FLAT)), "negative counts"),
    "three points": (b"10 1\n20 2\n30 1\n", "too few"),
    "no peaks": (columns(FLAT), ""),
    "words": (b"this is not a pattern\n" * 100, ""),
}


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_library_to_which_nothing_could_be_added_says_so(
    braggle: Braggle, built: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    shutil.copytree(built, tmp_path / "copy")
    (tmp_path / "bad.cif").write_text("data_x\n_cell_length_a 4\n")
    result = braggle("library", "add", "bad.cif", "-l", "copy", *options)
    assert result.exit_code == 1
    assert "bad.cif" in result.stderr


@pytest.mark.parametrize("kind", BAD_PATTERNS)
def test_a_bad_pattern_is_one_line(braggle: Braggle, tmp_path: Path, kind: str) -> None:
    content, said = BAD_PATTERNS[kind]
    (tmp_path / "sample.xy").write_bytes(content)
    result = braggle("search", "sample.xy")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("braggle: sample.xy: ")
    assert said in line
    assert "unexpected" not in line


def test_a_huge_file_is_refused_unread(braggle: Braggle, tmp_path: Path) -> None:
    (tmp_path / "huge.xy").touch()
    os.truncate(tmp_path / "huge.xy", 2**30)
    result = braggle("search", "huge.xy")
    assert result.exit_code == 1
    assert "huge.xy: has at least 1024 MB" in result.stderr


def test_a_descending_axis_is_read(braggle: Braggle, rutile: Path) -> None:
    lines = rutile.read_text().splitlines()
    answers = [
        json.loads(braggle("search", "-", "--json", stdin="\n".join(order)).stdout)
        for order in (lines, lines[::-1])
    ]
    assert answers[0]["hits"][0]["formula"] == "TiO2"
    assert [answer["hits"][0]["id"] for answer in answers] == [answers[0]["hits"][0]["id"]] * 2


def test_a_folder_that_is_no_library_is_left_alone(braggle: Braggle, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    for words in (["info", "-l"], ["verify", "-l"], ["build", "bundled", "--into"]):
        result = braggle("library", *words, "thesis")
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert "thesis" in line
        assert "unexpected" not in line
    assert [one.name for one in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_a_truncated_index_is_made_again(
    braggle: Braggle, built: Path, rutile: Path, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "copy")
    indexes = list((tmp_path / "copy" / "cache").glob("**/*.faiss"))
    assert indexes
    for index in indexes:
        os.truncate(index, index.stat().st_size // 2)
    words = ("search", rutile, "-l", "copy", "--first-stage", "vectors", "--json")
    first, second = braggle(*words), braggle(*words)
    assert first.exit_code == second.exit_code == 0
    assert any("index" in warning for warning in json.loads(first.stdout)["query"]["warnings"])
    assert json.loads(second.stdout)["hits"][0]["formula"] == "TiO2"
    assert not any("index" in one for one in json.loads(second.stdout)["query"]["warnings"])


def test_a_truncated_table_is_an_error(
    braggle: Braggle, built: Path, rutile: Path, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "copy")
    for table in (tmp_path / "copy").glob("**/*.lance/data/*.lance"):
        os.truncate(table, table.stat().st_size // 2)
    result = braggle("search", rutile, "-l", "copy")
    assert result.exit_code == 1
    assert "unexpected" not in result.stderr
    assert "copy" in result.stderr
