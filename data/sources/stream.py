"""A source of crystals on its way: what it is called, how much is in it, what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from data.offered import Offered, Place
from data.record import Problem, Record


@dataclass
class SourceStream(Iterator[Record | Problem]):
    """Records and problems one after the other, read as they are asked for.

    Attributes:
        name: what the user called the source.
        items: what is in it.
        total: about how many items there are, None where only reading would tell.
        offered: the files that the items are in, where it is made of files. Whoever takes these
            reads them, and takes no items.
        places: the files that have not been read, where each can be read by itself. Whoever takes
            these takes nothing else.
    """

    name: str
    items: Iterator[Record | Problem]
    total: int | None = None
    offered: Iterator[Offered] | None = None
    places: Iterator[Place] | None = None

    @classmethod
    def of_files(cls, name: str, offered: Iterator[Offered], total: int | None = None) -> Self:
        """A source that is made of files."""
        return cls(name, (item for one in offered for item in one.items()), total, offered)

    @classmethod
    def of_places(
        cls, name: str, places: Iterator[Place], offered: Iterator[Offered], total: int
    ) -> Self:
        """A source that is made of files, each of which can be read by itself."""
        stream = cls.of_files(name, offered, total)
        stream.places = places
        return stream

    def __next__(self) -> Record | Problem:
        return next(self.items)
