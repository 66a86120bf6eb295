from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from data.errors import LibraryError
from indexer import Library
from indexer.watching import WatchedFolder, take_up
from tests.indexer.test_upkeep import cif, id_of
from tests.indexer.toy import ToyChannel


@pytest.fixture(autouse=True)
def toy_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.library.channels_of", lambda _: [ToyChannel()])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    (folder / "below").mkdir(parents=True)
    return folder


def test_a_file_is_complete_once_it_stays_as_it_is(folder: Path) -> None:
    watched = WatchedFolder(folder)
    file = folder / "a.cif"
    file.write_bytes(b"data_")
    assert watched.complete() == []
    file.write_bytes(b"data_more")
    assert watched.complete() == []
    assert watched.complete() == [file]
    assert watched.complete() == []
    os.utime(file, ns=(1, 1))
    assert watched.complete() == []
    assert watched.complete() == [file]
    watched.again([file])
    assert watched.complete() == [file]
    (folder / ".hidden.cif").touch()
    (folder / "notes.txt").touch()
    file.unlink()
    assert [watched.complete() for _ in range(2)] == [[], []]


def test_files_are_taken_up_and_bad_ones_moved_aside(folder: Path, copy: Path) -> None:
    watched = WatchedFolder(folder)
    good, bad = folder / "below" / "1.cif", folder / "below" / "2.cif"
    broken, archive = folder / "3.zip", folder / "4.zip"
    good.write_bytes(cif(100))
    bad.write_bytes(b"no CIF")
    broken.write_bytes(b"no archive")
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("in/1.cif", cif(101))
        opened.writestr("in/2.cif", b"no CIF")
    watched.complete()
    found = watched.complete()
    told = {Path(one.path).name: one for one in take_up(copy, watched, found)}
    assert {name: (one.status, one.entries) for name, one in told.items()} == {
        "1.cif": ("added", 1),
        "2.cif": ("failed", 0),
        "3.zip": ("failed", 0),
        "4.zip": ("added", 1),
    }
    assert {id_of(100), id_of(101)} < set(Library.open(copy).ids)
    refused = folder.with_name("incoming-refused")
    assert (refused / "below" / "2.cif").read_bytes() == b"no CIF"
    assert (refused / "below" / "2.cif.txt").read_text().startswith("2.cif")
    assert "not a readable zip archive" in (refused / "3.zip.txt").read_text()
    assert told["4.zip"].reason.startswith("4.zip/in/2.cif")
    assert sorted(one.name for one in folder.rglob("*.*")) == ["1.cif", "4.zip"]
    # Who begins to watch anew hears of nothing again.
    assert take_up(copy, WatchedFolder(folder), [good, archive]) == []
    bad.write_bytes(b"no CIF either")
    (one,) = take_up(copy, watched, [bad])
    assert one.moved_to.endswith("2-2.cif")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="there is no such folder"):
        WatchedFolder(tmp_path / "nowhere")
