"""The blocks of a CIF text, read through gemmi; a broken block does not take the others along."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import gemmi

from data.errors import CrystalError
from data.record import Problem

MAX_BLOCKS = 200_000
MAX_TAGS = 20_000
"""Of one block; published CIFs of a structure have a few hundred."""

_HEADING = re.compile(r"^[ \t]*data_[^\n]*$", re.IGNORECASE | re.MULTILINE)
_GEMMI_PLACE = re.compile(r"^string(?::(\d+))?(?::\d+\(\d+\))?(?: in \S*)?:?\s*(.*)$", re.DOTALL)
_MARKS = (
    ("utf-32", (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
    ("utf-16", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
)
_UNQUOTED = re.compile(r"^([ \t]*_\S+[ \t]+)([^'\"\s;#_][^#\n]*)", re.MULTILINE)
_SPACED_TRIPLET = re.compile(
    r"^([ \t]*(?:\d+[ \t]+)?)([-+xyz0-9/.][-+xyz0-9/. \t]*(?:,[-+xyz0-9/. \t]+){2})$",
    re.IGNORECASE | re.MULTILINE,
)


class BlockError(CrystalError):
    """What is wrong with a block, and the line of the file where."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, eq=False)
class Block:
    """One data block: its values by lower-case tag, with dots written as underscores.

    Attributes:
        name: without `data_`.
        file: what the text that it stands in is called.
        line: of the first item, counted from 1.
        tags: each tag as the file writes it, and its line.
    """

    name: str
    file: str
    line: int
    tags: dict[str, tuple[str, int]]
    _block: gemmi.cif.Block

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"{self.file}, block {self.name}"

    def rows(self, *tags: str) -> int:
        """How many values the first of these tags has that is there; 0 when none is."""
        return next((len(self._values(tag)) for tag in tags if tag in self.tags), 0)

    def column(self, *tags: str) -> list[str] | None:
        """The raw values of the first of these tags that is there."""
        return next((list(self._values(tag)) for tag in tags if tag in self.tags), None)

    def beside(self, first: str, *tags: str) -> list[str] | None:
        """The column of the first of these tags that is there, as long as that of `first`.

        Raises:
            BlockError: they differ in length, being of different loops.
        """
        found = self.column(*tags)
        if found is not None and len(found) != self.rows(first):
            raise BlockError(
                f"{len(found)} values of {tags[0]} stand beside {self.rows(first)} of {first}; "
                "put them into one loop",
                self.line_of(*tags),
            )
        return found

    def text(self, *tags: str) -> str:
        """The first value of the first of these tags that says something, in one line."""
        for tag in tags:
            if tag in self.tags and len(values := self._values(tag)):
                value = str(values[0])
                if not gemmi.cif.is_null(value) and (said := plain(value)):
                    return said
        return ""

    def line_of(self, *tags: str) -> int:
        """Line of the first of these tags that is there, else of the block."""
        return next((self.tags[tag][1] for tag in tags if tag in self.tags), self.line)

    def _values(self, tag: str) -> gemmi.cif.Column:
        return self._block.find_values(self.tags[tag][0])


def plain(value: str) -> str:
    """A raw CIF value without its quotes, its white space collapsed."""
    return " ".join(gemmi.cif.as_string(value).split())


def decode(content: bytes) -> str:
    """Text of a file in UTF-8, UTF-16 or UTF-32, or else Latin-1, which takes any byte.

    UTF-16 without a mark is known by the null bytes beside the first characters.
    """
    for encoding, marks in _MARKS:
        if content.startswith(marks):
            return content.decode(encoding, errors="replace")
    first = content[:64]
    for encoding, nulls, letters in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        if first and not any(first[nulls::2]) and all(first[letters::2]):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def blocks_of(text: str, name: str) -> Iterator[Block | Problem]:
    """Every block of a CIF text, or the problem that keeps it from being read.

    Where gemmi refuses the whole, the text is cut at its `data_` headings and each block is read
    alone, with unquoted symbols such as `P 1` put in quotes.
    """
    if "\0" in text:
        yield Problem(name, 0, "holds null bytes, so it is binary or damaged; give a CIF as text")
        return
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if (blocks := text.count("data_") + text.count("DATA_")) > MAX_BLOCKS:
        yield Problem(name, 0, f"{blocks} blocks are more than {MAX_BLOCKS}; split the file")
        return
    try:
        document = gemmi.cif.read_string(text, 0)
    except (ValueError, RuntimeError):
        yield from _one_by_one(text, name)
        return
    for block in document:
        yield _block(block, name, 0)


def _one_by_one(text: str, name: str) -> Iterator[Block | Problem]:
    headings = [match.start() for match in _HEADING.finditer(text)]
    if not headings:
        yield Problem(name, 1, "no data_ block; give a CIF, which starts with data_NAME")
        return
    line, reached = 1, 0
    for start, end in zip(headings, [*headings[1:], len(text)], strict=True):
        line += text.count("\n", reached, start)
        reached = start
        yield _parse(text[start:end], name, line)


def _parse(part: str, name: str, line: int) -> Block | Problem:
    """One block of text that starts at this line."""
    try:
        return _alone(part, name, line)
    except (ValueError, RuntimeError) as error:
        place = _GEMMI_PLACE.match(str(error))
    try:
        return _alone(_repaired(part), name, line)
    except (ValueError, RuntimeError):
        pass
    heading = part.split("\n", 1)[0].strip()[5:]
    said = " ".join(place[2].split()) if place else ""
    at = line - 1 + int(place[1]) if place and place[1] else line
    return Problem(f"{name}, block {heading}", at, f"not CIF: {said}; correct the file there")


def _alone(part: str, name: str, line: int) -> Block | Problem:
    document: gemmi.cif.Document = gemmi.cif.read_string(part, 0)
    return _block(document[0], name, line - 1)


def _repaired(part: str) -> str:
    heading, _, rest = part.partition("\n")
    rest = _SPACED_TRIPLET.sub(lambda m: m[1] + re.sub(r"\s", "", m[2]), rest)
    rest = _UNQUOTED.sub(_quoted, rest)
    return "_".join(heading.split()) + "\n" + rest


def _quoted(match: re.Match[str]) -> str:
    """A tag and its value, put in quotes where it is several words."""
    value = match[2].rstrip()
    several = " " in value or "\t" in value
    return f"{match[1]}{gemmi.cif.quote(value)} " if several else match[0]


def _block(block: gemmi.cif.Block, file: str, lines_before: int) -> Block | Problem:
    tags: dict[str, tuple[str, int]] = {}
    first = count = 0
    for item in block:
        line = item.line_number + lines_before
        first = first or line
        pair = cast("tuple[str, str] | None", item.pair)
        loop: gemmi.cif.Loop | None = item.loop
        written = [pair[0]] if pair is not None else list(loop.tags) if loop is not None else []
        count += len(written)
        if count > MAX_TAGS:
            where = f"{file}, block {block.name}"
            return Problem(where, line, f"more than {MAX_TAGS} tags; correct the file there")
        for tag in written:
            tags.setdefault(tag.lower().replace(".", "_"), (tag, line))
    return Block(block.name, file, first or lines_before + 1, tags, block)
