from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import LibraryError
from indexer import Library, publishing
from indexer.publishing import (
    FORMAT,
    ChannelStamp,
    Published,
    TableVersion,
    one_writer,
    publish,
    read_current,
    write_atomically,
)
from tests.indexer.toy import ToyChannel, records

PUBLISHED = Published(
    version=7,
    published_at="2026-01-01T00:00:00+00:00",
    tables={"entries": TableVersion(12, 1000), "sources": TableVersion(11, 1300)},
    files={"tables/entries.lance/data/a.lance": "ab" * 32},
    channels=(ChannelStamp("physical", "3", "cd" * 32, 512),),
    d_min_angstrom=1.0,
    floor=1e-4,
)


def test_what_is_published_is_read_back(tmp_path: Path) -> None:
    publish(tmp_path, PUBLISHED)
    assert read_current(tmp_path) == PUBLISHED
    publish(tmp_path, replace(PUBLISHED, version=8))
    assert read_current(tmp_path).version == 8
    assert {file.name for file in tmp_path.iterdir()} == {"CURRENT", "versions"}
    assert [file.name for file in sorted((tmp_path / "versions").iterdir())] == [
        "000007.json", "000008.json",
    ]  # fmt: skip


def meaning(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


@given(place=st.integers(0, len(PUBLISHED.to_json()) - 1), char=st.characters(codec="utf-8"))
def test_no_altered_character_goes_unnoticed(place: int, char: str) -> None:
    text = PUBLISHED.to_json()
    altered = text[:place] + char + text[place + 1 :]
    if meaning(altered) == meaning(text):
        assert Published.from_json(altered, Path("here/CURRENT")) == PUBLISHED
    else:
        with pytest.raises(LibraryError, match=r"\Ahere[^\n]+\Z"):
            Published.from_json(altered, Path("here/CURRENT"))


@given(st.text())
def test_any_other_text_is_one_clear_line(text: str) -> None:
    with pytest.raises(LibraryError, match="does not hold what was written"):
        Published.from_json(text, Path("here/CURRENT"))


def test_a_newer_format_asks_for_an_upgrade() -> None:
    text = PUBLISHED.to_json().replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}')
    with pytest.raises(LibraryError, match=r"format 4, this Braggle reads up to 3; upgrade"):
        Published.from_json(text, Path("here/CURRENT"))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_atomically(file, b"old")
    with pytest.raises(TypeError):
        write_atomically(file, "no bytes")  # type: ignore[arg-type]
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


@contextmanager
def another_writer(path: Path) -> Iterator[int]:
    """A process that holds the lock of a folder; gives its number."""
    script = (
        "import sys, pathlib; from indexer.publishing import one_writer\n"
        "with one_writer(pathlib.Path(sys.argv[1])): print('holding', flush=True); input()"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    with (
        another_writer(tmp_path) as pid,
        pytest.raises(LibraryError, match=f"process {pid} on "),
        one_writer(tmp_path),
    ):
        pytest.fail("two writers at once")
    # The other process was killed: its lock ended with it, and nothing has to be cleared away.
    with (
        one_writer(tmp_path),
        pytest.raises(LibraryError, match="is writing to this library"),
        one_writer(tmp_path),
    ):
        pytest.fail("two writers at once")
    with one_writer(tmp_path):
        pass


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells files by their numbers")
def test_the_disk_holds_a_version_before_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, told = tmp_path / "library", set[str](), list[set[str]]()
    sync, publish_file = os.fsync, publishing.write_atomically

    def note(number: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{number}").readlink()))
        sync(number)

    def write(file: Path, content: bytes) -> None:
        if file.name == publishing.CURRENT:
            told.append(set(synced))
        publish_file(file, content)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(publishing, "write_atomically", write)
    library = Library.build(records(12), path, channels=[ToyChannel()])
    built = set(map(str, (path / "tables").rglob("*")))
    assert built <= told[-1]
    synced.clear()
    library.add(records(14), channels=[ToyChannel()])
    added = set(map(str, (path / "tables").rglob("*"))) - built
    assert added
    assert added <= told[-1]
