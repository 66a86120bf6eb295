from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data import bundled
from data.bundled import CRYSTALS, FOLDER, bundled_records, example_patterns, examples
from data.canonical import standardize
from data.errors import CrystalError
from data.formula import density_g_cm3, reduced_formula
from data.radiation import Radiation
from data.reading import read_pattern
from data.record import Record
from data.sites import grouped
from data.sources import open_source

MINERALS = {
    # name: formula, space group, atoms of the conventional cell, density in g/cm³ of handbooks
    "Halite": ("NaCl", 225, 8, 2.165),
    "Quartz": ("SiO2", 154, 9, 2.65),
    "Calcite": ("CaCO3", 167, 30, 2.71),
    "Fluorite": ("CaF2", 225, 12, 3.18),
    "Rutile": ("TiO2", 136, 6, 4.25),
    "Corundum": ("Al2O3", 167, 30, 3.99),
    "Pyrite": ("FeS2", 205, 12, 5.01),
    "Galena": ("PbS", 225, 8, 7.60),
    "Anglesite": ("PbSO4", 62, 24, 6.32),
    "Baryte": ("BaSO4", 62, 24, 4.48),
    "Fluorapatite": ("Ca5P3O12F", 176, 42, 3.20),
    "Diamond": ("C", 227, 8, 3.515),
    "Gold": ("Au", 225, 4, 19.3),
    "Zircon": ("ZrSiO4", 141, 24, 4.67),
}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(bundled_records())


def named(records: list[Record], name: str, collection: str = "amcsd") -> list[Record]:
    return [
        record
        for record in records
        if record.source.collection == collection and name in record.names
    ]


class TestCrystals:
    def test_every_collection_is_there_whole(self, records: list[Record]) -> None:
        assert Counter(record.source.collection for record in records) == {
            "amcsd": 9275,
            "cod": 297,
            "iza": 198,
            "aflow": 288,
            "core-mof": 3386,
        }

    def test_the_folder_is_small(self) -> None:
        size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
        assert size < 10e6

    def test_each_has_its_provenance(self, records: list[Record]) -> None:
        codes = {(record.source.collection, record.source.identifier) for record in records}
        assert len(codes) == len(records)
        assert all(record.source.licence and record.source.reference for record in records)
        unnamed = {record.source.collection for record in records if not record.names}
        assert unnamed == {"aflow"}

    def test_each_is_whole(self, records: list[Record]) -> None:
        for record in records:
            crystal = record.crystal
            assert ((crystal.fractional >= 0) & (crystal.fractional < 1)).all()
            assert ((crystal.occupancies > 0) & (crystal.occupancies <= 1)).all()
            totals = np.bincount(
                grouped(crystal.fractional, crystal.lattice), weights=crystal.occupancies
            )
            assert totals.max() < 1.11, record.source

    def test_the_elements_and_groups_are_many(self, records: list[Record]) -> None:
        elements = {symbol for record in records for symbol in record.crystal.species}
        assert len(elements) >= 92
        assert len({record.crystal.space_group_number for record in records}) >= 190
        assert sum(not record.crystal.is_ordered for record in records) > 2900
        assert all(len(r.crystal) <= 100 for r in records if r.source.collection == "core-mof")

    @pytest.mark.parametrize("name", MINERALS)
    def test_minerals_have_their_formula_cell_and_density(
        self, records: list[Record], name: str
    ) -> None:
        formula, group, atoms, density = MINERALS[name]
        matching = [
            record
            for record in named(records, name)
            if reduced_formula(record.crystal.composition) == formula
            and record.crystal.space_group_number == group
            and len(record.crystal) == atoms
        ]
        nearest = min(abs(density_g_cm3(r.crystal) / density - 1) for r in matching)
        assert nearest < 0.02

    def test_the_crystals_of_the_patterns_are_there(self, records: list[Record]) -> None:
        (nac,) = named(records, "NAC", "cod")
        assert reduced_formula(nac.crystal.composition) == "Na2Ca3Al2F14"
        assert nac.crystal.space_group_number == 199
        assert nac.crystal.cell == pytest.approx((10.257,) * 3 + (90,) * 3)
        assert named(records, "Anglesite")
        assert named(records, "Fluorapatite")

    def test_thirds_are_exact(self, records: list[Record]) -> None:
        for record in named(records, "Calcite") + named(records, "Corundum"):
            x = record.crystal.fractional
            third = np.abs(x * 3 - np.rint(x * 3)) < 1e-4
            assert (np.abs(x * 3 - np.rint(x * 3))[third] < 1e-8).all()

    def test_symmetry_that_is_stated_is_obeyed(self, records: list[Record]) -> None:
        """moyo, which knows no operation of the source, finds the stated group or a larger one."""
        chosen = np.random.default_rng(0).permutation(len(records))
        few = [records[i] for i in chosen if len(records[i].crystal) <= 80][:150]
        agree = 0
        for record in few:
            found = standardize(record.crystal)
            assert len(found.crystal) > 0
            agree += found.crystal.space_group_number == record.crystal.space_group_number or (
                record.source.collection == "core-mof"  # written as P1 whatever they obey
            )
        assert agree >= 0.95 * len(few)

    def test_as_a_source_they_know_their_number(self, records: list[Record]) -> None:
        stream = open_source("bundled")
        assert stream.total == len(records)
        first = next(stream)
        assert isinstance(first, Record)
        assert first.source == records[0].source

    def test_a_damaged_file_says_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        damaged = tmp_path / "crystals.parquet"
        damaged.write_bytes(CRYSTALS.read_bytes()[:-100])
        monkeypatch.setattr(bundled, "CRYSTALS", damaged)
        with pytest.raises(CrystalError, match="reinstall braggle"):
            list(bundled_records())
        with pytest.raises(CrystalError, match="reinstall braggle"):
            open_source("bundled")


class TestPatterns:
    def test_files_are_the_originals_and_described(self) -> None:
        readme = (FOLDER / "patterns" / "README.md").read_text("utf-8")
        for example in examples().values():
            assert hashlib.sha256(example.path.read_bytes()).hexdigest() == example.sha256
            assert f"`{example.path.name}`" in readme
            assert example.origin
            assert example.licence

    @pytest.mark.parametrize(
        "name, points, first, last, spacing",
        [
            # The strongest line: handbooks' for the minerals, 431 and 510 for NAC.
            ("PbSO4", 6001, 10.0, 160.0, 3.00),
            ("fluorapatite", 5753, 15.0, 130.04, 2.80),
            ("NAC", 59497, 0.5, 59.9893, 10.257 / 26**0.5),
        ],
    )
    def test_each_is_read(
        self, name: str, points: int, first: float, last: float, spacing: float
    ) -> None:
        pattern = read_pattern(example_patterns()[name])
        assert len(pattern) == points
        assert pattern.x[[0, -1]] == pytest.approx([first, last], abs=1e-3)
        strongest = pattern.q_inv_angstrom[pattern.counts.argmax()]
        assert 2 * np.pi / strongest == pytest.approx(spacing, rel=5e-3)

    def test_wavelengths_are_the_documented_ones(self) -> None:
        found = examples()
        for name, example in found.items():
            radiation = read_pattern(example.path).radiation
            documented = Radiation.parse(example.radiation)
            assert radiation is not None, name
            assert radiation.wavelength_angstrom == pytest.approx(documented.wavelength_angstrom)
        assert read_pattern(found["NAC"].path).wavelength_source == "stated"
