from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import LibraryError
from data.record import Problem, Record, Source
from data.sources import open_source
from data.sources.files import ArchiveLimits, zip_stream
from data.sources.packed import write_packed
from tests.crystals import OLIVINE, QUARTZ
from tests.data.cif_texts import CAESIUM_CHLORIDE, HALITE, WITHOUT_ATOMS


def read(source: Path | str) -> tuple[list[Record], list[Problem]]:
    return parted(open_source(str(source)))


def unpack(path: Path, limits: ArchiveLimits) -> tuple[list[Record], list[Problem]]:
    return parted(zip_stream(io.BytesIO(path.read_bytes()), path.name, limits))


def parted(items: Iterator[Record | Problem]) -> tuple[list[Record], list[Problem]]:
    both = list(items)
    records = [item for item in both if isinstance(item, Record)]
    return records, [item for item in both if isinstance(item, Problem)]


def write_csv(path: Path, columns: list[str], rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def write_zip(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


class TestFiles:
    def test_one_cif_of_two_blocks(self, tmp_path: Path) -> None:
        path = tmp_path / "two.cif"
        path.write_text(HALITE + CAESIUM_CHLORIDE)
        records, problems = read(path)
        assert [len(record.crystal) for record in records] == [8, 2]
        assert records[0].names == ("Halite",)
        assert not problems

    def test_a_cif_is_read_when_its_turn_comes(self, tmp_path: Path) -> None:
        path = tmp_path / "one.cif"
        path.write_text(HALITE)
        stream = open_source(str(path))
        path.write_text(HALITE + CAESIUM_CHLORIDE)
        assert len(list(stream)) == 2

    def test_a_folder_is_searched_at_every_depth_in_order(self, tmp_path: Path) -> None:
        deep = tmp_path / "b" / "c"
        deep.mkdir(parents=True)
        (tmp_path / "z.CIF").write_text(HALITE)
        (deep / "a.cif").write_text(CAESIUM_CHLORIDE)
        (tmp_path / "notes.txt").write_text("nothing")
        (tmp_path / ".hidden.cif").write_text("nothing")
        stream = open_source(str(tmp_path))
        assert stream.total == 2
        collections = [item.source.collection for item in stream if isinstance(item, Record)]
        assert collections == ["a.cif", "z.CIF"]

    def test_a_bad_file_does_not_take_the_others_along(self, tmp_path: Path) -> None:
        (tmp_path / "1.cif").write_text(HALITE)
        (tmp_path / "2.cif").write_bytes(bytes(range(256)))
        (tmp_path / "3.cif").write_text(WITHOUT_ATOMS)
        (tmp_path / "4.cif").symlink_to(tmp_path / "gone")
        (tmp_path / "5.cif").write_text(CAESIUM_CHLORIDE)
        records, problems = read(tmp_path)
        assert len(records) == 2
        assert [Path(problem.where.split(",")[0]).name for problem in problems] == [
            "2.cif",
            "3.cif",
            "4.cif",
        ]

    def test_a_link_to_a_parent_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "a.cif").write_text(HALITE)
        (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
        assert len(read(tmp_path)[0]) == 1

    def test_nothing_is_read_before_it_is_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "a.cif").write_text(HALITE)
        (tmp_path / "b.cif").write_text(HALITE)
        stream = open_source(str(tmp_path))
        next(stream)
        (tmp_path / "b.cif").write_text(CAESIUM_CHLORIDE)
        later = next(stream)
        assert isinstance(later, Record)
        assert len(later.crystal) == 2


class TestZip:
    def test_members_are_named_by_archive_and_path(self, tmp_path: Path) -> None:
        path = write_zip(
            tmp_path / "some.zip",
            {"x/halite.cif": HALITE, "readme.md": "text", "__MACOSX/._halite.cif": "no"},
        )
        stream = open_source(str(path))
        assert stream.total == 1
        (record,) = stream
        assert isinstance(record, Record)
        assert record.source.collection == "some.zip/x/halite.cif"

    def test_paths_that_climb_write_nothing(self, tmp_path: Path) -> None:
        inside = tmp_path / "inside"
        inside.mkdir()
        path = write_zip(inside / "a.zip", {"../../evil.cif": HALITE, "/etc/evil.cif": HALITE})
        assert len(read(path)[0]) == 2
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip", "inside"]

    def test_a_member_that_swells_is_left_out(self, tmp_path: Path) -> None:
        path = write_zip(
            tmp_path / "a.zip", {"bomb.cif": HALITE + "#" * 100_000, "good.cif": HALITE}
        )
        records, problems = unpack(path, ArchiveLimits(member_bytes=10_000))
        assert len(records) == 1
        assert problems[0].where == "a.zip/bomb.cif"
        assert "too large" in problems[0].reason

    def test_an_archive_that_swells_ends_there(self, tmp_path: Path) -> None:
        path = write_zip(tmp_path / "a.zip", {f"{i}.cif": HALITE for i in range(3)})
        records, problems = unpack(path, ArchiveLimits(bytes=len(HALITE) + 10))
        assert len(records) == len(problems) == 1

    def test_too_many_members_are_refused(self, tmp_path: Path) -> None:
        path = write_zip(tmp_path / "a.zip", {f"{i}.cif": HALITE for i in range(3)})
        with pytest.raises(LibraryError, match="3 members are more than 2"):
            unpack(path, ArchiveLimits(members=2))

    def test_a_damaged_member_is_a_problem(self, tmp_path: Path) -> None:
        path = write_zip(tmp_path / "a.zip", {"bad.cif": HALITE, "good.cif": HALITE})
        content = bytearray(path.read_bytes())
        content[60] ^= 0xFF
        path.write_bytes(content)
        records, problems = read(path)
        assert len(records) == 1
        assert problems[0].where == "a.zip/bad.cif"

    def test_an_encrypted_member_is_a_problem(self, tmp_path: Path) -> None:
        path = write_zip(tmp_path / "a.zip", {"a.cif": HALITE})
        content = bytearray(path.read_bytes())
        content[6] |= 1
        content[content.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(content)
        records, problems = read(path)
        assert not records
        assert "encrypted" in problems[0].reason


class TestCsv:
    def test_rows_are_named_by_their_identifier(self, tmp_path: Path) -> None:
        path = write_csv(
            tmp_path / "t.csv",
            ["", "material_id", "cif", "formula"],
            [["0", "mp-1", HALITE, "NaCl"], ["1", "mp-2", CAESIUM_CHLORIDE, "CsCl"]],
        )
        records, problems = read(path)
        assert [record.source.identifier for record in records] == ["mp-1", "mp-2"]
        assert {record.source.collection for record in records} == {"t.csv"}
        assert not problems

    def test_rows_without_a_name_are_counted(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "t.csv", ["cif"], [[HALITE], [""], ["no cif"], [HALITE]])
        records, problems = read(path)
        assert [record.source.identifier for record in records] == ["row 1", "row 4"]
        assert ["row 2" in problems[0].where, "row 3" in problems[1].where] == [True, True]

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "t.csv", ["cif"], [[HALITE]])
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert len(read(path)[0]) == 1

    def test_short_rows_are_problems(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_text("id,cif\n7\n")
        records, problems = read(path)
        assert not records
        assert "(7)" in problems[0].where

    @pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\0\0\0\n"])
    def test_without_the_column_it_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "t.csv"
        path.write_text(text)
        with pytest.raises(LibraryError, match="no column 'cif'"):
            open_source(str(path))


class TestParquet:
    def test_a_cif_column(self, tmp_path: Path) -> None:
        path = tmp_path / "t.parquet"
        table = pa.table({"id": ["a", "b", "c"], "cif": [HALITE, None, CAESIUM_CHLORIDE]})
        pq.write_table(table, path)
        stream = open_source(str(path))
        assert stream.total == 3
        items = list(stream)
        assert [type(item) for item in items] == [Record, Problem, Record]

    def test_our_own_layout(self, tmp_path: Path) -> None:
        path = tmp_path / "t.parquet"
        source = Source("mine", "1", "a paper", "CC0")
        write_packed([Record(QUARTZ, ("quartz",), source), Record(OLIVINE, (), source)], path)
        records, problems = read(path)
        assert [record.names for record in records] == [("quartz",), ()]
        assert records[0].source == source
        assert records[0].crystal.species == QUARTZ.species
        assert not problems

    def test_another_table_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "t.parquet"
        pq.write_table(pa.table({"a": [1]}), path)
        with pytest.raises(LibraryError, match="no column 'cif'"):
            open_source(str(path))

    def test_what_is_no_parquet_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "t.parquet"
        path.write_bytes(b"PAR1 but no more")
        with pytest.raises(LibraryError, match="not a readable Parquet file"):
            open_source(str(path))

    def test_damage_inside_is_a_problem(self, tmp_path: Path) -> None:
        path = tmp_path / "t.parquet"
        write_packed([Record(QUARTZ, ("quartz",), Source("mine", "1"))], path)
        content = bytearray(path.read_bytes())
        content[4:400] = bytes(396)
        path.write_bytes(content)
        records, problems = read(path)
        assert not records
        assert len(problems) == 1


class TestOpening:
    @pytest.mark.parametrize("text", ["nowhere.cif", "no/such/folder", "", "a\0b", "x" * 5000])
    def test_what_does_not_exist_is_refused_with_the_kinds(self, text: str) -> None:
        with pytest.raises(LibraryError, match="bundled, core-mof, standata, a folder"):
            open_source(text or "./nothing here")

    def test_other_kinds_of_file_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.xlsx"
        path.write_text("x")
        with pytest.raises(LibraryError, match=r"\.xlsx is no source"):
            open_source(str(path))

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(LibraryError, match=r"no \*\.cif"):
            open_source(str(tmp_path))

    def test_what_is_no_zip_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        path.write_text(HALITE)
        with pytest.raises(LibraryError, match="not a readable zip"):
            open_source(str(path))

    def test_a_zip_without_cifs_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(LibraryError, match=r"no \*\.cif in this archive"):
            open_source(str(write_zip(tmp_path / "a.zip", {"a.txt": "x"})))

    @pytest.fixture
    def here(self, tmp_path: Path) -> Iterator[Path]:
        before = Path.cwd()
        os.chdir(tmp_path)
        yield tmp_path
        os.chdir(before)

    def test_a_folder_called_bundled_is_reached_as_a_path(self, here: Path) -> None:
        (here / "bundled").mkdir()
        (here / "bundled" / "a.cif").write_text(HALITE)
        assert len(read("./bundled")[0]) == 1

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(kind=st.sampled_from(["cif", "zip", "csv", "parquet"]), content=st.binary(max_size=600))
    def test_any_bytes_end_in_problems_or_one_line(
        self, tmp_path: Path, kind: str, content: bytes
    ) -> None:
        path = tmp_path / f"any.{kind}"
        path.write_bytes(content)
        try:
            records, _ = read(path)
        except LibraryError as error:
            assert "\n" not in str(error)  # noqa: PT017 - both ways out are right
        else:
            assert not records
