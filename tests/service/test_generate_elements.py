"""`braggle generate --elements`: structures of whatever formula, drawn as clouds of points."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.canonical import Standard
from data.cif import read_cif
from data.crystal import Crystal
from data.formula import reduced_formula
from data.record import Record
from generator import elements
from generator.pointcloud import inference
from generator.refinement.energy import Settle, Settled
from indexer import Library
from tests import crystals
from tests.generator.pointcloud.clouds import Drawing
from tests.service.bench_crystals import (
    MANGANOSITE,
    MOULDS,
    library_of,
    measured,
    renamed,
    scaled,
)
from tests.service.conftest import Braggle, write_xy
from tests.service.html_page import Page

DIOXIDE = renamed(crystals.RUTILE, Ti="Mn")
MANGANESE = scaled(renamed(crystals.CAESIUM_CHLORIDE, Cs="Mn", Cl="Mn"), 0.75)
OXYGEN = scaled(renamed(crystals.CAESIUM_CHLORIDE, Cs="O", Cl="O"), 0.9)
KNOWN = {**MOULDS, "manganese": MANGANESE, "oxygen": OXYGEN, "pyrolusite": DIOXIDE}
ENERGIES = {"Mn": -8.0, "O": -5.0, "MnO2": -7.5, "MnO": -7.2}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(KNOWN, tmp_path_factory.mktemp("libraries") / "made")


@pytest.fixture(autouse=True)
def drawing(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    drawing = Drawing([MANGANOSITE, DIOXIDE, scaled(MANGANOSITE, 1.01)])
    monkeypatch.setattr(inference, "drawn", drawing)
    return drawing


@pytest.fixture
def force_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says an energy by formula and moves nothing."""

    def settle(crystal: Crystal) -> Settled | None:
        from data.canonical import standardize

        standard = standardize(crystal).crystal
        return Settled(standard, ENERGIES[reduced_formula(crystal.composition)])

    def settling(_steps: int = 0) -> Settle:
        return settle

    monkeypatch.setattr(elements, "chgnet_settling", settling)


def words(library: Library, out: Path, *more: object) -> tuple[object, ...]:
    return (
        "generate", *more, "--engine", "pointcloud", "-l", library.path, "--out", out,
    )  # fmt: skip


def test_elements_alone_are_answered(braggle: Braggle, library: Library, tmp_path: Path) -> None:
    done = braggle(*words(library, tmp_path / "out", "--elements", "Mn,O", "--json"))
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["query"]["elements"] == ["Mn", "O"]
    warnings = told["query"]["warnings"]
    assert warnings[0].startswith("3 of 256 clouds are crystals of all of Mn, O")
    assert any("not by energy" in one for one in warnings)
    found = {one["formula"]: one["space_group"] for one in told["proposals"]}
    assert found == {"MnO": "Fm-3m", "MnO2": "P42/mnm"}
    for one in told["proposals"]:
        (record,) = read_cif(Path(one["cif"]))
        assert isinstance(record, Record)
        assert reduced_formula(record.crystal.composition) == one["formula"]
        assert one["formula"] in Path(one["cif"]).name
    assert Page((tmp_path / "out/proposals.html").read_text("utf-8")).loaded() == []


@pytest.mark.usefixtures("force_field")
def test_energies_above_hull_are_estimates_and_rank(
    braggle: Braggle, library: Library, tmp_path: Path
) -> None:
    asked = words(library, tmp_path / "out", "--elements", "Mn,O", "--relax")
    told = json.loads(braggle(*asked, "--json").stdout)
    above = {one["formula"]: one["above_hull_ev_per_atom"] for one in told["proposals"]}
    # MnO is taken for a mixture of Mn and MnO2: -8/4 - 3/4 * 7.5 = -7.625 eV an atom.
    assert above == pytest.approx({"MnO2": 0.0, "MnO": 0.425})
    assert told["proposals"][0]["formula"] == "MnO2"
    assert "estimate" in told["proposals"][0]["above_hull_is"]
    assert any("estimates by CHGNet, not DFT" in one for one in told["query"]["warnings"])
    page = Page((tmp_path / "out/proposals.html").read_text("utf-8"))
    assert "an estimate by CHGNet" in page.text
    assert "above hull" in braggle(*asked).stdout
    withheld = braggle(*asked, "--json", "--without", "MnO2")
    assert [one["formula"] for one in json.loads(withheld.stdout)["proposals"]] == ["MnO"]


@pytest.mark.usefixtures("force_field")
def test_a_missing_element_is_said(braggle: Braggle, tmp_path: Path) -> None:
    library = library_of(MOULDS, tmp_path / "made")
    told = json.loads(
        braggle(*words(library, tmp_path / "out", "--elements", "Mn,O", "--relax", "--json")).stdout
    )
    assert any("no usable crystal of Mn, O" in one for one in told["query"]["warnings"])
    assert all("above_hull_ev_per_atom" not in one for one in told["proposals"])


def test_a_pattern_ranks_what_is_drawn(braggle: Braggle, library: Library, tmp_path: Path) -> None:
    write_xy(measured(DIOXIDE), tmp_path / "sample.xy")
    asked = words(library, tmp_path / "out", tmp_path / "sample.xy", "--elements", "O,Mn")
    done = braggle(*asked, "--json", "--no-refine")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    best = told["proposals"][0]
    assert (best["formula"], best["space_group"]) == ("MnO2", "P42/mnm")
    assert best["fit"]["correlation"] > 0.9
    assert {one["formula"] for one in told["proposals"]} == {"MnO", "MnO2"}
    assert best["cell"]["a"] == pytest.approx(
        Standard.from_stored(crystals.RUTILE).crystal.cell[0], rel=5e-3
    )


def test_a_formula_may_be_asked_for_by_name(
    braggle: Braggle, library: Library, tmp_path: Path
) -> None:
    done = braggle(*words(library, tmp_path / "out", "--formula", "MnO2", "--json"))
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert {one["formula"] for one in told["proposals"]} == {"MnO2"}
    assert "elements" not in told["query"]


@pytest.mark.parametrize(
    "more, code, said",
    [
        (("--elements", "Mg,Al,Si,O"), 1, "elements Mg,Al,Si,O: a cloud of points holds one to 3"),
        (("--elements", "Mg,Xx"), 1, "elements Xx: no such element; write symbols: Mg,Mn,O"),
        (("--elements", ","), 1, "elements none: a cloud of points holds one to 3 elements"),
        (("--elements", "Mn,O", "--formula", "MnO"), 2, "--formula: elements stand in place"),
        (
            ("--elements", "Mn,O", "--formula-units", "4"),
            2,
            "--formula-units: elements stand in place",
        ),
        (
            ("--elements", "Mn,O", "--engine", "substitution"),
            2,
            "--engine: elements go with pointcloud alone",
        ),
        (("--elements", "Mn,O", "--space-group", "227"), 1, "agrees with what is known"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    braggle: Braggle,
    library: Library,
    tmp_path: Path,
    more: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    done = braggle(*words(library, tmp_path / "out", *more))
    assert done.exit_code == code
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_nothing_drawn_is_said(
    braggle: Braggle, library: Library, tmp_path: Path, drawing: Drawing
) -> None:
    drawing.crystals = [scaled(MANGANOSITE, 0.5)]
    done = braggle(*words(library, tmp_path / "out", "--elements", "Mn,O"))
    assert done.exit_code == 1
    assert "none of 256 clouds is a crystal of all of them" in done.stderr
    assert done.stderr.count("\n") == 1
