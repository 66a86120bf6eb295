"""A file, a member of an archive or a row of a table, on its way into a library."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.cif import content_of, content_of_object, read_cif_text
from data.cif_document import decode
from data.record import Problem, Record

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


@dataclass(frozen=True)
class Origin:
    """Which file something was read from.

    Attributes:
        path: of the file, absolute; what it is called where it came without one.
        member: its place in an archive or a table; empty for a file of its own.
        size: in bytes.
        sha256: of the content; empty where it could not be read.
    """

    path: str
    member: str
    size: int
    sha256: str

    @property
    def key(self) -> str:
        """Path and member in one; what comes under the same key later takes its place."""
        return f"{self.path}::{self.member}" if self.member else self.path


@dataclass(frozen=True)
class Place:
    """A file that has not been read yet, so that whoever works it out may read it.

    Attributes:
        path: of the file, absolute; of an object in a store its URI.
        size: in bytes.
        store: that it is in, if it is in one.
        done: sha256 of a content that need not be worked out, if there is one.
    """

    path: str
    size: int
    store: FileSystem | None = None
    done: str = ""

    @classmethod
    def file(cls, path: Path) -> Place:
        """A file on disk."""
        try:
            size = path.stat().st_size
        except OSError:  # reading it will say why
            size = 0
        return cls(os.path.abspath(path), size)  # noqa: PTH100 - a link is a place of its own

    @property
    def origin(self) -> Origin:
        """Which file, as far as that is known without its content."""
        return Origin(self.path, "", self.size, "")

    def read(self) -> Offered:
        """The file; one that cannot be read is offered with its problem."""
        if self.store is None:
            return Offered.file(Path(self.path))
        content = content_of_object(self.store, self.path)
        if isinstance(content, Problem):
            return Offered.unreadable(content, path=self.path)
        return Offered.of(content, self.path.rsplit("/", 1)[-1], path=self.path)


@dataclass(frozen=True)
class Offered:
    """The content of a file, not yet read as a CIF.

    Attributes:
        origin: which file.
        content: its bytes.
        name: what its problems and sources are called by.
        row: collection and identifier that its crystals get, where it is a row of a table.
        problem: why the content is missing, if it is.
        most_atoms: larger cells are problems, if there is a limit.
    """

    origin: Origin
    content: bytes
    name: str
    row: tuple[str, str] | None = None
    problem: Problem | None = None
    most_atoms: int | None = None

    @classmethod
    def of(
        cls,
        content: bytes,
        name: str,
        *,
        path: str,
        member: str = "",
        row: tuple[str, str] | None = None,
    ) -> Offered:
        """Content that was read from a place."""
        sha256 = hashlib.sha256(content).hexdigest()
        return cls(Origin(path, member, len(content), sha256), content, name, row)

    @classmethod
    def upload(cls, content: bytes, name: str, member: str = "") -> Offered:
        """Content that came without a place: nothing but the same content ever takes its place."""
        digest = hashlib.sha256(content).hexdigest()
        return cls.of(content, name, path=f"upload:{digest[:20]}/{name}", member=member)

    @classmethod
    def unreadable(cls, problem: Problem, *, path: str, member: str = "") -> Offered:
        """A file whose content cannot be had."""
        return cls(Origin(path, member, 0, ""), b"", problem.where, problem=problem)

    @classmethod
    def file(cls, path: Path) -> Offered:
        """A file on disk; one that cannot be read is offered with its problem."""
        place = os.path.abspath(path)  # noqa: PTH100 - a link is a place of its own
        content = content_of(path)
        if isinstance(content, Problem):
            return cls.unreadable(content, path=place)
        return cls.of(content, path.name, path=place)

    def items(self) -> Iterator[Record | Problem]:
        """What is in it."""
        if self.problem is not None:
            yield self.problem
            return
        for item in read_cif_text(decode(self.content), self.name):
            yield self._checked(item) if isinstance(item, Record) else item

    def _checked(self, record: Record) -> Record | Problem:
        if self.most_atoms is not None and len(record.crystal) > self.most_atoms:
            return Problem(
                f"{record.source.collection} {record.source.identifier}",
                0,
                f"{len(record.crystal)} atoms in the cell are more than {self.most_atoms}; give a "
                "smaller cell",
            )
        if self.row is None:
            return record
        collection, identifier = self.row
        source = replace(record.source, collection=collection, identifier=identifier)
        return replace(record, source=source)
