"""What is handed over reads back as what was found."""

from __future__ import annotations

import ast
import json
import math
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from data.canonical import standardize
from data.cif import read_cif, write_cif
from data.errors import BraggleError
from data.pattern import Pattern
from data.radiation import CU_KA, Radiation
from data.reading import read_pattern
from data.record import Record
from indexer import Library
from search.profile_fit import SHAPE_SPAN, shape_table
from search.result import Hit, LookupResult, MixturePhase
from search.searcher import Searcher
from service.handover import Phase, destinations, phases_of, write_hand_over
from service.handover.folder import hand_over_texts, xy_text
from service.handover.gsas import fxye_text, gauss_and_lorentz, instrument_text
from service.handover.phases import ascii_text, in_cell
from tests import crystals
from tests.search.mixture.test_naming import mixed
from tests.service.conftest import Braggle, MakeResult
from tests.service.handed_over import phase_of


@pytest.fixture(scope="module")
def answered(built: Path, rutile: Path) -> tuple[LookupResult, Library]:
    searcher = Searcher(Library.open(built))
    return searcher.lookup(read_pattern(rutile)), searcher.library


@pytest.fixture(scope="module")
def folder(
    answered: tuple[LookupResult, Library], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    result, library = answered
    place = tmp_path_factory.mktemp("export") / "sample"
    write_hand_over(result, phases_of(result, library), place)
    return place


def test_a_folder_holds_what_its_readme_lists(folder: Path) -> None:
    names = {one.name for one in folder.iterdir()}
    assert {
        "1-TiO2.cif", "1-TiO2.str", "pattern.xy", "pattern.fxye", "pattern.instprm",
        "gsas2.py", "bgmn.sav", "README.txt", "handover.json",
    } <= names  # fmt: skip
    text = (folder / "README.txt").read_text("utf-8")
    for name in names - {"README.txt"}:
        assert name in text
    assert "The pattern is that of TiO2" in text
    assert "The wavelength was assumed" in text
    document = json.loads((folder / "handover.json").read_text("utf-8"))
    assert document["answer"]["hits"][0]["formula"] == "TiO2"
    assert [one for one in folder.parent.iterdir() if one.name.startswith(".")] == []


def test_cifs_read_back_in_the_fitted_cells(
    folder: Path, answered: tuple[LookupResult, Library]
) -> None:
    from pymatgen.core.structure import Structure

    result, library = answered
    for phase in phases_of(result, library):
        assert isinstance(phase.found, Hit)
        stored = library.entry(library.row(phase.found.id)).crystal
        cell = phase.found.fit.cell
        (record,) = read_cif(folder / f"{phase.stem}.cif")
        assert isinstance(record, Record)
        np.testing.assert_allclose(record.crystal.cell[:3], cell[:3], atol=1e-5)
        np.testing.assert_allclose(record.crystal.cell[3:], cell[3:], atol=1e-4)
        assert record.crystal.space_group_number == stored.space_group_number
        assert record.crystal.composition == pytest.approx(stored.composition)
        theirs = Structure.from_file(folder / f"{phase.stem}.cif")
        np.testing.assert_allclose(theirs.lattice.abc, cell[:3], atol=1e-5)
        np.testing.assert_allclose(theirs.lattice.angles, cell[3:], atol=1e-4)
        assert len(theirs) == len(stored)


@pytest.mark.parametrize("name", crystals.ALL)
@pytest.mark.filterwarnings("ignore:Issues encountered while parsing CIF")
def test_every_kind_of_crystal_survives_its_cif(
    name: str, make_result: MakeResult, tmp_path: Path
) -> None:
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core.structure import Structure

    from data.pymatgen_bridge import to_pymatgen

    phase = phase_of(standardize(crystals.ALL[name]).crystal, make_result)
    path = tmp_path / "phase.cif"
    path.write_text(phase.cif("α scan.xy"), "utf-8")
    assert path.read_text("utf-8").isascii()
    (record,) = read_cif(path)
    assert isinstance(record, Record)
    np.testing.assert_allclose(record.crystal.cell, phase.crystal.cell, atol=1e-5)
    matcher = StructureMatcher(ltol=1e-4, stol=1e-3, angle_tol=0.01, scale=False)
    ours = to_pymatgen(phase.crystal)
    for theirs in (Structure.from_file(path), to_pymatgen(record.crystal)):
        np.testing.assert_allclose(theirs.lattice.abc, phase.crystal.cell[:3], atol=1e-5)
        assert len(theirs) == len(ours)
        if len(ours) < 100:
            assert matcher.fit(theirs, ours)


def test_the_pattern_reads_back_as_it_was(
    folder: Path, answered: tuple[LookupResult, Library]
) -> None:
    query = answered[0].query
    for name in ("pattern.xy", "pattern.fxye"):
        read = read_pattern(folder / name)
        np.testing.assert_allclose(read.x, query.x, atol=1e-9)
        np.testing.assert_array_equal(read.counts, query.counts)
        assert read.radiation is not None
        np.testing.assert_allclose(
            read.radiation.wavelengths_angstrom, CU_KA.wavelengths_angstrom, atol=1e-7
        )
    # The instrument's file beside it says the wavelength.
    assert read_pattern(folder / "pattern.fxye").wavelength_source == "stated"


def test_uncertainties_of_the_file_are_kept(tmp_path: Path) -> None:
    x = np.arange(10.0, 60.0, 0.013)
    counts = np.random.default_rng(1).uniform(0.0, 1e5, len(x))
    esd = np.sqrt(counts) + 0.37
    pattern = Pattern("two_theta", x, counts, esd, Radiation.parse("MoKa"), "given", "a.xye")
    (tmp_path / "pattern.fxye").write_text(fxye_text(pattern))
    read = read_pattern(tmp_path / "pattern.fxye")
    assert read.esd is not None
    np.testing.assert_allclose(read.x, x, atol=1e-9)
    np.testing.assert_array_equal(read.counts, counts)
    np.testing.assert_allclose(read.esd, esd, rtol=1e-6)
    (tmp_path / "pattern.xy").write_text(xy_text(pattern))
    np.testing.assert_array_equal(read_pattern(tmp_path / "pattern.xy").counts, counts)


def parameters(text: str) -> dict[str, str]:
    """As GSAS-II reads them: one name and one value a line."""
    first, *lines = text.splitlines()
    assert first.startswith("#GSAS-II")
    pairs = [line.split(":") for line in lines]
    assert all(len(pair) == 2 for pair in pairs)
    return dict(pairs)


def test_the_instrument_has_the_wavelengths_and_the_zero() -> None:
    text = instrument_text(Radiation.parse("CoKa"), fwhm_deg=0.1, zero_shift_deg=-0.0312)
    values = parameters(text)
    assert float(values["Lam1"]) == pytest.approx(1.7889960, abs=1e-7)
    assert float(values["Lam2"]) == pytest.approx(1.7928350, abs=1e-7)
    assert float(values["I(L2)/I(L1)"]) == pytest.approx(0.5)
    assert float(values["Zero"]) == -0.0312
    assert values["Type"] == "PXC"
    alone = parameters(instrument_text(Radiation.parse("0.4137"), fwhm_deg=0.01, zero_shift_deg=0))
    assert float(alone["Lam"]) == pytest.approx(0.4137)
    assert "Lam1" not in alone


def test_the_instrument_s_widths_make_the_peak_that_was_fitted() -> None:
    """The Gaussian and the Lorentzian, folded numerically, against the profile of the fit."""
    fwhm = 0.137
    values = parameters(instrument_text(CU_KA, fwhm_deg=fwhm, zero_shift_deg=0.0))
    sigma = math.sqrt(float(values["W"])) / 100
    gamma = float(values["Z"]) / 100
    assert gauss_and_lorentz(fwhm, 0.4) == pytest.approx(
        (sigma * math.sqrt(8 * math.log(2)), gamma), rel=1e-4
    )
    x = np.linspace(-8, 8, 32001)
    step = x[1] - x[0]
    gauss = np.exp(-(x**2) / 2 / sigma**2) / sigma / math.sqrt(2 * math.pi)
    lorentz = gamma / 2 / math.pi / (x**2 + gamma**2 / 4)
    folded = np.convolve(gauss, lorentz, mode="same") * step
    table = shape_table() / fwhm
    at = np.linspace(0, SHAPE_SPAN, len(table)) * fwhm
    assert np.abs(np.interp(at, x, folded) - table).max() < 0.015 * table.max()


def test_the_script_is_python_and_does_what_it_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ast.parse((folder / "gsas2.py").read_text("utf-8"))
    calls: list[tuple[str, Any]] = []

    class Project:
        made: ClassVar[list[str]] = []

        def __init__(self, newgpx: str) -> None:
            self.made.append(Path(newgpx).name)

        def add_powder_histogram(self, data: str, iparams: str, fmthint: str) -> Project:
            assert Path(data).is_file()
            assert Path(iparams).is_file()
            calls.append(("histogram", fmthint))
            return self

        def add_phase(self, file: str, *, phasename: str, **_: Any) -> None:
            assert Path(file).is_file()
            calls.append(("phase", phasename))

        def do_refinements(self, steps: list[dict[str, Any]]) -> None:
            calls.append(("steps", len(steps)))

        def save(self) -> None: ...

        def get_wR(self) -> float:  # noqa: N802 - GSAS-II's name
            return 9.5

    package, scripting = ModuleType("GSASII"), ModuleType("GSASII.GSASIIscriptable")
    scripting.G2Project = Project  # type: ignore[attr-defined]
    package.GSASIIscriptable = scripting  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "GSASII", package)
    monkeypatch.setitem(sys.modules, "GSASII.GSASIIscriptable", scripting)
    runpy.run_path(str(folder / "gsas2.py"))
    assert calls == [("histogram", "GSAS powder"), ("phase", "TiO2"), ("steps", 3)]
    assert Project.made == ["refinement.gpx"]
    assert "Rwp 9.5" in capsys.readouterr().out


