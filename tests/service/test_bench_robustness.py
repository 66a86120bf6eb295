"""Hits are counted under every condition, on a library of eight crystals."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from data.cif import write_cif
from data.preparation import prepare
from indexer import Library
from search import Searcher
from service.bench.cases import find_cases
from service.bench.robustness import (
    LEVELS,
    SEEDS,
    _another,
    _questions,
    _read,
    _simulated,
    bench_robustness,
)
from service.bench.robustness_plot import robustness_svg
from service.bench.stages import FirstStages
from service.bench.truth import TruthTable
from tests import crystals
from tests.service.bench_crystals import KNOWN, NAMES, library_of, measured
from tests.service.conftest import Braggle, write_xy

STAGES = ["exhaustive", "physical", "physical_one_vector", "learned", "atoms", "fused"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(KNOWN, tmp_path_factory.mktemp("libraries") / "made")


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three that can be named, one that the library does not have, one that cannot be read."""
    folder = tmp_path_factory.mktemp("queries")
    for name in ("anatase", "fluorite", "quartz", "rutile"):
        write_case(folder, name)
    write_case(folder, "unread").joinpath("pattern.xy").write_text("no pattern")
    return folder


@pytest.fixture(scope="module")
def result(queries: Path, library: Library) -> dict[str, Any]:
    return bench_robustness(queries, library)


def write_case(folder: Path, name: str) -> Path:
    crystal = crystals.ALL.get(name, crystals.RUTILE)
    place = folder / name
    place.mkdir(parents=True)
    write_xy(measured(crystal), place / "pattern.xy")
    (place / "truth.cif").write_text(write_cif(crystal), "utf-8")
    return place


def row(result: dict[str, Any], condition: str, level: float) -> dict[str, Any]:
    (found,) = (
        one
        for one in result["conditions"]
        if (one["condition"], one["level"]) == (condition, level)
    )
    return dict(found)


class TestStages:
    def test_cells_as_stored_rank_as_the_library_does(self, library: Library) -> None:
        searcher = Searcher(library)
        crystal = [entry.crystal for entry in library.entries(np.arange(len(library)))]
        stored = FirstStages.of(searcher)
        anew = FirstStages.in_cells(searcher, crystal, library.lattices)
        assert list(stored.names) == STAGES
        for name in ("rutile", "quartz", "olivine"):
            prepared = searcher.comparable(prepare(measured(crystals.ALL[name])))
            orders, again = stored.orders(prepared, 50), anew.orders(prepared, 50)
            assert list(orders) == list(again) == STAGES
            for stage in ("exhaustive", "physical", "learned", "atoms"):
                expected = searcher.first_stage(prepared, None, stage, 50)
                assert orders[stage].tolist() == expected.tolist()
                assert again[stage][0] == orders[stage][0]
            fused = searcher.first_stage(prepared, None, "auto", 50)
            assert orders["fused"].tolist() == fused.tolist()

    def test_one_vector_is_the_question_without_strain(self, library: Library) -> None:
        searcher = Searcher(library)
        prepared = searcher.comparable(prepare(measured(crystals.RUTILE, strain=0.007)))
        order = FirstStages.of(searcher).orders(prepared, 50)["physical_one_vector"]
        first = searcher.channels["physical"].embed_pattern(prepared)[:1]
        assert order.tolist() == library.nearest("physical", first, 50)[0].tolist()

    def test_what_was_moved_is_found_where_it_went(self, library: Library) -> None:
        # 3 % is beyond every strain that a stage tries: only moved entries can be this near.
        searcher = Searcher(library)
        crystal = [entry.crystal for entry in library.entries(np.arange(len(library)))]
        longer = FirstStages.in_cells(searcher, crystal, 1.03 * library.lattices)
        names = [entry.names[0] for entry in library.entries(np.arange(len(library)))]
        for name in ("rutile", "quartz", "anatase"):
            pattern = measured(crystals.ALL[name], strain=0.03)
            orders = longer.orders(searcher.comparable(prepare(pattern)), 50)
            assert {names[order[0]] for order in orders.values()} == {name}


