"""What very many entries cost, on a few whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from data.diffraction import lines_of, lines_table
from data.errors import QueryError
from data.record import Record, Source
from indexer import Library
from indexer.encoders.packing import Packed, write_packed
from service.bench.scale import bench_scale, bootstrap, joined, lines_of_pack
from tests import crystals
from tests.indexer.toy import ToyChannel
from tests.service.bench_crystals import write_case

STANDARD = {name: standardize(crystal).crystal for name, crystal in crystals.ALL.items()}


def stretched(crystal: Crystal, factor: float) -> Crystal:
    return replace(crystal, lattice=crystal.lattice * factor)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty distractors: literal crystals in cells that are far off."""
    packed = []
    for i in range(40):
        crystal = stretched(list(STANDARD.values())[i % 9], 1.05 + 0.01 * i)
        lines = lines_of(crystal)
        packed.append(
            Packed(
                f"X{i}", i, crystal.lattice, crystal.space_group_number, lines.hkl,
                lines.strength / lines.strength.max(), crystal,
            )
        )  # fmt: skip
    path = tmp_path_factory.mktemp("packs") / "distractors.npz"
    write_packed(packed, path)
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    records = [Record(crystal, (name,), Source("made", name)) for name, crystal in STANDARD.items()]
    return Library.build(records, tmp_path_factory.mktemp("libraries") / "made", workers=1)


def test_a_pack_gives_the_lines_it_was_made_of(pack: Path) -> None:
    table = lines_of_pack(pack)
    assert len(table) == 40
    for row in (0, 7, 39):
        own = lines_of(stretched(list(STANDARD.values())[row % 9], 1.05 + 0.01 * row))
        np.testing.assert_allclose(table[row].inv_d2, own.inv_d2, rtol=1e-4)
        kept = own.strength > 1e-5 * own.strength.max()
        np.testing.assert_allclose(
            table[row].strength[kept], (own.strength / own.strength.max())[kept], rtol=0.01
        )
        np.testing.assert_array_equal(table[row].hkl, own.hkl)


def test_tables_joined_keep_their_rows() -> None:
    some = list(STANDARD.values())[:5]
    both = joined([lines_table(part, workers=1) for part in (some[:2], some[2:4], some[4:])])
    whole = lines_table(some, workers=1)
    for row in range(5):
        np.testing.assert_array_equal(both[row].inv_d2, whole[row].inv_d2)
        np.testing.assert_array_equal(both[row].hkl, whole[row].hkl)


def test_the_bootstrap_holds_the_difference() -> None:
    same = bootstrap([0, 3, 0, 9], [0, 3, 0, 9])
    assert same == {"points": 0.0, "low": 0.0, "high": 0.0}
    lost = bootstrap([0] * 100, [0] * 90 + [5] * 10)
    assert lost["points"] == 10.0
    # A normal distribution's limits, as the hits are Bernoulli draws.
    half = 196 * np.sqrt(0.1 * 0.9 / 100)
    assert lost["low"] == pytest.approx(10 - half, abs=1.5)
    assert lost["high"] == pytest.approx(10 + half, abs=1.5)
    assert bootstrap([5] * 20, [0] * 20)["points"] == -100.0


def test_every_stage_is_measured(library: Library, pack: Path, tmp_path: Path) -> None:
    for name in ("NaCl", "calcite", "rutile"):
        crystal = {"NaCl": crystals.ROCK_SALT, "calcite": crystals.CALCITE,
                   "rutile": crystals.RUTILE}[name]  # fmt: skip
        write_case(tmp_path, name, crystal)
    write_case(tmp_path, "no pattern", crystals.RUTILE)
    (tmp_path / "no pattern" / "pattern.xy").write_text("nothing")
    told: list[str] = []
    result = bench_scale(tmp_path, library, [pack], advance=lambda *a: told.append(a[2]))
    assert result["queries"] == 4
    assert result["failed"] == 1
    assert result["entries"] == len(library) + 40
    for stage in ("exhaustive", "learned", "screened"):
        for what in (stage, f"{stage} and fit"):
            assert result["strict"][what] == {"hit@1": 0.75, "hit@10": 0.75, "hit@200": 0.75}
        assert result["median_ms"][stage] > 0
    assert result["points_lost_at_1"]["learned"] == {"points": 0.0, "low": 0.0, "high": 0.0}
    assert list(dict.fromkeys(told)) == ["vectors", "index", "queries"]


def test_what_is_no_pack_or_has_no_vectors_is_refused(
    library: Library, pack: Path, tmp_path: Path
) -> None:
    write_case(tmp_path / "cases", "rutile", crystals.RUTILE)
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, something=np.zeros(3))
    for path in (wrong, tmp_path / "nowhere.npz"):
        with pytest.raises(QueryError, match=f"{path.name}: no pack of crystals"):
            bench_scale(tmp_path / "cases", library, [path])
    toy = Library.build(
        [Record(crystals.RUTILE, ("rutile",), Source("made", "rutile"))],
        tmp_path / "toy",
        channels=[ToyChannel()],
        workers=1,
    )
    with pytest.raises(QueryError, match="no vectors of the channel learned as it is now"):
        bench_scale(tmp_path / "cases", toy, [pack])
