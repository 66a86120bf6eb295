"""The templates that a pattern, or an entry, is most like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data.canonical import standardize
from data.diffraction import lines_of
from data.errors import LibraryError, QueryError
from data.lines import Lines
from data.radiation import CU_KA, Radiation
from indexer import Library
from indexer.templates.shapes import KINDS
from search.templates import STRAINS, NearTemplate, TemplateFinder
from tests.indexer.templates.planted import isotypes, loner, type_of
from tests.indexer.templates.test_library import forget_templates
from tests.indexer.toy import ToyChannel, record
from tests.search.made import prepared_of, scaled

CHANNELS = [ToyChannel()]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Rutiles, anatases and calcites, a global and a local template of each."""
    records = [one for name in ("rutile", "anatase", "calcite") for one in isotypes(name, 0, 5)]
    path = tmp_path_factory.mktemp("libraries") / "three"
    return Library.build([*records, loner()], path, channels=CHANNELS)


@pytest.fixture(scope="module")
def finder(library: Library) -> TemplateFinder:
    return TemplateFinder(library)


def types(library: Library, found: tuple[NearTemplate, ...]) -> list[str]:
    rows = [library.row(one.template.members[0]) for one in found]
    return [type_of(library.entry(row).names) for row in rows]


@pytest.mark.parametrize("name", ["rutile", "anatase", "calcite"])
def test_a_member_finds_its_own_templates(
    library: Library, finder: TemplateFinder, name: str
) -> None:
    entry = next(one for one in library.entries(range(15)) if type_of(one.names) == name)
    found = finder.nearest_templates(entry)
    assert len(found) == 4
    assert types(library, found)[:2] == [name, name]
    assert {one.template.kind for one in found[:2]} == {"global", "local"}
    for one in found[:2]:
        assert one.member == entry.id
        assert one.similarity == pytest.approx(1.0, abs=1e-4)
        assert one.strain_percent == 0.0
    similarities = [one.similarity for one in found]
    assert similarities == sorted(similarities, reverse=True)
    assert similarities[2] < 0.8


@pytest.mark.parametrize("name", ["rutile", "anatase", "calcite"])
@pytest.mark.parametrize("radiation", [CU_KA, Radiation.doublet("Mo"), Radiation.doublet("Co")])
def test_a_measured_pattern_finds_its_type(
    library: Library, finder: TemplateFinder, name: str, radiation: Radiation
) -> None:
    (unknown,) = isotypes(name, 6, 7)
    end = {"CuKa": 90.0, "MoKa": 40.0, "CoKa": 110.0}[radiation.name]
    prepared = prepared_of(unknown.crystal, radiation, two_theta_range_deg=(8.0, end))
    found = finder.nearest_templates(prepared, 2)
    assert types(library, found) == [name, name]
    assert min(one.similarity for one in found) > 0.8


def test_a_part_of_a_pattern_is_enough(library: Library, finder: TemplateFinder) -> None:
    (unknown,) = isotypes("calcite", 6, 7)
    prepared = prepared_of(unknown.crystal, two_theta_range_deg=(20.0, 55.0))
    assert types(library, finder.nearest_templates(prepared, 1)) == ["calcite"]


@pytest.mark.parametrize("strain", [0.02, -0.025])
def test_a_cell_of_another_size_is_stretched_back(
    library: Library, finder: TemplateFinder, strain: float
) -> None:
    (unknown,) = isotypes("rutile", 5, 6)
    prepared = prepared_of(scaled(unknown.crystal, 1 + strain), background_counts=20.0)
    found = finder.nearest_templates(prepared, 1)
    assert types(library, found) == ["rutile"]
    assert found[0].strain_percent == pytest.approx(-100 * strain, abs=0.51)


def stick_pattern(lines: Lines, stretch: float) -> NDArray[np.float64]:
    """Square roots of intensities in 900 intervals, blurred, of unit length; line by line."""
    total = np.zeros(900)
    for inv_d2, strength in zip(lines.inv_d2, lines.strength, strict=True):
        sine = 1.5405929 / 2 * inv_d2**0.5 / stretch
        if sine < np.sin(np.pi / 4):
            theta = np.arcsin(sine)
            factor = (1 + np.cos(2 * theta) ** 2) / np.sin(theta) ** 2 / np.cos(theta)
            total[int(np.degrees(2 * theta) * 10)] += strength * factor
    return blurred_by_hand(np.sqrt(total))


def blurred_by_hand(pattern: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel = np.exp(-0.5 * (np.arange(-8, 9) / 2.0) ** 2)
    smooth = np.convolve(pattern, kernel, mode="same")
    return np.asarray(smooth / np.linalg.norm(smooth))


def test_the_likeness_is_the_best_cosine_by_brute_force(
    library: Library, finder: TemplateFinder
) -> None:
    entry = library.entry(library.row(finder.templates[0].members[1]))
    asked = replace(entry, id="asked", crystal=scaled(entry.crystal, 1.007))
    own = lines_of(standardize(asked.crystal).crystal)
    questions = [stick_pattern(own, 1 + strain) for strain in STRAINS]
    found = {one.template.id: one for one in finder.nearest_templates(asked, 99)}
    assert set(found) == {one.id for one in library.templates}
    for template in library.templates:
        rows = [library.row(member) for member in template.members]
        answers = [blurred_by_hand(template.pattern.astype(float))]
        answers += [stick_pattern(library.lines[row], 1.0) for row in rows]
        cosines = np.array(questions) @ np.array(answers).T
        near = found[template.id]
        assert near.similarity == pytest.approx(cosines.max(), abs=1e-3)
        strain, nearest = np.unravel_index(cosines.argmax(), cosines.shape)
        assert near.strain_percent == pytest.approx(100 * STRAINS[strain])
        assert near.member == [None, *template.members][nearest]


def test_kinds_and_counts(finder: TemplateFinder, library: Library) -> None:
    entry = library.entry(0)
    assert len(finder.nearest_templates(entry, 99)) == 6
    assert len(finder.nearest_templates(entry, 1)) == 1
    for kind in KINDS:
        found = finder.nearest_templates(entry, 99, kind=kind)
        assert [one.template.kind for one in found] == [kind] * 3
    with pytest.raises(QueryError, match="0 templates are no answer; ask for at least 1"):
        finder.nearest_templates(entry, 0)


def test_a_pattern_where_templates_are_not_is_one_clear_line(finder: TemplateFinder) -> None:
    (unknown,) = isotypes("calcite", 0, 1)
    prepared = prepared_of(unknown.crystal, two_theta_range_deg=(100.0, 140.0))
    with pytest.raises(QueryError, match=r"simulated: nothing stands out at a d above 1.12 Å"):
        finder.nearest_templates(prepared)


def test_libraries_with_few_templates_or_none(library: Library, tmp_path: Path) -> None:
    small = Library.build([record("quartz")], tmp_path / "small", channels=CHANNELS)
    assert TemplateFinder(small).nearest_templates(library.entry(0)) == ()
    forget_templates(tmp_path / "small")
    with pytest.raises(LibraryError, match="maintain` makes them"):
        TemplateFinder(Library.open(tmp_path / "small"))
