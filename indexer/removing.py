"""Taking entries out of a library, as a version of its own."""

from __future__ import annotations

from pathlib import Path

from data.errors import LibraryError
from indexer.publishing import one_writer, read_current
from indexer.schema import ENTRIES
from indexer.tables import Reader, present
from indexer.writing import Progress, Writing, silent


def remove(path: Path, ids: frozenset[str], *, progress: Progress | None = None) -> None:
    """Publish the library at `path` without some entries. When none is there, nothing happens.

    Rows are marked as deleted in every table alike; the main indexes stay as they are and pass
    over them, and templates lose them as members.

    Raises:
        LibraryError: someone else is writing, nothing would be left, or the new version is not
            whole.
    """
    with one_writer(path):
        found = _found(path, ids)
        if not found:
            return
        base = read_current(path)
        writing = Writing(path, None, base, version=base.version + 1, verb="remove")
        writing.take_out(found)
        writing.publish(progress or silent, finished=True, counts={"removed": len(found)})


def _found(path: Path, ids: frozenset[str]) -> set[str]:
    there = Reader(path, read_current(path).tables).table(ENTRIES, ["id"])["id"]
    found = present(there, ids)
    if len(found) == len(there):
        raise LibraryError(
            f"{path}: without these no entry would be left; remove the library's folder instead"
        )
    return found
