from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from data.errors import LibraryError
from data.offered import Place
from data.sources import open_source
from indexer import Library
from indexer.ingest import Item
from indexer.publishing import one_writer
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


def zipped(file: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in members.items():
            opened.writestr(f"{name}.cif", content)
    return file


def test_a_folder_named_from_elsewhere_is_the_ledgers(
    folder: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy)
    watched = WatchedFolder(Path("../incoming"))
    (folder / "good.cif").write_bytes(cif(100))
    (folder / "bad.cif").write_bytes(b"no CIF")
    watched.complete()
    bad, good = take_up(copy, watched, watched.complete())
    assert (good.path, good.status) == (str(folder / "good.cif"), "added")
    assert bad.moved_to == str(folder.with_name("incoming-refused") / "bad.cif")


def test_what_is_known_to_be_bad_is_moved_whenever_it_lies_there(folder: Path, copy: Path) -> None:
    watched, bad, good = WatchedFolder(folder), folder / "bad.cif", folder / "good.cif"
    bad.write_bytes(b"no CIF")
    good.write_bytes(cif(100))
    archive = zipped(folder / "bad.zip", one=b"no CIF", two=b"neither")
    for file in (bad, good, archive):  # added by hand, or by who was cut off before he moved them
        Library.open(copy).add(open_source(str(file)).offered or ())
    told = {Path(one.path).name: one for one in take_up(copy, watched, [archive, bad, good])}
    assert set(told) == {"bad.cif", "bad.zip"}
    assert told["bad.cif"].reason.startswith("bad.cif")
    assert "bad.zip/one.cif" in told["bad.zip"].reason
    assert "bad.zip/two.cif" in told["bad.zip"].reason
    assert [one.name for one in folder.glob("*.*")] == ["good.cif"]
    bad.write_bytes(b"no CIF")
    (again,) = take_up(copy, watched, [bad])
    assert (again.status, Path(again.moved_to).name) == ("failed", "bad-2.cif")
    assert not bad.exists()
    assert len(Library.open(copy).ledger(failed=True)) == 3


def test_an_archive_that_gives_a_crystal_stays(folder: Path, copy: Path) -> None:
    watched = WatchedFolder(folder)
    archive = zipped(folder / "1.zip", one=cif(100))
    (first,) = take_up(copy, watched, [archive])
    zipped(archive, one=cif(100), two=b"no CIF")
    (second,) = take_up(copy, watched, [archive])
    assert (first.status, first.entries, first.reason) == ("added", 1, "")
    assert (second.status, second.entries, second.moved_to) == ("known", 1, "")
    assert second.reason.startswith("1.zip/two.cif")
    assert archive.exists()


def test_one_that_cannot_be_moved_is_said_and_the_others_are_told(folder: Path, copy: Path) -> None:
    watched = WatchedFolder(folder)
    folder.with_name("incoming-refused").write_text("in the way")
    files = [folder / name for name in ("1.zip", "2.cif", "3.cif")]
    files[0].write_bytes(b"no archive")
    files[1].write_bytes(b"no CIF")
    files[2].write_bytes(cif(100))
    broken, bad, good = take_up(copy, watched, files)
    assert (good.status, good.not_moved) == ("added", "")
    for one in (broken, bad):
        assert (one.status, one.moved_to) == ("failed", "")
        assert "cannot be moved to" in one.not_moved
        assert "incoming-refused" in one.not_moved
        assert Path(one.path).exists()


def test_where_a_file_can_only_be_copied_no_copy_is_left(
    folder: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moves_half(source: Path, target: Path) -> None:
        shutil.copy(source, target)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("indexer.watching.shutil.move", moves_half)
    bad = folder / "bad.cif"
    bad.write_bytes(b"no CIF")
    (one,) = take_up(copy, WatchedFolder(folder), [bad])
    assert "Permission denied" in one.not_moved
    assert list(folder.with_name("incoming-refused").iterdir()) == []
    assert bad.exists()


def test_files_are_read_when_their_turn_comes(
    folder: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [folder / f"{number}.cif" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(cif(100 + number))
    handed: list[list[Item]] = []
    add = Library.add

    def spied(self: Library, records: Iterable[Item]) -> Library:
        handed.append(list(records))
        return add(self, handed[-1])

    monkeypatch.setattr(Library, "add", spied)
    assert len(take_up(copy, WatchedFolder(folder), files)) == 3
    assert [type(one) for one in handed[0]] == [Place] * 3


def test_nothing_is_moved_while_somebody_else_writes(folder: Path, copy: Path) -> None:
    watched, broken = WatchedFolder(folder), folder / "1.zip"
    broken.write_bytes(b"no archive")
    with one_writer(copy), pytest.raises(LibraryError, match="is writing to this library"):
        take_up(copy, watched, [broken])
    assert broken.exists()
    (one,) = take_up(copy, watched, [broken])
    assert "not a readable zip archive" in one.reason
    assert not broken.exists()


def test_a_dry_run_says_the_same_and_does_nothing(folder: Path, copy: Path) -> None:
    watched = WatchedFolder(folder)
    files = [folder / name for name in ("1.cif", "2.cif", "3.cif", "4.zip", "5.zip")]
    for file, content in zip(files[:4], (cif(100), cif(100), b"no CIF", b"none"), strict=True):
        file.write_bytes(content)
    zipped(files[4], one=cif(101), two=b"no CIF")
    before = Library.open(copy)
    dry = take_up(copy, watched, files, dry_run=True)
    assert all(file.exists() for file in files)
    assert not folder.with_name("incoming-refused").exists()
    assert Library.open(copy).ledger() == before.ledger()
    done = take_up(copy, watched, files)
    assert [one.status for one in dry] == ["added", "merged", "failed", "failed", "added"]
    assert {one.version for one in dry} == {1}
    assert {one.version for one in done} == {2}
    for one, other in zip(dry, done, strict=True):
        assert (one.status, one.entries, one.reason) == (other.status, other.entries, other.reason)
        assert one.moved_to == other.moved_to
    assert take_up(copy, watched, files[:2], dry_run=True) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="there is no such folder"):
        WatchedFolder(tmp_path / "nowhere")
