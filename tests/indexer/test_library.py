from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.canonical import crystal_id, standardize
from data.diffraction import lines_of
from data.errors import LibraryError, QueryError
from data.record import Problem
from indexer import Entry, Library
from tests.indexer.toy import SMALL, ToyChannel, record, records

CHANNELS = [ToyChannel()]


def files(library: Path) -> list[Path]:
    return sorted((library / "tables").rglob("*.lance/data/*.lance"))


def test_row_i_is_the_same_entry_everywhere(library: Library) -> None:
    assert len(library) == len(library.ids) == len(library.lines) == len(library.volumes) == 33
    assert library.lattices.shape == (33, 3, 3)
    vectors = ToyChannel().embed_lines(library.lines)
    np.testing.assert_allclose(library.vectors("toy"), vectors, atol=1e-3)
    for row, entry in enumerate(library.entries(range(33))):
        assert library.row(entry.id) == row
        assert library.ids[row] == entry.id
        assert library.space_group_numbers[row] == entry.space_group_number
        assert library.volumes[row] == pytest.approx(entry.crystal.volume_angstrom3)
        np.testing.assert_array_equal(library.lattices[row], entry.crystal.lattice)
        expected = lines_of(entry.crystal, floor=1e-4)
        np.testing.assert_allclose(np.sort(library.lines[row].inv_d2), expected.inv_d2, rtol=1e-5)


def test_an_entry_is_the_record_in_standard_setting(library: Library) -> None:
    given = record("olivine")
    standard = standardize(given.crystal)
    entry = library.entry(library.row(crystal_id(standard)))
    assert isinstance(entry, Entry)
    assert entry.names == ("olivine",)
    assert entry.sources == (given.source,)
    assert entry.elements == ("Fe", "Mg", "O", "Si")
    assert (entry.space_group_number, entry.space_group) == (62, "Pnma")
    assert entry.density_g_cm3 == pytest.approx(3.38, abs=0.01)
    assert entry.crystal.species == standard.crystal.species
    for name in ("lattice", "occupancies", "fractional", "u_iso_angstrom2"):
        np.testing.assert_array_equal(getattr(entry.crystal, name), getattr(standard.crystal, name))


def test_entries_come_in_the_order_asked_for(library: Library) -> None:
    assert [entry.id for entry in library.entries([20, 3, 3])] == [
        library.ids[row] for row in (20, 3, 3)
    ]
    assert library.entries([]) == ()


@pytest.mark.parametrize("row", [-1, 33])
def test_a_row_that_is_not_there(library: Library, row: int) -> None:
    with pytest.raises(QueryError, match=f"row {row} is not in 0 to 32"):
        library.entry(row)


def test_an_id_that_is_not_there(library: Library) -> None:
    with pytest.raises(QueryError, match="no entry has the id 'abc'"):
        library.row("abc")


def test_the_same_crystal_from_two_sources_is_one_entry(tmp_path: Path) -> None:
    one, other = record("quartz"), record("quartz", collection="other")
    library = Library.build([one, record("rutile"), other, one], tmp_path / "l", channels=CHANNELS)
    assert len(library) == 2
    assert library.change is not None
    assert (library.change.added, library.change.merged, library.change.known) == (2, 1, 1)
    assert library.entry(0).sources == (one.source, other.source)
    assert library.entry(0).names == ("quartz",)

    more = library.add([record("quartz", collection="third")], channels=CHANNELS)
    assert (len(more), more.version) == (2, 2)
    assert [source.collection for source in more.entry(0).sources] == ["toy", "other", "third"]
    assert len(library.entry(0).sources) == 2
    assert more.info().statistics.collections == {"toy": 2, "other": 1, "third": 1}
    assert more.verify().ok


def test_adding_keeps_rows_and_publishes_only_what_is_new(copy: Path) -> None:
    library = Library.open(copy)
    more = library.add(records(5, start=31), channels=CHANNELS)
    assert (library.version, len(library)) == (1, 33)
    assert (more.version, len(more)) == (2, 36)
    assert more.ids[:33] == library.ids
    assert more.change is not None
    assert (more.change.added, more.change.known) == (3, 2)
    np.testing.assert_array_equal(more.vectors("toy")[:33], library.vectors("toy"))
    assert more.verify().ok

    same = more.add(records(36), channels=CHANNELS)
    assert (same.version, len(same)) == (2, 36)


