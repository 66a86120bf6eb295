from __future__ import annotations

from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.canonical import Standard, operations_of
from data.diffraction import lines_of
from data.errors import BraggleError
from data.formula import reduced_formula
from indexer import Library
from indexer.encoders import packing
from indexer.encoders.pack import Pack
from indexer.encoders.packing import MOST_VARIANTS, formulas_in, variants, write_packed
from indexer.encoders.strongest import LINES_KEPT, strongest_lines
from tests.crystals import ALL, CHALCANTHITE, MOF_5
from tests.indexer.encoders.conftest import EXCLUDED, Columns, Packing, read_columns


def test_columns_belong_together(columns: Columns) -> None:
    count, lines, atoms = (len(columns[c]) for c in ("lattice", "hkl", "atomic_number"))
    assert {name: (value.shape, value.dtype.str) for name, value in columns.items()} == {
        "lattice": ((count, 3, 3), "<f4"),
        "space_group": ((count,), "|u1"),
        "line_offsets": ((count + 1,), "<i8"),
        "hkl": ((lines, 3), "|i1"),
        "log_strength": ((lines,), "<f2"),
        "atom_offsets": ((count + 1,), "<i8"),
        "primitive": ((count, 3, 3), "<f4"),
        "atomic_number": ((atoms,), "|u1"),
        "occupancy": ((atoms,), "|u1"),
        "fractional": ((atoms, 3), "<u2"),
        "prototype": ((count,), "<u4"),
        "formula": ((count,), columns["formula"].dtype.str),
        "held_out": ((count,), "|b1"),
        "known": ((count,), "|b1"),
    }
    for name, total in (("line_offsets", lines), ("atom_offsets", atoms)):
        assert (columns[name][0], columns[name][-1]) == (0, total)
        assert (np.diff(columns[name]) > 0).all()
    assert np.diff(columns["line_offsets"]).max() <= LINES_KEPT
    assert 150 < count <= 245


def test_an_original_is_in_it_with_its_lines_and_atoms(
    columns: Columns, pack_crystals: Packing
) -> None:
    library = Library.open(pack_crystals.library)
    crystals = [entry.crystal for entry in library.entries(np.arange(len(library)))]
    crystal = next(c for c in crystals if reduced_formula(c.composition) == "CaMgSi2O6")
    row = next(
        i
        for i in np.flatnonzero(columns["formula"] == "CaMgSi2O6")
        if np.allclose(columns["lattice"][i], crystal.lattice, atol=1e-5)
    )
    own = slice(*columns["line_offsets"][row : row + 2])
    lines = strongest_lines(
        lines_of(crystal, d_min_angstrom=1.0, operations=operations_of(15)), LINES_KEPT
    )
    np.testing.assert_array_equal(columns["hkl"][own], lines.hkl)
    np.testing.assert_allclose(
        np.exp(columns["log_strength"][own].astype(float)),
        np.maximum(lines.strength / lines.strength.max(), 1e-6),
        rtol=6e-3,
    )
    primitive = Standard.from_stored(crystal).primitive
    own = slice(*columns["atom_offsets"][row : row + 2])
    numbers = [gemmi.Element(symbol).atomic_number for symbol in primitive.species]
    np.testing.assert_array_equal(columns["atomic_number"][own], numbers)
    np.testing.assert_allclose(columns["occupancy"][own] / 200, primitive.occupancies, atol=3e-3)
    apart = columns["fractional"][own] / 65536 - primitive.fractional
    assert np.abs(apart - np.rint(apart)).max() < 1e-5
    np.testing.assert_allclose(columns["primitive"][row], primitive.lattice, rtol=1e-6, atol=1e-6)


def test_cell_and_primitive_cell_of_variants_hold_the_same_waves(columns: Columns) -> None:
    """A variant's lines, indexed in its cell, lie on the lattice that its atoms are on."""
    for row in range(0, len(columns["lattice"]), 7):
        cell, primitive = columns["lattice"][row], columns["primitive"][row]
        hkl = columns["hkl"][slice(*columns["line_offsets"][row : row + 2])]
        steps = primitive @ np.linalg.inv(cell)  # primitive vectors in terms of the cell's
        np.testing.assert_allclose(steps * 6, np.rint(steps * 6), atol=1e-3)
        orders = hkl @ steps.T
        np.testing.assert_allclose(orders, np.rint(orders), atol=5e-3)


def test_what_is_held_out_is_of_other_prototypes_and_formulas(columns: Columns) -> None:
    out = columns["held_out"]
    assert 5 < out.sum() < len(out) / 2
    assert not set(columns["prototype"][out]) & set(columns["prototype"][~out])
    assert not set(columns["formula"][out]) & set(columns["formula"][~out])


def test_excluded_originals_are_left_out(columns: Columns, pack_crystals: Packing) -> None:
    library = Library.open(pack_crystals.library)
    formulas = {entry.formula for entry in library.entries(np.arange(len(library)))}
    assert formulas >= set(EXCLUDED)
    assert not set(EXCLUDED) & set(columns["formula"])


