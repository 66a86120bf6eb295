from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.cif_writing import write_cif
from data.errors import QueryError
from indexer import Library
from service.bench.mixture_cases import find_mixture_cases, formula_of
from service.bench.spiked import SHARES_PERCENT, bench_spiked
from tests import crystals
from tests.search.mixture.test_naming import mixed
from tests.service.conftest import Braggle, write_xy
from tests.service.html_page import Page

NAME = "TiO2_0p7000-CaF2_0p3000--2min.xy"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixtures")
    write_xy(mixed({"rutile": 70, "fluorite": 30}), folder / NAME)
    return folder


def test_a_mixture_is_answered_and_reported(braggle: Braggle, cases: Path) -> None:
    done = braggle("search", cases / NAME, "--phases", 3, "--json", "--report", "page.html")
    assert done.exit_code == 0, done.output
    (best, *_) = json.loads(done.stdout)["mixtures"]
    weights = {phase["formula"]: phase["weight_percent"] for phase in best["phases"]}
    assert weights == pytest.approx({"TiO2": 70, "CaF2": 30}, abs=3)
    assert 0 < best["rwp_percent"] < 20
    assert 0 <= best["confidence"] <= 1
    page = Page(Path("page.html").read_text(encoding="utf-8"))
    assert page.loaded() == []
    assert "Every measured peak is explained." in " ".join(page.text.split())
    curves = page.documents[0]
    assert [hit["label"] for hit in curves["hits"]] == ["Σ", "1", "2"]


def test_the_terminal_shows_weights(braggle: Braggle, cases: Path) -> None:
    done = braggle("search", cases / NAME, "--phases", 2)
    assert done.exit_code == 0, done.output
    assert "weight %" in done.stdout
    assert "As a single phase:" in done.stdout


@pytest.mark.parametrize("phases", [0, 9])
def test_numbers_of_phases_that_are_not_tried(braggle: Braggle, cases: Path, phases: int) -> None:
    done = braggle("search", cases / NAME, "--phases", phases)
    assert done.exit_code == 2
    assert "--phases" in done.output


def test_the_benchmark_judges_sets_and_weights(braggle: Braggle, cases: Path) -> None:
    done = braggle("bench", "mixtures", cases, "--chemistry", "elements", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["all_phases_found@1"] == 1.0
    assert result["recall"] == result["precision"] == 1.0
    assert result["weight_worst_percent"] < 3
    assert result["per_query"][0]["series"] == "2min"


@pytest.fixture
def singles(tmp_path: Path) -> Path:
    """Patterns of single phases with their crystals, as for look-ups."""
    for name in ("rutile", "fluorite"):
        folder = tmp_path / "singles" / name
        folder.mkdir(parents=True)
        (folder / "truth.cif").write_text(write_cif(crystals.ALL[name], name=name), "utf-8")
        write_xy(mixed({name: 1}), folder / "pattern.xy")
    return tmp_path / "singles"


def test_a_minor_phase_is_found_from_some_share_on(braggle: Braggle, singles: Path) -> None:
    words = ("bench", "mixtures", singles, "--spiked", 1, "--chemistry", "elements")
    done = braggle(*words, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["pairs"] == 1
    by_share = {row["share_percent"]: row for row in result["shares"]}
    assert list(by_share) == list(SHARES_PERCENT)
    assert by_share[0]["minor_found_percent"] is None
    assert by_share[40]["minor_found_percent"] == by_share[40]["major_found_percent"] == 100
    alone = next(row for row in result["per_query"] if row["share_percent"] == 0)
    assert not alone["minor_found"]
    assert {alone["major"], alone["minor"]} == {"rutile", "fluorite"}


def test_one_species_alone_makes_no_pair(singles: Path, built: Path) -> None:
    shutil.rmtree(singles / "rutile")
    with pytest.raises(QueryError, match="no two cases"):
        bench_spiked(singles, Library.open(built))


def test_what_the_library_lacks_is_told(braggle: Braggle, tmp_path: Path) -> None:
    folder = tmp_path / "cases" / "one"
    folder.mkdir(parents=True)
    for name in ("rutile", "baddeleyite"):
        (folder / f"{name}.cif").write_text(write_cif(crystals.ALL[name], name=name), "utf-8")
    write_xy(mixed({"rutile": 50, "baddeleyite": 50}), folder / "pattern.xy")
    done = braggle("bench", "mixtures", tmp_path / "cases", "--json")
    result = json.loads(done.stdout)
    (case,) = result["per_query"]
    there = {one["phase"]: one["in_library"] for one in case["truth"]}
    assert there == {"rutile": True, "baddeleyite": False}
    assert result["recall_of_known"] == 1.0
    assert result["recall"] == 0.5


def test_truth_from_crystals_beside_the_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "a.cif").write_text(write_cif(crystals.RUTILE, name="a"), encoding="utf-8")
    (folder / "b.cif").write_text(write_cif(crystals.FLUORITE, name="b"), encoding="utf-8")
    np.savetxt(folder / "data.xy", np.ones((3, 2)))
    (case,) = find_mixture_cases(tmp_path)
    assert [phase.formula for phase in case.phases] == ["TiO2", "CaF2"]
    assert case.elements == {"Ti", "O", "Ca", "F"}
    assert case.phases[0].weight_percent is None


def test_names_without_shares_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sample.xy").write_text("1 2\n")
    with pytest.raises(QueryError, match=r"sample\.xy"):
        find_mixture_cases(tmp_path)
    with pytest.raises(QueryError, match="no such folder"):
        find_mixture_cases(tmp_path / "none")


def test_formulas_without_hydrogen() -> None:
    assert formula_of({"La": 1, "O": 3, "H": 3}) == "LaO3"
    assert formula_of({"Ti": 1 / 3, "O": 2 / 3}) == "TiO2"
    assert formula_of({"H": 2}) == "H"
