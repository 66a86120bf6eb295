"""`braggle generate` from the outside: CIFs, a document and a page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.cif import read_cif
from data.profile import simulate_pattern
from data.record import Record
from indexer import Library
from service.proposals.structure import drawn_cell
from tests import crystals
from tests.service.bench_crystals import MANGANOSITE, MOULDS, library_of, renamed, scaled
from tests.service.conftest import Braggle, write_xy
from tests.service.html_page import Page


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(MOULDS, tmp_path_factory.mktemp("libraries") / "made")


@pytest.fixture
def pattern(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    path = tmp_path / "manganosite.xy"
    write_xy(simulate_pattern(MANGANOSITE, background_counts=100.0, rng=rng), path)
    return path


def test_it_writes_cifs_a_document_and_a_page(
    braggle: Braggle, library: Library, pattern: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = (
        "generate", pattern, "--formula", "MnO", "-l", library.path, "--out", out,
        "--engine", "substitution",
    )  # fmt: skip
    done = braggle(*words, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert json.loads((out / "proposals.json").read_text("utf-8")) == told
    assert told["query"]["formula"] == "MnO"
    best = told["proposals"][0]
    assert (best["rank"], best["space_group"], best["proposer"]) == (1, "Fm-3m", "substitution")
    assert best["cell"]["a"] == pytest.approx(4.44, rel=2e-3)
    assert best["template"]["names"] == ["periclase"]
    assert sum(one["probability"] for one in told["proposals"]) == pytest.approx(1.0)
    for one in told["proposals"]:
        (record,) = read_cif(Path(one["cif"]))
        assert isinstance(record, Record)
        assert record.crystal.cell[0] == pytest.approx(one["cell"]["a"], rel=1e-6)
        assert set(record.crystal.species) == {"Mn", "O"}
    page = Page((out / "proposals.html").read_text("utf-8"))
    assert "Proposed structures of MnO" in page.text
    assert "substitution in periclase" in " ".join(page.text.split())
    assert page.loaded() == []
    shown = braggle(*words)
    assert shown.exit_code == 0
    assert "structures of MnO" in shown.stdout
    assert "Fm-3m" in shown.stdout


@pytest.mark.parametrize(
    "formula, said",
    [
        ("Xx2O", "Xx"),
        ("", "formula"),
        ("Mn7O11", "Mn7O11: no crystal of such a formula was made"),
    ],
)
def test_a_bad_formula_is_one_line(
    braggle: Braggle, library: Library, pattern: Path, tmp_path: Path, formula: str, said: str
) -> None:
    done = braggle(
        "generate", pattern, "--formula", formula, "-l", library.path, "--out", tmp_path / "out",
        "--engine", "substitution",
    )  # fmt: skip
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_what_is_known_is_kept_to(
    braggle: Braggle, library: Library, pattern: Path, tmp_path: Path
) -> None:
    words = (
        "generate", pattern, "-l", library.path, "--out", tmp_path / "out", "--json",
        "--engine", "substitution",
    )  # fmt: skip
    known = ("--cell", "4.44,4.44,4.44,90,90,90", "--space-group", "F m -3 m")
    done = braggle(*words, "--metals", "Mn", "--formula", "MnO", *known, "--formula-units", 4)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert {one["space_group"] for one in told["proposals"]} == {"Fm-3m"}
    assert {one["template"]["formula"] for one in told["proposals"]} == {"MgO"}
    assert told["proposals"][0]["cell"]["a"] == pytest.approx(4.44, rel=2e-3)
    for wrong in (("--space-group", "221", "--formula-units", 4), ("--cell", "7 7 7 90 90 90")):
        refused = braggle(*words, "--formula", "MnO", *wrong)
        assert refused.exit_code == 1
        (line,) = refused.stderr.splitlines()
        assert "MnO: no crystal of such a formula was made with the" in line


def test_metals_and_ligands_say_the_formula(
    braggle: Braggle, library: Library, pattern: Path, tmp_path: Path
) -> None:
    pytest.importorskip("rdkit")
    done = braggle(
        "generate", pattern, "-l", library.path, "--out", tmp_path / "out", "--json",
        "--metals", "Mn:1", "--ligand", "[O-2]:1", "--no-refine", "--engine", "substitution",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["query"]["formula"] == "MnO"
    assert not any(one["refined"] for one in told["proposals"])


def test_refined_crystals_are_said_to_be(
    braggle: Braggle, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    known = {"rutile": crystals.RUTILE, "calcite": crystals.CALCITE}
    made = library_of(known, tmp_path_factory.mktemp("libraries") / "rutile")
    path = tmp_path / "sample.xy"
    tin = scaled(renamed(crystals.RUTILE, Ti="Sn"), 1.035)
    rng = np.random.default_rng(4)
    write_xy(simulate_pattern(tin, background_counts=100.0, rng=rng), path)
    words = (
        "generate", path, "--formula", "SnO2", "-l", made.path, "--out", tmp_path / "out",
        "--engine", "substitution",
    )  # fmt: skip
    told = json.loads(braggle(*words, "--json").stdout)
    assert len(told["proposals"]) == 1
    assert told["proposals"][0]["copies"] >= 1
    assert "refinement" in told["proposals"][0]["features"]
    assert braggle(*words).exit_code == 0


@pytest.mark.parametrize(
    "words, code, said",
    [
        ((), 2, "give its formula"),
        (("--formula", "MnO", "--cell", "4 4 4"), 2, "six numbers"),
        (("--formula", "MnO", "--cell", "4 4 4 90 90 x"), 2, "six numbers"),
        (("--formula", "MnO", "--cell", "4 4 4 90 90 -90"), 2, "there is no such cell"),
        (("--formula", "MnO", "--cell", "4 4 4 30 30 90"), 2, "there is no such cell"),
        (("--formula", "MnO", "--space-group", "231"), 2, "there is no such; give 1 to 230"),
        (("--formula", "MnO", "--space-group", "Pxyz"), 2, "Pxyz"),
        (("--formula", "MnO", "--formula-units", "0"), 2, "--formula-units"),
        (("--formula", "MnO", "--metals", "O"), 1, "'O' is no metal"),
        (("--formula", "MnO", "--metals", "Zn"), 1, "formula MnO: it has no Zn"),
        (("--metals", "Mn"), 1, "Mn: how many in a formula unit is not said; write Mn:1"),
        (("--formula", "MnO", "--cell", "4 4 5 90 90 90", "--space-group", "225"), 1, "not cubic"),
        (("--formula", "MnO", "--cell", "2 2 2 90 90 90", "--formula-units", "4"), 1, "no room"),
        (("--formula", "MnO", "--time-limit", "0"), 1, "within the time limit of 0 s; allow more"),
    ],
)
def test_what_cannot_be_known_is_one_line(
    braggle: Braggle,
    library: Library,
    pattern: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    done = braggle(
        "generate", pattern, "-l", library.path, "--out", tmp_path / "out",
        "--engine", "substitution", *words,
    )  # fmt: skip
    assert done.exit_code == code, done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())
    if code == 1:
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_relaxation_without_its_extra_is_one_line(
    braggle: Braggle,
    library: Library,
    pattern: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("generator.refinement.relaxation.find_spec", lambda _name: None)
    done = braggle(
        "generate", pattern, "--formula", "MnO", "-l", library.path, "--out", tmp_path / "out",
        "--relax",
    )  # fmt: skip
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "pip install 'braggle[relax]'" in line


def test_what_is_withheld_is_not_made_use_of(
    braggle: Braggle, library: Library, pattern: Path, tmp_path: Path
) -> None:
    done = braggle(
        "generate", pattern, "--formula", "MnO", "-l", library.path, "--out", tmp_path / "out",
        "--without", "MgO", "--json", "--engine", "substitution",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert {one["template"]["formula"] for one in told["proposals"]} == {"CsCl"}


def test_a_cell_is_drawn_with_its_faces_and_bonds() -> None:
    drawn = drawn_cell(crystals.ROCK_SALT)
    # 8 corners and 6 faces of one kind, 12 edges and the middle of the other.
    kinds = [atom[0] for atom in drawn["atoms"]]
    assert sorted((kinds.count("Na"), kinds.count("Cl"))) == [13, 14]
    assert len(drawn["edges"]) == 12
    at = np.array([atom[1:4] for atom in drawn["atoms"]])
    lengths = [float(np.linalg.norm(at[a] - at[b])) for a, b in drawn["bonds"]]
    assert len(lengths) == 54
    np.testing.assert_allclose(lengths, crystals.ROCK_SALT.cell[0] / 2, rtol=1e-3)
