"""The versions of a library that are kept: what each was made by, and going back to one.

A version is a document in `versions/`, and tags that keep its tables. Who reads one holds a shared
lock on its document, where the system has such locks, and upkeep lets it be until they have gone.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from data.errors import LibraryError, QueryError
from indexer.checking import check_before_publishing
from indexer.publishing import (
    VERSIONS,
    Deed,
    Published,
    keep_base,
    one_writer,
    publish,
    read_current,
    version_file,
)
from indexer.tables import Reader, Writer


@dataclass(frozen=True)
class KeptVersion:
    """A version that can be read and gone back to.

    Attributes:
        version: its number.
        published_at: UTC time, ISO 8601.
        entries: how many it has.
        verb: what was done: "build", "add", "remove", "maintain", "rollback", "import"; empty for
            versions of earlier Braggles, which did not note it.
        counts: of what it did.
        finished: False for a part of a build or an addition that goes on in the next version.
        braggle: version of the Braggle that did it.
        is_current: whether it was published last.
    """

    version: int
    published_at: str
    entries: int
    verb: str
    counts: Mapping[str, int]
    finished: bool
    braggle: str
    is_current: bool


def history(path: Path) -> tuple[KeptVersion, ...]:
    """The versions that are kept, the oldest first. Damaged documents are left out.

    Raises:
        LibraryError: there is no library, or what is published last is damaged.
    """
    current = read_current(path)
    kept = {number: one for number in kept_numbers(path) if (one := _document(path, number))}
    kept = {number: one for number, one in kept.items() if number < current.version}
    return tuple(
        KeptVersion(
            one.version,
            one.published_at,
            one.entries,
            one.deed.verb,
            dict(one.deed.counts),
            one.deed.finished,
            one.deed.braggle,
            is_current=number == current.version,
        )
        for number, one in sorted({**kept, current.version: current}.items())
    )


def kept_numbers(path: Path) -> list[int]:
    """Numbers of the versions whose documents are there, ascending."""
    files = (path / VERSIONS).glob("*.json")
    return sorted(int(file.stem) for file in files if file.stem.isdecimal())


def kept_version(path: Path, number: int) -> Published:
    """What was published as a version.

    Raises:
        LibraryError: there is no library, or the document is damaged.
        QueryError: the version is not kept.
    """
    current = read_current(path)
    if number == current.version:
        return current
    file = version_file(path, number)
    if number < current.version and file.is_file():
        try:
            return Published.from_json(file.read_text(encoding="utf-8"), file)
        except (OSError, UnicodeDecodeError) as error:
            raise LibraryError(f"{file}: cannot be read ({error}); check the file") from None
    kept = ", ".join(str(one.version) for one in history(path))
    raise QueryError(f"{path}: version {number} is not kept; there are: {kept}")


def rollback(path: Path, number: int) -> Published:
    """Publish the tables of a kept version again, as a new version. Nothing is lost by it.

    Raises:
        LibraryError: someone else is writing, or the version is damaged.
        QueryError: the version is not kept, or published now.
    """
    with one_writer(path):
        target, current = _target(path, number), read_current(path)
        keep_base(path, current)
        published = replace(
            target,
            version=current.version + 1,
            published_at=datetime.now(UTC).isoformat(timespec="seconds"),
            deed=Deed.of("rollback", {"to": number}),
        )
        recall = check_before_publishing(path, published, unchanged=0, logged=0, anew=False)
        published = replace(published, recall=recall)
        tag(path, published)
        publish(path, published)
    return published


def tag(path: Path, published: Published) -> None:
    """Keep the tables of a version from clean-ups."""
    Writer(path).tag_versions(f"v{published.version}", published.tables)


def hold(path: Path, owner: object, number: int | None) -> Published:
    """A version, and a lock on it until `owner` is gone.

    Args:
        path: of the library.
        owner: who reads it.
        number: of the version; the one published last when not given.

    Raises:
        LibraryError: there is no library, or it is damaged.
        QueryError: the version is not kept.
    """
    while True:
        published = read_current(path) if number is None else kept_version(path, number)
        file = version_file(path, published.version)
        try:
            lock = os.open(file, os.O_RDONLY)
        except OSError:
            # A library of an earlier Braggle, or one that was taken away between two looks.
            if number is None and read_current(path).version != published.version:
                continue
            return published
        weakref.finalize(owner, os.close, lock)
        locked = _lock(lock, shared=True)
        if locked and file.is_file() and os.path.samestat(os.fstat(lock), file.stat()):
            return published


def forget(path: Path, number: int) -> bool:
    """Take the document of a version away, unless somebody reads it; whether it is gone."""
    file = version_file(path, number)
    try:
        lock = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        if not _lock(lock, shared=False):
            return False
        file.unlink()
    finally:
        os.close(lock)
    return True


def _target(path: Path, number: int) -> Published:
    target = kept_version(path, number)
    if number == read_current(path).version:
        raise QueryError(f"{path}: version {number} is what is published now; name an earlier one")
    Reader(path, target.tables)  # says what is missing
    return target


def _document(path: Path, number: int) -> Published | None:
    file = version_file(path, number)
    try:
        return Published.from_json(file.read_text(encoding="utf-8"), file)
    except (OSError, UnicodeDecodeError, LibraryError):
        return None


def _lock(file: int, *, shared: bool) -> bool:
    """Lock an open file without waiting; False only where another lock is in the way.

    Without locks, as on Windows and some file systems, versions are kept by their age alone.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