def test_excluded_variants_are_left_out_and_nothing_else(
    pack_crystals: Packing, columns: Columns, tmp_path: Path
) -> None:
    everything = read_columns(pack_crystals("all.npz", "--crystals", "240"))
    library = Library.open(pack_crystals.library)
    known = {entry.formula for entry in library.entries(np.arange(len(library)))}
    made = sorted(set(everything["formula"][~everything["held_out"]]) - known)[::20]
    assert len(made) > 3
    (tmp_path / "excluded.txt").write_text(" ".join([*made, *EXCLUDED]))
    words = ("--crystals", "240", "--exclude", str(tmp_path / "excluded.txt"))
    fewer = read_columns(pack_crystals("fewer.npz", *words))
    kept = ~np.isin(everything["formula"], [*made, *EXCLUDED])
    for name in ("formula", "lattice"):
        np.testing.assert_array_equal(fewer[name], everything[name][kept])
    assert len(columns["formula"]) > len(fewer["formula"])


def test_other_processes_pack_the_same(
    pack_crystals: Packing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "CHUNK", 20)  # two jobs
    ours, theirs = (
        read_columns(pack_crystals(f"{processes}.npz", "--crystals", "60", processes=processes))
        for processes in (False, True)
    )
    for name, column in ours.items():
        np.testing.assert_array_equal(column, theirs[name])


def test_known_are_the_crystals_of_the_library(columns: Columns, pack_crystals: Packing) -> None:
    library = Library.open(pack_crystals.library)
    own = {
        entry.crystal.lattice.astype(np.float32).tobytes()
        for entry in library.entries(np.arange(len(library)))
    }
    known = [lattice.tobytes() in own for lattice in columns["lattice"]]
    assert columns["known"].tolist() == known
    assert 0 < sum(known) < len(known)


def test_a_pack_that_does_not_say_has_no_known_crystals(columns: Columns, tmp_path: Path) -> None:
    older: dict[str, Any] = {name: value for name, value in columns.items() if name != "known"}
    np.savez(tmp_path / "older.npz", **older)
    pack = Pack(tmp_path / "older.npz", torch.device("cpu"))
    assert len(pack.known) == len(pack)
    assert not pack.known.any()


def test_formulas_are_excluded_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "formulas").write_text("O2Ti\nFe0.95O  Ca(OH)2\n")
    assert formulas_in(tmp_path / "formulas") >= {"TiO2", "Fe0.95O", "CaH2O2"}
    (tmp_path / "formulas").write_text("TiO2 rutile")
    with pytest.raises(BraggleError, match="rutile"):
        formulas_in(tmp_path / "formulas")
    with pytest.raises(BraggleError, match="no such file"):
        formulas_in(tmp_path / "nowhere")


def test_crystals_that_are_all_too_large_are_an_error(tmp_path: Path) -> None:
    whole = packing._packed(ALL["rutile"], None, 1)
    with pytest.raises(BraggleError, match=r"large\.npz: every crystal has more than 400 atoms"):
        write_packed([whole], tmp_path / "large.npz")
    assert not list(tmp_path.iterdir())


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BraggleError, match="exclude less"):
        write_packed([], tmp_path / "none.npz")
    assert not list(tmp_path.iterdir())


def test_a_large_crystal_is_packed_without_its_atoms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MOST_ATOMS", 20)
    made = [
        packing._packed(crystal, standard.primitive if small else None, prototype)
        for prototype, crystal in enumerate((ALL["rutile"], CHALCANTHITE, MOF_5))
        for standard in [Standard.from_stored(crystal)]
        for small in [len(standard.primitive) <= 20]
    ]
    write_packed(made, tmp_path / "few")
    columns = read_columns(tmp_path / "few")
    assert np.diff(columns["atom_offsets"]).tolist() == [6, 0, 0]
    assert not columns["primitive"][1:].any()


@given(st.lists(st.integers(1, 230), min_size=1, max_size=300), st.integers(-50, 5000))
def test_variants_meet_the_total_and_favour_rare_groups(groups: list[int], total: int) -> None:
    numbers = np.array(groups)
    wanted = variants(numbers, total)
    assert wanted.shape == numbers.shape
    assert wanted.min() >= 0
    assert wanted.max() <= MOST_VARIANTS
    if total > MOST_VARIANTS * len(groups):
        assert (wanted == MOST_VARIANTS).all()
    else:
        assert abs(wanted.sum() - max(total, 0)) <= len(groups) / 2 + 1  # each is rounded
    members = np.array([groups.count(group) for group in groups])
    assert (np.diff(wanted[np.argsort(-members, kind="stable")]) >= 0).all()


def test_a_group_gets_variants_by_the_square_root_of_its_members() -> None:
    wanted = variants(np.array([1] * 400 + [2] * 100), 600)
    assert wanted[:400].sum() == pytest.approx(2 * wanted[400:].sum(), rel=1e-3)
