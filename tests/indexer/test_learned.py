"""The learned channels with the weights that ship."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.canonical import Standard, standardize
from data.crystal import Crystal
from data.diffraction import lines_table
from data.lines import LinesTable
from data.preparation import prepare
from data.profile import simulate_pattern
from data.radiation import Radiation
from indexer.channel import AnyChannel, ReadsAtoms, ReadsLines
from indexer.learned import AtomsChannel, LearnedChannel
from indexer.library import Library
from indexer.profiles import POWDER, channels_of
from tests import crystals
from tests.indexer.toy import SMALL, records

Vectors = NDArray[np.float32]
STANDARD = {name: standardize(crystal).crystal for name, crystal in crystals.ALL.items()}
NAMES = list(STANDARD)
LEARNED, ATOMS = LearnedChannel(), AtomsChannel()
LOOK_ALIKE = {"silicon", "fluorite"}
"""One has the strong lines of the other, 0.6 % away."""


def embed(channel: AnyChannel, some: list[Crystal]) -> Vectors:
    if isinstance(channel, ReadsAtoms):
        return channel.embed_crystals([Standard.from_stored(one) for one in some])
    return channel.embed_lines(lines_table(some, workers=1))


def asked(crystal: Crystal, **conditions: Any) -> Vectors:
    """The question of a pattern with counting noise."""
    given: dict[str, Any] = {"background_counts": 100.0, "rng": np.random.default_rng(1)}
    return LEARNED.embed_pattern(prepare(simulate_pattern(crystal, **(given | conditions))))


@pytest.fixture(scope="module", params=[LEARNED, ATOMS], ids=lambda channel: channel.id)
def channel(request: pytest.FixtureRequest) -> AnyChannel:
    chosen: AnyChannel = request.param
    return chosen


@pytest.fixture(scope="module")
def stored(channel: AnyChannel) -> Vectors:
    return embed(channel, list(STANDARD.values()))


def test_each_says_what_it_reads() -> None:
    assert isinstance(LEARNED, ReadsLines)
    assert not isinstance(LEARNED, ReadsAtoms)
    assert isinstance(ATOMS, ReadsAtoms)
    assert LEARNED.sha256 != ATOMS.sha256
    assert {"learned", "atoms"} <= {one.id for one in channels_of(POWDER)}


def test_vectors_are_finite_unit_vectors(stored: Vectors) -> None:
    assert stored.shape == (len(NAMES), 256)
    assert stored.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(stored, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"radiation": Radiation.monochromatic(0.7093)},
        {"caglioti": (0.0, 0.0, 0.04), "strain": 0.005},
        {"two_theta_range_deg": (15.0, 65.0), "zero_shift_deg": 0.05},
    ],
    ids=["plain", "molybdenum", "broad and strained", "cut and shifted"],
)
def test_a_pattern_is_nearest_to_its_crystal(
    stored: Vectors, name: str, conditions: dict[str, Any]
) -> None:
    cosines = stored @ asked(STANDARD[name], **conditions)[0]
    nearest = NAMES[int(np.argmax(cosines))]
    assert nearest == name or {nearest, name} == LOOK_ALIKE


def test_both_towers_meet() -> None:
    lines, atoms = (embed(one, list(STANDARD.values())) for one in (LEARNED, ATOMS))
    cosines = lines @ atoms.T
    assert (cosines.argmax(axis=1) == np.arange(len(NAMES))).all()
    assert np.median(cosines.diagonal()) > 0.85


def test_one_crystal_or_many_at_once_are_the_same(channel: AnyChannel, stored: Vectors) -> None:
    for row, crystal in enumerate(STANDARD.values()):
        np.testing.assert_allclose(embed(channel, [crystal])[0], stored[row], atol=1e-5)


def test_nothing_gives_nothing() -> None:
    assert LEARNED.embed_lines(LinesTable.of([])).shape == (0, 256)
    assert ATOMS.embed_crystals([]).shape == (0, 256)


def test_another_make_is_embedded_anew_from_what_is_stored(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library.build(records(len(SMALL)), tmp_path / "library", workers=1)
    before = {one: library.vectors(one).copy() for one in ("learned", "atoms")}
    for kind in (LearnedChannel, AtomsChannel):
        monkeypatch.setattr(kind, "version", "of the test")
    renewed = library.add([])
    assert renewed.version == library.version + 1
    versions = {stamp.version for stamp in renewed.channels if stamp.id != "physical"}
    assert versions == {"of the test"}
    for one, vectors in before.items():
        np.testing.assert_allclose(renewed.vectors(one), vectors, atol=1e-3)
        np.testing.assert_array_equal(library.vectors(one), vectors)
