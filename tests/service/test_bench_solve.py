"""Proposals are counted as they should be, on cases whose answer is certain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.errors import QueryError
from indexer import Library
from service.bench.ranks import MISSED
from service.bench.solve import Outcome, bench_solve, shares_of_engines, simulated_cases
from tests import crystals
from tests.service.bench_crystals import MANGANOSITE, library_of, renamed, scaled, write_case
from tests.service.conftest import Braggle

ENGINE = ("--engine", "substitution")
KNOWN = {
    "periclase": scaled(renamed(crystals.ROCK_SALT, Na="Mg", Cl="O"), 4.21 / 5.64),
    "lime": scaled(renamed(crystals.ROCK_SALT, Na="Ca", Cl="O"), 4.81 / 5.64),
    "manganosite": MANGANOSITE,
    "rutile": crystals.RUTILE,
    "anatase": crystals.ANATASE,
    "fluorite": crystals.FLUORITE,
    "quartz": crystals.QUARTZ,
    "calcite": crystals.CALCITE,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(KNOWN, tmp_path_factory.mktemp("libraries") / "made")


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with isotypes, one without, one whose truth is not ordered, one that is large."""
    folder = tmp_path_factory.mktemp("queries")
    write_case(folder, "a manganosite", MANGANOSITE)
    write_case(folder, "b fluorite", crystals.FLUORITE)
    half = replace(crystals.RUTILE, occupancies=crystals.RUTILE.occupancies * 0.5)
    write_case(folder, "c half", half)
    write_case(folder, "d olivine", crystals.OLIVINE)
    return folder


@pytest.fixture(scope="module")
def result(queries: Path, library: Library) -> dict[str, Any]:
    return bench_solve(library, queries=queries, engines=("substitution",))


def test_isotypes_are_made_and_the_own_formula_is_withheld(result: dict[str, Any]) -> None:
    assert result["cases"] == 2
    assert result["controls"].keys() == {"template_copy", "retrieval_only"}
    check_groups(result["groups"])
    check_groups(result["controls"]["template_copy"]["groups"])
    # Manganosite in the cell of periclase or lime is manganosite all the same, to the matcher,
    # which scales volumes.
    retrieved = result["controls"]["retrieval_only"]["groups"]
    assert retrieved["prototype_known"]["strict"]["match@5"] == 1.0
    assert retrieved["prototype_unknown"]["loose"]["match@20"] == 0.0


def test_a_run_that_was_cut_off_goes_on(
    monkeypatch: pytest.MonkeyPatch,
    result: dict[str, Any],
    queries: Path,
    library: Library,
    tmp_path: Path,
) -> None:
    keep = tmp_path / "kept.jsonl"
    asked: dict[str, Any] = {"queries": queries, "engines": ("substitution",), "keep": keep}
    whole = bench_solve(library, **asked)
    first, _ = keep.read_text().splitlines(keepends=True)
    keep.write_text(first)
    done: list[str] = []
    again = bench_solve(library, **asked, advance=lambda _d, _t, stage: done.append(stage))
    assert len(done) == 1
    assert again["groups"].keys() == result["groups"].keys()
    assert [one["rank"] for one in again["per_case"]] == [one["rank"] for one in whole["per_case"]]

    def never(*_given: object) -> None:
        raise AssertionError

    monkeypatch.setattr("service.bench.solve._outcomes", never)
    assert bench_solve(library, **asked)["per_case"] == again["per_case"]


def test_the_same_candidates_are_ranked_otherwise(result: dict[str, Any]) -> None:
    assert result["rankings"].keys() == {"by_fit", "by_embedding"}
    for ranking in result["rankings"].values():
        known = ranking["groups"]["prototype_known"]
        assert known["strict"]["match@20"] == 1.0
        assert ranking["groups"]["prototype_unknown"]["loose"]["match@20"] == 0


def test_each_case_is_told_with_its_ranks(result: dict[str, Any]) -> None:
    first, second = result["per_case"]
    assert (first["case"], first["formula"]) == ("a manganosite", "MnO")
    assert {"prototype_known", "cubic"} <= set(first["groups"])
    assert first["rank"]["solve"] == {"loose": 1, "strict": 1}
    assert first["rank"]["by_fit"]["strict"] == 1
    assert second["rank"]["template_copy"] == {"loose": None, "strict": None}
    assert all(one["seconds"] >= 0 for one in result["per_case"])


def test_prototypes_may_be_withheld(queries: Path, library: Library) -> None:
    told = bench_solve(library, queries=queries, withhold=True, engines=("substitution",))
    groups = told["groups"]
    assert "prototype_known" not in groups
    assert groups["prototype_withheld"]["cases"] == groups["prototype_unknown"]["cases"] == 1
    # Without lime and periclase there is nothing to make manganosite from.
    assert groups["all"]["loose"]["match@20"] == 0.0
    assert told["controls"]["retrieval_only"]["groups"]["all"]["loose"]["match@20"] == 0.0


