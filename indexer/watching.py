"""A folder whose files go into a library as they come."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data.errors import LibraryError
from data.offered import Offered, Origin, Place
from data.sources import open_source
from indexer.adding import tallied
from indexer.ledger import Outcome
from indexer.library import Library
from indexer.publishing import read_current

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
        not_moved: why it could not be, where it still lies there.
        version: of the library that tells of it.
    """

    path: str
    status: str
    entries: int
    reason: str
    moved_to: str
    not_moved: str
    version: int


class WatchedFolder:
    """Finds files that are complete: as large, and as old, as when they were looked at before."""

    def __init__(self, folder: Path) -> None:
        """Look at nothing yet.

        Raises:
            LibraryError: there is no such folder.
        """
        # The ledger calls files so, too.
        self.folder = Path(os.path.abspath(folder))  # noqa: PTH100 - a link is a place of its own
        if not self.folder.is_dir():
            raise LibraryError(f"{folder}: there is no such folder; make it, or name another")
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

    def move_aside(self, path: Path, reason: str, *, dry_run: bool = False) -> Path:
        """Put a file into the folder of refused ones, with the reason in a text beside it.

        Returns:
            Where it lies; after a dry run where it would.

        Raises:
            LibraryError: it cannot be moved, and lies where it lay.
        """
        refused = self.folder.with_name(self.folder.name + REFUSED)
        place = refused / path.relative_to(self.folder)
        number = 1
        try:
            while place.exists():
                number += 1
                place = place.with_name(f"{path.stem}-{number}{path.suffix}")
            if not dry_run:
                place.parent.mkdir(parents=True, exist_ok=True)
                _moved(path, place, reason)
        except OSError as error:
            raise LibraryError(
                f"{path}: cannot be moved to {refused} ({error}); check the rights of both folders"
            ) from None
        return place


def _moved(path: Path, place: Path, reason: str) -> None:
    """Move a file and put a text beside it, both or neither."""
    text = place.with_name(place.name + ".txt")
    try:
        text.write_text(f"{reason}\n", encoding="utf-8")
        shutil.move(path, place)
    except OSError:
        # Where it can be copied and not be removed, the copy is there already.
        for one in (text, place):
            with suppress(OSError):
                one.unlink()
        raise


class _Coming:
    """Files on their way into a library, which are read when their turn comes.

    Attributes:
        origins: those that have come.
        refused: why an archive cannot be opened, by its path.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = paths
        self.origins: list[Origin] = []
        self.refused: dict[Path, str] = {}

    def __iter__(self) -> Iterator[Offered | Place]:
        for path in self._paths:
            for one in self._within(path):
                self.origins.append(one.origin)
                yield one

    def _within(self, path: Path) -> Iterable[Offered | Place]:
        if path.suffix.lower() == ".cif":
            return [Place.file(path)]
        try:
            return open_source(str(path)).offered or ()
        except LibraryError as error:
            self.refused[path] = str(error)
            return ()


def take_up(
    library: Path, watched: WatchedFolder, paths: list[Path], *, dry_run: bool = False
) -> list[Taken]:
    """Add files to a library in one change, and move those aside that give no crystal.

    Files that the library's ledger knows are not told of again, but for those that gave none: they
    are moved and told whenever they lie there.

    Args:
        library: its folder.
        watched: where the files lie.
        paths: of the files.
        dry_run: say what would be done, and do nothing.

    Raises:
        LibraryError: the library cannot be written; no file was moved.
    """
    opened = Library.open(library)
    coming = _Coming(paths)
    if dry_run:
        version, outcomes = opened.version, tallied(library, read_current(library), coming).outcomes
    else:
        after = opened.add(coming)
        version = after.version
        outcomes = [row.outcome for row in after.ledger(since=opened.ledger_length)]
    outcomes = [one for one in outcomes if one.status != "superseded"]
    last = {key: row.outcome for key, row in opened.last_of(coming.origins).items()}
    last |= {one.origin.key: one for one in outcomes}
    new, now = _by_path(outcomes), _by_path(last.values())
    taken: list[Taken] = []
    for path in paths:
        refused = coming.refused.get(path)
        said = ("failed", 0, refused) if refused else _said(new[str(path)], now[str(path)])
        if said is None:
            continue
        moved = not_moved = ""
        if said[0] == "failed":
            try:
                moved = str(watched.move_aside(path, said[2], dry_run=dry_run))
            except LibraryError as error:
                not_moved = str(error)
        taken.append(Taken(str(path), *said, moved, not_moved, version))
    return taken


def _by_path(outcomes: Iterable[Outcome]) -> defaultdict[str, list[Outcome]]:
    found: defaultdict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        found[one.origin.path].append(one)
    return found


def _said(new: Sequence[Outcome], now: Sequence[Outcome]) -> tuple[str, int, str] | None:
    """Status, entries and reason of a file; None where there is nothing new, and nothing wrong.

    Args:
        new: what became of it and its members in this look.
        now: what is true of all of them.
    """
    gives_none = bool(now) and all(one.status == "failed" for one in now)
    if not (new or gives_none):
        return None
    statuses = {"failed"} if gives_none else {one.status for one in new} - {"failed"}
    # Of an archive whose crystals are known, only what cannot be read may be new.
    status = next((one for one in ("added", "merged", "failed") if one in statuses), "known")
    reason = "; ".join(one.reason for one in new or now if one.reason)
    return status, len({entry for one in now for entry in one.entries}), reason
