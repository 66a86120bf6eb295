"""Several first stages made one."""

from __future__ import annotations

import numpy as np
import pytest

from search.fusion import RANK_OFFSET, fuse


def rows(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def test_one_order_stays_as_it_is() -> None:
    assert fuse([rows(5, 3, 9)], 2).tolist() == [5, 3]


def test_rows_come_by_the_sum_of_their_reciprocal_ranks() -> None:
    orders = [rows(4, 7, 1, 2), rows(7, 8, 4)]
    worth: dict[int, float] = {}
    for order in orders:
        for place, row in enumerate(order.tolist()):
            worth[row] = worth.get(row, 0.0) + 1 / (RANK_OFFSET + place)
    expected = sorted(worth, key=lambda row: (-worth[row], row))
    assert fuse(orders, 10).tolist() == expected
    assert fuse(orders, 3).tolist() == expected[:3]


def test_what_one_stage_alone_found_is_not_lost() -> None:
    assert set(fuse([rows(*range(100)), rows(*range(200, 300))], 200).tolist()) == {
        *range(100),
        *range(200, 300),
    }


@pytest.mark.parametrize("empty", [[rows()], [rows(), rows()]])
def test_nothing_fused_is_nothing(empty: list[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> None:
    assert fuse(empty, 5).tolist() == []
