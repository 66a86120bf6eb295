"""The readers of the collections, on little copies of their formats."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import io
import json
import lzma
import sqlite3
import tarfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from data.errors import CrystalError, LibraryError, MissingExtraError
from data.formula import density_g_cm3
from data.record import Problem, Record
from data.sources import open_source
from data.sources.aflow import read_aflow
from data.sources.amcsd import read_amcsd
from data.sources.avogadro import read_avogadro
from data.sources.core_mof import DATASETS
from tests.data.cif_texts import HALITE, P1, WITHOUT_ATOMS


def only_records(items: Iterable[Record | Problem]) -> list[Record]:
    records = []
    for item in items:
        assert isinstance(item, Record), item
        records.append(item)
    return records


def tar_of(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def packed(*values: float) -> str:
    return base64.b64encode((np.array(values) * 4e6).round().astype("<i4").tobytes()).decode()


P32_21 = ["x,y,z", "y,x,2/3-z", "-y,x-y,2/3+z", "-x,-x+y,1/3-z", "-x+y,-x,1/3+z", "x-y,-y,-z"]
"""As AMCSD writes quartz: a setting that the tables lack."""

ENTRIES: dict[str, dict[str, object]] = {
    "quartz": {
        "formula": "Si O2",
        "cell": ("4.9137", "4.9137", "5.4047", "90", "90", "120"),
        "operations": ["x,y,z", "y,x,2/3-z", "-y,x-y,2/3+z", "-x,-x+y,1/3-z", "-x+y,-x,1/3+z",
                       "x-y,-y,-z"],
        "sites": [("Si", 0.4697, 0.0, 0.0), ("O", 0.4133, 0.2672, 0.1188)],
    },
    "labels": {
        "formula": "(Ca.9 Mg.1) C O4 H2",
        "cell": ("6,0", "6.0,", "6.0", "90", "90.", "90"),
        "operations": ["x,y,z"],
        "sites": [
            ("CaM1", 0.1, 0.1, 0.1), ("MgM1", 0.1, 0.1, 0.1), ("C*", 0.5, 0.5, 0.5),
            ("Wat2", 0.3, 0.3, 0.3), ("O-H", 0.7, 0.7, 0.7), ("D1", 0.9, 0.9, 0.9),
        ],
        "occupancy": (0.9, 0.1, 2.0, 3.0, 1.0, 0.5),
        "u_iso": (0.01, 2.0, 0.02, -0.01, 0.03, 3.0),
    },
    "special": {
        "formula": "Be",
        "cell": ("2.29", "2.29", "3.58", "90", "90", "120"),
        "operations": ["x,y,z", "-y,x-y,z", "-x+y,-x,z", "-x,-y,1/2+z", "y,-x+y,1/2+z",
                       "x-y,x,1/2+z"],
        "sites": [("Be", 0.3333, 0.6667, 0.25)],
    },
    "overfull": {
        "formula": "Mg Fe O",
        "cell": ("4.2", "4.2", "4.2", "90", "90", "90"),
        "operations": ["x,y,z"],
        "sites": [("Mg", 0.0, 0.0, 0.0), ("Fe", 0.0, 0.0, 0.0), ("O", 0.5, 0.5, 0.5)],
    },
    "nonsense": {
        "formula": "Fe",
        "cell": ("4.2", "4.2", "0", "90", "90", "90"),
        "operations": ["x,y,z"],
        "sites": [("Fe", 0.0, 0.0, 0.0)],
    },
}  # fmt: skip

_TABLES = """
create table minerals (id integer primary key, name text);
create table spacegroups (id integer primary key, hm_notation text, symmetry_xyz text);
create table authors (id integer primary key, name text);
create table publications (id integer primary key, journalname text, volume text, year integer,
    page_first text, page_last text);
create table publication_authors (publication_id integer, author_id integer);
create table cif (id integer primary key, mineral_id integer, spacegroup_id integer,
    publication_id integer, formula text, compound text, formula_title text, a text, b text, c text,
    alpha text, beta text, gamma text, atoms_sites text, atoms_x text, atoms_y text, atoms_z text,
    atoms_occupancy text, atoms_u_iso text, atoms_aniso_label text, atoms_aniso_u11 text,
    atoms_aniso_u22 text, atoms_aniso_u33 text, atoms_aniso_u12 text, atoms_aniso_u13 text,
    atoms_aniso_u23 text);
