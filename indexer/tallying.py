"""What of a stream is new to a library, and what becomes of each file in it; nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice

import pyarrow as pa

from data.offered import Offered, Origin, Place
from data.record import Problem
from indexer.ids import Ids
from indexer.ingest import Chunk, Item
from indexer.ledger import Ledger, LedgerRow, Outcome, Status
from indexer.schema import ENTRIES, SOURCES
from indexer.tables import Reader, quoted

LOOKED_UP = 64
"""Files that are looked up in the ledger together; their contents wait in memory."""

SOURCE_KEY = ("id", "collection", "identifier", "file")
SourceKey = tuple[str, str, str, str]

HOWS: tuple[Status, ...] = ("added", "merged", "known")
"""What a crystal of a file can be; the first of these that any of them is, the file is."""


@dataclass(frozen=True)
class Change:
    """What a write did.

    Attributes:
        added: new entries.
        merged: records whose crystal was there and that became a further source of it.
        known: records that were there already, crystal and source.
        problems: what could not be read, and why.
        skipped: files that the ledger knows, with this content; they were not read again.
        superseded: sources that a file gave before its content changed, and that have gone.
        removed: entries that have gone with their last source.
    """

    added: int
    merged: int
    known: int
    problems: tuple[Problem, ...]
    skipped: int = 0
    superseded: int = 0
    removed: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """What is more than nothing, as numbers."""
        every = {
            "added": self.added,
            "merged": self.merged,
            "known": self.known,
            "failed": len(self.problems),
            "skipped": self.skipped,
            "superseded": self.superseded,
            "removed": self.removed,
        }
        return {name: count for name, count in every.items() if count}


def _ids_of(reader: Reader | None) -> Ids | None:
    return Ids(reader.table(ENTRIES, ["id"])["id"].combine_chunks()) if reader else None


class Tally:
    """Compares what comes with what a library holds.

    Memory goes with what comes until it is published, and with 44 bytes for each entry that is
    there.
    """

    def __init__(self, reader: Reader | None) -> None:
        """Begin with a library as it is published, or with none."""
        self._reader = reader
        self._there = _ids_of(reader)
        self._ledger = Ledger(reader)
        self._new: set[str] = set()
        self._gone: set[str] = set()
        self._keys: set[SourceKey] = set()
        self._in_any_file: set[tuple[str, str, str]] = set()
        self._without_file: set[tuple[str, str, str]] = set()
        self._dropped: set[SourceKey] = set()
        self._before: dict[str, LedgerRow] = {}
        self._given: dict[str, dict[str, Status]] = defaultdict(dict)
        self._given_keys: dict[str, set[SourceKey]] = defaultdict(set)
        self._failed: dict[str, list[str]] = defaultdict(list)
        self._problems: list[Problem] = []
        self._stale: set[SourceKey] = set()
        self._added = self._merged = self._known_records = 0
        self._superseded = self._removed = 0
        self.skipped = 0
        self.outcomes: list[Outcome] = []

    def go_on_from(self, reader: Reader) -> None:
        """What came so far is published, and need not be remembered."""
        self._reader, self._there = reader, _ids_of(reader)
        self._ledger.go_on_from(reader)
        for remembered in (
            self._new,
            self._gone,
            self._keys,
            self._in_any_file,
            self._without_file,
            self._dropped,
        ):
            remembered.clear()

    @property
    def change(self) -> Change:
        """What was counted so far."""
        return Change(
            self._added,
            self._merged,
            self._known_records,
            tuple(self._problems),
            self.skipped,
            self._superseded,
            self._removed,
        )

    def unread(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items without the files whose content the ledger knows, and whose entries are there.

        What could not be read is tried again by another version of Braggle. Of a file that has not
        been read yet, whoever reads it is told which content is known.
        """
        stream = iter(items)
        while some := list(islice(stream, LOOKED_UP)):
            origins = [one.origin for one in some if isinstance(one, Offered | Place)]
            last = self._ledger.last(origins)
            there = self._known(one for row in last.values() for one in row.entries)
            for item in some:
                row = last.get(item.origin.key) if isinstance(item, Offered | Place) else None
                if isinstance(item, Offered | Place) and row is not None:
                    known = row.may_give and there.issuperset(row.entries)
                    tried = row.status == "failed" and row.braggle == version("braggle")
                    done = row.sha256 if known or tried else ""
                    if done and done == item.origin.sha256:
                        self.skipped += 1
                        continue
                    self._before[item.origin.key] = row
                    yield replace(item, done=done) if isinstance(item, Place) else item
                else:
                    yield item

    def take(self, chunk: Chunk) -> Chunk:
        """What of a chunk is new."""
        self.skipped += len(chunk.skipped)
        for file in chunk.skipped:
            self._before.pop(file, None)
        for file, problem in chunk.problems:
            self._problems.append(problem)
            if file:
                self._failed[file].append(str(problem))
        keys: list[SourceKey] = list(
            zip(*(chunk.sources[name].to_pylist() for name in SOURCE_KEY), strict=True)
        )
        known = self._known({key[0] for key in keys})
        self._note(self._sources("id", known - self._new))
        new_entry, new_source = [], []
        for key in keys:
            entry_is_new = key[0] not in known
            # A source without a file is the same as one with any, and the other way round.
            same = self._without_file if key[3] else self._in_any_file
            source_is_new = key not in self._keys and key[:3] not in same
            known.add(key[0])
            self._note([key])
            new_entry.append(entry_is_new)
            new_source.append(source_is_new)
            if entry_is_new:
                self._new.add(key[0])
                self._gone.discard(key[0])
            if key[3]:
                how: Status = "added" if entry_is_new else "merged" if source_is_new else "known"
                self._given[key[3]].setdefault(key[0], how)
                self._given_keys[key[3]].add(key)
        self._added += sum(new_entry)
        self._merged += sum(new_source) - sum(new_entry)
        self._known_records += len(new_source) - sum(new_source)
        for origin in chunk.ended:
            self._end(origin)
        return Chunk(
            chunk.read,
            chunk.entries.filter(pa.array(new_entry, pa.bool_())),
            chunk.sources.filter(pa.array(new_source, pa.bool_())),
            (),
            vectors={name: every[new_entry] for name, every in chunk.vectors.items()},
        )

    def settle(self) -> tuple[set[SourceKey], set[str]]:
        """Sources that changed files give no more, and entries that have no other; they count as
        gone from now on.
        """
        stale, self._stale = self._stale, set()
        ids = {key[0] for key in stale}
        left = self._sources("id", ids) | {key for key in self._keys if key[0] in ids}
        without = ids - {key[0] for key in left - stale}
        self._dropped |= stale
        self._keys -= stale
        self._gone |= without
        self._new -= without
        self._superseded += len(stale)
        self._removed += len(without)
        return stale, without

    def _note(self, keys: Iterable[SourceKey]) -> None:
        """Remember sources that are there."""
        for key in keys:
            self._keys.add(key)
            self._in_any_file.add(key[:3])
            if not key[3]:
                self._without_file.add(key[:3])

    def _end(self, origin: Origin) -> None:
        """All of a file has come."""
        key = origin.key
        given, keys = self._given.pop(key, {}), self._given_keys.pop(key, set())
        reason = "; ".join(self._failed.pop(key, []))
        before = self._before.pop(key, None)
        if not given:
            self.outcomes.append(Outcome(origin, "failed", reason or "no crystal in it", ()))
            return
        if before is not None and (stale := self._sources("file", {key}) - keys):
            self._stale |= stale
            past = replace(origin, size=before.size, sha256=before.sha256)
            ids = sorted({one[0] for one in stale})
            self.outcomes.append(Outcome(past, "superseded", "its content changed", ids))
        hows = set(given.values())
        status = next(how for how in HOWS if how in hows)
        self.outcomes.append(Outcome(origin, status, reason, list(given)))

    def _known(self, ids: Iterable[str]) -> set[str]:
        """Which of some entries are there, or have come."""
        wanted = set(ids)
        known = wanted & self._new
        if self._there is not None and wanted - known:
            known |= self._there.among(wanted - known) - self._gone
        return known

    def _sources(self, column: str, values: AbstractSet[str]) -> set[SourceKey]:
        """Sources that were there at the beginning and still are, by entry or by file."""
        if self._reader is None or not values:
            return set()
        has_file = self._reader.has(SOURCES, "file")
        if column == "file" and not has_file:
            return set()
        columns = SOURCE_KEY if has_file else SOURCE_KEY[:3]
        table = self._reader.where(SOURCES, f"{column} IN ({quoted(values)})", columns)
        lists = [table[name].to_pylist() for name in columns]
        if not has_file:
            lists.append([""] * len(table))
        found: Iterator[SourceKey] = zip(*lists, strict=True)
        return set(found) - self._dropped
