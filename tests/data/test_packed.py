from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.crystal import Crystal
from data.record import Problem, Record, Source
from data.sources.packed import COORDINATE_UNITS, is_packed, read_packed, write_packed
from tests import crystals

FRACTIONS = st.one_of(
    st.integers(0, 23).map(lambda k: k / 24),
    st.integers(0, 10**7 - 1).map(lambda k: k / 10**7),
)


def record(crystal: Crystal, identifier: str = "1") -> Record:
    return Record(crystal, ("a name", "Ånother"), Source("mine", identifier, "paper", "CC0"))


def back(path: Path) -> list[Record]:
    items = list(read_packed(path))
    assert not [item for item in items if isinstance(item, Problem)]
    return [item for item in items if isinstance(item, Record)]


@pytest.mark.parametrize("name", sorted(crystals.ALL))
def test_literal_crystals_come_back(tmp_path: Path, name: str) -> None:
    crystal = crystals.ALL[name]
    write_packed([record(crystal)], tmp_path / "a.parquet")
    (found,) = back(tmp_path / "a.parquet")
    assert found.crystal.species == crystal.species
    assert found.crystal.space_group_number == crystal.space_group_number
    np.testing.assert_allclose(found.crystal.lattice, crystal.lattice, atol=1e-11)
    np.testing.assert_allclose(found.crystal.fractional, crystal.fractional, atol=5e-9)
    np.testing.assert_array_equal(found.crystal.occupancies, crystal.occupancies)
    assert np.isnan(found.crystal.u_iso_angstrom2).all()
    assert (found.names, found.source) == (record(crystal).names, record(crystal).source)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    coordinates=st.lists(st.tuples(FRACTIONS, FRACTIONS, FRACTIONS), min_size=1, max_size=6),
    data=st.data(),
)
def test_decimals_and_simple_fractions_come_back_exactly(
    tmp_path: Path, coordinates: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    n = len(coordinates)
    occupancies = data.draw(
        st.lists(st.sampled_from([1.0, 0.5, 1 / 3, 0.1]), min_size=n, max_size=n)
    )
    displacements = data.draw(st.lists(st.sampled_from([np.nan, 0.0125]), min_size=n, max_size=n))
    crystal = Crystal(
        np.diag([4.0, 5.0, 6.0]),
        ("Fe",) * n,
        np.array(occupancies),
        np.array(coordinates),
        np.array(displacements),
        17,
    )
    write_packed([record(crystal)], tmp_path / "a.parquet")
    (found,) = back(tmp_path / "a.parquet")
    np.testing.assert_array_equal(found.crystal.fractional, crystal.fractional)
    np.testing.assert_array_equal(found.crystal.occupancies, crystal.occupancies)
    np.testing.assert_array_equal(found.crystal.u_iso_angstrom2, crystal.u_iso_angstrom2)


def test_a_coordinate_just_below_one_becomes_zero(tmp_path: Path) -> None:
    crystal = Crystal(
        np.eye(3) * 4, ("Fe",), np.ones(1), np.array([[1 - 1e-10, 0.5, 0.5]]), np.full(1, np.nan)
    )
    write_packed([record(crystal)], tmp_path / "a.parquet")
    assert back(tmp_path / "a.parquet")[0].crystal.fractional[0, 0] == 0.0


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    rows = [record(crystal, name) for name, crystal in crystals.ALL.items()]
    for name in ("a", "b"):
        assert write_packed(rows, tmp_path / name) == len(rows)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_formula_and_units_can_be_read_by_others(tmp_path: Path) -> None:
    write_packed([record(crystals.CALCITE)], tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column("formula").to_pylist() == ["CaCO3"]
    assert int(table.schema.metadata[b"coordinate_units"]) == COORDINATE_UNITS
    assert is_packed(table.schema)
    assert not is_packed(table.drop_columns(["coordinates"]).schema)


def test_a_row_that_is_no_crystal_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_packed([record(crystals.QUARTZ), record(crystals.CALCITE)], path)
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["lattice_angstrom"] = [0.0] * 9
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    problem, good = read_packed(path)
    assert isinstance(problem, Problem)
    assert problem.where == "a.parquet, row 1"
    assert "volume" in problem.reason
    assert isinstance(good, Record)
