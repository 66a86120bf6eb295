from __future__ import annotations

from pathlib import Path

import pytest

from data.cif import write_cif
from data.errors import QueryError
from service.bench import ingest
from service.bench.ingest import bench_ingest
from service.bench.tables import ingest_table
from tests import crystals


def test_rates_stand_beside_pymatgen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "FEWEST", 1)
    small = tmp_path / "deep" / "small"
    small.mkdir(parents=True)
    (small / "rutile.cif").write_text(write_cif(crystals.RUTILE))
    (small / "quartz.cif").write_text(write_cif(crystals.QUARTZ))
    broken = tmp_path / "broken.cif"
    broken.write_text("data_nothing\n")
    result = bench_ingest([tmp_path / "deep", broken], workers=1, sample=1)
    everything = result["by_atoms_in_cell"]
    assert list(everything) == ["all", "1 to 8", "9 to 15"]
    assert [row["files"] for row in everything.values()] == [3, 1, 1]
    assert [row["entries"] for row in everything.values()] == [2, 1, 1]
    assert [row["problems"] for row in everything.values()] == [1, 0, 0]
    for row in everything.values():
        reference = row["pymatgen"]["parse_ms"] + row["pymatgen"]["simulate_ms"]
        ratio = reference / row["processor_ms"]
        assert row["times_faster"] == pytest.approx(ratio, rel=0.05, abs=0.06)
    assert result["library"]["entries"] == 2
    assert ingest_table(result).row_count == 3


def test_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"no \*\.cif here"):
        bench_ingest([tmp_path])
