"""A folder whose files go into a library as they come."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data.errors import LibraryError
from data.offered import Offered
from data.sources import open_source
from indexer.ledger import LedgerRow
from indexer.library import Library

SUFFIXES = (".cif", ".zip")
REFUSED = "-refused"
"""The folder beside the watched one that takes what cannot be read is called so."""


@dataclass(frozen=True)
class Taken:
    """A file that was taken up, once.

    Attributes:
        path: where it was found.
        status: "added", "merged", "known", or "failed".
        entries: how many it gave.
        reason: what could not be read in it.
        moved_to: where it lies now, if it was moved aside.
        version: of the library that tells of it.
    """

    path: str
    status: str
    entries: int
    reason: str
    moved_to: str
    version: int


class WatchedFolder:
    """Finds files that are complete: as large, and as old, as when they were looked at before."""

    def __init__(self, folder: Path) -> None:
        """Look at nothing yet.

        Raises:
            LibraryError: there is no such folder.
        """
        if not folder.is_dir():
            raise LibraryError(f"{folder}: there is no such folder; make it, or name another")
        self.folder = folder.absolute()
        self._seen: dict[Path, tuple[int, int]] = {}
        self._done: dict[Path, tuple[int, int]] = {}

    def complete(self) -> list[Path]:
        """Files that have not changed since the last look and were not given before."""
        now = dict(self._states())
        found = [
            path
            for path, state in now.items()
            if self._seen.get(path) == state and self._done.get(path) != state
        ]
        self._seen = now
        self._done = {path: state for path, state in self._done.items() if path in now}
        self._done.update((path, now[path]) for path in found)
        return sorted(found)

    def again(self, paths: list[Path]) -> None:
        """Give these once more: they could not be taken up."""
        for path in paths:
            self._done.pop(path, None)

    def _states(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        for parent, _, names in os.walk(self.folder):
            for name in names:
                path = Path(parent) / name
                if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                    continue
                try:
                    status = path.stat()
                except OSError:
                    continue  # it has gone again
                yield path, (status.st_size, status.st_mtime_ns)

    def move_aside(self, path: Path, reason: str) -> Path:
        """Put a file into the folder of refused ones, with the reason in a text beside it.

        Raises:
            LibraryError: it cannot be moved.
        """
        refused = self.folder.with_name(self.folder.name + REFUSED)
        place = refused / path.relative_to(self.folder)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            number = 1
            while place.exists():
                number += 1
                place = place.with_name(f"{path.stem}-{number}{path.suffix}")
            shutil.move(path, place)
            place.with_name(place.name + ".txt").write_text(f"{reason}\n", encoding="utf-8")
        except OSError as error:
            raise LibraryError(f"{path}: cannot be moved to {refused} ({error})") from None
        return place


def take_up(library: Path, watched: WatchedFolder, paths: list[Path]) -> list[Taken]:
    """Add files to a library in one change, and move those aside that give no crystal.

    Files that the library's ledger knows are not told of again.

    Raises:
        LibraryError: the library cannot be written, or a file cannot be moved.
    """
    offered: list[Offered] = []
    taken: list[Taken] = []
    opened = Library.open(library)
    for path in paths:
        try:
            offered += open_source(str(path)).offered or ()
        except LibraryError as error:
            reason = str(error)
            moved = watched.move_aside(path, reason)
            taken.append(Taken(str(path), "failed", 0, reason, str(moved), opened.version))
    if not offered:
        return taken
    after = opened.add(offered)
    rows: dict[str, list[LedgerRow]] = {}
    for row in after.ledger(since=opened.ledger_length):
        if row.status != "superseded":
            rows.setdefault(row.path, []).append(row)
    known = [path for path in paths if str(path) in rows]
    return [*taken, *(_told(watched, path, rows[str(path)], after.version) for path in known)]


def _told(watched: WatchedFolder, path: Path, rows: list[LedgerRow], version: int) -> Taken:
    reason = "; ".join(row.reason for row in rows if row.reason)
    entries = len({one for row in rows for one in row.entries})
    statuses = {row.status for row in rows}
    status = next(one for one in ("added", "merged", "known", "failed") if one in statuses)
    moved = str(watched.move_aside(path, reason)) if status == "failed" else ""
    return Taken(str(path), status, entries, reason, moved, version)
