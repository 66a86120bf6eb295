"""CIFs damaged at random: each gives crystals or a reason, in bounded time."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.broken_cifs.damage import KINDS, broken_cifs, giants
from data.canonical import MAX_COMPARISONS, crystal_id, standardize
from data.cif import MAX_CIF_BYTES, MAX_TEXT, read_cif, read_cif_text, write_cif
from data.cif_document import MAX_BLOCKS, MAX_TAGS, decode
from data.crystal import Crystal
from data.diffraction import lines_of
from data.errors import CrystalError
from data.record import MAX_NAME, MAX_REASON, Problem, Record
from data.sources import open_source
from indexer.ingest import LineSettings, digest_all
from tests import crystals
from tests.data.cif_texts import HALITE

TEXTS = [write_cif(crystals.ALL[name]) for name in sorted(set(crystals.ALL) - {"MOF-5"})]
COUNT = 12 * len(KINDS)


def filled(n: int, edge_angstrom: float) -> Crystal:
    """As many atoms of carbon, anywhere in a cube."""
    return Crystal(
        lattice=edge_angstrom * np.eye(3),
        species=("C",) * n,
        occupancies=np.ones(n),
        fractional=np.random.default_rng(1).random((n, 3)),
        u_iso_angstrom2=np.full(n, np.nan),
    )


def refused(text: str) -> Problem:
    (found,) = read_cif_text(text, "test.cif")
    assert isinstance(found, Problem), found
    return found


def test_every_broken_file_gives_crystals_or_its_reason(tmp_path: Path) -> None:
    names = []
    for number, (_, content) in enumerate(broken_cifs(TEXTS, COUNT, seed=7, rows=600)):
        names.append(f"{number:04}.cif")
        (tmp_path / names[-1]).write_bytes(content)
    chunks = list(digest_all(open_source(str(tmp_path)), LineSettings(), workers=1))
    problems = [problem for chunk in chunks for _, problem in chunk.problems]
    for problem in problems:
        said = str(problem)
        assert said.isprintable()
        assert len(said) < MAX_NAME + MAX_REASON + 50
        # What was not foreseen is named by its exception.
        assert "Error:" not in problem.reason, said
    entered = {name for chunk in chunks for name in chunk.sources["collection"].to_pylist()}
    explained = {problem.where[:8] for problem in problems}
    assert entered | explained == set(names)
    assert len(entered) > COUNT // 10
    assert len(explained) > COUNT // 3


@pytest.mark.parametrize("number", range(19))
def test_a_file_full_of_one_thing(number: int, tmp_path: Path) -> None:
    _, pieces = list(giants(HALITE, 300_000))[number]
    path = tmp_path / "giant.cif"
    path.write_bytes(b"".join(pieces))
    chunks = list(digest_all(read_cif(path), LineSettings(), workers=1))
    assert sum(chunk.read for chunk in chunks) > 0
    for problem in (one for chunk in chunks for _, one in chunk.problems):
        assert str(problem).startswith("giant.cif")
        assert "Error:" not in problem.reason


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.cif"
    with path.open("wb") as file:
        file.truncate(MAX_CIF_BYTES + 1)
    (problem,) = read_cif(path)
    assert str(problem) == "large.cif: larger than 64 MiB; split it into files"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.cif")
    (problem,) = read_cif(tmp_path / "pipe.cif")
    assert "it is no file" in str(problem)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_text_of_any_width_is_read(encoding: str) -> None:
    assert decode(HALITE.encode(encoding)) == HALITE


def test_a_long_name_is_shortened() -> None:
    (found,) = read_cif_text(HALITE.replace("Halite", "Halite" * 1000), "test.cif")
    assert isinstance(found, Record)
    assert len(found.names[0]) <= MAX_TEXT


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("0.5 0.5 0.5", "0.5 0.5 1/" + "9" * 400, "not a fraction of the cell"),
        ("Na 0", "N" * 300 + " 0", "label of 300 characters"),
        ("'F m -3 m'", f"'{'F m ' * 200}'", "is not known"),
    ],
)
def test_what_is_absurd_is_named(old: str, new: str, reason: str) -> None:
    assert reason in refused(HALITE.replace(old, new)).reason


def test_a_block_of_tags_is_not_gone_through() -> None:
    tags = "".join(f"_a{number} 1\n" for number in range(MAX_TAGS + 1))
    assert "more than 20000 tags" in refused(HALITE + tags).reason


def test_a_file_of_headings_is_not_gone_through() -> None:
    assert "blocks are more than" in refused(HALITE + "data_a\n" * MAX_BLOCKS).reason


def test_a_long_operation_is_refused() -> None:
    operation = f"loop_\n_symmetry_equiv_pos_as_xyz\n'x{'+x-x' * 100},y,z'\nloop_"
    assert "operation of 40" in refused(HALITE.replace("loop_", operation)).reason


def test_a_line_of_blanks_takes_no_time() -> None:
    blanks = " " * 1_000_000  # a search that tried every pair of places would take hours
    assert "not CIF" in refused(f"{HALITE}{blanks}'never closed").reason


def test_atoms_on_top_of_each_other_have_no_id() -> None:
    with pytest.raises(CrystalError, match="too close to each other"):
        crystal_id(filled(2000, 4.0))


def test_a_vast_supercell_is_not_searched() -> None:
    with pytest.raises(CrystalError, match="give the primitive cell"):
        standardize(filled(int(MAX_COMPARISONS**0.5) + 100, 60.0))


def test_a_crystal_that_repeats_within_half_an_angstrom_is_not_searched() -> None:
    shifts = "\n".join(f"'x+{k}/50,y,z'" for k in range(50))
    text = HALITE.replace("loop_", f"loop_\n_symmetry_equiv_pos_as_xyz\n{shifts}\nloop_", 1)
    assert "repeats after 0.11 Å" in refused(text).reason


def test_atoms_near_to_each_other_are_no_repetition() -> None:
    places = np.array([[0.1, 0.1, 0.1], [0.16, 0.1, 0.1], [0.5, 0.6, 0.3]])
    crystal = Crystal(6 * np.eye(3), ("O", "O", "Fe"), np.ones(3), places, np.full(3, np.nan))
    split = Crystal(6 * np.eye(3), ("O", "O"), np.ones(2), places[:2], np.full(2, np.nan))
    assert len(standardize(crystal).crystal) == 3
    assert len(standardize(split).crystal) == 2


def test_a_vast_cell_without_symmetry_has_no_lines() -> None:
    with pytest.raises(CrystalError, match="state the symmetry"):
        lines_of(filled(15_000, 90.0), operations=(np.eye(3, dtype=int)[None], np.zeros((1, 3))))


def test_archives_in_archives_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "outer.zip"
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as inner:
        inner.writestr("halite.cif", HALITE)
    with zipfile.ZipFile(path, "w") as outer:
        outer.write(tmp_path / "inner.zip", "inner.zip")
        outer.write(tmp_path / "inner.zip", "disguised.cif")
    (found,) = open_source(str(path))
    assert isinstance(found, Problem)
    assert found.where == "outer.zip/disguised.cif"
