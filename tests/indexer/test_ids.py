"""Ids are found however often they are asked for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from indexer.ids import LOOKS, Ids

RNG = np.random.default_rng(1)
ALIKE = [f"{'5' * 16}{number:04x}" for number in (7, 65535, 0, 300)]
"""The same but for their end."""
COLUMN = [*(RNG.bytes(10).hex() for _ in range(200)), *ALIKE, *(RNG.bytes(10).hex() for _ in "abc")]
STRANGERS = ["0" * 20, "f" * 20, f"{'5' * 16}0001", "", "x" * 20, COLUMN[0][:-1], COLUMN[0].upper()]


@pytest.mark.parametrize("asked", [0, LOOKS])
def test_rows_are_found(asked: int) -> None:
    ids = Ids(pa.array(COLUMN))
    for _ in range(asked):
        ids.row(COLUMN[3])
    assert [ids.row(one) for one in (*COLUMN[:5], *ALIKE)] == [0, 1, 2, 3, 4, 200, 201, 202, 203]
    strangers = [one for one in STRANGERS if one not in COLUMN]
    assert {ids.row(one) for one in strangers} == {-1}
    assert ids.rows([*reversed(COLUMN), *strangers]).tolist() == [
        *reversed(range(len(COLUMN))),
        *[-1] * len(strangers),
    ]


def test_those_among_others_are_told() -> None:
    ids = Ids(pa.array(COLUMN))
    wanted = {*COLUMN[::5], *STRANGERS}
    for _ in range(2 * LOOKS):
        assert ids.among(wanted) == set(COLUMN[::5]) | (wanted & set(COLUMN))


def test_nothing_is_among_none() -> None:
    ids = Ids(pa.array([], pa.string()))
    assert ids.row(COLUMN[0]) == -1
    assert ids.rows(COLUMN).max() == -1
