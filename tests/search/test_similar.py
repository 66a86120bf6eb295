from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.canonical import crystal_id, standardize
from data.diffraction import lines_of
from data.errors import CrystalError
from data.lines import LinesTable
from indexer import Library
from indexer.physical import PhysicalChannel
from search.similar import similar
from tests import layered
from tests.crystals import CALCITE, QUARTZ, ROCK_SALT
from tests.search.made import ABSENT, KNOWN, in_other_axes, scaled


@pytest.mark.parametrize("name", KNOWN)
def test_a_crystal_of_the_library_is_most_like_itself_in_any_setting(
    library: Library, name: str
) -> None:
    for crystal in (KNOWN[name], in_other_axes(KNOWN[name])):
        best, *others = similar(library, crystal)
        assert best.same_crystal
        assert name in best.entry.names
        assert best.similarity == pytest.approx(1.0, abs=2e-3)
        assert best.strain_percent == 0.0
        assert not any(other.same_crystal for other in others)


@pytest.mark.parametrize("factor, percent", [(1 / 1.007, 0.7), (1 / 0.993, -0.7), (1.0, 0.0)])
def test_the_strain_is_the_change_that_the_given_crystal_needs(
    library: Library, factor: float, percent: float
) -> None:
    best = similar(library, scaled(CALCITE, factor), top=1)[0]
    assert "calcite" in best.entry.names
    assert best.strain_percent == pytest.approx(percent)
    assert best.similarity > 0.99
    assert best.same_crystal == (factor == 1.0)


@pytest.mark.parametrize("name", ABSENT)
def test_a_crystal_that_is_not_there_is_like_none(library: Library, name: str) -> None:
    found = similar(library, ABSENT[name])
    assert not any(each.same_crystal for each in found)
    assert found[0].similarity < 0.9


def test_similarity_is_the_best_cosine_over_strains(library: Library) -> None:
    channel = PhysicalChannel()
    crystal = standardize(QUARTZ).crystal
    stretched = [lines_of(scaled(crystal, 1 + strain)) for strain in channel.strains]
    questions = channel.embed_lines(LinesTable.of(stretched))
    stored = library.vectors("physical")
    cosines = (stored @ questions.T).astype(np.float64)
    found = similar(library, QUARTZ, top=len(library))
    rows = [library.row(each.entry.id) for each in found]
    assert sorted(rows) == list(range(len(library)))
    assert [each.rank for each in found] == list(range(1, len(library) + 1))
    scores = np.array([each.similarity for each in found])
    assert (np.diff(scores) <= 1e-6).all()
    np.testing.assert_allclose(scores, cosines.max(axis=1)[rows], atol=3e-3)
    strains = 100 * np.array(channel.strains)
    chosen = [int(np.abs(strains - each.strain_percent).argmin()) for each in found]
    np.testing.assert_allclose(cosines[rows, chosen], cosines.max(axis=1)[rows], atol=3e-3)


@pytest.mark.parametrize("top", [1, 7, 10_000])
def test_no_more_are_named_than_asked_for_or_there(library: Library, top: int) -> None:
    assert len(similar(library, QUARTZ, top=top)) == min(top, len(library))


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Library:
    path = tmp_path_factory.mktemp("libraries") / "sheets"
    return Library.build(layered.records(), path, profile="2d", workers=1)


@pytest.mark.parametrize("name", layered.LAYERED)
def test_a_sheet_is_most_like_itself_as_a_sheet_and_as_its_crystal(
    sheets: Library, name: str
) -> None:
    stored = next(
        entry.crystal for entry in sheets.entries(range(4)) if f"{name}, layer" in entry.names
    )
    for crystal in (stored, layered.LAYERED[name], layered.sheet(layered.LAYERED[name])):
        best, *others = similar(sheets, crystal)
        assert best.entry.names == (f"{name}, layer",)
        assert best.same_crystal
        assert best.similarity == pytest.approx(1.0, abs=2e-3)
        assert best.strain_percent == 0.0
        assert others[0].similarity < 0.99


def test_each_layer_of_a_crystal_is_asked_about(sheets: Library) -> None:
    found = similar(sheets, layered.TWO_LAYERS, top=2)
    assert {one.entry.formula for one in found} == {"BN", "C"}
    assert all(one.similarity > 0.95 for one in found)
    # Both were stretched to one net, and back: a = 2.464 Å and 2.504 Å, 2.48 Å here.
    strains = {one.entry.formula: one.strain_percent for one in found}
    assert strains == pytest.approx({"C": -0.65, "BN": 0.97}, abs=0.4)
    assert not any(one.same_crystal for one in found)


def test_what_is_no_sheet_is_like_none(sheets: Library) -> None:
    with pytest.raises(CrystalError, match="neither a sheet with vacuum nor layered") as raised:
        similar(sheets, ROCK_SALT)
    assert "the library is of sheets; give a layered one" in str(raised.value)


def test_a_sheet_in_a_library_of_powders_is_a_crystal(tmp_path: Path) -> None:
    sheet = layered.sheet(layered.GRAPHITE)
    powders = Library.build([layered.record("graphene", sheet)], tmp_path / "powders", workers=1)
    (best,) = similar(powders, sheet)
    assert best.entry.id == crystal_id(sheet)
    assert best.similarity == pytest.approx(1.0, abs=2e-3)