def test_a_q_axis_without_a_wavelength_gets_no_control_files(
    answered: tuple[LookupResult, Library],
) -> None:
    from dataclasses import replace

    result, library = answered
    query = result.query
    pattern = Pattern("q", query.q_inv_angstrom, query.counts, None, None, None, "q.csv")
    texts = hand_over_texts(replace(result, query=pattern), phases_of(result, library))
    assert not {"pattern.xy", "pattern.fxye", "pattern.instprm", "gsas2.py"} & set(texts)
    assert texts["pattern.csv"].startswith("q (1/A),counts\n")
    assert "No wavelength is known" in texts["README.txt"]


def test_nothing_named_is_said_plainly(make_result: MakeResult) -> None:
    result = make_result(verdict="no-confident-match")
    hit = result.hits[0]
    texts = hand_over_texts(result, [Phase(hit, crystals.RUTILE, "1-x", "P1_x", 0.0, ())])
    words = " ".join(texts["README.txt"].split())
    assert "No confident match." in words
    assert "take them for a comparison, not for an answer" in words


@pytest.fixture(scope="module")
def mixed_answer(built: Path) -> tuple[LookupResult, Library]:
    searcher = Searcher(Library.open(built))
    pattern = mixed({"rutile": 70, "fluorite": 30})
    return searcher.lookup(pattern, phases=3), searcher.library


