"""`braggle generate --formula` without a pattern, and what its benchmark counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.cif import read_cif
from data.crystal import Crystal
from data.record import Record
from generator import imagined
from generator.candidate import Sought
from generator.imagined import FormulaSolver
from generator.refinement.energy import ENERGY, Settled
from indexer import Library
from tests.service.bench_crystals import (
    MANGANOSITE,
    MOULDS,
    library_of,
    write_case,
)
from tests.service.conftest import Braggle
from tests.service.html_page import Page


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(MOULDS, tmp_path_factory.mktemp("libraries") / "made")


def test_a_formula_alone_is_answered(braggle: Braggle, library: Library, tmp_path: Path) -> None:
    words = (
        "generate", "--formula", "MnO", "-l", library.path, "--out", tmp_path / "out",
        "--engine", "substitution",
    )  # fmt: skip
    done = braggle(*words, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["query"]["file"], told["query"]["points"]) == (None, 0)
    assert any("no pattern was given" in one for one in told["query"]["warnings"])
    assert any("not by energy" in one for one in told["query"]["warnings"])
    assert [one["fit"] for one in told["proposals"]] == [None] * len(told["proposals"])
    best = told["proposals"][0]
    assert (best["space_group"], best["proposer"]) == ("Fm-3m", "substitution")
    (record,) = read_cif(Path(best["cif"]))
    assert isinstance(record, Record)
    assert set(record.crystal.species) == {"Mn", "O"}
    page = Page((tmp_path / "out/proposals.html").read_text("utf-8"))
    assert "Proposed structures of MnO" in page.text
    assert page.loaded() == []
    shown = braggle(*words)
    assert "eV/atom" in shown.stdout


@pytest.mark.parametrize(
    "words, code, said",
    [
        (("--engine", "direct"), 1, "engine direct: needs a pattern"),
        (("--wavelength", "CuKa"), 2, "--wavelength: goes with a pattern"),
        (("--engine", "substitution", "--space-group", "62"), 1, "no crystal of such a formula"),
    ],
)
def test_what_needs_a_pattern_is_said(
    braggle: Braggle,
    library: Library,
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    done = braggle(
        "generate", "--formula", "MnO", "-l", library.path, "--out", tmp_path / "out", *words
    )
    assert done.exit_code == code
    assert said in " ".join(done.stderr.replace("│", " ").split())


def settle(crystal: Crystal) -> Settled:
    """Caesium chloride's kind is made the most stable."""
    cubic = crystal.space_group_number == 221
    return Settled(crystal, -5.0 if cubic else -4.0)


def test_a_force_field_ranks_where_it_is_asked_for(
    braggle: Braggle, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagined, "chgnet_settling", lambda: settle)
    done = braggle(
        "generate", "--formula", "MnO", "-l", library.path, "--out", tmp_path / "out",
        "--engine", "substitution", "--relax", "--json",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["proposals"][0]["features"][ENERGY] == -5.0
    assert not any("not by energy" in one for one in told["query"]["warnings"])


def test_the_least_energy_comes_first(library: Library) -> None:
    solver = FormulaSolver(library)
    sought = Sought({"Mn": 1.0, "O": 1.0})
    usual = solver.candidates(sought, engines=("substitution",))
    assert usual[0].crystal.space_group_number == 225
    ranked = solver.candidates(sought, engines=("substitution",), settle=settle)
    assert ranked[0].crystal.space_group_number == 221
    assert ranked[0].features[ENERGY] == -5.0
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)


def test_formulas_are_counted_without_patterns(
    braggle: Braggle, library: Library, tmp_path: Path
) -> None:
    queries = tmp_path / "queries"
    write_case(queries, "a manganosite", MANGANOSITE)
    words = ("bench", "solve", queries, "-l", library.path, "--no-pattern", "--json")
    done = braggle(*words, "--engine", "substitution")
    assert done.exit_code == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["cases"], told["given"]) == (1, "formula, no pattern")
    assert told["groups"]["all"]["strict"]["match@1"] == 1.0
    assert told["controls"]["template_copy"]["groups"]["all"]["strict"]["match@20"] == 1.0
    assert told["by_engine"] == {}
    refused = braggle("bench", "solve", "-l", library.path, "--no-pattern")
    assert refused.exit_code == 2