class TestResult:
    def test_every_condition_is_there_with_its_seed(self, result: dict[str, Any]) -> None:
        assert result["benchmark"] == "robustness"
        assert result["stages"] == STAGES
        found = [(one["condition"], one["level"]) for one in result["conditions"]]
        assert found == [(kind, level) for kind, levels in LEVELS.items() for level in levels]
        for one in result["conditions"]:
            assert one["seed"] == SEEDS.get(one["condition"])
            assert set(one) == {
                "condition", "level", "unit", "seed", "queries", "failed", "strict",
            }  # fmt: skip
            assert list(one["strict"]) == STAGES
            for hits in one["strict"].values():
                assert set(hits) == {"hit@1", "hit@10", "hit@50", "hit@200", "mrr"}
        assert [row(result, kind, LEVELS[kind][0])["seed"] for kind in ("start", "end")] == [
            None
        ] * 2

    def test_what_is_unread_or_unknown_counts_as_missed(self, result: dict[str, Any]) -> None:
        assert result["queries"] == 5
        (unread,) = result["unread"]
        assert unread["query"] == "unread"
        assert "pattern.xy" in unread["failed"]
        for one in result["conditions"]:
            simulated = one["condition"] == "texture"
            assert one["queries"] == 5
            assert one["failed"] == (0 if simulated else 1)
            # Three of five cases have their answer, and all rows are among the first 50.
            expected = 1.0 if simulated else 0.6
            assert {hits["hit@50"] for hits in one["strict"].values()} == {expected}

    def test_all_is_found_where_nothing_is_changed(self, result: dict[str, Any]) -> None:
        hits = row(result, "cells", 0.0)["strict"]
        for stage in ("exhaustive", "physical", "physical_one_vector", "fused"):
            assert hits[stage]["hit@1"] == 0.6

    def test_it_names_what_made_it(self, result: dict[str, Any], library: Library) -> None:
        assert result["library"] == {"name": "made", "version": 1, "entries": len(NAMES)}
        assert [one["id"] for one in result["channels"]] == [one.id for one in library.channels]
        assert result["machine"]["cores"] >= 1
        assert result["commit"]

    def test_it_is_the_same_again_and_takes_as_many_as_asked_for(
        self, queries: Path, library: Library, result: dict[str, Any]
    ) -> None:
        told: list[tuple[int, int]] = []
        few = bench_robustness(queries, library, count=2, advance=lambda *now: told.append(now))
        again = bench_robustness(queries, library, count=2)
        assert few["conditions"] == again["conditions"]
        # The first and the last: anatase, and what cannot be read.
        assert (few["queries"], len(few["unread"])) == (2, 1)
        assert row(few, "texture", 0.3)["queries"] == 2
        # Nothing is there to lay over the only pattern.
        alone = row(few, "impurity", 20.0)
        assert (alone["queries"], alone["failed"]) == (0, 0)
        assert alone["strict"] == {stage: {} for stage in STAGES}
        assert told == [(done, len(few["conditions"])) for done in range(len(told))]
        assert len(told) == len(result["conditions"]) + 1


class TestQuestions:
    def test_the_impurity_is_of_another_species_and_the_same_at_every_level(
        self, queries: Path, library: Library
    ) -> None:
        searcher, truths = Searcher(library), TruthTable(library)
        asked, _ = _read(find_cases(queries), searcher, truths)
        again = replace(asked[-1], name="rutile, measured again")
        for query in asked:
            others = [_another(query, [*asked, again]) for _ in range(2)]
            assert others[0] is others[1] is not query
        assert _another(again, [asked[-1], again]) is None
        both = [_another(replace(asked[-1], name=f"{i}"), [again, *asked]) for i in range(20)]
        assert {one.name for one in both if one} == {"anatase", "fluorite", "quartz"}

    def test_the_truth_of_what_is_simulated_is_its_entry(self, library: Library) -> None:
        searcher, truths = Searcher(library), TruthTable(library)
        questions = list(_questions("texture", 0.3, [], library, truths, len(library)))
        for i, (answers, make) in enumerate(questions):
            assert answers.right["strict"][i]
            assert make().name == library.ids[i]
            prepared = searcher.comparable(prepare(make()))
            assert i in searcher.first_stage(prepared, None, "exhaustive", 2)
        assert len(list(_questions("texture", 0.3, [], library, truths, 3))) == 3

    def test_only_the_texture_differs_between_levels(self, library: Library) -> None:
        truth = TruthTable(library).identities[2]
        none, some, more = (_simulated(library, truth, 2, level) for level in (0.0, 0.3, 1.0))
        np.testing.assert_array_equal(none.x, more.x)
        apart = [np.abs(one.counts - none.counts).mean() for one in (some, more)]
        assert 0 < apart[0] < apart[1]