def test_all_phases_of_a_mixture_begin_together(
    mixed_answer: tuple[LookupResult, Library],
) -> None:
    result, library = mixed_answer
    phases = phases_of(result, library)
    assert [phase.found.formula for phase in phases] == ["TiO2", "CaF2"]
    texts = hand_over_texts(result, phases, together=2)
    for name in ("gsas2.py", "bgmn.sav"):
        assert all(phase.stem in texts[name] for phase in phases)
    words = " ".join(texts["README.txt"].split())
    assert "Taken for a mixture" in words
    assert "All phases begin together" in words
    shift = result.mixtures[0].zero_shift_deg
    assert shift == pytest.approx(0.03, abs=0.02)
    zero = re.search(r"^Zero:(\S+)$", texts["pattern.instprm"], re.MULTILINE)
    assert zero is not None
    assert float(zero[1]) == pytest.approx(shift, abs=1e-4)


def test_cells_of_a_mixture_are_the_fitted_ones(
    mixed_answer: tuple[LookupResult, Library], tmp_path: Path
) -> None:
    result, library = mixed_answer
    for phase in phases_of(result, library):
        assert isinstance(phase.found, MixturePhase)
        path = tmp_path / "phase.cif"
        path.write_text(phase.cif("mixed"), "utf-8")
        (record,) = read_cif(path)
        assert isinstance(record, Record)
        np.testing.assert_allclose(record.crystal.cell, phase.found.cell, atol=1e-5)
        stored = library.entry(library.row(phase.found.id)).crystal
        assert record.crystal.space_group_number == stored.space_group_number
        assert record.crystal.composition == pytest.approx(stored.composition)


