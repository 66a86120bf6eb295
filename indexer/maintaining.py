"""Upkeep: what changes left behind is put in order, and versions that nobody needs are let go."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from indexer.channel import AnyChannel
from indexer.checking import overgrown_indexes
from indexer.history import forget, history, kept_numbers, kept_version
from indexer.index_cache import cached_index, drop_loose_files, overgrown, save_index
from indexer.publishing import (
    ChannelStamp,
    Published,
    keep_base,
    leftovers,
    one_writer,
    read_current,
    size_of,
)
from indexer.schema import INTERVALS, LEDGER, vectors_table
from indexer.tables import Reader, Writer
from indexer.templates.storage import holds_templates
from indexer.vectors import VectorIndex
from indexer.writing import Progress, Writing, silent

KEEP_LAST, KEEP_DAYS = 3, 1.0
"""Versions that are kept: so many of the last ones, and those that are younger."""

FRAGMENTS = 8
"""Files of a table that are worth being made one."""

COLLECTED_UP_TO = 50_000
STALE = 0.01
"""Templates of small libraries are collected anew whenever that would tell, those of larger ones
once this part of their entries has changed: it takes a millisecond an entry."""


@dataclass(frozen=True)
class Upkeep:
    """What upkeep did, or would do.

    Attributes:
        before, after: versions; the same where nothing was worth a new one.
        remade: what was made anew: channels whose vectors were of another make, "templates", and
            "index of CHANNEL".
        compacted: tables that were written anew without what was deleted, as fewer files.
        forgotten: versions that are kept no more.
        in_use: versions that would be kept no more, were they not being read.
        bytes_freed: on disk.
    """

    before: int
    after: int
    remade: tuple[str, ...]
    compacted: tuple[str, ...]
    forgotten: tuple[int, ...]
    in_use: tuple[int, ...]
    bytes_freed: int


def maintain(
    path: Path,
    channels: Sequence[AnyChannel],
    *,
    keep_last: int = KEEP_LAST,
    keep_days: float = KEEP_DAYS,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> Upkeep:
    """Put a library in order, as a version of its own where that is worth one.

    Vectors, templates and tables of another make are made anew, tables are compacted, the main
    indexes take in what came since, and templates are collected where entries have gone. Before
    and after, old versions are let go, but those that are still read.

    Args:
        path: of the library.
        channels: that make vectors.
        keep_last: versions that are kept at least, the published one among them.
        keep_days: younger ones are kept, too.
        progress: called with done, total and stage.
        dry_run: say what would be done, and do nothing.

    Raises:
        LibraryError: someone else is writing, a channel is not at hand, or the new version is not
            whole.
    """
    report = progress or silent
    if dry_run:
        base = read_current(path)
        remade, compacted = _plan(path, base, channels)
        old = _old_versions(path, keep_last - bool(remade or compacted), keep_days)
        after = base.version + bool(remade or compacted)
        return Upkeep(base.version, after, remade, compacted, old, (), 0)
    with one_writer(path):
        size = size_of(path)
        base = read_current(path)
        # First, as a disk that is full may have no room for what comes then.
        forgotten, in_use = _let_go(path, keep_last, keep_days, report)
        remade, compacted = _plan(path, base, channels)
        if remade or compacted:
            writing = Writing(path, channels, base, version=base.version + 1, verb="maintain")
            moved = _indexes_to_move(path, base, compacted)
            for done, name in enumerate(compacted):
                report(done, len(compacted), "compacting")
                writing.compact(name)
            report(len(compacted), len(compacted), "compacting")
            reader = writing.writer.reader()
            for stamp, index in moved.items():
                # The same rows lie elsewhere now; their vectors need not be parted again.
                save_index(path, writing.version, stamp, index, reader)
            writing.extend_templates(report, anew="templates" in remade)
            counts = {"remade": len(remade), "compacted": len(compacted)}
            writing.publish(report, finished=base.deed.finished, counts=counts, anew=True)
            more, in_use = _let_go(path, keep_last, keep_days, report)
            forgotten += more
        freed = max(0, size - size_of(path))
        after = read_current(path).version
    return Upkeep(base.version, after, remade, compacted, forgotten, in_use, freed)


def _let_go(
    path: Path, keep_last: int, keep_days: float, report: Progress
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Let old versions go, and what only they need; those that went, and those that are read."""
    report(0, 1, "clean-up")
    forgotten: list[int] = []
    in_use: list[int] = []
    for number in _old_versions(path, keep_last, keep_days):
        (forgotten if forget(path, number) else in_use).append(number)
    _clean(path)
    report(1, 1, "clean-up")
    return tuple(forgotten), tuple(in_use)


def _plan(
    path: Path, base: Published, channels: Sequence[AnyChannel]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is to be made anew, and which tables are to be compacted."""
    reader = Reader(path, base.tables)
    stamps = {one.id: one for one in base.channels}
    remade = [one.id for one in channels if stamps.get(one.id) != ChannelStamp.of(one)]
    remade += [name for name in (INTERVALS, LEDGER) if name not in base.tables]
    seen = base.entries if base.templates.rows is None else base.templates.rows
    stale = base.templates.stale + base.entries - seen
    small = base.entries <= COLLECTED_UP_TO
    if not holds_templates(reader) or stale > (0 if small else STALE * base.entries):
        remade.append("templates")
    remade += [f"index of {one}" for one in overgrown_indexes(path, base, reader)]
    compacted = [name for name in base.tables if reader.is_worn(name, FRAGMENTS)]
    return tuple(remade), tuple(compacted)


def _indexes_to_move(
    path: Path, base: Published, compacted: Sequence[str]
) -> dict[ChannelStamp, VectorIndex]:
    reader = Reader(path, base.tables)
    found = {
        stamp: cached_index(path, base, stamp, reader)[0]
        for stamp in base.channels
        if vectors_table(stamp.id) in compacted
    }
    return {stamp: index for stamp, index in found.items() if not overgrown(index)}


def _old_versions(path: Path, keep_last: int, keep_days: float) -> tuple[int, ...]:
    """Versions that are neither among the last ones nor young, and documents of none."""
    kept = history(path)
    young = (datetime.now(UTC) - timedelta(days=keep_days)).isoformat(timespec="seconds")
    last = {one.version for one in kept[-max(1, keep_last) :]}
    stay = last | {one.version for one in kept if one.published_at > young}
    return tuple(one for one in kept_numbers(path) if one not in stay)


def _clean(path: Path) -> None:
    """Remove what no kept version needs."""
    current = read_current(path)
    keep_base(path, current)
    writer = Writer(path)
    for one in history(path):
        # Tagged they are; but a tag that was lost must not cost the version.
        writer.tag_versions(f"v{one.version}", kept_version(path, one.version).tables)
    kept = {f"v{number}" for number in (*kept_numbers(path), current.version)}
    writer.clean(kept, current.tables)
    drop_loose_files(path)
    for file in leftovers(path):
        with suppress(OSError):
            file.unlink()