def test_what_cannot_be_read_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    unreadable = Problem("a.cif", 12, "no atoms; give at least one")
    too_large = record("quartz", 100.0)
    library = Library.build(
        [record("quartz"), unreadable, too_large, record("rutile")],
        tmp_path / "l",
        channels=CHANNELS,
    )
    assert library.change is not None
    assert len(library) == 2
    first, second = library.change.problems
    assert first == unreadable
    assert second.where == "toy quartz 100.0000 0"
    assert "reflections down to 1 Å" in second.reason


def test_progress_says_how_far_it_is(tmp_path: Path) -> None:
    calls: list[tuple[int, int | None, str]] = []
    Library.build(
        list(records(40)),
        tmp_path / "l",
        channels=CHANNELS,
        progress=lambda done, total, stage: calls.append((done, total, stage)),
    )
    assert calls[0] == (0, 40, "crystals")
    assert (40, 40, "crystals") in calls
    assert calls[-1] == (1, 1, "checking")


def test_info_at_a_glance(copy: Path) -> None:
    info = Library.open(copy).info()
    assert (info.version, info.entries, info.sources) == (1, 33, 33)
    assert info.path == str(copy)
    assert [channel.id for channel in info.channels] == ["toy"]
    assert info.bytes_on_disk == sum(f.stat().st_size for f in copy.rglob("*") if f.is_file())


def test_a_new_version_of_a_channel_embeds_every_entry_again(copy: Path) -> None:
    changed = ToyChannel("2", power=0.25)
    library = Library.open(copy).add([record("quartz", 1.5)], channels=[changed])
    assert library.version == 2
    assert [channel.sha256 for channel in library.channels] == [changed.sha256]
    assert library.holds(changed)
    assert not library.holds(ToyChannel())
    np.testing.assert_allclose(
        library.vectors("toy"), changed.embed_lines(library.lines), atol=1e-3
    )
    assert library.verify().ok
    old = Library.open(copy).add([], channels=CHANNELS)
    assert (old.version, len(old)) == (3, 34)
    np.testing.assert_allclose(old.vectors("toy"), ToyChannel().embed_lines(old.lines), atol=1e-3)


def test_a_channel_that_is_not_at_hand_stops_an_addition(copy: Path) -> None:
    with pytest.raises(LibraryError, match="vectors of channel toy, which is not at hand"):
        Library.open(copy).add(records(40), channels=[])
    assert Library.open(copy).version == 1


def test_building_over_something_else_is_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="there is a library already; add to it with"):
        Library.build(records(3), copy, channels=CHANNELS)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis.tex").write_text("everything")
    with pytest.raises(LibraryError, match="not empty and no library"):
        Library.build(records(3), folder, channels=CHANNELS)
    assert [file.name for file in folder.iterdir()] == ["thesis.tex"]


def test_replacing_is_a_new_version_and_readers_keep_theirs(copy: Path) -> None:
    reader = Library.open(copy)
    fresh = Library.build(records(4), copy, channels=CHANNELS, replace=True)
    assert (fresh.version, len(fresh), len(fresh.lines)) == (2, 4, 4)
    assert (reader.version, len(reader.ids), len(reader.lines)) == (1, 33, 33)
    assert reader.entry(32).id == reader.ids[32]
    assert fresh.verify().ok
    assert reader.verify().ok


def test_a_library_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"no crystal could be read.*name a source"):
        Library.build([], tmp_path / "a", channels=CHANNELS)
    problem = Problem("a.cif", 1, "it is empty")
    with pytest.raises(LibraryError, match=r"first of 1 problems: a[.]cif, line 1: it is empty"):
        Library.build([problem], tmp_path / "a", channels=CHANNELS)
    with pytest.raises(LibraryError, match="its first build has not ended"):
        Library.open(tmp_path / "a")
    assert len(Library.build(records(2), tmp_path / "a", channels=CHANNELS)) == 2


