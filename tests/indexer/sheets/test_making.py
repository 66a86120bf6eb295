from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.errors import BraggleError
from data.formula import reduced_formula
from data.sheets import is_sheet, sheet_of
from data.sources import open_source
from data.sources.packed import write_packed
from indexer.sheets.axes import AT_RANDOM, BY_COMPOSITION, TRAINED
from indexer.sheets.making import MOST_ATOMS, Sheet, make, record_of
from indexer.sheets.packing import pack, packed_of, part_of, sheets_in
from indexer.sheets.packing import write_packed as write_npz
from tests import crystals, layered


@pytest.fixture(scope="module")
def made() -> list[Sheet]:
    return make(layered.records(), 40, excluded={"CO2", "MgBr2"}, seed=1)


def test_sheets_of_every_kind_are_made(made: list[Sheet]) -> None:
    kinds = {one.kind for one in made}
    assert kinds == {"monolayer", "bilayer", "heterolayer"}
    assert len(made) == 40
    assert all(len(one.sheet) <= MOST_ATOMS for one in made)
    assert all(is_sheet(one.sheet) for one in made)


def test_sheets_say_which_crystals_they_go_back_to(made: list[Sheet]) -> None:
    known = {f"literal {name}" for name in layered.LAYERED}
    assert set.union(*(one.crystals for one in made)) <= known
    laid = [one for one in made if one.kind == "heterolayer"]
    assert {len(one.crystals) for one in laid} <= {1, 2}
    assert any(len(one.crystals) == 2 for one in laid)


def test_layers_of_the_crystals_come_first(made: list[Sheet]) -> None:
    first = [one.formula for one in made[:8]]
    assert {"C", "MoS2", "BN", "MgH2O2"} <= set(first)


def test_no_sheet_is_made_twice(made: list[Sheet]) -> None:
    said = [(one.origin, one.kind, one.formula) for one in made]
    assert len(set(said)) == len(said)


def test_excluded_formulas_are_not_made() -> None:
    made = make(layered.records(), 30, excluded={"MoS2", "C"}, seed=2)
    assert not {"MoS2", "C"} & {one.formula for one in made}


def test_the_same_seed_makes_the_same(made: list[Sheet]) -> None:
    again = make(layered.records(), 40, excluded={"CO2", "MgBr2"}, seed=1)
    assert [one.names for one in again] == [one.names for one in made]
    assert np.allclose(again[-1].sheet.lattice, made[-1].sheet.lattice)


def test_nothing_layered_makes_nothing() -> None:
    with pytest.raises(BraggleError, match="none of the crystals is a sheet or layered"):
        make([layered.record("salt", crystals.ROCK_SALT)], 10, excluded=set(), seed=1)


def test_sheets_survive_their_file(made: list[Sheet], tmp_path: Path) -> None:
    path = tmp_path / "sheets.parquet"
    write_packed((record_of(one, i) for i, one in enumerate(made)), path)
    again = list(sheets_in(str(path)))
    assert [one.names for one in again] == [one.names for one in made]
    for one, other in zip(again, made, strict=True):
        assert one.crystal.cell == pytest.approx(other.sheet.cell, abs=1e-5)


def test_files_of_other_crystals_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "salt.parquet"
    write_packed([layered.record("salt", crystals.ROCK_SALT)], path)
    with pytest.raises(BraggleError, match="salt is no sheet"):
        list(sheets_in(str(path)))


def test_a_tenth_is_held_out_either_way() -> None:
    parts = [part_of(f"A{i}B", str(i)) for i in range(4000)]
    shares = np.bincount(parts, minlength=3) / len(parts)
    assert shares[BY_COMPOSITION] == pytest.approx(0.1, abs=0.02)
    assert shares[AT_RANDOM] == pytest.approx(0.09, abs=0.02)
    assert len({part_of("MoS2", str(i)) == BY_COMPOSITION for i in range(50)}) == 1


def test_what_is_held_out_is_not_trained_on(made: list[Sheet], tmp_path: Path) -> None:
    records = [record_of(one, i) for i, one in enumerate(made)]
    packed = pack(records, 80, excluded={"BN"}, seed=3)
    trained = {one.formula for one in packed if one.part == TRAINED}
    held_out = {one.formula for one in packed if one.part == BY_COMPOSITION}
    assert not trained & held_out
    assert "BN" not in {one.formula for one in packed}
    relatives = {one.formula for one in packed if one.identifier.startswith("after ")}
    assert relatives
    assert not relatives & {one.formula for one in packed if one.part == AT_RANDOM}
    write_npz(packed, tmp_path / "sheets.npz")
    with np.load(tmp_path / "sheets.npz") as file:
        assert len(file["cell"]) == len(packed)
        assert file["line_offsets"][-1] == len(file["inv_d2"])
    with pytest.raises(BraggleError, match="no sheet is left"):
        write_npz([], tmp_path / "none.npz")


def test_a_packed_sheet_has_its_strongest_line_at_one() -> None:
    sheet = layered.sheet(layered.MOLYBDENITE)
    packed = packed_of(sheet, TRAINED, "one")
    assert packed.formula == reduced_formula(sheet.composition) == "MoS2"
    assert packed.lines.strength.max() == pytest.approx(1.0)
    # Six reflections of a hexagonal net are three pairs.
    assert packed.rods[0] == 3


def test_the_materials_of_standata_are_read() -> None:
    pytest.importorskip("mat3ra.standata")
    records = list(open_source("standata"))
    names = [one.names[0] for one in records]  # type: ignore[union-attr]
    assert "C, Graphene" in names
    graphene = records[names.index("C, Graphene")].crystal  # type: ignore[union-attr]
    sheet = sheet_of(graphene)
    assert sheet is not None
    assert sheet.cell[0] == pytest.approx(2.465, abs=0.01)
    assert is_sheet(graphene)