def test_workers_change_nothing_but_the_time(
    result: dict[str, Any], queries: Path, library: Library
) -> None:
    other = bench_solve(library, queries=queries, engines=("substitution",), workers=2)
    for told in (result, other):
        for one in told["per_case"]:
            del one["seconds"]
    for name in ("groups", "per_case", "cases"):
        assert other[name] == result[name]


def test_cases_may_be_of_unknown_prototypes_alone(queries: Path, library: Library) -> None:
    told = bench_solve(library, queries=queries, unknown=True, engines=("substitution",))
    assert told["cases"] == 1
    assert "prototype_known" not in told["groups"]


def test_simulated_cases_may_be_of_another_library(library: Library, tmp_path: Path) -> None:
    other = library_of({"rock salt": crystals.ROCK_SALT}, tmp_path / "other")
    told = bench_solve(library, simulated=5, crystals=other, engines=("substitution",))
    assert told["cases"] == 1
    assert told["groups"]["prototype_known"]["strict"]["match@1"] == 1.0


def check_groups(groups: dict[str, Any]) -> None:
    assert groups["prototype_known"]["cases"] == groups["prototype_unknown"]["cases"] == 1
    assert groups["prototype_known"]["strict"] == {"match@1": 1.0, "match@5": 1.0, "match@20": 1.0}
    assert groups["prototype_unknown"]["loose"] == {"match@1": 0, "match@5": 0, "match@20": 0}
    assert groups["all"]["strict"]["match@1"] == 0.5
    assert groups["all"]["rmse"] == pytest.approx(0.0, abs=1e-3)
    assert groups["1-5 atoms"]["cases"] == groups["cubic"]["cases"] == 2


def test_cases_of_a_library_are_each_of_another_formula(library: Library) -> None:
    cases = list(simulated_cases(library, 6, 20))
    assert len(cases) == 6
    formulas = {library.entry(library.row(one.name)).formula for one in cases}
    assert len(formulas) == 6
    assert [one.name for one in simulated_cases(library, 6, 20)] == [one.name for one in cases]
    few = simulated_cases(library, 6, 20, {"MgO", "TiO2", "KCl"})
    assert {library.entry(library.row(one.name)).formula for one in few} == {"MgO", "TiO2"}
    assert all(one.atoms <= 5 for one in simulated_cases(library, 20, 5))


def test_the_command_shows_a_table(braggle: Braggle, queries: Path, library: Library) -> None:
    shown = braggle("bench", "solve", queries, "-l", library.path, "--simulated", 1, *ENGINE)
    assert shown.exit_code == 0, shown.output
    assert "prototype known" in shown.stdout
    told = json.loads(
        braggle("bench", "solve", queries, "-l", library.path, "--json", *ENGINE).stdout
    )
    assert (told["benchmark"], told["cases"], told["samples"]) == ("solve", 2, 20)
    assert (told["given"], told["refine"]) == ("formula", True)


def test_the_cell_may_be_given(braggle: Braggle, queries: Path, library: Library) -> None:
    words = ("bench", "solve", queries, "-l", library.path, "--json", "--no-refine", *ENGINE)
    told = json.loads(braggle(*words, "--given", "formula+cell").stdout)
    assert (told["given"], told["refine"]) == ("formula+cell", False)
    check_groups(told["groups"])


def test_no_case_is_one_line(library: Library, queries: Path) -> None:
    with pytest.raises(QueryError, match="no case with an ordered crystal of at most 1 atoms"):
        bench_solve(library, queries=queries, max_atoms=1)


def outcome(loose: int, strict: int, first: str = "") -> Outcome:
    return Outcome({"loose": loose, "strict": strict}, None, 1.0, 3, first)


def test_an_engine_that_adds_nothing_is_seen_to() -> None:
    outcomes = [
        {
            "solve": outcome(0, 0, "one"),
            "alone one": outcome(0, 0),
            "alone two": outcome(MISSED, MISSED),
            "without one": outcome(MISSED, MISSED),
            "without two": outcome(0, 0),
        },
        {
            "solve": outcome(0, 3, "two"),
            "alone one": outcome(0, 3),
            "alone two": outcome(4, 4),
            "without one": outcome(4, 4),
            "without two": outcome(0, 2),
        },
    ]
    told = shares_of_engines(("one", "two"), outcomes, [("all",), ("all",)])
    assert [one["right_first_answers"] for one in told.values()] == [1, 0]
    assert [one["share_of_right_first_answers"] for one in told.values()] == [1.0, 0.0]
    lost = told["one"]["lost_without"]
    assert lost["strict"] == {"match@1": 0.5, "match@5": 0.5, "match@20": 0.5}
    assert told["two"]["lost_without"]["strict"] == {
        "match@1": 0.0,
        "match@5": 0.0,
        "match@20": 0.0,
    }
    assert told["two"]["alone"]["strict"]["match@5"] == 0.5
