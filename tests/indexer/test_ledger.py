"""The last row of a file, however often and of however many files it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.offered import Offered, Origin
from indexer import Library
from indexer.ids import LOOKS
from indexer.ledger import Ledger
from indexer.publishing import read_current
from indexer.tables import Reader
from tests.indexer.test_upkeep import offered
from tests.indexer.toy import ToyChannel

CHANNELS = [ToyChannel()]


def reader_of(path: Path) -> Reader:
    return Reader(path, read_current(path).tables)


@pytest.mark.parametrize("asked", [0, LOOKS + 1])
def test_it_is_the_last_one_that_is_found(tmp_path: Path, asked: int) -> None:
    path = tmp_path / "library"
    files = [offered(f"/f/{number}.cif", number) for number in range(6)]
    library = Library.build(files, path, channels=CHANNELS)
    ledger = Ledger(reader_of(path))
    origins = [one.origin for one in files]
    for _ in range(asked):
        assert set(ledger.last(origins[::2])) == {one.key for one in origins[::2]}
        assert ledger.last([Origin("/f/none.cif", "", 1, "0")]) == {}
    assert {key: row.status for key, row in ledger.last(origins).items()} == {
        one.key: "added" for one in origins
    }
    changed = offered("/f/0.cif", 7)
    library.add([changed, offered("/f/8.cif", 8)], channels=CHANNELS)
    ledger.go_on_from(reader_of(path))
    found = ledger.last([changed.origin, origins[1], Origin("/f/8.cif", "", 1, "0")])
    assert {row.path for row in found.values()} == {"/f/0.cif", "/f/1.cif", "/f/8.cif"}
    assert found[changed.origin.key].sha256 == changed.origin.sha256 != origins[0].sha256


def test_files_that_failed_last(tmp_path: Path) -> None:
    def bad(path: str, text: bytes = b"no CIF", member: str = "") -> Offered:
        return Offered.of(text, path, path=path, member=member)

    library = Library.build([offered("/f/0.cif", 0)], tmp_path / "library", channels=CHANNELS)
    assert library.ledger(failed=True) == []
    more = [bad("/f/1.cif"), bad("/f/2.cif"), bad("/f.zip", member="1"), offered("/f/3.cif", 3)]
    library = library.add(more, channels=CHANNELS)
    since = library.ledger_length
    mended = [offered("/f/1.cif", 1), bad("/f/2.cif", b"nor this"), bad("/f/3.cif")]
    library = library.add(mended, channels=CHANNELS)
    found = library.ledger(failed=True)
    assert [(row.path, row.member) for row in found] == [
        ("/f.zip", "1"),
        ("/f/2.cif", ""),
        ("/f/3.cif", ""),
    ]
    assert found[1].size == len(b"nor this")
    assert library.ledger(failed=True, since=since) == found[1:]
    assert [row for row in library.ledger() if row in found] == found


def test_nothing_is_known_of_what_is_not_there(tmp_path: Path) -> None:
    origin = Origin("/f/1.cif", "", 1, "0")
    assert Ledger(None).last([origin]) == {}
    Library.build([offered("/f/0.cif", 0)], tmp_path / "library", channels=CHANNELS)
    assert Ledger(reader_of(tmp_path / "library")).last([]) == {}
