from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.cif import write_cif
from tests import crystals
from tests.data.settings import rewritten
from tests.service.conftest import Braggle


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, runpy; sys.argv = ['braggle', '--help']\n"
        "import service.cli\n"
        "try: service.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'rich', 'pydantic', 'numba', 'scipy', 'torch', 'lance', 'pyarrow',"
        " 'fastapi', 'uvicorn', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "search" in done.stdout


def test_a_pattern_is_named(braggle: Braggle, rutile: Path) -> None:
    result = braggle("search", rutile)
    assert result.exit_code == 0
    assert "rutile" in result.stdout
    assert "CuKa, 1.54059 Å (assumed, the file does not say)" in result.stdout
    assert "Warning:" in result.stdout


def test_json_is_one_document_on_stdout(braggle: Braggle, rutile: Path) -> None:
    result = braggle("search", rutile, "--json", "--wavelength", "CuKa", "--elements", "Ti,O")
    document = json.loads(result.stdout)
    assert document["hits"][0]["formula"] == "TiO2"
    assert document["hits"][0]["source"][0]["identifier"] == "rutile"
    assert document["query"]["wavelength_source"] == "given"
    assert {hit["formula"] for hit in document["hits"]} == {"TiO2"}


def test_a_pattern_comes_from_stdin(braggle: Braggle, rutile: Path) -> None:
    result = braggle("search", "-", "--json", stdin=rutile.read_bytes())
    assert json.loads(result.stdout)["hits"][0]["space_group"].startswith("P4")


