"""What comes out of a source of crystals: a crystal with its names and provenance, or a problem."""

from __future__ import annotations

from dataclasses import dataclass

from data.crystal import Crystal

MAX_NAME, MAX_REASON = 160, 400


def one_line(text: str, most: int) -> str:
    """Text for people: in one line without control characters, its middle left out if too long.

    What stands in a broken file can be anything, and as long as the file.
    """
    if len(text) > most:
        half = most // 2 - 2
        text = f"{text[:half]} … {text[-half:]}"
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


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

    What it says is brought into one line of bounded length, whatever the file holds.

    Attributes:
        where: file name, with the block's name where there is one.
        line: line of the file, counted from 1; 0 when it cannot be said.
        reason: what is wrong and what to do, in one line.
    """

    where: str
    line: int
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", one_line(self.where, MAX_NAME))
        object.__setattr__(self, "reason", one_line(self.reason, MAX_REASON))

    def __str__(self) -> str:
        place = f"{self.where}, line {self.line}" if self.line else self.where
        return f"{place}: {self.reason}"