def test_names_become_plain() -> None:
    assert ascii_text("Bræggerite β-Pb₂\nHüttner") == "Br?ggerite beta-Pb2 Huttner"


def test_export_from_the_command_line(braggle: Braggle, rutile: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.xy").write_text("")
    (tmp_path / "a").mkdir()
    other = tmp_path / "a" / "sample.xy"
    other.write_bytes(rutile.read_bytes())
    words = ("search", rutile, "empty.xy", other, "--export", "out")
    result = braggle(*words)
    assert result.exit_code == 1
    assert "2 folders exported to out" in result.stderr
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["sample", "sample-2"]
    # Once more: what is ours and unchanged is written anew.
    assert "2 folders exported" in braggle(*words).stderr
    (tmp_path / "out" / "sample" / "pattern.instprm").write_text("mine now")
    refused = braggle(*words)
    assert refused.exit_code == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("braggle: out/sample: pattern.instprm is not as an earlier export")
    assert refused.stdout == ""
    assert (tmp_path / "out" / "sample" / "pattern.instprm").read_text() == "mine now"


@pytest.mark.parametrize("what", ["file", "stranger", "addition"])
def test_nothing_of_the_user_s_is_written_over(folder: Path, tmp_path: Path, what: str) -> None:
    import shutil

    place = tmp_path / "sample"
    if what == "file":
        place.write_text("precious")
    elif what == "stranger":
        place.mkdir()
        (place / "thesis.txt").write_text("precious")
    else:
        shutil.copytree(folder, place)
        (place / "refinement.gpx").write_text("precious")
    with pytest.raises(BraggleError, match="sample: "):
        destinations(["x/sample.xy"], tmp_path)


def test_folders_that_may_be_written(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "sample")
    (tmp_path / "empty").mkdir()
    names = [
        "a/sample.xy",
        "empty.xy",
        "new.xrdml",
        "b/Sample.xy",
        "-",
        "CON.xy",
        "..xy",
        "a:b?.xy",
    ]
    found = [one.folder.name for one in destinations(names, tmp_path)]
    assert found == [
        "sample", "empty", "new", "Sample-2", "standard-input", "_CON", "pattern", "a_b_",
    ]  # fmt: skip


def test_a_place_that_cannot_be_written_is_one_line(
    braggle: Braggle, rutile: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = braggle("search", rutile, "--export", "file/out")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("braggle: file/out: cannot be written in")


def test_a_crystal_in_another_cell_keeps_its_fractions_and_its_group() -> None:
    crystal = standardize(crystals.BADDELEYITE).crystal
    a, b, c, alpha, beta, gamma = crystal.cell
    made = in_cell(crystal, (1.01 * a, b, 0.99 * c, alpha, beta + 0.5, gamma))
    np.testing.assert_allclose(made.cell, (1.01 * a, b, 0.99 * c, alpha, beta + 0.5, gamma))
    np.testing.assert_array_equal(made.fractional, crystal.fractional)
    assert "P 1 21/c 1" in write_cif(made)
