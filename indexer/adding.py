"""Records and files that go into a library: a build, or an addition."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from operator import length_hint
from pathlib import Path
from typing import Literal

from data.errors import LibraryError
from indexer.channel import AnyChannel
from indexer.cluster import digest_on_cluster
from indexer.ingest import Chunk, Item, LineSettings, digest_all
from indexer.publishing import Published, one_writer, read_current
from indexer.tables import Reader
from indexer.tallying import Change, Tally
from indexer.writing import Progress, Writing, silent

Engine = Literal["local", "ray"]
Digested = Callable[[Iterable[Item], LineSettings], Generator[Chunk]]
"""What turns items into chunks."""


def write(
    path: Path,
    items: Iterable[Item],
    channels: Sequence[AnyChannel],
    *,
    fresh: bool,
    verb: str,
    progress: Progress | None = None,
    workers: int | None = None,
    engine: Engine = "local",
    dry_run: bool = False,
) -> Change:
    """Add records to the library at `path`, or make its content anew, and publish the result.

    Much is published in parts, except over a library that is replaced. Vectors that another
    version of a channel made are made again from the stored lines, and so are templates that are
    missing or of another make. When nothing changes, nothing is published.

    Args:
        path: of the library.
        items: records, and files, of which those that the ledger knows are not read.
        channels: that make vectors.
        fresh: make the library anew.
        verb: "build" or "add", for the history.
        progress: called with done, total and stage.
        workers: processes that work out crystals.
        engine: what works out crystals: processes of this machine, or a Ray cluster.
        dry_run: count what would be done, and write nothing.

    Raises:
        LibraryError: the folder cannot be written to, someone else is writing, nothing could be
            read into a fresh library, a channel of the library is not among `channels`, or the
            new version is not whole.
    """
    report = progress or silent
    if dry_run:
        base = None if fresh else read_current(path)
        return tallied(path, base, items, report, workers).change
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(f"{path}: no library can be made here ({error})") from None
    with one_writer(path):
        last = _last_published(path, fresh=fresh)
        writing = Writing(
            path,
            channels,
            None if fresh else last,
            version=1 + (last.version if last else 0),
            verb=verb,
        )
        in_parts = last is None or not fresh
        on = digest_on_cluster if engine == "ray" else partial(digest_all, workers=workers)
        digested = partial(on, channels=writing.channels)
        for chunk in _chunks(writing.tally, items, writing.settings, report, digested):
            writing.take(chunk)
            if in_parts and writing.is_much:
                writing.publish(report, finished=False)
        writing.finish(report)
        report(1, 1, "checking")
    return writing.tally.change


def _chunks(
    tally: Tally,
    items: Iterable[Item],
    settings: LineSettings,
    report: Progress,
    digested: Digested,
) -> Iterator[Chunk]:
    total = length_hint(items) or None
    read = 0
    report(0, total, "crystals")
    with closing(digested(tally.unread(items), settings)) as chunks:
        for chunk in chunks:
            yield chunk
            read += chunk.read
            report(read + tally.skipped, total, "crystals")
    if tally.skipped:
        report(read + tally.skipped, total, "crystals")


def tallied(
    path: Path,
    base: Published | None,
    items: Iterable[Item],
    report: Progress = silent,
    workers: int | None = None,
) -> Tally:
    """What would become of items among what a version holds; nothing is written."""
    tally = Tally(Reader(path, base.tables) if base else None)
    settings = (
        LineSettings(base.d_min_angstrom, base.floor, base.profile) if base else LineSettings()
    )
    digested = partial(digest_all, workers=workers)
    for chunk in _chunks(tally, items, settings, report, digested):
        tally.take(chunk)
    tally.settle()
    return tally


def _last_published(path: Path, *, fresh: bool) -> Published | None:
    """The published version; None when there is none, or when a damaged one is replaced."""
    try:
        return read_current(path)
    except LibraryError:
        if fresh:
            return None
        raise