class TestDrawing:
    def test_points_lie_where_the_figures_put_them(self, result: dict[str, Any]) -> None:
        svg = robustness_svg(result)
        root = ET.fromstring(svg)  # noqa: S314 - our own
        space = "{http://www.w3.org/2000/svg}"
        curves = [
            one for one in root.iter(f"{space}path") if one.attrib["class"].startswith("curve")
        ]
        # Four in the legend, and four in each of five panels.
        assert [one.attrib["class"] for one in curves] == 6 * [
            "curve k1", "curve k2", "curve k2 one", "curve k3",
        ]  # fmt: skip
        texts = [one.text for one in root.iter(f"{space}text")]
        for shown in ("learned", "physical", "physical, one vector", "exhaustive", "40", "0.5"):
            assert shown in texts
        grid = [one for one in root.iter(f"{space}path") if one.attrib["class"] == "grid"]
        levels = [float(re.split("[ H]", one.attrib["d"])[1]) for one in grid[:6]]
        zero, hundred = levels[0], levels[-1]
        noise = [(0.0, "cells"), (2.0, "noise"), (5.0, "noise"), (10.0, "noise")]
        drawn = re.findall(r"([\d.]+) ([\d.]+)", curves[8].attrib["d"])
        left = float(drawn[0][0])
        for (level, condition), (across, down) in zip(noise, drawn, strict=True):
            share = row(result, condition, level)["strict"]["learned"]["hit@10"]
            assert float(down) == pytest.approx(zero + share * (hundred - zero), abs=0.1)
            assert float(across) - left == pytest.approx(
                level / 10 * (float(drawn[-1][0]) - left), abs=0.1
            )

    def test_what_was_not_measured_is_not_drawn(self, result: dict[str, Any]) -> None:
        bare = {
            **result,
            "stages": ["exhaustive"],
            "conditions": [
                {**one, "strict": {"exhaustive": {} if one["condition"] == "impurity" else hits}}
                for one in result["conditions"]
                for hits in [one["strict"]["exhaustive"]]
            ],
        }
        svg = robustness_svg(bare)
        assert svg.count('class="curve k3"') == 6
        assert "learned" not in svg
        # One in the legend, four for cells, noise and texture, where an impurity begins, and
        # where a range begins and at two cuts.
        assert svg.count("<circle") == 1 + 4 + 4 + 4 + 1 + 3


class TestCommand:
    def test_the_table_and_the_drawing(
        self, braggle: Braggle, queries: Path, library: Library, tmp_path: Path
    ) -> None:
        shown = braggle("bench", "robustness", queries, "-l", library.path, "--plot", "curves.svg")
        assert shown.exit_code == 0, shown.output
        lines = shown.stdout.splitlines()
        assert "5 queries, 8 entries" in lines[0]
        for start in ("cells moved by 0.5 %", "noise of 10 %", "impurity of 40 %", "from 20° 2θ",
                      "to 50° 2θ", "simulated, texture 0.6"):  # fmt: skip
            (line,) = (one for one in lines if one.startswith(start))
            assert len(re.findall(r"\d+", line.removeprefix(start))) == 3 * len(STAGES)
        assert max(map(len, lines)) <= 120
        assert "Drawing written to curves.svg" in shown.stderr
        assert (tmp_path / "curves.svg").read_text("utf-8").startswith("<svg")

    def test_json_is_the_whole_answer(
        self, braggle: Braggle, queries: Path, library: Library
    ) -> None:
        answer = braggle(
            "bench", "robustness", queries, "-l", library.path, "--queries", 3, "--json"
        )
        assert answer.exit_code == 0, answer.output
        document = json.loads(answer.stdout)
        assert set(document) == {
            "benchmark", "queries", "unread", "stages", "conditions", "commit", "machine",
            "library", "channels",
        }  # fmt: skip
        assert document["queries"] == 3

    @pytest.mark.parametrize(
        "spoilt, said",
        [
            ("missing", "queries: no cases; a case is a folder with one pattern file"),
            ("no truth", "queries/one: 1 pattern file(s) and 0 CIF(s); a case is a folder"),
            ("no pattern", "queries: no case can be read; the first: "),
        ],
    )
    def test_bad_queries_are_one_line(
        self, braggle: Braggle, tmp_path: Path, library: Library, spoilt: str, said: str
    ) -> None:
        if spoilt != "missing":
            place = write_case(tmp_path / "queries", "one")
            if spoilt == "no truth":
                (place / "truth.cif").unlink()
            else:
                (place / "pattern.xy").write_text("no pattern")
        result = braggle("bench", "robustness", "queries", "-l", library.path, "--json")
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"braggle: {said}")

    def test_no_queries_at_all_is_bad_usage(
        self, braggle: Braggle, queries: Path, library: Library
    ) -> None:
        result = braggle("bench", "robustness", queries, "-l", library.path, "--queries", 0)
        assert result.exit_code == 2

    def test_a_drawing_that_cannot_be_written_is_one_line_after_the_figures(
        self, braggle: Braggle, queries: Path, library: Library, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        result = braggle(
            "bench", "robustness", queries, "-l", library.path, "--queries", 1, "--plot",
            "file/curves.svg",
        )  # fmt: skip
        assert result.exit_code == 1
        assert "cells moved by 0 %" in result.stdout
        *_progress, line = result.stderr.splitlines()
        assert line.startswith("braggle: file/curves.svg: the drawing cannot be written")
