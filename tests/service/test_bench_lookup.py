"""Hits are counted as they should be, on a library small enough to know every answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.crystal import Crystal
from data.errors import QueryError
from data.reading import read_pattern
from indexer import Library
from search import Searcher
from search.agreement import NOTIONS, agreement
from service.bench.breakdown import ABSENT, UNREAD, UNREAD_GROUPS, breakdown, groups_of
from service.bench.cases import Case, find_cases
from service.bench.lookup import bench_lookup
from service.bench.provenance import provenance
from service.bench.ranks import Ranks
from service.bench.truth import Answers, TruthTable
from tests import crystals
from tests.service.bench_crystals import LIBRARY, identity, library_of, renamed, scaled, write_case
from tests.service.conftest import Braggle


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(LIBRARY, tmp_path_factory.mktemp("libraries") / "made")


@pytest.fixture(scope="module")
def names(library: Library) -> list[str]:
    return [entry.names[0] for entry in library.entries(np.arange(len(library)))]


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two that can be named, one that the library does not have, two that cannot be read."""
    folder = tmp_path_factory.mktemp("queries")
    write_case(folder, "a halite", crystals.ROCK_SALT)
    write_case(folder, "b olivine", crystals.OLIVINE)
    write_case(folder, "c baddeleyite", crystals.BADDELEYITE)
    write_case(folder, "d unread pattern", crystals.RUTILE)
    (folder / "d unread pattern" / "pattern.xy").write_text("no pattern")
    write_case(folder, "e unread truth", crystals.RUTILE)
    (folder / "e unread truth" / "truth.cif").write_text("data_none\n_cell_length_a 5\n")
    (folder / "a halite" / "README.md").write_text("Where it comes from.")
    (folder / "notes").mkdir()
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "truth.cif").write_text("")
    return folder


@pytest.fixture(scope="module")
def result(queries: Path, library: Library) -> dict[str, Any]:
    return bench_lookup(queries, library)


class TestRanks:
    def answers(self, **right: list[bool]) -> Answers:
        flags = {notion: np.array(right.get(notion, [False] * 6)) for notion in NOTIONS}
        return Answers(flags, np.zeros(6, dtype=bool), np.zeros(6, dtype=bool))

    def test_the_first_hit_counts_and_a_failure_is_a_miss(self) -> None:
        ranks = Ranks()
        order = np.array([5, 3, 0, 1])
        first = self.answers(strict=[True, True, False, False, False, False],
                             species=[True, True, False, True, False, False],
                             twin=[True, True, False, True, False, True])  # fmt: skip
        ranks.note("all", order, first)
        ranks.note("all", order, self.answers(twin=[False, False, True, False, True, False]))
        ranks.fail("all")
        ranks.note("all", order, self.answers(strict=[False] * 5 + [True]))
        tables = {notion: ranks.table("all", notion, (1, 2, 3)) for notion in NOTIONS}
        assert tables["strict"] == {"hit@1": 0.25, "hit@2": 0.25, "hit@3": 0.5, "mrr": 0.3333}
        assert tables["species"] == {"hit@1": 0.0, "hit@2": 0.25, "hit@3": 0.25, "mrr": 0.125}
        assert tables["twin"] == {"hit@1": 0.25, "hit@2": 0.25, "hit@3": 0.25, "mrr": 0.25}

    def test_without_queries_there_is_no_figure(self) -> None:
        assert Ranks().table("all", "strict", (1, 5)) == {}


