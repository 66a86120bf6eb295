"""What comes out of a source of crystals: a crystal with its names and provenance, or a problem."""

from __future__ import annotations

from dataclasses import dataclass

from data.crystal import Crystal


@dataclass(frozen=True)
class Source:
    """Where a crystal comes from.

    Attributes:
        collection: "amcsd", "cod", "core-mof", or the file name of a user's own CIF.
        identifier: the crystal's name in that collection (a database code, a CIF block name).
        reference: literature reference, empty when not given.
        licence: licence or terms of the data, empty when not stated.
    """

    collection: str
    identifier: str
    reference: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Record:
    """One crystal as a source gives it, with the names people call it."""

    crystal: Crystal
    names: tuple[str, ...]
    source: Source


@dataclass(frozen=True)
class Problem:
    """One block or file that could not be read; the others go on.

    Attributes:
        where: file name, with the block's name where there is one.
        line: line of the file, counted from 1; 0 when it cannot be said.
        reason: what is wrong and what to do, in one line.
    """

    where: str
    line: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.where}, line {self.line}" if self.line else self.where
        return f"{place}: {self.reason}"
