"""Libraries of earlier Braggles, read-only ones, and damage to each kind of file."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.errors import LibraryError
from indexer import Library
from indexer.checking import hash_files
from indexer.publishing import FORMAT, Published, digest_of, one_writer, read_current
from indexer.schema import INTERVALS, LEDGER, SOURCES, SOURCES_SCHEMA
from indexer.tables import Reader, Writer
from tests.indexer.toy import ToyChannel, records

CHANNELS = [ToyChannel()]


def as_format_1(path: Path) -> None:
    """Make a library what Braggle made before there was a history."""
    published = read_current(path)
    writer = Writer(path)
    rows = Reader(path, published.tables).table(SOURCES, SOURCES_SCHEMA.names[:-1])
    writer.start(SOURCES, rows.schema)
    writer.append(SOURCES, rows)
    tables = {**published.tables, **writer.versions()}
    tables = {name: one for name, one in tables.items() if name not in (INTERVALS, LEDGER)}
    files = hash_files(path, Reader(path, tables), None)
    writer.tag_versions("v1", tables)
    body = {"format": 1, **asdict(replace(published, tables=tables, files=files))}
    del body["deed"], body["templates"]
    (path / "CURRENT").write_text(json.dumps({**body, "sha256": digest_of(body)}))
    for name in (INTERVALS, LEDGER):
        shutil.rmtree(path / "tables" / f"{name}.lance")
    shutil.rmtree(path / "versions")
    shutil.rmtree(path / "cache")


@pytest.fixture
def old(copy: Path) -> Path:
    as_format_1(copy)
    return copy


class TestOlderLibraries:
    def test_they_are_read_as_they_are(self, old: Path, built: Path) -> None:
        library, newer = Library.open(old), Library.open(built)
        assert library.ids == newer.ids
        assert library.entries(range(33))[7].sources == newer.entry(7).sources
        np.testing.assert_array_equal(library.vectors("toy"), newer.vectors("toy"))
        assert library.verify().ok
        assert library.ledger() == []
        assert [(one.version, one.verb) for one in library.history()] == [(1, "")]
        assert not (old / "versions").exists()

    @pytest.mark.parametrize(
        "change",
        [
            lambda library: library.add(records(36), channels=CHANNELS),
            lambda library: library.remove(library.ids[:2]),
            lambda library: library.maintain(channels=CHANNELS),
        ],
    )
    def test_any_change_brings_them_up_to_date(
        self, old: Path, change: Callable[[Library], object]
    ) -> None:
        library = Library.open(old)
        change(library)
        after = Library.open(old)
        assert json.loads((old / "CURRENT").read_text())["format"] == FORMAT
        assert {INTERVALS, LEDGER} < set(read_current(old).tables)
        assert after.verify().ok
        assert library.verify().ok
        back = after.rollback(1)
        assert back.ids == library.ids
        assert back.verify().ok
        assert len(back.add(records(40), channels=CHANNELS)) == 40

    def test_a_dry_run_leaves_them_alone(self, old: Path) -> None:
        dry = Library.open(old).add(records(36), channels=CHANNELS, dry_run=True)
        assert dry.change is not None
        assert (dry.change.added, dry.change.known, dry.version) == (3, 33, 1)
        upkeep = Library.open(old).maintain(channels=CHANNELS, dry_run=True)
        assert {INTERVALS, LEDGER} <= set(upkeep.remade)
        assert json.loads((old / "CURRENT").read_text())["format"] == 1


@pytest.fixture
def changed(copy: Path) -> Path:
    """A library with a delta, and rows that were deleted."""
    library = Library.open(copy).add(records(36), channels=CHANNELS)
    library.remove(library.ids[4:7])
    return copy


@pytest.fixture
def read_only(changed: Path) -> Iterator[Path]:
    shutil.rmtree(changed / "cache")
    folders = [changed, *(one for one in changed.rglob("*") if one.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield changed
    for folder in folders:
        folder.chmod(stat.S_IRWXU)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_read(read_only: Path) -> None:
    library = Library.open(read_only)
    assert len(library.vectors("toy")) == 33
    assert library.nearest("toy", library.vectors("toy")[32], 1)[0].tolist() == [32]
    assert len(Library.open(read_only, version=1)) == 33
    assert len(library.history()) == 3
    for change in (library.rollback, lambda number: library.remove(library.ids[:number])):
        with pytest.raises(LibraryError, match="cannot be written to"):
            change(1)


def test_a_folder_that_takes_no_index_is_read_all_the_same(
    changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("read-only")

    shutil.rmtree(changed / "cache")
    monkeypatch.setattr("indexer.index_cache.write_atomically", refused)
    library = Library.open(changed)
    assert library.nearest("toy", library.vectors("toy")[32], 1)[0].tolist() == [32]
    assert library.warnings == ()
    assert list((changed / "cache").iterdir()) == []


def test_what_was_deleted_is_guarded_by_a_checksum(changed: Path) -> None:
    file = next((changed / "tables" / "entries.lance" / "_deletions").iterdir())
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    try:
        report = Library.open(changed).verify()
    except LibraryError:
        return  # it cannot even be counted
    assert not report.ok
    assert file.name in report.checks[0].detail


def test_one_document_serves_every_version(changed: Path) -> None:
    assert Published.from_json(
        (changed / "versions" / "000003.json").read_text(), changed / "CURRENT"
    ) == read_current(changed)
    text = (changed / "versions" / "000002.json").read_text()
    (changed / "versions" / "000002.json").write_text(text.replace("36", "37"))
    assert [one.version for one in Library.open(changed).history()] == [1, 3]
    with pytest.raises(LibraryError, match="does not hold what was written"):
        Library.open(changed, version=2)


def test_an_index_is_shared_by_versions(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.index_cache.OVERGROWN", 1.0)
    one, other = Library.open(changed), Library.open(changed)
    one.load("toy")
    other.load("toy")
    assert (one.warnings, other.warnings) == ((), ())
    assert one._index("toy").main is other._index("toy").main
    after = one.add(records(1, start=60), channels=CHANNELS)
    assert after._index("toy").main is one._index("toy").main
    assert len(after.vectors("toy")) == len(one.vectors("toy")) + 1


def test_every_change_wants_to_be_alone(changed: Path) -> None:
    library = Library.open(changed)
    changes: list[Callable[[], object]] = [
        lambda: library.add(records(50), channels=CHANNELS),
        lambda: library.remove(library.ids[:1]),
        lambda: library.rollback(1),
        lambda: library.maintain(channels=CHANNELS),
    ]
    with one_writer(changed):
        for change in changes:
            with pytest.raises(LibraryError, match="is writing to this library"):
                change()
        # Nothing is written by these.
        assert library.maintain(channels=CHANNELS, dry_run=True).before == 3
        assert library.add(records(50), channels=CHANNELS, dry_run=True).version == 3


def test_versions_of_other_tables_are_told_apart(changed: Path) -> None:
    """An index of rows that were never published serves as well as any other."""
    library = Library.open(changed).rollback(1)
    assert library.ids == Library.open(changed, version=1).ids
    stored = library.vectors("toy")
    np.testing.assert_allclose(stored, ToyChannel().embed_lines(library.lines), atol=1e-3)
    other = library.add(records(4, start=50), channels=CHANNELS)
    np.testing.assert_allclose(
        other.vectors("toy"), ToyChannel().embed_lines(other.lines), atol=1e-3
    )
    assert other.verify().ok
    assert pa.array(other.ids).equals(pa.array(dict.fromkeys(other.ids)))