def test_one_bad_pattern_does_not_stop_the_others(
    braggle: Braggle, rutile: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.xy").write_text("")
    result = braggle("search", "empty.xy", rutile, "missing.xy", "--json")
    assert result.exit_code == 1
    documents = json.loads(result.stdout)
    assert ["error" in document for document in documents] == [True, False, True]
    first, second = (one for one in result.stderr.splitlines() if one.startswith("braggle: "))
    assert first.startswith("braggle: empty.xy: is empty")
    assert second.startswith("braggle: missing.xy: no such file")


def test_a_report_is_written(braggle: Braggle, rutile: Path, tmp_path: Path) -> None:
    result = braggle("search", rutile, rutile, "--report", "out/report.html")
    assert result.exit_code == 0
    assert "Report written to out/report.html" in result.stderr
    assert (tmp_path / "out" / "report.html").read_text("utf-8").count("<section") == 2


def test_crystals_like_a_crystal(braggle: Braggle, cifs: Path) -> None:
    result = braggle("similar", cifs / "rutile.cif", "--json")
    assert result.exit_code == 0
    entries = json.loads(result.stdout)["entries"]
    assert [one["same_crystal"] for one in entries[:2]] == [True, False]
    assert entries[0]["formula"] == "TiO2"
    text = (cifs / "rutile.cif").read_text("utf-8")
    assert "(the same crystal)" in braggle("similar", "-", stdin=text).stdout


@pytest.mark.parametrize(
    "words, said",
    [
        (["search"], "Missing argument"),
        (["search", "x.xy", "--elements", "Xx"], "Xx"),
        (["search", "x.xy", "--wavelength", "CuKb"], "radiation 'CuKb' is not understood"),
        (["search", "x.xy", "--volume", "300"], "--volume 300: give a range as FROM:TO"),
        (["search", "x.xy", "--density", "a:b"], "--density a:b: give a range as FROM:TO"),
        (["search", "x.xy", "--top", "0"], "--top"),
        (["search", "x.xy", "--first-stage", "best"], "best"),
        (["library", "build"], "Missing argument"),
        (["fly"], "fly"),
    ],
)
def test_bad_usage_exits_with_2(braggle: Braggle, words: list[str], said: str) -> None:
    result = braggle(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "words, said",
    [
        (
            ["search", "x.xy", "-l", "nowhere"],
            "there is no library yet; run `braggle library build",
        ),
        (["search", "x.xy", "-l", "."], "braggle: "),
        (["library", "info", "-l", "file"], "braggle: "),
        (["similar", "none.cif"], "none.cif"),
        (["similar", "nowhere.cif"], "nowhere.cif"),
        (["library", "build", "nowhere.cif", "--into", "new"], "nowhere.cif: no such source"),
        (["library", "build", "none.cif", "--into", "new"], "none.cif"),
    ],
)
def test_failure_exits_with_1_and_one_line(
    braggle: Braggle, tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "file").write_text("no library")
    (tmp_path / "none.cif").write_text("data_none\n_cell_length_a 5\n")
    result = braggle(*words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert all(line.startswith("braggle: ") for line in result.stderr.splitlines())
    assert "Traceback" not in result.output


def test_an_unexpected_error_is_one_line_unless_debugging(
    braggle: Braggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("service.commands.doctor._machine", broken)
    result = braggle("doctor")
    assert result.exit_code == 1
    assert result.stderr == (
        "braggle: unexpected ZeroDivisionError: by zero; BRAGGLE_DEBUG=1 shows where\n"
    )
    monkeypatch.setenv("BRAGGLE_DEBUG", "1")
    assert "Traceback (most recent call last)" in braggle("doctor").stderr


def test_control_c_exits_with_130(braggle: Braggle, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("service.commands.doctor._machine", interrupted)
    assert braggle("doctor").exit_code == 130


def test_a_library_grows(braggle: Braggle, cifs: Path) -> None:
    made = braggle("library", "build", cifs / "rutile.cif", "--into", "small", "--json")
    assert made.exit_code == 0
    assert json.loads(made.stdout)["added"] == 1
    again = braggle("library", "build", cifs / "rutile.cif", "--into", "small")
    assert again.exit_code == 1
    assert "--replace" in again.stderr

    more = (cifs / "anatase.cif").read_text("utf-8")
    added = braggle("library", "add", "-", cifs / "rutile.cif", "-l", "small", stdin=more)
    assert added.exit_code == 0
    assert "version 2, 2 entries; 1 added" in added.stdout

    info = braggle("library", "info", "-l", "small")
    assert "2, read from 2 records" in info.stdout
    facts = json.loads(braggle("library", "info", "-l", "small", "--json").stdout)
    assert facts["entries"] == 2
    assert facts["statistics"]["elements"] == {"O": 2, "Ti": 2}


def test_bad_crystals_are_reported_and_the_others_read(
    braggle: Braggle, cifs: Path, tmp_path: Path
) -> None:
    (tmp_path / "none.cif").write_text("data_none\n_cell_length_a 5\n")
    result = braggle(
        "library", "build", "none.cif", cifs / "rutile.cif", "--into", "small", "--json"
    )
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["added"], len(document["problems"])) == (1, 1)
    assert "braggle: none.cif" in result.stderr


def test_a_library_of_many_files_is_described_shortly(
    braggle: Braggle, cifs: Path, tmp_path: Path
) -> None:
    text = (cifs / "halite.cif").read_text("utf-8")
    (tmp_path / "many").mkdir()
    for number in range(100):
        (tmp_path / "many" / f"sample-{number}.cif").write_text(text, "utf-8")
    assert braggle("library", "build", "many", "--into", "small").exit_code == 0
    result = braggle("library", "info", "-l", "small")
    assert "1, read from 100 records" in result.stdout
    assert "and 88 more" in " ".join(result.stdout.split())
    assert len(result.stdout.splitlines()) < 20


@pytest.mark.parametrize("words", [["similar"], ["library", "add"]])
def test_a_supercell_is_read_without_a_word_of_its_symmetry(
    braggle: Braggle,
    built: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    words: list[str],
) -> None:
    shutil.copytree(built, tmp_path / "copy")
    (tmp_path / "doubled.cif").write_text(
        write_cif(rewritten(crystals.SILICON, np.random.default_rng(1), copies=2)), "utf-8"
    )
    result = braggle(*words, "doubled.cif", "-l", "copy")
    assert (result.exit_code, "braggle" in result.stderr) == (0, False)
    assert "symmetry" not in result.stderr
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_verify_tells_whole_from_damaged(braggle: Braggle, cifs: Path, tmp_path: Path) -> None:
    braggle("library", "build", cifs / "rutile.cif", "--into", str(tmp_path / "small"))
    whole = braggle("library", "verify", "-l", tmp_path / "small", "--json")
    assert whole.exit_code == 0
    assert json.loads(whole.stdout)["ok"] is True
    data = max(tmp_path.glob("small/**/*.lance"), key=lambda file: file.stat().st_size)
    for file in data.parent.glob("*.lance"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    damaged = braggle("library", "verify", "-l", tmp_path / "small")
    assert damaged.exit_code == 1
    assert "FAILED" in damaged.stdout
    assert "damaged; build it anew" in damaged.stderr


def test_doctor_finds_what_is_there(braggle: Braggle) -> None:
    result = braggle("doctor", "--json")
    assert result.exit_code == 0, result.output
    findings = {one["name"]: one for one in json.loads(result.stdout)["findings"]}
    assert "d = 2.820" in findings["diffraction"]["detail"]
    assert "6 entries" in findings["library"]["detail"]
    assert "numpy" in findings


def test_a_benchmark_counts_hits(
    braggle: Braggle, cifs: Path, rutile: Path, tmp_path: Path
) -> None:
    for name, pattern in {"good": rutile.read_text(), "bad": "no pattern"}.items():
        case = tmp_path / "queries" / name
        case.mkdir(parents=True)
        (case / "pattern.xy").write_text(pattern)
        (case / "truth.cif").write_text((cifs / "rutile.cif").read_text("utf-8"), "utf-8")
    result = braggle("bench", "lookup", "queries", "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (figures["queries"], figures["failed"]) == (2, 1)
    assert figures["strict"]["hit@1"] == 0.5
    assert figures["controls"]["masked_cosine"]["strict"]["hit@1"] == 0.5
    assert figures["library"]["entries"] == 6
    table = braggle("bench", "lookup", "queries", "--no-control", "--chemistry", "elements").stdout
    assert "2 queries, 1 failed, 6 entries" in table
    assert "masked cosine" not in table


def test_a_benchmark_without_cases_says_what_a_case_is(braggle: Braggle) -> None:
    result = braggle("bench", "lookup", "nowhere")
    assert result.exit_code == 1
    assert "nowhere: no cases; a case is a folder" in result.stderr


def test_the_version_is_said(braggle: Braggle) -> None:
    assert braggle("--version").stdout.startswith("braggle 0.")


def test_the_installed_command_answers(tmp_path: Path) -> None:
    environment = {**os.environ, "BRAGGLE_DATA_DIR": str(tmp_path), "BRAGGLE_LIBRARY": "none"}
    done = subprocess.run(
        [sys.executable, "-m", "service", "search", "x.xy"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "run `braggle library build bundled --into none`" not in done.stderr