insert into authors values (1, 'Levien L'), (2, 'Prewitt C T');
insert into publications values (1, 'American Mineralogist', '65', 1980, '920', '930');
insert into publication_authors values (1, 1), (1, 2);
"""


@pytest.fixture(scope="module")
def amcsd() -> dict[str, Record | Problem]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(_TABLES)
        for number, (name, entry) in enumerate(ENTRIES.items(), 1):
            sites: list[tuple[str, float, float, float]] = entry["sites"]  # type: ignore[assignment]
            columns = [packed(*column) for column in list(zip(*sites, strict=True))[1:]]
            shares = entry.get("occupancy")
            u_iso = entry.get("u_iso")
            tensors = [packed(v) for v in (0.01, 0.01, 0.02, 0.005, 0.0, 0.0)]
            anisotropic = name == "special"
            database.execute("insert into minerals values (?, ?)", (number, name))
            database.execute(
                "insert into spacegroups values (?, 'x', ?)",
                (number, json.dumps(entry["operations"])),
            )
            values = [
                number, number, number, 1, entry["formula"], "<missing>", "<missing>",
                *entry["cell"],  # type: ignore[misc]
                json.dumps([site[0] for site in sites]), *columns,
                packed(*shares) if shares else "0",  # type: ignore[misc]
                packed(*u_iso) if u_iso else "0",  # type: ignore[misc]
                json.dumps(["Be"]) if anisotropic else '"<missing>"',
                *(tensors if anisotropic else ["0"] * 6),
            ]  # fmt: skip
            marks = ", ".join("?" * len(values))
            database.execute(f"insert into cif values ({marks})", values)  # noqa: S608
        database.commit()
        content = database.serialize()
    return dict(zip(ENTRIES, read_amcsd(content), strict=True))


def crystal_of(amcsd: dict[str, Record | Problem], name: str) -> Record:
    found = amcsd[name]
    assert isinstance(found, Record), found
    return found


class TestAmcsd:
    def test_operations_win_and_name_the_group(self, amcsd: dict[str, Record | Problem]) -> None:
        record = crystal_of(amcsd, "quartz")
        assert len(record.crystal) == 9
        assert record.crystal.space_group_number in (152, 154)
        assert density_g_cm3(record.crystal) == pytest.approx(2.65, abs=0.01)

    def test_provenance(self, amcsd: dict[str, Record | Problem]) -> None:
        record = crystal_of(amcsd, "quartz")
        assert record.names == ("quartz",)
        assert (record.source.collection, record.source.identifier) == ("amcsd", "0000001")
        assert record.source.reference == (
            "Levien L et al., American Mineralogist 65 (1980) 920-930"
        )
        assert "Downs & Hall-Wallace (2003)" in record.source.licence

    def test_labels_commas_and_unknown_values(self, amcsd: dict[str, Record | Problem]) -> None:
        crystal = crystal_of(amcsd, "labels").crystal
        assert crystal.species == ("Ca", "Mg", "C", "O", "O", "H")
        np.testing.assert_allclose(crystal.occupancies, [0.9, 0.1, 1, 1, 1, 0.5], atol=1e-6)
        expected = [0.01, np.nan, 0.02, np.nan, 0.03, np.nan]
        np.testing.assert_allclose(crystal.u_iso_angstrom2, expected, atol=1e-6)
        assert crystal.cell == pytest.approx((6, 6, 6, 90, 90, 90))

    def test_a_rounded_third_is_a_third(self, amcsd: dict[str, Record | Problem]) -> None:
        crystal = crystal_of(amcsd, "special").crystal
        assert len(crystal) == 2
        thirds = np.sort(crystal.fractional[:, :2].ravel())
        np.testing.assert_allclose(thirds, [1 / 3, 1 / 3, 2 / 3, 2 / 3], atol=1e-12)

    def test_anisotropic_displacement(self, amcsd: dict[str, Record | Problem]) -> None:
        """On hexagonal axes with U12 = U11/2 it is the mean of U11, U11 and U33."""
        crystal = crystal_of(amcsd, "special").crystal
        np.testing.assert_allclose(crystal.u_iso_angstrom2, 0.04 / 3, atol=1e-6)

    def test_a_site_holds_no_more_than_one_atom(self, amcsd: dict[str, Record | Problem]) -> None:
        crystal = crystal_of(amcsd, "overfull").crystal
        np.testing.assert_array_equal(crystal.occupancies, [0.5, 0.5, 1.0])

    def test_an_entry_without_a_cell_is_a_problem(self, amcsd: dict[str, Record | Problem]) -> None:
        found = amcsd["nonsense"]
        assert isinstance(found, Problem)
        assert found.where == "amcsd 0000005, nonsense"

    @pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(600)])
    def test_what_is_not_the_database_is_refused(self, content: bytes) -> None:
        with pytest.raises(CrystalError, match="not the AMCSD database"):
            list(read_amcsd(content))


def prototype(mineral: str = "Cesium Chloride", label: str = "AB_cP2_221_b_a") -> dict[str, object]:
    reference = (
        '@article{reference0,\n author = "A. Bee and C. Dee",\n journal = " J. X",\n'
        ' volume = "6",\n year = "1998",\n page_first = "523"\n}\n@article{Mehl2017,\n}'
    )
    sites = [
        {"species": [{"element": "Cl", "occu": 1.0}], "abc": [0.0, -1e-17, 1.0]},
        {"species": [{"element": "Cs", "occu": 1.0}], "abc": [0.5, 0.5, -0.5]},
    ]
    return {
        "tags": {"aflow": label, "mineral": mineral, "strukturbericht": "B2"},
        "snl": {
            "lattice": {"matrix": [[4.1, 0, 0], [0, 4.1, 0], [0, 0, 4.1]]},
            "sites": sites,
            "about": {"references": reference},
        },
    }


class TestAflow:
    def read(self, *entries: dict[str, object]) -> list[Record | Problem]:
        return list(read_aflow(gzip.compress(json.dumps(entries).encode())))

    def test_a_prototype(self) -> None:
        (record,) = only_records(self.read(prototype()))
        assert record.names == ("Cesium Chloride", "B2 type")
        assert record.source.identifier == "AB_cP2_221_b_a:CsCl"
        assert record.source.reference.startswith("A. Bee et al., J. X 6 (1998) 523; Mehl")
        assert record.crystal.space_group_number == 221
        np.testing.assert_array_equal(record.crystal.fractional, [[0, 0, 0], [0.5, 0.5, 0.5]])

    def test_one_label_twice_is_two_identifiers(self) -> None:
        first, second = only_records(self.read(prototype(), prototype(mineral="")))
        assert (first.source.identifier + ":2", second.names) == (
            second.source.identifier,
            ("B2 type",),
        )

    def test_a_strange_label_is_a_problem(self) -> None:
        (problem,) = self.read(prototype(label="nonsense"))
        assert isinstance(problem, Problem)


def test_avogadro_names_zeolites_by_code_and_others_by_cod_number() -> None:
    folder = "./usr/share/avogadro2/crystals"
    tree = {
        f"{folder}/zeolites/ABW.cif": HALITE,
        f"{folder}/halides/NaCl.cif": HALITE + "_cod_database_code 9000629\n",
        f"{folder}/elements/broken.cif": WITHOUT_ATOMS,
        "./usr/share/doc/else.cif": HALITE,
    }
    problem, cod, zeolite = read_avogadro(io.BytesIO(tar_of(tree)))
    assert isinstance(problem, Problem)
    assert isinstance(cod, Record)
    assert isinstance(zeolite, Record)
    assert "elements/broken.cif" in problem.where
    assert (cod.source.collection, cod.source.identifier) == ("cod", "9000629")
    assert cod.names == ("Halite", "NaCl")
    assert (zeolite.source.collection, zeolite.source.identifier) == ("iza", "ABW")
    assert "public domain" in zeolite.source.licence


class TestCoreMof:
    @pytest.fixture
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A package of the real one's layout, found before it."""
        folder = tmp_path / "CoRE_MOF" / "data"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text("raise RuntimeError('not to be imported')")
        moved = P1.replace("0.4000 0.5000", "0.4010 0.5000")
        lines = P1.splitlines(keepends=True)
        swapped = "".join([*lines[:-2], lines[-1], lines[-2]])
        contents = {
            "2014": {"ABAVIJ_clean.cif": P1, "._x.cif": "x", "notes.txt": "x"},
            "2019-ASR": {"ABAVIJ_clean.cif": swapped, "ABEXEM_charged.cif": moved},
            "2019-FSR": {"x/BROKEN_freeONLY.cif": WITHOUT_ATOMS, "ABAVIJ_freeONLY.cif": P1},
        }
        for name in DATASETS:
            (folder / f"{name}.tar.xz").write_bytes(lzma.compress(tar_of(contents[name])))
        monkeypatch.syspath_prepend(str(tmp_path))
        return folder

    @pytest.mark.usefixtures("package")
    def test_each_crystal_comes_once(self) -> None:
        first, moved, problem = open_source("core-mof")
        assert isinstance(first, Record)
        assert isinstance(moved, Record)
        assert isinstance(problem, Problem)
        assert first.names == ("ABAVIJ",)
        assert first.source.identifier == "2014/ABAVIJ_clean"
        assert first.source.licence == "CC BY 4.0"
        assert moved.names == ("ABEXEM",)
        assert "BROKEN_freeONLY.cif" in problem.where

    def test_a_damaged_archive_is_a_problem(self, package: Path) -> None:
        archive = package / "2014.tar.xz"
        archive.write_bytes(archive.read_bytes()[:100])
        problem, *rest = open_source("core-mof")
        assert isinstance(problem, Problem)
        assert "reinstall the package core-mof" in problem.reason
        assert len(rest) == 3

    def test_a_missing_archive_is_said_at_once(self, package: Path) -> None:
        (package / "2019-FSR.tar.xz").unlink()
        with pytest.raises(LibraryError, match="reinstall the package core-mof"):
            open_source("core-mof")

    def test_without_the_package_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(MissingExtraError, match=r"braggle\[mofs\]"):
            open_source("core-mof")