class TestResult:
    def test_hits_are_those_of_the_ranking(
        self, result: dict[str, Any], queries: Path, library: Library
    ) -> None:
        searcher, table = Searcher(library), TruthTable(library)
        for row, (name, crystal) in enumerate(
            [("a halite", crystals.ROCK_SALT), ("b olivine", crystals.OLIVINE),
             ("c baddeleyite", crystals.BADDELEYITE)]
        ):  # fmt: skip
            order = searcher.rank(read_pattern(queries / name / "pattern.xy")).rows
            agreed = [agreement(identity(crystal), table.identities[i]) for i in order]
            query = result["per_query"][row]
            assert (query["query"], query["first"]) == (name, library.ids[order[0]])
            for notion in NOTIONS:
                hits = [i + 1 for i, found in enumerate(agreed) if notion in found]
                assert query[f"rank_{notion}"] == (hits[0] if hits else None)

    def test_shares_count_what_failed_and_what_is_missing(self, result: dict[str, Any]) -> None:
        assert (result["queries"], result["failed"]) == (5, 2)
        halite, olivine, baddeleyite, *failed = result["per_query"]
        assert (halite["first_formula"], halite["rank_strict"]) == ("NaCl", 1)
        assert (olivine["rank_species"], olivine["rank_twin"]) == (1, 1)
        assert [baddeleyite[f"rank_{notion}"] for notion in NOTIONS] == [None] * 3
        for notion in NOTIONS:
            table = result[notion]
            ranks = [halite[f"rank_{notion}"], olivine[f"rank_{notion}"]]
            assert table["hit@50"] == 0.4
            assert table["hit@1"] == ranks.count(1) / 5
            assert table["mrr"] == pytest.approx(sum(1 / rank for rank in ranks) / 5, abs=1e-4)
        assert [one["query"] for one in failed] == ["d unread pattern", "e unread truth"]
        assert "pattern.xy" in failed[0]["failed"]
        assert "truth.cif" in failed[1]["failed"]

    def test_stages_and_the_control_are_counted_alike(self, result: dict[str, Any]) -> None:
        assert set(result["first_stage"]) == {
            "exhaustive", "physical", "learned", "atoms", "vectors", "fused"
        }  # fmt: skip
        tables = [*result["first_stage"].values(), result["controls"]["masked_cosine"]]
        for table in tables:
            # All entries are ranked: two of five cases have their answer.
            assert [table[notion]["hit@50"] for notion in NOTIONS] == [0.4] * 3
            assert table["species"]["hit@1"] == 0.4
        assert set(result["strict"]) == {"hit@1", "hit@5", "hit@10", "hit@50", "mrr"}
        assert set(result["controls"]["masked_cosine"]["strict"]) == set(result["strict"])
        stage = {"hit@1", "hit@10", "hit@50", "hit@200", "mrr"}
        assert set(result["first_stage"]["physical"]["strict"]) == stage

    def test_the_result_names_what_made_it(self, result: dict[str, Any], library: Library) -> None:
        assert result["commit"] == provenance()["commit"]
        assert result["machine"]["cores"] >= 1
        assert result["library"] == {"name": "made", "version": 1, "entries": len(LIBRARY)}
        made_by = [channel["sha256"] for channel in result["channels"]]
        assert made_by == [stamp.sha256 for stamp in library.channels]
        assert 0 < result["median_ms"] <= result["p95_ms"]

    def test_progress_is_told(self, queries: Path, library: Library) -> None:
        told: list[tuple[int, int]] = []
        bench_lookup(queries, library, control=False, advance=lambda *now: told.append(now))
        assert told == [(done, 5) for done in range(6)]


