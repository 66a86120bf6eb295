"""Many patterns at once: in order, one bad one among good ones, and the table of them all."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from data.errors import PatternError
from search.result import LookupResult
from service.batch import Outcome, is_batch, look_up_all, pattern_files
from service.summary import COLUMNS, row_of, write_summary
from service.summary.rows import SPARK_WIDTH
from service.summary.writing import csv_text, render
from tests.service.conftest import Braggle, MakeResult
from tests.service.html_page import Page


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.fixture
def scans(rutile: Path, tmp_path: Path) -> Path:
    """A folder of two good scans, a bad one, and things that are no scans."""
    folder = tmp_path / "scans"
    (folder / "more").mkdir(parents=True)
    for name in ("scan10.xy", "scan2.xy", "more/scan3.xy"):
        (folder / name).write_bytes(rutile.read_bytes())
    (folder / "scan1.xy").write_text("no pattern at all")
    for name in ("notes.txt", "table.csv", "crystal.cif", ".hidden.xy"):
        (folder / name).write_text("something else")
    return folder


def test_a_folder_means_its_patterns_in_natural_order(scans: Path) -> None:
    names = [Path(file).name for file in pattern_files([str(scans)])]
    assert names == ["scan1.xy", "scan2.xy", "scan10.xy"]


def test_a_quoted_name_with_a_star_means_what_it_matches(scans: Path) -> None:
    names = [Path(file).name for file in pattern_files([f"{scans}/**/scan*.xy"])]
    assert sorted(names) == ["scan1.xy", "scan10.xy", "scan2.xy", "scan3.xy"]
    odd = scans / "odd[1].xy"
    odd.write_text("")
    assert pattern_files([str(odd), "-", "none*.xy"]) == [str(odd), "-", "none*.xy"]


def test_one_argument_that_may_mean_several_is_a_batch(scans: Path) -> None:
    assert is_batch([str(scans)])
    assert is_batch(["*.xy"])
    assert is_batch(["a.xy", "b.xy"])
    assert not is_batch(["a.xy"])
    assert not is_batch(["-"])


def test_outcomes_come_in_order_whoever_is_done_first(make_result: MakeResult) -> None:
    result = make_result()

    def look_up(name: str) -> LookupResult:
        if name == "bad":
            raise PatternError("bad: is empty")
        time.sleep(0.05 if name in "ace" else 0.0)
        return result

    names = ["bad", *"abcdef", "bad", "g"]
    outcomes = list(look_up_all(look_up, names, jobs=3))
    assert [one.file for one in outcomes] == names
    assert [one.error is not None for one in outcomes] == [name == "bad" for name in names]
    assert list(look_up_all(look_up, [], jobs=3)) == []


def test_no_more_is_begun_than_can_be_waited_for(make_result: MakeResult) -> None:
    result, begun, lock = make_result(), 0, threading.Lock()

    def look_up(_: str) -> LookupResult:
        nonlocal begun
        with lock:
            begun += 1
        return result

    outcomes = look_up_all(look_up, [str(i) for i in range(50)], jobs=2)
    for _ in range(3):
        next(outcomes)
    time.sleep(0.1)
    outcomes.close()  # type: ignore[attr-defined]
    assert begun <= 3 + 2 * 2 + 2


def test_a_message_names_the_file_as_it_was_named() -> None:
    outcome = Outcome("run7/scan.xy", error=PatternError("scan.xy: is empty; measure"))
    assert outcome.message == "run7/scan.xy: is empty; measure"
    assert outcome.document == {
        "query": {"file": "run7/scan.xy", "path": "run7/scan.xy"},
        "error": "run7/scan.xy: is empty; measure",
    }


@pytest.mark.usefixtures("scans")
def test_one_bad_file_is_one_line_and_the_others_go_on(braggle: Braggle) -> None:
    result = braggle("search", "scans", "--json")
    assert result.exit_code == 1
    documents = json.loads(result.stdout)
    assert [one["query"]["path"] for one in documents] == [
        "scans/scan1.xy", "scans/scan2.xy", "scans/scan10.xy",
    ]  # fmt: skip
    assert ["error" in one for one in documents] == [True, False, False]
    # A progress bar stands there, too, where the work takes over a second.
    said = [line for line in result.stderr.splitlines() if line.startswith("braggle: ")]
    assert len(said) == 1
    assert said[0].startswith("braggle: scans/scan1.xy: ")


@pytest.mark.usefixtures("scans")
def test_json_is_a_list_where_several_could_have_been_meant(braggle: Braggle, rutile: Path) -> None:
    assert isinstance(json.loads(braggle("search", rutile, "--json").stdout), dict)
    assert isinstance(json.loads(braggle("search", "scans/more", "--json").stdout), list)


@pytest.mark.usefixtures("scans")
def test_json_lines_are_a_document_each(braggle: Braggle) -> None:
    result = braggle("search", "scans", "--jsonl", "--jobs", "2")
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(one["query"]["path"]).name for one in documents] == [
        "scan1.xy", "scan2.xy", "scan10.xy",
    ]  # fmt: skip
    assert documents[1]["hits"][0]["formula"] == "TiO2"


def test_jobs_do_not_change_the_answers(braggle: Braggle, rutile: Path) -> None:
    words = ("search", *[rutile] * 4, "--elements", "Ti,O", "--json", "--jobs")
    alone, together = (json.loads(braggle(*words, jobs).stdout) for jobs in (1, 3))
    for document in (*alone, *together):
        del document["timings_ms"]
    assert alone == together


@pytest.mark.usefixtures("scans")
def test_a_summary_has_a_row_a_pattern(braggle: Braggle) -> None:
    result = braggle("search", "scans", "--summary", "out/all.csv")
    assert result.exit_code == 1
    assert "Summary written to out/all.csv" in result.stderr
    bad, good, _ = rows_of(Path("out/all.csv").read_text("utf-8"))
    assert (bad["file"], bad["verdict"], bad["id"]) == ("scans/scan1.xy", "failed", "")
    assert bad["error"].startswith("scans/scan1.xy: ")
    assert (good["formula"], good["wavelength_source"]) == ("TiO2", "assumed")
    assert 0 <= float(good["confidence"]) <= 1
    assert float(good["rwp_percent"]) > 0
    assert good["second_formula"]


@pytest.mark.parametrize(
    "words, said",
    [
        (["--summary", "all.xlsx"], "--summary all.xlsx: name a file that ends in .csv or .html"),
        (["--json", "--jsonl"], "--json and --jsonl: choose one"),
        (["--jobs", "0"], "--jobs"),
    ],
)
def test_bad_usage(braggle: Braggle, rutile: Path, words: list[str], said: str) -> None:
    result = braggle("search", rutile, *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_place_that_cannot_be_written_is_said_before_the_work(
    braggle: Braggle, rutile: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.csv").mkdir()
    for place in ("file/all.csv", "folder.csv"):
        result = braggle("search", rutile, "--summary", place)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"braggle: {place}: the summary cannot be written")
        assert result.stdout == ""


def test_an_empty_folder_is_one_line(braggle: Braggle, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = braggle("search", "empty", "--summary", "all.csv")
    assert result.exit_code == 1
    assert result.stderr.startswith("braggle: empty: is a folder")


@pytest.mark.parametrize("name", ["=1+1.xy", "+a.xy", "-b.xy", "@sum.xy", "\tc.xy"])
def test_no_cell_is_a_formula(make_result: MakeResult, name: str) -> None:
    row = row_of(Outcome(name, result=make_result(names=("=HYPERLINK(1)",))))
    (read,) = rows_of(csv_text([row]))
    assert read["file"] == f"'{name}"
    assert read["phase"] == "'=HYPERLINK(1)"
    assert list(read) == list(COLUMNS)


def test_numbers_stay_numbers(make_result: MakeResult) -> None:
    (read,) = rows_of(csv_text([row_of(Outcome("a.xy", result=make_result()))]))
    assert float(read["zero_shift_deg"]) == -0.012
    assert (read["alike"], read["second_phase"]) == ("1", "Barite")


def test_a_thumbnail_shows_both_curves(make_result: MakeResult) -> None:
    result = make_result()
    spark = row_of(Outcome("a.xy", result=result)).spark
    assert spark is not None
    assert spark.calculated is not None
    for curve in (spark.low, spark.high, spark.calculated):
        assert curve.shape == (SPARK_WIDTH,)
        assert curve.min() >= 0.0
        assert curve.max() <= 1.0
    assert spark.high.max() == pytest.approx(1.0)
    # The calculated curve is what was measured but for noise.
    assert np.abs(spark.high - spark.calculated).mean() < 0.05


def summary_page(make_result: MakeResult, **options: str) -> tuple[Page, str]:
    outcomes = [
        Outcome("run/a.xy", result=make_result()),
        Outcome("run/<b>.xy", result=make_result(verdict="no-confident-match", names=("<i>x",))),
        Outcome("other/c.xy", error=PatternError("c.xy: is empty & more")),
    ]
    source = render([row_of(one) for one in outcomes], **options)
    return Page(source), source


def test_the_page_loads_nothing_and_says_all(make_result: MakeResult) -> None:
    page, _ = summary_page(make_result)
    assert page.loaded() == []
    text = " ".join(page.text.split())
    for words in (
        "Summary of 3 patterns", "1 match", "1 no confident match", "1 failed", "Anglesite",
        "<i>x", "other/c.xy: is empty & more", "97 %", "Barite", "<b>.xy",
        "All patterns: The wavelength is assumed",
    ):  # fmt: skip
        assert words in text
    verdicts = [value for tag, name, value in page.attributes if (tag, name) == ("tr", "class")]
    assert verdicts == ["match", "no-confident-match", "failed"]


def test_rows_lead_to_the_report(make_result: MakeResult) -> None:
    page, _ = summary_page(make_result, report_link="out/my%20report.html")
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert links == ["out/my%20report.html#q1", "out/my%20report.html#q2"]


def test_the_report_s_address_is_relative(make_result: MakeResult, tmp_path: Path) -> None:
    rows = [row_of(Outcome("a.xy", result=make_result()))]
    write_summary(rows, tmp_path / "pages" / "all.html", report=tmp_path / "a report.html")
    assert 'href="../a%20report.html#q1"' in (tmp_path / "pages" / "all.html").read_text("utf-8")


def test_control_c_leaves_what_is_finished(
    braggle: Braggle, rutile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(
        look_up: Callable[[str], LookupResult], files: list[str], *, jobs: int | None
    ) -> Iterator[Outcome]:
        yield from look_up_all(look_up, files[:1], jobs=jobs)
        raise KeyboardInterrupt

    monkeypatch.setattr("service.batch.look_up_all", stopped)
    result = braggle("search", rutile, rutile, "--summary", "all.csv", "--json")
    assert result.exit_code == 130
    assert "braggle: interrupted after 1 of 2 patterns" in result.stderr
    assert len(json.loads(result.stdout)) == 1
    assert len(rows_of(Path("all.csv").read_text("utf-8"))) == 1


def test_a_bar_on_the_terminal_takes_nothing_from_a_pipe(tmp_path: Path) -> None:
    """Standard error on a terminal, standard output into a file, as in `search … > answers`."""
    code = (
        "import time\n"
        "from service.terminal import emit_line, progress_bar\n"
        "with progress_bar() as progress:\n"
        "    progress(0, 2, 'patterns')\n"
        "    time.sleep(1.3)\n"
        "    emit_line({'a': 1})\n"
        "    progress(2, 2, 'patterns')\n"
    )
    terminal, end = pty.openpty()
    with (tmp_path / "out").open("w") as out:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=out, stderr=end, check=False, timeout=60
        )
    os.close(end)
    os.close(terminal)
    assert done.returncode == 0
    assert (tmp_path / "out").read_text() == '{"a": 1}\n'
