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
from tests.service.bench_crystals import library_of, renamed, scaled
from tests.service.conftest import Braggle, write_xy
from tests.service.html_page import Page

MANGANOSITE = scaled(renamed(crystals.ROCK_SALT, Na="Mn", Cl="O"), 4.44 / 5.64)
KNOWN = {
    "periclase": scaled(renamed(crystals.ROCK_SALT, Na="Mg", Cl="O"), 4.21 / 5.64),
    "caesium chloride": crystals.CAESIUM_CHLORIDE,
    "rutile": crystals.RUTILE,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(KNOWN, tmp_path_factory.mktemp("libraries") / "made")


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
    words = ("generate", pattern, "--formula", "MnO", "-l", library.path, "--out", out)
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
        "generate", pattern, "--formula", formula, "-l", library.path, "--out", tmp_path / "out"
    )
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_what_is_withheld_is_not_made_use_of(
    braggle: Braggle, library: Library, pattern: Path, tmp_path: Path
) -> None:
    done = braggle(
        "generate", pattern, "--formula", "MnO", "-l", library.path, "--out", tmp_path / "out",
        "--without", "MgO", "--json",
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
