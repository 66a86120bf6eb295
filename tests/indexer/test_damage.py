"""A flipped byte, and a file cut short, in each kind of file that a library holds."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import LibraryError
from indexer import Library
from indexer.history import kept_numbers
from indexer.maintaining import maintain
from indexer.publishing import read_current
from tests.indexer.test_upkeep import CHANNELS, offered
from tests.indexer.toy import records

KINDS = {
    "pointer": r"CURRENT",
    "document of a version": r"versions/\d+\.json",
    "data": r"tables/\w+\.lance/data/.*\.lance",
    "deletions": r"tables/\w+\.lance/_deletions/.*",
    "manifest": r"tables/\w+\.lance/_versions/.*\.manifest",
    "tag": r"tables/\w+\.lance/_refs/tags/.*\.json",
    "index": r"cache/.*\.faiss",
    "rows of an index": r"cache/.*\.rows",
    "stamp of an index": r"cache/.*\.json",
}
WITHOUT_MEANING = {
    "lock": r"LOCK",
    "who writes": r"WRITER",
    "transaction": r"tables/\w+\.lance/_transactions/.*\.txn",
    "hint": r"tables/\w+\.lance/_versions/latest_version_hint\.json",
}
"""Files that nobody reads, or believes."""

Damage = Callable[[bytes], bytes]


def flipped(at: float) -> Damage:
    def flip(content: bytes) -> bytes:
        place = min(int(at * len(content)), len(content) - 1)
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    return flip


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


DAMAGES = {"flipped early": flipped(0.1), "flipped late": flipped(0.7), "cut": cut}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with three versions, rows that were deleted, and a ledger."""
    path = tmp_path_factory.mktemp("damage") / "whole"
    library = Library.build(records(33), path, channels=CHANNELS)
    library = library.add([offered("/f/a.cif", 100)], channels=CHANNELS)
    library.remove(library.ids[:2])
    return path


@pytest.fixture
def library(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "library")


def files(library: Path, kind: str) -> list[Path]:
    """Of a kind, the last one first."""
    every = (file for file in library.rglob("*") if file.is_file())
    pattern = (KINDS | WITHOUT_MEANING)[kind]
    found = [file for file in every if re.fullmatch(pattern, str(file.relative_to(library)))]
    return sorted(found, reverse=True)


def damage(file: Path, how: Damage) -> None:
    file.write_bytes(how(file.read_bytes()))


def said_of(library: Path) -> str:
    """What is said of a damaged library, when it is opened or when it is verified."""
    try:
        report = Library.open(library).verify()
    except LibraryError as error:
        return str(error)
    return "; ".join(f"{one.detail}; {one.remedy}" for one in report.checks if not one.ok)


def test_every_kind_of_file_is_known(library: Path) -> None:
    known = {file for kind in KINDS | WITHOUT_MEANING for file in files(library, kind)}
    assert {file for file in library.rglob("*") if file.is_file()} == known
    assert all(files(library, kind) for kind in KINDS)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"manifest", "tag"}))
def test_damage_is_noticed(library: Path, kind: str, how: str) -> None:
    damage(files(library, kind)[0], DAMAGES[how])
    said = said_of(library)
    assert said
    assert "\n" not in said


@pytest.mark.parametrize("table", ["entries", "sources", "ledger", "templates", "intervals"])
def test_damage_to_a_manifest_is_one_clear_line_that_names_the_table(
    library: Path, table: str
) -> None:
    version = read_current(library).tables[table].version
    (file,) = (one for one in files(library, "manifest") if is_manifest(one, table, version))
    for at in (0.0, 0.3, 0.6, 0.99):
        content = file.read_bytes()
        damage(file, flipped(at))
        with pytest.raises(LibraryError, match=f"table {table} .*altered.*restore the folder"):
            Library.open(library)
        file.write_bytes(content)
    assert Library.open(library).verify().ok


def is_manifest(file: Path, table: str, version: int) -> bool:
    return f"/{table}.lance/" in str(file) and int(file.stem) == 2**64 - 1 - version


def test_a_pointer_that_is_damaged_is_put_back_as_is_said(library: Path) -> None:
    ids = Library.open(library).ids
    damage(library / "CURRENT", cut)
    with pytest.raises(LibraryError, match=r"copy (.*000003\.json) over it") as caught:
        Library.open(library)
    document = re.search(r"copy (\S+) over it", str(caught.value))
    assert document
    shutil.copy(document[1], library / "CURRENT")
    assert Library.open(library).ids == ids
    assert Library.open(library).verify().ok


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", ["index", "rows of an index", "stamp of an index"])
def test_an_index_is_made_again(library: Path, kind: str, how: str) -> None:
    expected = Library.open(library).nearest("toy", Library.open(library).vectors("toy")[3], 5)
    damage(files(library, kind)[0], DAMAGES[how])
    opened = Library.open(library)
    found = opened.nearest("toy", opened.vectors("toy")[3], 5)
    assert [list(one) for one in found] == [list(one) for one in expected]
    (warning,) = opened.warnings
    assert "made again" in warning
    assert Library.open(library).verify().ok


def test_a_bit_of_a_stamp_never_goes_unnoticed(library: Path) -> None:
    (file,) = files(library, "stamp of an index")
    stamp = json.loads(file.read_text())
    for name, value in stamp.items():
        other = value + 1 if isinstance(value, int) else f"{value}0"
        file.write_text(json.dumps({**stamp, name: other}))
        assert "made again" in said_of(library), name
        for newer in (library / "cache").iterdir():
            if newer.stem != file.stem:
                newer.unlink()


@pytest.mark.parametrize("number", [1, 2])
def test_tags_and_documents_are_mended_by_upkeep(library: Path, number: int) -> None:
    tag = next(one for one in files(library, "tag") if one.name == f"v{number}.json")
    for how in (cut, lambda content: content.replace(b'"version": ', b'"version": 1')):
        damage(tag, how)
        assert "maintain` mends tags" in said_of(library)
        Library.open(library).maintain(channels=CHANNELS)
        assert said_of(library) == ""
    damage(library / "versions" / f"00000{number}.json", cut)
    assert f"version {number}" in said_of(library)
    Library.open(library).maintain(channels=CHANNELS)
    assert said_of(library) == ""
    assert number not in kept_numbers(library)
    now = kept_numbers(library)[-1]
    damage(library / "versions" / f"{now:06d}.json", cut)
    assert f"version {now}" in said_of(library)
    Library.open(library).maintain(channels=CHANNELS)
    assert said_of(library) == ""
    assert now in kept_numbers(library)


def test_an_earlier_version_that_is_damaged_can_be_let_go(library: Path) -> None:
    earlier = {library / file for file in read_current(library).files}
    Library.build(records(12), library, channels=CHANNELS, replace=True)
    for file in earlier.intersection(files(library, "data")):
        damage(file, cut)
    assert "lets versions go with" in said_of(library)
    maintain(library, CHANNELS, keep_last=1, keep_days=0)
    assert said_of(library) == ""
    assert len(Library.open(library)) == 12


@pytest.mark.parametrize("kind", WITHOUT_MEANING)
def test_other_files_mean_nothing(library: Path, kind: str) -> None:
    for file in files(library, kind):
        damage(file, cut if kind == "transaction" else lambda _: b"\xff\xfe{")
    opened = Library.open(library)
    assert opened.verify().ok
    more = opened.add(records(40), channels=CHANNELS)
    assert len(more) == 39 + 2
    assert more.verify().ok
    assert len(more.rollback(1)) == 33
    more.maintain(channels=CHANNELS, keep_last=1, keep_days=0)
    assert Library.open(library).verify().ok
