"""A library that is changed in any order holds what a plain dictionary says it should."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.canonical import crystal_id, standardize
from data.cif import write_cif
from data.errors import LibraryError, QueryError
from data.offered import Offered
from data.sources import open_source
from indexer import Library
from indexer.history import history
from indexer.index_cache import cached_index
from indexer.maintaining import maintain
from indexer.publishing import read_current, size_of
from indexer.tables import Reader
from tests.indexer.test_crashes import Crash, crash_at
from tests.indexer.toy import SMALL, ToyChannel, records, scaled

CHANNELS = [ToyChannel()]
NAMES = list(SMALL)


def cif(number: int) -> bytes:
    """One of many different crystals."""
    crystal = scaled(SMALL[NAMES[number % len(NAMES)]], 1 + 0.01 * (number // len(NAMES)))
    return write_cif(crystal, name=f"number-{number}").encode()


def id_of(number: int) -> str:
    (item,) = Offered.upload(cif(number), "one.cif").items()
    assert not hasattr(item, "reason")
    return crystal_id(standardize(item.crystal))


def offered(path: str, number: int) -> Offered:
    return Offered.of(cif(number), path.rpartition("/")[2], path=path)


def check(library: Library, files: dict[str, int], loose: set[str]) -> None:
    """Whether a library holds the crystals of some files, and others, and finds them."""
    expected = {id_of(number) for number in files.values()} | loose
    assert set(library.ids) == expected
    assert len(library.ids) == len(expected)
    stored = library.vectors("toy")
    np.testing.assert_allclose(stored, ToyChannel().embed_lines(library.lines), atol=1e-3)
    queries = stored[:: max(1, len(stored) // 4)]
    rows = np.arange(0, len(stored), 2)
    for some in (None, rows):
        found, scores = library.nearest("toy", queries, 7, some)
        exact = (stored @ queries.T).max(axis=1)
        candidates = np.arange(len(stored)) if some is None else some
        np.testing.assert_allclose(scores, np.sort(exact[candidates])[::-1][:7], atol=1e-5)
        np.testing.assert_allclose(exact[found], scores, atol=1e-5)
    in_files = {path: {id_of(number)} for path, number in files.items()}
    said: dict[str, set[str]] = {}
    for row in library.ledger():
        if row.may_give:
            said[row.path] = set(row.entries)
    assert {path: said[path] for path in files} == in_files


@pytest.mark.parametrize("seed", [1, 2])
def test_random_changes_are_those_of_a_dictionary(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a walk, no secret
    path = tmp_path / "library"
    loose = set(Library.build(records(6), path, channels=CHANNELS).ids)
    files: dict[str, int] = {}
    kept = {1: (dict(files), set(loose))}
    for _ in range(14):
        library = Library.open(path)
        what = chance.choice(["add", "add", "add", "remove", "rollback", "maintain"])
        if what == "add":
            some = {f"/f/{chance.randrange(12)}.cif": chance.randrange(100, 130) for _ in range(4)}
            # What a file gave before goes unless it is also given by others.
            library.add([offered(*one) for one in some.items()], channels=CHANNELS)
            files.update(some)
        elif what == "remove" and len(library) > 4:
            gone = set(chance.sample(library.ids, 2))
            library.remove(gone)
            loose -= gone
            files = {one: number for one, number in files.items() if id_of(number) not in gone}
        elif what == "rollback":
            number = chance.choice([one.version for one in library.history()][:-1] or [0])
            if number:
                library.rollback(number)
                files, loose = dict(kept[number][0]), set(kept[number][1])
        else:
            library.maintain(channels=CHANNELS, keep_last=4, keep_days=0)
            del library
        after = Library.open(path)
        kept[after.version] = (dict(files), set(loose))
        check(after, files, loose)
        numbers = [one.version for one in after.history()]
        earlier = Library.open(path, version=numbers[0])
        check(earlier, *kept[numbers[0]])
    assert Library.open(path).verify().ok


class TestLedger:
    def test_the_same_file_twice_changes_nothing(
        self, copy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = [offered("/a/1.cif", 100), offered("/b/1.cif", 101)]
        once = Library.open(copy).add(files, channels=CHANNELS)
        assert once.change is not None
        assert (once.change.added, once.change.skipped) == (2, 0)
        monkeypatch.setattr(Offered, "items", None)  # nothing is read again
        twice = once.add(files, channels=CHANNELS)
        assert twice.change is not None
        assert (twice.change.added, twice.change.skipped) == (0, 2)
        assert twice.version == once.version
        assert [(one.path, one.status) for one in twice.ledger()] == [
            ("/a/1.cif", "added"),
            ("/b/1.cif", "added"),
        ]

    def test_a_file_that_is_read_where_it_is_worked_out_is_told_by_its_content(
        self, copy: Path, tmp_path: Path
    ) -> None:
        for name, number in (("1.cif", 100), ("2.cif", 101)):
            (tmp_path / name).write_bytes(cif(number))
        places = open_source(str(tmp_path)).places
        assert places is not None
        files = list(places)
        once = Library.open(copy).add(files, channels=CHANNELS)
        (tmp_path / "2.cif").write_bytes(cif(102))
        twice = once.add(files, channels=CHANNELS)
        assert twice.change is not None
        assert (twice.change.added, twice.change.skipped, twice.change.superseded) == (1, 1, 1)
        assert {id_of(100), id_of(102)} <= set(twice.ids)
        assert id_of(101) not in twice.ids

    def test_one_crystal_in_two_files_is_an_entry_with_two_sources(self, copy: Path) -> None:
        files = [offered("/a/1.cif", 100), offered("/b/1.cif", 100)]
        library = Library.open(copy).add(files, channels=CHANNELS)
        entry = library.entry(library.row(id_of(100)))
        assert len(entry.sources) == 2
        assert [one.status for one in library.ledger()] == ["added", "merged"]
        # The entry stays as long as one of them gives it.
        changed = library.add([offered("/a/1.cif", 101)], channels=CHANNELS)
        assert len(changed.entry(changed.row(id_of(100))).sources) == 1
        gone = changed.add([offered("/b/1.cif", 101)], channels=CHANNELS)
        assert id_of(100) not in gone.ids
        assert gone.change is not None
        assert (gone.change.superseded, gone.change.removed) == (1, 1)
        assert gone.verify().ok

    def test_a_name_alone_supersedes_nothing(self, copy: Path) -> None:
        library = Library.open(copy).add([offered("/a/1.cif", 100)], channels=CHANNELS)
        library = library.add([offered("/b/1.cif", 101)], channels=CHANNELS)
        for number in (102, 103):
            upload = Offered.upload(cif(number), "1.cif")
            library = library.add([upload], channels=CHANNELS)
        assert {id_of(number) for number in range(100, 104)} < set(library.ids)

    def test_what_cannot_be_read_is_noted_and_takes_nothing_away(self, copy: Path) -> None:
        library = Library.open(copy).add([offered("/a/1.cif", 100)], channels=CHANNELS)
        bad = Offered.of(b"no CIF", "1.cif", path="/a/1.cif")
        worse = library.add([bad], channels=CHANNELS)
        assert id_of(100) in worse.ids
        (row,) = worse.ledger(failed=True)
        assert (row.path, row.status, row.entries) == ("/a/1.cif", "failed", ())
        assert row.reason.startswith("1.cif")
        assert worse.add([bad], channels=CHANNELS).version == worse.version
        mended = worse.add([offered("/a/1.cif", 101)], channels=CHANNELS)
        assert id_of(100) not in mended.ids
        assert mended.ledger(failed=True) == []

    def test_what_gave_nothing_makes_no_version(self, copy: Path) -> None:
        reader = Library.open(copy)
        bad = [Offered.upload(b"no CIF", "1.cif"), Offered.upload(b"none", "2.cif")]
        for number, one in enumerate(bad):
            noted = Library.open(copy).add([one], channels=CHANNELS)
            assert noted.version == reader.version
            assert len(noted.ledger(failed=True)) == number + 1
            assert noted.verify().ok
        assert len(noted.history()) == 1
        assert reader.ledger() == []
        assert reader.verify().ok
        # It is kept from clean-ups, and with the version when another one comes.
        more = noted.add([offered("/a/1.cif", 100)], channels=CHANNELS)
        more.maintain(channels=CHANNELS, keep_last=2, keep_days=0)
        assert len(more.ledger(failed=True)) == 2
        assert len(Library.open(copy, version=1).ledger()) == 2
        assert len(more.rollback(1).ledger()) == 2
        assert reader.verify().ok

    def test_a_crash_while_that_is_noted_loses_nothing(
        self, copy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = Offered.upload(b"no CIF", "1.cif")
        for step in (
            "indexer.tables.Writer.tag_versions",
            "indexer.releasing.publish_anew",
            "indexer.publishing.keep_base",
        ):
            with monkeypatch.context() as patch:
                crash_at(patch, step, 1)
                with pytest.raises(Crash):
                    Library.open(copy).add([bad], channels=CHANNELS)
            left = Library.open(copy)
            assert (left.version, len(left)) == (1, 33)
            assert left.verify().ok
        noted = left.add([bad], channels=CHANNELS)
        assert len(noted.ledger()) == 1
        assert noted.verify().ok

    def test_an_entry_that_was_removed_comes_again_with_its_file(self, copy: Path) -> None:
        files = [offered("/a/1.cif", 100)]
        library = Library.open(copy).add(files, channels=CHANNELS).remove([id_of(100)])
        assert id_of(100) in library.add(files, channels=CHANNELS).ids

    def test_a_dry_run_says_the_same_and_does_nothing(self, copy: Path) -> None:
        library = Library.open(copy).add([offered("/a/1.cif", 100)], channels=CHANNELS)
        files = [offered("/a/1.cif", 101), offered("/b/2.cif", 102)]
        dry = library.add(files, channels=CHANNELS, dry_run=True)
        assert (dry.version, dry.ids) == (library.version, library.ids)
        done = library.add(files, channels=CHANNELS)
        assert dry.change == done.change
        assert done.change is not None
        assert (done.change.added, done.change.removed) == (2, 1)

    def test_a_large_file_is_one_file_to_the_ledger(
        self, copy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("indexer.ingest.LARGE_BYTES", 100)
        text = b"".join(cif(number) for number in range(100, 140))
        library = Library.open(copy).add(
            [Offered.of(text, "many.cif", path="/many.cif"), offered("/one.cif", 150)],
            channels=CHANNELS,
        )
        many, one = library.ledger()
        assert (many.status, len(many.entries), one.entries) == ("added", 40, (id_of(150),))
        fewer = Offered.of(cif(100) + cif(101), "many.cif", path="/many.cif")
        left = library.add([fewer], channels=CHANNELS)
        assert len(left) == len(library) - 38
        assert left.verify().ok


class TestParts:
    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("indexer.writing.PART_ENTRIES", 40)

    def test_a_build_that_was_cut_off_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "library"
        files = [offered(f"/f/{number}.cif", number) for number in range(110)]
        with monkeypatch.context() as patch:
            crash_at(patch, "indexer.releasing.publish", 2)
            with pytest.raises(Crash):
                Library.build(files, path, channels=CHANNELS)
        part = Library.open(path)
        assert (part.version, part.history()[0].finished) == (1, False)
        assert 40 <= len(part) < 110
        assert part.verify().ok
        other = shutil.copytree(path, tmp_path / "replaced")
        anew = Library.build(files[:3], other, channels=CHANNELS, replace=True)
        assert (len(anew), [one.entries for one in anew.history()]) == (3, [len(part), 3])
        whole = Library.build(files, path, channels=CHANNELS)
        assert whole.change is not None
        assert whole.change.skipped == len(part)
        assert len(whole) == 110
        assert whole.history()[-1].finished
        assert whole.verify().ok
        with pytest.raises(LibraryError, match="there is a library already"):
            Library.build(files, path, channels=CHANNELS)
        at_once = Library.build(files, tmp_path / "other", channels=CHANNELS)
        assert set(at_once.ids) == set(whole.ids)
        assert {one.id for one in at_once.templates} == {one.id for one in whole.templates}

    def test_most_rows_of_a_build_that_was_cut_off_are_in_its_main_index(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "library"
        files = [offered(f"/f/{number}.cif", number) for number in range(300)]
        monkeypatch.setattr("indexer.checking.FLAT_UP_TO", 50)
        monkeypatch.setattr("indexer.writing.BATCH_BYTES", 1)
        with monkeypatch.context() as patch:
            crash_at(patch, "indexer.releasing.publish", 4)
            with pytest.raises(Crash):
                Library.build(files, path, channels=CHANNELS)
        published = read_current(path)
        reader = Reader(path, published.tables)
        index, _ = cached_index(path, published, published.channels[0], reader, glance=True)
        assert 150 < len(index) < 300
        assert index.delta <= len(index) / 2
        assert Library.open(path).verify().ok

    def test_a_library_that_is_replaced_is_seen_as_it_was_until_the_end(self, copy: Path) -> None:
        Library.build(records(90), copy, channels=CHANNELS, replace=True)
        assert [one.entries for one in Library.open(copy).history()] == [33, 90]

    def test_replacing_that_was_cut_off_begins_anew(
        self, copy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = [offered(f"/f/{number}.cif", number) for number in range(100, 190)]
        with monkeypatch.context() as patch:
            crash_at(patch, "indexer.entry_tables.EntryTables.append", 1)
            with pytest.raises(Crash):
                Library.build(files, copy, channels=CHANNELS, replace=True)
        left = Library.open(copy)
        assert (left.version, len(left)) == (1, 33)
        with pytest.raises(LibraryError, match="there is a library already"):
            Library.build(files, copy, channels=CHANNELS)
        anew = Library.build(files, copy, channels=CHANNELS, replace=True)
        assert anew.change is not None
        assert (anew.version, len(anew), anew.change.skipped) == (2, 90, 0)
        assert anew.verify().ok


class TestHistory:
    def test_every_change_is_in_it(self, copy: Path) -> None:
        library = Library.open(copy).add(records(35), channels=CHANNELS)
        library = library.remove(library.ids[:3]).rollback(2)
        said = [(one.verb, one.entries, one.counts) for one in library.history()]
        assert said == [
            ("build", 33, {"added": 33}),
            ("add", 35, {"added": 2, "known": 33}),
            ("remove", 32, {"removed": 3}),
            ("rollback", 35, {"to": 2}),
        ]
        assert [one.is_current for one in library.history()] == [False] * 3 + [True]
        assert library.history()[1].braggle
        assert library.verify().ok
        assert len(library.rollback(3)) == 32

    def test_a_version_that_is_not_kept(self, copy: Path) -> None:
        library = Library.open(copy)
        for number in (0, 2, -1):
            with pytest.raises(QueryError, match=f"version {number} is not kept; there are: 1"):
                library.rollback(number)
            with pytest.raises(QueryError, match="is not kept"):
                Library.open(copy, version=number)
        with pytest.raises(QueryError, match="is what is published now"):
            library.rollback(1)

    def test_a_damaged_document_is_left_out_and_said(self, copy: Path) -> None:
        library = Library.open(copy).add(records(35), channels=CHANNELS)
        (copy / "versions" / "000001.json").write_text("{}")
        assert [one.version for one in library.history()] == [2]
        with pytest.raises(LibraryError, match="does not hold what was written to it"):
            library.rollback(1)

    def test_a_crash_before_it_was_published_leaves_no_version(
        self, copy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            # The document of the version is written, `CURRENT` is not.
            crash_at(patch, "indexer.publishing.write_atomically", 2)
            with pytest.raises(Crash):
                Library.open(copy).add(records(50), channels=CHANNELS)
        left = Library.open(copy)
        assert (copy / "versions" / "000002.json").exists()
        assert [one.version for one in left.history()] == [1]
        with pytest.raises(QueryError, match="version 2 is not kept"):
            Library.open(copy, version=2)
        assert left.add(records(34), channels=CHANNELS).history()[-1].entries == 34


class TestMaintain:
    def test_disk_use_and_answers(self, copy: Path) -> None:
        library = Library.open(copy)
        for count in range(34, 46):
            library = library.add(records(count), channels=CHANNELS)
        library = library.remove(library.ids[3:9])
        expected = library.ids
        dry = library.maintain(channels=CHANNELS, keep_last=1, keep_days=0, dry_run=True)
        done = library.maintain(channels=CHANNELS, keep_last=1, keep_days=0)
        after = Library.open(copy)
        assert (dry.remade, dry.compacted) == (done.remade, done.compacted)
        assert "entries" in done.compacted
        assert "templates" in done.remade
        assert done.bytes_freed > 0
        assert after.ids == expected
        assert after.verify().ok
        # What is read is kept, the version before, too.
        assert done.in_use == (library.version,)
        assert library.verify().ok
        del library
        again = after.maintain(channels=CHANNELS, keep_last=1, keep_days=0)
        assert (again.before, again.remade, again.compacted) == (again.after, (), ())
        assert [one.version for one in after.history()] == [after.version]
        live = sum((copy / file).stat().st_size for file in read_current(copy).files)
        # Beside the data there are Lance's own notes, which do not grow with it.
        assert size_of(copy / "tables") < live + 100_000

    @pytest.mark.parametrize("keep_last, left", [(1, [4]), (3, [2, 3, 4]), (4, [1, 2, 3, 4])])
    def test_so_many_versions_are_kept(self, copy: Path, keep_last: int, left: list[int]) -> None:
        for count in (34, 35, 36):
            Library.open(copy).add(records(count), channels=CHANNELS)
        maintain(copy, CHANNELS, keep_last=keep_last, keep_days=0)
        assert [one.version for one in history(copy)] == left
        # Fewer than are to be kept all stay.
        maintain(copy, CHANNELS, keep_last=len(left) + 1, keep_days=0)
        assert [one.version for one in history(copy)] == left

    def test_leftovers_of_crashes_go(self, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for step in ("indexer.releasing.publish", "indexer.releasing.check_before_publishing"):
            with monkeypatch.context() as patch:
                crash_at(patch, step, 1)
                with pytest.raises(Crash):
                    Library.open(copy).add(records(120), channels=CHANNELS)
        before = size_of(copy / "tables")
        Library.open(copy).maintain(channels=CHANNELS, keep_last=1, keep_days=0)
        assert size_of(copy / "tables") < before - 50_000
        library = Library.open(copy)
        assert len(library) == 33
        assert library.verify().ok
        assert len(library.add(records(40), channels=CHANNELS)) == 40

    def test_what_a_killed_writer_leaves_half_written_goes(self, copy: Path) -> None:
        left = [
            copy / ".CURRENT.17.tmp",
            copy / "versions" / ".000002.json.17.tmp",
            copy / "cache" / ".toy-2.faiss.17.tmp",
            copy / "cache" / "toy-2.faiss",
            copy / "cache" / "toy-2.rows",
        ]
        for file in left:
            file.write_bytes(b"half")
        assert Library.open(copy).verify().ok
        maintain(copy, CHANNELS)
        assert not any(file.exists() for file in left)
        library = Library.open(copy)
        assert library.verify().ok
        assert library.warnings == ()

    @pytest.mark.parametrize(
        "step, count",
        [
            ("indexer.tables.Writer.compact", 2),
            ("indexer.maintaining.save_index", 1),
            ("indexer.releasing.publish", 1),
            ("indexer.maintaining.forget", 1),
            ("indexer.maintaining.forget", 2),
            ("indexer.tables.Writer.clean", 1),
        ],
    )
    def test_a_crash_at_any_step_loses_nothing(
        self, worn: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, step: str, count: int
    ) -> None:
        path = worn()
        expected = Library.open(path).ids
        with monkeypatch.context() as patch:
            crash_at(patch, step, count)
            with pytest.raises(Crash):
                Library.open(path).maintain(channels=CHANNELS, keep_last=1, keep_days=0)
        left = Library.open(path)
        assert left.ids == expected
        assert left.verify().ok
        left.maintain(channels=CHANNELS, keep_last=1, keep_days=0)
        after = Library.open(path)
        assert after.ids == expected
        assert after.verify().ok

    @pytest.fixture
    def worn(self, copy: Path) -> Callable[[], Path]:
        def make() -> Path:
            library = Library.open(copy)
            for count in range(34, 43):
                library = library.add(records(count), channels=CHANNELS)
            library.remove(library.ids[30:32])
            return copy

        return make
