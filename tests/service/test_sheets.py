"""Libraries of sheets, from the command line: built, searched, drawn, trained for and measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from data.cif import write_cif
from data.errors import QueryError
from data.radiation import CU_KA
from data.sheet_diffraction import sheet_lines
from data.sources.packed import write_packed
from indexer import Library
from indexer.sheets.making import make, record_of
from search.searcher import Searcher
from service.attention import render
from service.attention.looks import attention_of
from service.bench.sheets import RANKED
from tests import crystals, layered
from tests.service.conftest import Braggle


@pytest.fixture
def query(tmp_path: Path) -> Path:
    path = tmp_path / "query.xy"
    path.write_text(layered.pattern_of("molybdenite"))
    return path


def test_a_library_of_sheets_knows_what_it_is(sheets: Path) -> None:
    library = Library.open(sheets)
    assert library.profile == "2d"
    assert len(library) == 4
    assert [stamp.id for stamp in library.channels] == ["physical", "2d"]
    assert library.change is None
    assert library.verify().ok
    names = {name for entry in library.entries(range(4)) for name in entry.names}
    assert names == {f"{name}, layer" for name in layered.LAYERED}
    for row in range(4):
        stored = library.entry(row).crystal
        assert library.lines[row].inv_d2 == pytest.approx(
            sheet_lines(stored, floor=1e-4).inv_d2, rel=1e-5
        )


def test_what_is_added_is_exfoliated_too_and_files_without_layers_are_named(
    sheets: Path, tmp_path: Path, braggle: Braggle
) -> None:
    bundle = Library.open(sheets).export(tmp_path / "sheets.braggle")
    copy = Library.import_bundle(bundle, tmp_path / "copy")
    assert copy.profile == "2d"
    (tmp_path / "oxide.cif").write_text(write_cif(layered.MOLYBDITE, name="molybdite"))
    (tmp_path / "salt.cif").write_text(write_cif(crystals.ROCK_SALT, name="salt"))
    result = braggle("library", "add", "oxide.cif", "salt.cif", "--library", "copy", "--json")
    document = json.loads(result.stdout)
    assert document["added"] == 1
    (problem,) = document["problems"]
    assert "neither a sheet with vacuum nor layered" in problem["reason"]
    assert Library.open(tmp_path / "copy").profile == "2d"


@pytest.mark.parametrize("name", layered.LAYERED)
def test_a_sheet_is_found_by_its_pattern(sheets: Path, name: str, tmp_path: Path) -> None:
    from data.reading import read_pattern

    path = tmp_path / "query.xy"
    path.write_text(layered.pattern_of(name))
    result = Searcher(Library.open(sheets)).lookup(
        read_pattern(path, radiation=CU_KA), profile="2d"
    )
    assert result.hits[0].names == (f"{name}, layer",)
    assert result.hits[0].fit.correlation > 0.95
    assert any("calibrated on powders" in warning for warning in result.warnings)


@pytest.mark.parametrize("stage", ["2d", "physical", "vectors", "exhaustive"])
def test_every_first_stage_answers(sheets: Path, query: Path, braggle: Braggle, stage: str) -> None:
    result = braggle(
        "search", query, "--library", sheets, "--profile", "2d", "--first-stage", stage, "--json"
    )
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["library"]["channels"] == ["physical", "2d"]
    assert "molybdenite, layer" in [hit["names"][0] for hit in document["hits"]]


def test_a_library_of_another_profile_is_refused(
    sheets: Path, query: Path, tmp_path: Path, braggle: Braggle
) -> None:
    Library.build(layered.records()[:2], tmp_path / "powders")
    result = braggle("search", query, "--library", "powders", "--profile", "2d")
    assert result.exit_code == 1
    assert "the library is of powders of crystals (profile powder), not of sheets" in result.stderr
    result = braggle("search", query, "--library", sheets, "--profile", "powder")
    assert result.exit_code == 1
    assert "the library is of sheets (profile 2d)" in result.stderr


def test_the_library_of_sheets_has_a_name_of_its_own(
    tmp_path: Path, query: Path, braggle: Braggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAGGLE_DATA_DIR", str(tmp_path / "home"))
    write_packed(layered.records(), tmp_path / "layered.parquet")
    result = braggle("library", "build", "layered.parquet", "--profile", "2d")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "home" / "libraries" / "2d" / "CURRENT").is_file()
    result = braggle("search", query, "--profile", "2d", "--json")
    assert json.loads(result.stdout)["library"]["entries"] == 4
    result = braggle("library", "info", "--library", "2d", "--json")
    assert json.loads(result.stdout)["profile"] == "2d"


def test_structures_are_not_proposed_after_sheets(
    sheets: Path, query: Path, braggle: Braggle
) -> None:
    for given in ((), (query,)):
        words = ("--formula", "MoS2", "--out", "proposed", "--library", sheets)
        result = braggle("generate", *given, *words)
        assert result.exit_code == 1
        assert "the library is of sheets (profile 2d), and structures are" in result.stderr


def test_what_the_towers_looked_at_is_drawn(
    sheets: Path, query: Path, tmp_path: Path, braggle: Braggle
) -> None:
    result = braggle("search", query, "--library", sheets, "--attention", "looked.html")
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "looked.html").read_text("utf-8")
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", page)
    assert "S 1" in page
    assert "Mo 1" in page
    assert page.count("data:image/png;base64,") == 4


def test_attention_is_of_sheets_and_of_one_pattern(
    sheets: Path, query: Path, tmp_path: Path, braggle: Braggle
) -> None:
    from data.reading import read_pattern

    powders = Library.build(layered.records()[:2], tmp_path / "powders")
    result = Searcher(powders).lookup(read_pattern(query, radiation=CU_KA))
    with pytest.raises(QueryError, match="the library is none of sheets"):
        attention_of(result, powders)
    both = braggle("search", query, query, "--library", sheets, "--attention", "looked.html")
    assert both.exit_code == 2
    assert "draws one pattern" in both.stderr


def test_names_on_the_page_are_escaped(sheets: Path, query: Path) -> None:
    from dataclasses import replace

    from data.reading import read_pattern

    library = Library.open(sheets)
    result = Searcher(library).lookup(read_pattern(query, radiation=CU_KA))
    evil = replace(result, query=replace(result.query, name="<script>alert(1)</script>"))
    assert "<script>alert" not in render(attention_of(evil, library))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of sheets to train on and to be measured with."""
    path = tmp_path_factory.mktemp("made") / "sheets.parquet"
    some = make(layered.records(), 60, excluded=set(), seed=1)
    write_packed((record_of(one, i) for i, one in enumerate(some)), path)
    return path