def test_a_path_that_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="there is no library here; make one with"):
        Library.open(tmp_path / "nowhere")
    with pytest.raises(LibraryError, match="it has no CURRENT file; make one with"):
        Library.open(tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(LibraryError, match="a library is a folder, this is a file"):
        Library.open(file)
    with pytest.raises(LibraryError, match="file"):
        Library.build(records(1), file, channels=CHANNELS)
    with pytest.raises(LibraryError, match="no library can be made here"):
        Library.build(records(1), file / "below", channels=CHANNELS)


def test_a_missing_table_is_one_clear_line(copy: Path) -> None:
    (copy / "tables" / "sources.lance").rename(copy / "elsewhere")
    with pytest.raises(LibraryError, match=r"table sources cannot be used .*restore the folder"):
        Library.open(copy)


def test_truncated_tables_are_one_clear_line(copy: Path) -> None:
    for file in files(copy):
        file.write_bytes(file.read_bytes()[:-100])
    uses: list[Callable[[Library], object]] = [
        lambda library: library.ids,
        lambda library: library.lines,
        lambda library: library.entry(0),
    ]
    for use in uses:
        with pytest.raises(LibraryError, match="table entries cannot be used") as caught:
            use(Library.open(copy))
        assert "\n" not in str(caught.value)
    assert not Library.open(copy).verify().ok
    fresh = Library.build(records(4), copy, channels=CHANNELS, replace=True)
    bad = [check for check in fresh.verify().checks if not check.ok]
    assert [check.name for check in bad] == ["kept versions"]
    assert "--keep-last 1 --keep-days 0" in bad[0].remedy


def test_a_damaged_pointer_is_replaced_by_a_new_build(copy: Path) -> None:
    (copy / "CURRENT").write_text("{}")
    with pytest.raises(LibraryError, match="does not hold what was written to it"):
        Library.open(copy)
    assert Library.build(records(4), copy, channels=CHANNELS, replace=True).verify().ok


@pytest.mark.parametrize("which", ["entries", "sources", "vectors_toy"])
def test_verify_notices_a_flipped_bit_in_any_table(copy: Path, which: str) -> None:
    file = next(file for file in files(copy) if f"{which}.lance" in str(file))
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    file.write_bytes(damaged)
    report = Library.open(copy).verify()
    assert not report.ok
    assert report.checks[0].name == "data files"
    assert file.name in report.checks[0].detail


def test_verify_says_how_far_it_is(library: Library) -> None:
    calls: list[tuple[int, int | None, str]] = []
    library.verify(progress=lambda done, total, stage: calls.append((done, total, stage)))
    files = len(library._reader.files())
    assert calls[: files + 1] == [(done, files, "data files") for done in range(files + 1)]
    stages = list(dict.fromkeys(stage for _, _, stage in calls))
    assert stages == ["data files", "kept versions", "rows", "indexes", "lines and templates"]
    last = {stage: (done, total) for done, total, stage in calls}
    assert all(done == total for done, total in last.values())


def test_verify_names_what_it_asked(library: Library) -> None:
    report = library.verify()
    assert report.ok
    assert (report.version, report.entries) == (1, 33)
    assert [check.name for check in report.checks] == [
        "data files",
        "kept versions",
        "unique entries",
        "sources",
        "intervals",
        "vectors of toy",
        "index of toy",
        "lines",
        "templates",
        "template members",
    ]


def test_a_version_that_is_not_whole_is_not_published(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.entry_tables.EntryTables._append_vectors", lambda *_: None)
    with pytest.raises(LibraryError, match=r"version 2 was not published, vectors of toy: 33 rows"):
        Library.open(copy).add(records(40), channels=CHANNELS)
    monkeypatch.undo()
    assert len(Library.open(copy)) == 33
    assert len(Library.open(copy).add(records(40), channels=CHANNELS)) == 40


def test_readers_see_whole_versions_while_a_writer_publishes(copy: Path) -> None:
    seen: list[tuple[int, int]] = []
    wrong: list[str] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            library = Library.open(copy)
            seen.append((library.version, len(library)))
            if not len(library.ids) == len(library.vectors("toy")) == len(library):
                wrong.append(f"version {library.version}")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for count in (34, 35, 36, 37):
            Library.open(copy).add(records(count), channels=CHANNELS)
    finally:
        stop.set()
        reader.join()
    assert not wrong
    assert {entries - version for version, entries in seen} == {32}


def test_the_published_versions_are_tagged(copy: Path) -> None:
    lance = pytest.importorskip("lance")
    Library.open(copy).add(records(35), channels=CHANNELS)
    tables = json.loads((copy / "CURRENT").read_text())["tables"]
    for name, table in tables.items():
        tags = lance.dataset(copy / "tables" / f"{name}.lance").tags.list()
        assert tags["v2"]["version"] == table["version"]
        # Two further crystals bring no template, and came out of no file.
        unchanged = name in ("templates", "ledger")
        assert (tags["v1"]["version"] == table["version"]) == unchanged


def test_literal_crystals_have_ids_of_their_own(library: Library) -> None:
    assert {crystal_id(standardize(crystal)) for crystal in SMALL.values()} <= set(library.ids)
