"""The template collection as a part of a library: built, added to, made later, verified."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.canonical import Standard
from data.errors import LibraryError
from data.record import Record
from indexer import Library
from indexer.checking import hash_files
from indexer.publishing import Published, publish, read_current
from indexer.tables import Reader, Writer
from indexer.templates import storage
from indexer.templates.agreement import agree
from indexer.templates.collecting import collected
from indexer.templates.shapes import KINDS
from indexer.templates.storage import TEMPLATES, TEMPLATES_SCHEMA, log, templates_of
from indexer.templates.structure import structure_of
from indexer.templates.template import Template, template_id
from tests.indexer.templates.conftest import planted_records
from tests.indexer.templates.planted import isotypes, type_of
from tests.indexer.test_crashes import Crash, crash_at
from tests.indexer.toy import ToyChannel, record

CHANNELS = [ToyChannel()]


def said(library: Library) -> set[tuple[str, str, str, int]]:
    """Id, kind, type of the members and their number, of each template."""
    return {
        (one.id, one.kind, types.pop() if len(types) == 1 else "mixed", len(one.members))
        for one in library.templates
        if (types := {type_of(library.entry(library.row(m)).names) for m in one.members})
    }


def without_ids(library: Library) -> set[tuple[str, str, int]]:
    return {(kind, kinds, count) for _, kind, kinds, count in said(library)}


RUTILE_AND_CALCITE = {
    (kind, name, count) for kind in KINDS for name, count in (("rutile", 5), ("calcite", 4))
}


def test_planted_families_are_the_templates(planted_library: Path) -> None:
    library = Library.open(planted_library)
    assert without_ids(library) == RUTILE_AND_CALCITE
    assert [one.interval for one in library.templates] == [274, 274, 294, 294]
    assert [one.kind for one in library.templates] == ["global", "local"] * 2
    rutile = library.templates[0]
    assert (len(rutile.coordinates), rutile.classes) == (2, ("metal", "metal"))
    assert library.templates[1].classes == ("metal", *["non-metal"] * 6)


def test_a_template_goes_with_the_members_it_needs(copied: Path) -> None:
    before = Library.open(copied)
    calcite = next(one for one in before.templates if one.interval == 294)
    after = before.remove(calcite.members[:1])
    assert without_ids(after) == {(kind, "rutile", 5) for kind in KINDS}
    assert after.verify().ok


def test_they_are_the_same_in_whatever_order_the_library_is_built(
    planted_library: Path, tmp_path: Path
) -> None:
    library = Library.open(planted_library)
    shuffled = planted_records()
    random.Random(3).shuffle(shuffled)  # noqa: S311 - an order, no secret
    other = Library.build(shuffled, tmp_path / "other", channels=CHANNELS)
    assert other.ids != library.ids
    assert [(one.id, one.members) for one in other.templates] == [
        (one.id, one.members) for one in library.templates
    ]
    for one, same in zip(library.templates, other.templates, strict=True):
        np.testing.assert_array_equal(one.pattern, same.pattern)
        np.testing.assert_array_equal(one.coordinates, same.coordinates)


@pytest.mark.parametrize(
    "crowd, expected", [(4, RUTILE_AND_CALCITE), (3, set[tuple[str, str, int]]())]
)
def test_in_a_crowd_few_found_and_the_others_join(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    crowd: int,
    expected: set[tuple[str, str, int]],
) -> None:
    monkeypatch.setattr("indexer.templates.collecting.CROWD", crowd)
    library = Library.build(planted_records(), tmp_path / "crowded", channels=CHANNELS)
    assert without_ids(library) == expected
    assert library.verify().ok


def test_several_processes_collect_the_same(planted_library: Path) -> None:
    reader = Reader(planted_library, read_current(planted_library).tables)
    told: list[tuple[int, int]] = []
    alone = collected(reader, lambda *_: None, workers=1)
    shared = collected(reader, lambda *done: told.append(done), workers=2)
    assert len(alone) == len(Library.open(planted_library).templates) > 0
    assert shared.equals(alone)
    assert told[-1][0] == told[-1][1] > 0


def test_what_is_read_is_what_was_made(planted_library: Path) -> None:
    library = Library.open(planted_library)
    again = templates_of(log([], library.templates))
    for one, same in zip(library.templates, again, strict=True):
        assert (one.id, one.kind, one.interval, one.members) == (
            same.id, same.kind, same.interval, same.members,
        )  # fmt: skip
        np.testing.assert_array_equal(one.pattern, same.pattern)
        assert agree(one.shape, same.shape)
        np.testing.assert_array_equal(one.coordinates, same.coordinates)
        assert one.shape.size_angstrom == same.shape.size_angstrom
    leader = library.entry(library.row(library.templates[0].members[0]))
    primitive = Standard.from_stored(leader.crystal).primitive
    assert agree(library.templates[0].shape, structure_of(primitive).of("global")[0])


def test_an_id_stands_for_what_founded_the_template() -> None:
    founders = ("a", "b", "c", "d")
    known = template_id("global", 274, founders, 0)
    assert len(known) == 20
    assert set(known) <= set("0123456789abcdef")
    assert template_id("global", 274, ("a", "d", "b", "c"), 0) == known
    others = {
        template_id("local", 274, founders, 0),
        template_id("global", 275, founders, 0),
        template_id("global", 274, ("b", "a", "c", "d"), 0),
        template_id("global", 274, ("a", "b", "c", "e"), 0),
        template_id("global", 274, founders, 1),
    }
    assert len(others | {known}) == 6


class TestAdding:
    def test_a_crystal_joins_its_template(self, copied: Path) -> None:
        library = Library.open(copied)
        more = library.add(isotypes("rutile", 5, 6), channels=CHANNELS)
        (newcomer,) = set(more.ids) - set(library.ids)
        expected = {
            (one, kind, name, count + (name == "rutile"))
            for one, kind, name, count in said(library)
        }
        assert said(more) == expected
        assert [newcomer in one.members for one in more.templates] == [True, True, False, False]
        assert len(library.templates[0].members) == 5
        assert more.verify().ok

    def test_a_fourth_opens_one(self, copied: Path) -> None:
        library = Library.open(copied)
        more = library.add(isotypes("anatase", 3, 4), channels=CHANNELS)
        assert said(library) < said(more)
        assert without_ids(more) == RUTILE_AND_CALCITE | {
            ("global", "anatase", 4),
            ("local", "anatase", 4),
        }
        assert more.verify().ok

    def test_a_stranger_alters_nothing(self, copied: Path) -> None:
        library = Library.open(copied)
        more = library.add([record("quartz"), record("olivine")], channels=CHANNELS)
        assert said(more) == said(library)
        assert more.version == 2

    def test_one_by_one_or_at_once_a_founding_four_has_one_id(self, tmp_path: Path) -> None:
        four = isotypes("anatase", 0, 4)
        whole = Library.build(four, tmp_path / "whole", channels=CHANNELS)
        grown = Library.build(isotypes("rutile", 0, 1), tmp_path / "grown", channels=CHANNELS)
        for one in reversed(four):
            assert grown.templates == ()
            grown = grown.add([one], channels=CHANNELS)
        at_once = Library.build(isotypes("rutile", 0, 1), tmp_path / "once", channels=CHANNELS)
        at_once = at_once.add(four, channels=CHANNELS)
        assert said(grown) == said(at_once)
        assert without_ids(whole) == without_ids(grown)

    def test_only_what_is_new_is_written(self, copied: Path) -> None:
        library = Library.open(copied)
        rows = read_current(copied).tables[TEMPLATES]
        library.add(isotypes("rutile", 5, 6), channels=CHANNELS)
        assert read_current(copied).tables[TEMPLATES].rows == rows.rows + 2
        files = set(read_current(copied).files)
        library.add(isotypes("rutile", 0, 7), channels=CHANNELS)
        assert read_current(copied).tables[TEMPLATES].rows == rows.rows + 4
        assert files < set(read_current(copied).files)


def forget_templates(path: Path) -> Published:
    """Make a library as it was before there were templates."""
    published = read_current(path)
    tables = {name: table for name, table in published.tables.items() if name != TEMPLATES}
    files = {file: one for file, one in published.files.items() if TEMPLATES not in file}
    old = replace(published, tables=tables, files=files)
    publish(path, old)
    return old


class TestOlderLibraries:
    def test_they_open_and_say_what_to_do(self, copied: Path) -> None:
        forget_templates(copied)
        library = Library.open(copied)
        assert len(library) == 13
        assert library.verify().ok
        with pytest.raises(LibraryError, match=r"no templates as they are made now; `braggle lib"):
            _ = library.templates

    @pytest.mark.parametrize("records", [[], isotypes("rutile", 5, 6)])
    def test_the_next_change_makes_them(self, copied: Path, records: list[Record]) -> None:
        expected = said(Library.open(copied))
        forget_templates(copied)
        library = Library.open(copied).add(records, channels=CHANNELS)
        assert library.version == 2
        assert library.verify().ok
        if not records:
            assert said(library) == expected
            again = library.add([], channels=CHANNELS)
            assert again.version == 2
        else:
            assert ("global", "rutile", 6) in without_ids(library)

    def test_so_it_does_when_they_are_of_another_make(
        self, copied: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = said(Library.open(copied))
        later = TEMPLATES_SCHEMA.with_metadata({storage.MADE_BY: b"2"})
        with monkeypatch.context() as patch:
            patch.setattr(storage, "VERSION", b"2")
            patch.setattr("indexer.writing.TEMPLATES_SCHEMA", later)
            with pytest.raises(LibraryError, match="no templates as they are made now"):
                _ = Library.open(copied).templates
            newer = Library.open(copied).add([], channels=CHANNELS)
            assert (newer.version, said(newer)) == (2, expected)
        assert Library.open(copied).verify().ok
        back = Library.open(copied).add([], channels=CHANNELS)
        assert (back.version, said(back)) == (3, expected)


STEPS = [
    # Sources, entries, their intervals and vectors were appended before.
    ("indexer.tables.Writer.append", 5),
    ("indexer.templates.collecting.extended", 1),
    ("indexer.releasing.hash_files", 1),
    ("indexer.releasing.publish", 1),
    ("pathlib.Path.replace", 2),
]


@pytest.mark.parametrize("step, count", STEPS)
def test_a_crash_at_any_point_leaves_the_last_templates(
    copied: Path, monkeypatch: pytest.MonkeyPatch, step: str, count: int
) -> None:
    reader = Library.open(copied)
    additions = isotypes("rutile", 5, 6) + isotypes("anatase", 3, 4)
    with monkeypatch.context() as patch:
        crash_at(patch, step, count)
        with pytest.raises(Crash):
            reader.add(additions, channels=CHANNELS)
    left = Library.open(copied)
    assert (left.version, said(left)) == (1, said(reader))
    assert left.verify().ok
    other = left.add(isotypes("calcite", 4, 5), channels=CHANNELS)
    assert without_ids(other) == {
        (kind, name, 5) for kind in KINDS for name in ("rutile", "calcite")
    }
    finished = other.add(additions, channels=CHANNELS)
    assert finished.version == 3
    assert {("global", "rutile", 6), ("local", "anatase", 4)} < without_ids(finished)
    assert finished.verify().ok


def test_a_crash_while_they_are_made_for_the_first_time(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = said(Library.open(copied))
    forget_templates(copied)
    for step in ("indexer.tables.Writer.append", "indexer.releasing.publish"):
        with monkeypatch.context() as patch:
            crash_at(patch, step, 1)
            with pytest.raises(Crash):
                Library.open(copied).add([], channels=CHANNELS)
        assert Library.open(copied).version == 1
        with pytest.raises(LibraryError, match="no templates"):
            _ = Library.open(copied).templates
    assert said(Library.open(copied).add([], channels=CHANNELS)) == expected


def with_log(path: Path, rows: pa.Table) -> Library:
    """A library whose writer appended these rows and published them, checked by no one."""
    published = read_current(path)
    writer = Writer(path)
    writer.rewind(TEMPLATES, published.tables[TEMPLATES])
    writer.append(TEMPLATES, rows)
    tables = {**published.tables, **writer.versions()}
    files = hash_files(path, Reader(path, tables), published)
    writer.tag(f"v{published.version}")
    publish(path, replace(published, tables=tables, files=files))
    return Library.open(path)


class TestVerify:
    def check(self, library: Library, name: str) -> str:
        report = library.verify()
        assert not report.ok
        (check,) = (one for one in report.checks if not one.ok)
        assert check.name == name
        return check.detail

    def test_it_says_what_it_asked(self, planted_library: Path) -> None:
        details = {one.name: one.detail for one in Library.open(planted_library).verify().checks}
        assert details["templates"] == "4 of 4 have the members that make them"
        assert details["template members"] == "4 of 4 agree with their members"

    def test_members_that_were_taken_out_are_members_no_more(self, copied: Path) -> None:
        library = Library.open(copied)
        template = library.templates[0]
        rows = log([template], [replace(template, members=(*template.members, "0" * 20))])
        assert with_log(copied, rows).templates[0].members == template.members
        assert Library.open(copied).verify().ok

    @pytest.mark.parametrize("what", ["twice", "few"])
    def test_members_that_cannot_be(self, copied: Path, what: str) -> None:
        library = Library.open(copied)
        template = library.templates[0]
        if what == "few":
            spoilt = replace(template, id="f" * 20, members=template.members[:3])
            detail = self.check(with_log(copied, log([], [spoilt])), "templates")
            assert detail.startswith("4 of 5")
            assert "f" * 20 in detail
            return
        twice = (*template.members, template.members[0])
        rows = log([template], [replace(template, members=twice)])
        detail = self.check(with_log(copied, rows), "templates")
        assert detail == f"3 of 4 have the members that make them; not {template.id}"

    def test_a_member_that_does_not_agree(self, copied: Path) -> None:
        library = Library.open(copied)
        rutile, calcite = library.templates[0], library.templates[2]
        rows = log([rutile], [replace(rutile, members=rutile.members + calcite.members[:1])])
        detail = self.check(with_log(copied, rows), "template members")
        assert detail == f"3 of 4 agree with their members; not {rutile.id}"

    def test_a_shape_in_the_wrong_interval(self, copied: Path) -> None:
        template = replace(Library.open(copied).templates[0], id="e" * 20, interval=17)
        detail = self.check(with_log(copied, log([], [template])), "template members")
        assert detail == f"4 of 5 agree with their members; not {template.id}"

    def test_a_log_that_makes_no_sense_is_one_clear_line(self, copied: Path) -> None:
        template = Library.open(copied).templates[0]
        library = with_log(copied, log([], [template]))
        with pytest.raises(LibraryError, match=r"table templates cannot be used .*founded twice"):
            _ = library.templates
        assert not library.verify().ok

    def test_it_notices_a_flipped_bit(self, copied: Path) -> None:
        (file,) = (copied / "tables" / "templates.lance" / "data").glob("*.lance")
        damaged = bytearray(file.read_bytes())
        damaged[len(damaged) // 3] ^= 1
        file.write_bytes(damaged)
        report = Library.open(copied).verify()
        assert not report.ok
        assert file.name in report.checks[0].detail

    def test_a_version_with_such_templates_is_not_published(
        self, copied: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost: Template = replace(
            Library.open(copied).templates[0], id="d" * 20, members=("1" * 20,) * 4
        )
        monkeypatch.setattr(
            "indexer.templates.collecting.extended", lambda *_: (log([], [lost]), 0)
        )
        with pytest.raises(LibraryError, match=r"not published, templates: 0 of 1 have the memb"):
            Library.open(copied).add(isotypes("rutile", 5, 6), channels=CHANNELS)
        assert Library.open(copied).version == 1


def test_the_pointer_file_names_them(planted_library: Path) -> None:
    current = json.loads((planted_library / "CURRENT").read_text())
    assert current["tables"]["templates"]["rows"] == 4
    assert any("templates.lance" in file for file in current["files"])