def test_towers_are_trained_resumed_and_measured(
    made: Path, tmp_path: Path, braggle: Braggle
) -> None:
    from indexer.sheets.packing import pack, sheets_in
    from indexer.sheets.packing import write_packed as write_npz

    write_npz(pack(list(sheets_in(str(made))), 60, excluded=set(), seed=1), tmp_path / "sheets.npz")
    train = ("train", "encoder", "sheets.npz", "--kind", "2d", "--out", "towers", "--device", "cpu")
    result = braggle(*train, "--steps", 2, "--batch", 8, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["step"] == 2
    assert (tmp_path / "towers" / "curves.svg").is_file()
    assert braggle(*train).exit_code == 1
    again = braggle(*train, "--resume")
    assert again.exit_code == 0, again.stderr
    assert braggle(*train, "--resume", "--beside", "x").exit_code == 2
    weights = tmp_path / "towers" / "encoder.safetensors"
    result = braggle(
        "bench", "sheets", made, "--weights", weights, "--queries", 4, "--everything", "--json"
    )
    assert result.exit_code == 0, result.stderr
    measured: dict[str, Any] = json.loads(result.stdout)
    assert measured["sheets"] == 60
    for part in measured["parts"].values():
        assert 0 < part["queries"] <= 4
        for condition in measured["conditions"]:
            assert list(part[condition]) == list(RANKED)
            for by in part[condition].values():
                hits = by["held out"]
                assert 0 <= hits["hit@1"] <= hits["hit@10"] <= 1
                assert by["all sheets"]["hit@10"] <= hits["hit@10"]
        assert part["unperturbed"]["every sheet"]["held out"]["hit@1"] > 0.5
    assert list(measured["conditions"]) == ["unperturbed", "perturbed", "as measured"]
    text = braggle("bench", "sheets", made, "--weights", weights, "--queries", 2)
    assert "the paper's, on its sheets" in text.stdout
    assert "as measured" in text.stdout


def test_weights_of_another_kind_are_refused(made: Path, tmp_path: Path, braggle: Braggle) -> None:
    (tmp_path / "no.safetensors").write_bytes(b"no")
    result = braggle("bench", "sheets", made, "--weights", "no.safetensors")
    assert result.exit_code == 1
    assert "holds no towers over sheets" in result.stderr
