"""What counts as the right answer, on a library small enough to know every one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from data.crystal import Crystal
from indexer import Library
from search.agreement import NOTIONS, agreement, same_cell
from service.bench.truth import TruthTable
from tests import crystals
from tests.service.bench_crystals import LIBRARY, identity, library_of, renamed, scaled


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(LIBRARY, tmp_path_factory.mktemp("libraries") / "made")


@pytest.fixture(scope="module")
def names(library: Library) -> list[str]:
    return [entry.names[0] for entry in library.entries(np.arange(len(library)))]


def chosen(flags: NDArray[np.bool_], names: list[str]) -> set[str]:
    return {name for name, flag in zip(names, flags, strict=True) if flag}


class TestTruth:
    @pytest.mark.parametrize(
        "crystal, strict, species, twin",
        [
            (
                crystals.ROCK_SALT,
                {"halite", "warm halite"},
                {"halite", "warm halite"},
                {"halite", "warm halite", "like halite"},
            ),
            (
                crystals.OLIVINE,
                {"olivine"},
                {"olivine", "olivine with iron"},
                {"olivine", "olivine with iron"},
            ),
            # The count of atoms is another, the species is not.
            (
                crystals.RUTILE,
                {"rutile"},
                {"rutile", "rutile without some oxygen"},
                {"rutile", "rutile without some oxygen"},
            ),
            # Of elements that no entry has.
            (
                scaled(renamed(crystals.ROCK_SALT, Na="Ag", Cl="Xe"), 1.01),
                set(),
                set(),
                {"halite", "warm halite", "like halite"},
            ),
            (crystals.BADDELEYITE, set(), set(), set()),
        ],
    )
    def test_answers_by_notion(
        self,
        library: Library,
        names: list[str],
        crystal: Crystal,
        strict: set[str],
        species: set[str],
        twin: set[str],
    ) -> None:
        right = TruthTable(library).answers(identity(crystal)).right
        found = {notion: chosen(right[notion], names) for notion in NOTIONS}
        assert found == {"strict": strict, "species": species, "twin": twin}

    @pytest.mark.parametrize("factor", [1.0, 0.985, 1.00005, 1.04])
    def test_answers_are_those_of_asking_one_by_one(self, library: Library, factor: float) -> None:
        table = TruthTable(library)
        truths = [scaled(one, factor) for one in (*LIBRARY.values(), *crystals.ALL.values())]
        for crystal in truths:
            truth = identity(crystal)
            answers = table.answers(truth)
            for row, one in enumerate(table.identities):
                agreed = agreement(truth, one)
                assert {notion for notion in NOTIONS if answers.right[notion][row]} == agreed
                assert answers.copies[row] == (bool(agreed) and same_cell(truth, one))

    def test_copies_share_the_cell(self, library: Library, names: list[str]) -> None:
        table = TruthTable(library)
        copies = table.answers(identity(crystals.ROCK_SALT)).copies
        assert chosen(copies, names) == {"halite"}
        copies = table.answers(identity(scaled(crystals.ROCK_SALT, 1.003))).copies
        assert chosen(copies, names) == set()
        disguised = renamed(LIBRARY["like halite"], Li="K")
        assert chosen(table.answers(identity(disguised)).copies, names) == {"like halite"}

    @pytest.mark.parametrize(
        "crystal, made",
        [
            (crystals.RUTILE, {"rutile", "rutile without some oxygen", "anatase"}),
            (crystals.OLIVINE, {"olivine", "olivine with iron", "magnesia, dense", "quartz",
                                "silicon"}),
            (crystals.CALCITE, {"calcite"}),
            (crystals.BADDELEYITE, set()),
        ],
    )  # fmt: skip
    def test_only_the_truths_elements(
        self, library: Library, names: list[str], crystal: Crystal, made: set[str]
    ) -> None:
        assert chosen(TruthTable(library).made_of(identity(crystal)), names) == made
