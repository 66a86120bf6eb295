"""What entries are made of, by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import pyarrow as pa

BATCH = 4096
"""Rows that become Python objects together."""


class Compositions(Sequence[dict[str, float]]):
    """Atoms of each element in a cell, by row; made as they are asked for."""

    def __init__(self, table: pa.Table) -> None:
        """Of a table with `elements` and `amounts`."""
        whole = table.combine_chunks()
        self._columns = tuple(
            column.chunk(0) if column.num_chunks else column.combine_chunks()
            for column in (whole["elements"], whole["amounts"])
        )

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, row: int) -> dict[str, float]: ...

    @overload
    def __getitem__(self, row: slice) -> list[dict[str, float]]: ...

    def __getitem__(self, row: int | slice) -> dict[str, float] | list[dict[str, float]]:
        if isinstance(row, slice):
            return [self[one] for one in range(len(self))[row]]
        symbols, amounts = (column[int(row)].as_py() for column in self._columns)
        return dict(zip(symbols, amounts, strict=True))

    def __iter__(self) -> Iterator[dict[str, float]]:
        for start in range(0, len(self), BATCH):
            some = (column.slice(start, BATCH).to_pylist() for column in self._columns)
            for symbols, amounts in zip(*some, strict=True):
                yield dict(zip(symbols, amounts, strict=True))
