"""A source of crystals on its way: what it is called, how much is in it, what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.record import Problem, Record


@dataclass
class SourceStream(Iterator[Record | Problem]):
    """Records and problems one after the other, read as they are asked for.

    Attributes:
        name: what the user called the source.
        items: what is in it.
        total: about how many items there are, None where only reading would tell.
    """

    name: str
    items: Iterator[Record | Problem]
    total: int | None = None

    def __next__(self) -> Record | Problem:
        return next(self.items)