class TestBreakdown:
    def ranked(self, *groups: str, rank: int | None = None) -> dict[str, Any]:
        return {**dict(zip(UNREAD_GROUPS, groups, strict=True)), "rank_strict": rank}

    def test_shares_are_those_of_each_group(self) -> None:
        queries = [
            self.ranked("cubic", "<150", "made", rank=1),
            self.ranked("cubic", "500-1500", "made", rank=10),
            self.ranked("cubic", "<150", ABSENT, rank=11),
            self.ranked("triclinic", "<150", "found", rank=2),
            self.ranked("triclinic", ">1500", "made"),
            {**UNREAD_GROUPS, "failed": "cannot be read"},
        ]
        table = breakdown(queries)
        assert table == {
            "crystal_system": {
                "triclinic": {"queries": 2, "hit@1": 0.0, "hit@10": 0.5},
                "cubic": {"queries": 3, "hit@1": 0.3333, "hit@10": 0.6667},
                UNREAD: {"queries": 1, "hit@1": 0.0, "hit@10": 0.0},
            },
            "volume": {
                "<150": {"queries": 3, "hit@1": 0.3333, "hit@10": 0.6667},
                "500-1500": {"queries": 1, "hit@1": 0.0, "hit@10": 1.0},
                ">1500": {"queries": 1, "hit@1": 0.0, "hit@10": 0.0},
                UNREAD: {"queries": 1, "hit@1": 0.0, "hit@10": 0.0},
            },
            "source": {
                "made": {"queries": 3, "hit@1": 0.3333, "hit@10": 0.6667},
                "found": {"queries": 1, "hit@1": 0.0, "hit@10": 1.0},
                ABSENT: {"queries": 1, "hit@1": 0.0, "hit@10": 0.0},
                UNREAD: {"queries": 1, "hit@1": 0.0, "hit@10": 0.0},
            },
        }
        orders = [list(groups) for groups in table.values()]
        assert orders[0] == ["triclinic", "cubic", UNREAD]
        assert orders[1] == ["<150", "500-1500", ">1500", UNREAD]
        assert orders[2] == ["made", "found", ABSENT, UNREAD]

    @pytest.mark.parametrize(
        "volume, bin_", [(149.9, "<150"), (150.1, "150-500"), (499, "150-500"), (501, "500-1500"),
                         (1499, "500-1500"), (1501, ">1500")],
    )  # fmt: skip
    def test_a_cell_belongs_to_one_bin(self, volume: float, bin_: str) -> None:
        halite = scaled(
            crystals.ROCK_SALT, (volume / crystals.ROCK_SALT.volume_angstrom3) ** (1 / 3)
        )
        nothing = np.zeros(2, dtype=bool)
        answers = Answers(dict.fromkeys(NOTIONS, nothing), nothing, nothing)
        assert groups_of(identity(halite), answers, ["made", "found"]) == {
            "crystal_system": "cubic", "volume": bin_, "source": ABSENT,
        }  # fmt: skip

    def test_the_source_is_that_of_the_truth_itself(self, library: Library) -> None:
        table = TruthTable(library)
        rows = {name: row for row, name in enumerate(LIBRARY)}
        assert table.collections == ["made"] * len(LIBRARY)
        collections = [f"collection {row}" for row in range(len(LIBRARY))]

        def source(crystal: Crystal) -> str:
            truth = identity(crystal)
            return groups_of(truth, table.answers(truth), collections)["source"]

        assert source(crystals.OLIVINE) == f"collection {rows['olivine']}"
        # Strictly the same, but another sample; the same cell, but another compound.
        assert source(scaled(crystals.ROCK_SALT, 1.003)) == ABSENT
        assert source(renamed(LIBRARY["like halite"], Li="K")) == ABSENT

    def test_every_query_is_in_one_group_of_each_kind(self, result: dict[str, Any]) -> None:
        table = result["breakdown"]
        for groups in table.values():
            assert sum(one["queries"] for one in groups.values()) == result["queries"]
            hits = sum(one["queries"] * one["hit@10"] for one in groups.values())
            assert hits == pytest.approx(result["queries"] * result["strict"]["hit@10"], abs=1e-3)
        # The pattern that cannot be read has a truth that can.
        assert {name: one["queries"] for name, one in table["crystal_system"].items()} == {
            "monoclinic": 1, "orthorhombic": 1, "tetragonal": 1, "cubic": 1, UNREAD: 1,
        }  # fmt: skip
        assert {name: one["queries"] for name, one in table["source"].items()} == {
            "made": 3, ABSENT: 1, UNREAD: 1,
        }  # fmt: skip
        assert table["volume"]["150-500"]["queries"] == 2

    def test_it_is_shown_below_the_main_table(
        self, braggle: Braggle, queries: Path, library: Library
    ) -> None:
        shown = braggle("bench", "lookup", queries, "--no-control", "-l", library.path)
        assert shown.exit_code == 0
        above, below = shown.stdout.split("strict hits by what the truth is")
        assert "look-up, strict" in above
        (row,) = (line for line in below.splitlines() if "cubic" in line)
        assert row.split() == ["cubic", "1", "100.0", "%", "100.0", "%"]
        assert "cell volume, Å³" in below


