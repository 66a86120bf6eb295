from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import QueryError
from service.bench.kept import Kept

ASKED = {"samples": 20, "engines": ("a", "b")}


def test_what_was_kept_is_there_again_when_the_same_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    kept = Kept(path, ASKED)
    assert kept.outcomes == {}
    kept.add("one", {"rank": 1})
    kept.add("two", {"rank": None})
    assert Kept(path, ASKED).outcomes == {"one": {"rank": 1}, "two": {"rank": None}}
    other = Kept(path, {**ASKED, "samples": 5})
    assert other.outcomes == {}
    other.add("one", {"rank": 3})
    assert Kept(path, ASKED).outcomes["one"] == {"rank": 1}


def test_a_line_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    Kept(path, ASKED).add("one", 1)
    whole = path.read_text()
    path.write_text(whole + whole[: len(whole) // 2])
    kept = Kept(path, ASKED)
    assert kept.outcomes == {"one": 1}
    kept.add("two", 2)
    assert Kept(path, ASKED).outcomes == {"one": 1, "two": 2}


@pytest.mark.parametrize("text", ["notes\nof mine\n", "notes", '{"asked": 1}\n', "[]\n"])
def test_another_file_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(QueryError, match=r"notes\.txt, line 1: not an outcome"):
        Kept(path, ASKED)
    assert path.read_text() == text


def test_without_a_file_nothing_is_kept(tmp_path: Path) -> None:
    kept = Kept(None, ASKED)
    kept.add("one", 1)
    assert kept.outcomes == {"one": 1}
    assert not list(tmp_path.iterdir())