class TestConditions:
    @pytest.fixture
    def periclase(self, tmp_path: Path) -> Path:
        """Its twins are of other elements; what has its elements is another crystal."""
        crystal = renamed(crystals.ROCK_SALT, Na="Mg", Cl="O")
        write_case(tmp_path / "periclase", "one", crystal)
        return tmp_path / "periclase"

    def test_known_elements_leave_only_entries_of_them(
        self, periclase: Path, library: Library
    ) -> None:
        free = bench_lookup(periclase, library)
        known = bench_lookup(periclase, library, chemistry="elements")
        assert (free["chemistry"], known["chemistry"]) == ("none", "elements")
        assert free["per_query"][0]["rank_twin"] == 1
        assert known["per_query"][0]["first_formula"] == "MgO"
        for result, share in ((free, 1.0), (known, 0.0)):
            stages = [*result["first_stage"].values(), *result["controls"].values(), result]
            assert {stage["twin"]["hit@50"] for stage in stages} == {share}

    def test_no_entry_of_the_elements_is_a_failure(self, tmp_path: Path, library: Library) -> None:
        write_case(tmp_path, "one", crystals.BADDELEYITE)
        result = bench_lookup(tmp_path, library, chemistry="elements")
        assert (result["queries"], result["failed"]) == (1, 1)
        assert result["strict"]["hit@50"] == 0.0
        assert result["median_ms"] is None

    def test_independent_leaves_the_truths_cell_out(
        self, tmp_path: Path, library: Library, names: list[str]
    ) -> None:
        write_case(tmp_path, "halite", crystals.ROCK_SALT)
        write_case(tmp_path, "olivine", crystals.OLIVINE)
        result = bench_lookup(tmp_path, library, independent=True)
        # Nothing else is strictly olivine, so that it does not count at all.
        (query,) = result["per_query"]
        assert (result["queries"], result["failed"], result["independent"]) == (1, 0, True)
        assert query["query"] == "halite"
        assert query["first"] == library.ids[names.index("warm halite")]
        assert result["controls"]["masked_cosine"]["strict"]["hit@1"] == 1.0

    def test_nothing_independent_is_no_query(
        self, braggle: Braggle, tmp_path: Path, library: Library
    ) -> None:
        write_case(tmp_path / "queries", "rutile", crystals.RUTILE)
        result = bench_lookup(tmp_path / "queries", library, independent=True)
        assert (result["queries"], result["per_query"], result["strict"]) == (0, [], {})
        shown = braggle("bench", "lookup", "queries", "--independent", "-l", library.path)
        assert shown.exit_code == 0
        assert "0 queries, 0 failed" in shown.stdout

    def test_the_control_can_be_left_out(self, periclase: Path, library: Library) -> None:
        assert bench_lookup(periclase, library, control=False)["controls"] == {
            "masked_cosine": None
        }


class TestCommand:
    def test_json_has_every_field(self, braggle: Braggle, queries: Path, library: Library) -> None:
        answer = braggle("bench", "lookup", queries, "-l", library.path, "--json")
        assert answer.exit_code == 0
        document = json.loads(answer.stdout)
        assert set(document) == {
            "benchmark", "queries", "failed", "chemistry", "independent", "strict", "species",
            "twin", "median_ms", "p95_ms", "first_stage", "controls", "commit", "machine",
            "library", "channels", "per_query", "breakdown", "verdicts",
        }  # fmt: skip
        assert document["benchmark"] == "lookup"
        assert document["strict"]["hit@50"] == 0.4

    @pytest.mark.parametrize(
        "left, said",
        [
            ("truth.cif", "queries/one: 0 pattern file(s) and 1 CIF(s); a case is a folder"),
            ("pattern.xy", "queries/one: 1 pattern file(s) and 0 CIF(s); a case is a folder"),
            ("", "queries: no cases; a case is a folder with one pattern file and one CIF"),
        ],
    )
    def test_half_a_case_is_one_line(
        self, braggle: Braggle, tmp_path: Path, library: Library, left: str, said: str
    ) -> None:
        write_case(tmp_path / "queries", "one", crystals.RUTILE)
        for file in (tmp_path / "queries" / "one").iterdir():
            if file.name != left:
                file.unlink()
        result = braggle("bench", "lookup", "queries", "-l", library.path, "--json")
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"braggle: {said}")

    def test_a_file_is_no_folder_of_cases(
        self, braggle: Braggle, tmp_path: Path, library: Library
    ) -> None:
        (tmp_path / "file").write_text("")
        result = braggle("bench", "lookup", "file", "-l", library.path)
        assert result.exit_code == 1
        assert result.stderr.startswith("braggle: file: no cases; ")

    def test_half_a_case_is_not_passed_over_beside_whole_ones(self, tmp_path: Path) -> None:
        write_case(tmp_path, "one", crystals.RUTILE)
        assert find_cases(tmp_path) == [
            Case("one", tmp_path / "one" / "pattern.xy", tmp_path / "one" / "truth.cif")
        ]
        write_case(tmp_path, "two", crystals.RUTILE)
        (tmp_path / "two" / "another.xy").write_text("")
        with pytest.raises(QueryError, match=r"two: 2 pattern file\(s\) and 1 CIF"):
            find_cases(tmp_path)
