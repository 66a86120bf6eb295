"""The ledger: every file that was ever offered to a library, and what became of it.

The last row of a file says what is true of it now. A file is told by its path, with its place in an
archive or a table, and never by its name alone, as many folders hold a 1.cif.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.offered import Origin
from indexer.ids import LOOKS
from indexer.schema import LEDGER, LEDGER_SCHEMA
from indexer.tables import Reader, quoted

Status = Literal["added", "merged", "known", "superseded", "failed"]
"""Brought a new entry; a further source of an entry; nothing new; gave what another content of the
file has taken the place of; nothing could be read."""


@dataclass(frozen=True)
class LedgerRow:
    """One file, one time that it was offered.

    Attributes:
        path: of the file; "upload:…" where it came without one.
        member: its place in an archive or a table, or empty.
        size: in bytes.
        sha256: of its content; empty where it could not be read.
        status: what became of it.
        reason: what could not be read in it, and why.
        entries: ids of the entries that it gave, or gives no more where it was superseded.
        library_version: that told of it first.
        channels: that made the vectors, "id version" each.
        braggle: the version that read it.
        at: UTC time, ISO 8601.
    """

    path: str
    member: str
    size: int
    sha256: str
    status: Status
    reason: str
    entries: tuple[str, ...]
    library_version: int
    channels: tuple[str, ...]
    braggle: str
    at: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> LedgerRow:
        """A row of the table."""
        lists = {name: tuple(row[name]) for name in ("entries", "channels")}
        return cls(**{**row, **lists})

    @property
    def may_give(self) -> bool:
        """Whether the file was read."""
        return self.status in ("added", "merged", "known")

    @property
    def outcome(self) -> Outcome:
        """The same without the version that tells of it."""
        origin = Origin(self.path, self.member, self.size, self.sha256)
        return Outcome(origin, self.status, self.reason, self.entries)


@dataclass(frozen=True)
class Outcome:
    """What became of a file, before a version tells of it."""

    origin: Origin
    status: Status
    reason: str
    entries: Sequence[str]


def ledger_rows(
    outcomes: Iterable[Outcome], library_version: int, channels: Sequence[str]
) -> pa.Table:
    """Rows of the table."""
    common = {
        "library_version": library_version,
        "channels": list(channels),
        "braggle": version("braggle"),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    rows = [
        {
            "path": one.origin.path,
            "member": one.origin.member,
            "size": one.origin.size,
            "sha256": one.origin.sha256,
            "status": one.status,
            "reason": one.reason,
            "entries": list(one.entries),
            **common,
        }
        for one in outcomes
    ]
    return pa.Table.from_pylist(rows, LEDGER_SCHEMA)


def read_ledger(reader: Reader, *, failed: bool = False, since: int = 0) -> list[LedgerRow]:
    """The ledger of a library from a row on, first come first; only what failed last, if so
    asked.
    """
    if not reader.rows(LEDGER):
        return []
    if failed:
        rows = _failed_last(reader.tail(LEDGER, since, ["path", "member", "status"]))
        table = reader.take(LEDGER, since + rows, LEDGER_SCHEMA.names)
    else:
        table = reader.tail(LEDGER, since, LEDGER_SCHEMA.names)
    return [LedgerRow.of(row) for row in table.to_pylist()]


def _failed_last(table: pa.Table) -> NDArray[np.int64]:
    """The last row of each file, where the file failed, ascending. Shape (n,)."""
    failed = pc.equal(table["status"], "failed")
    numbered = table.append_column("row", pa.array(np.arange(len(table))))
    asked = numbered.filter(pc.is_in(table["path"], table["path"].filter(failed).combine_chunks()))
    last = asked.group_by(["path", "member"]).aggregate([("row", "max")])["row_max"]
    return np.sort(last.filter(failed.take(last)).to_numpy())


class Ledger:
    """What the ledger says last of files, to be asked of a few of them, once or very often."""

    def __init__(self, reader: Reader | None) -> None:
        """Of a library as it is published, or of none."""
        self._reader = reader
        self._asked = 0
        self._hashes = np.zeros(0, np.int64)

    def go_on_from(self, reader: Reader) -> None:
        """More rows are published; those that there were are where they were."""
        self._reader = reader

    def last(self, origins: Sequence[Origin]) -> dict[str, LedgerRow]:
        """The last row of each file that there is one of, by the file's key."""
        reader = self._reader
        if reader is None or not reader.rows(LEDGER) or not origins:
            return {}
        self._asked += 1
        if self._asked <= LOOKS:
            condition = (
                f"path IN ({quoted({one.path for one in origins})}) "
                f"AND member IN ({quoted({one.member for one in origins})})"
            )
            table = reader.where(LEDGER, condition, LEDGER_SCHEMA.names)
        else:
            rows = self._rows(reader, origins)
            if not len(rows):
                return {}
            table = reader.take(LEDGER, rows, LEDGER_SCHEMA.names)
        found: dict[str, LedgerRow] = {}
        for one in table.to_pylist():
            row = LedgerRow.of(one)
            found[row.outcome.origin.key] = row
        return found

    def _rows(self, reader: Reader, origins: Sequence[Origin]) -> NDArray[np.int64]:
        """Where files of these hashes stand, in row order. Shape (n,)."""
        if len(self._hashes) < reader.rows(LEDGER):
            new = reader.tail(LEDGER, len(self._hashes), ["path", "member"])
            pairs = zip(new["path"].to_pylist(), new["member"].to_pylist(), strict=True)
            hashes = np.fromiter(map(hash, pairs), np.int64, len(new))
            self._hashes = np.concatenate([self._hashes, hashes])
            self._order = np.argsort(self._hashes, kind="stable")
            self._sorted = self._hashes[self._order]
        wanted = np.array([hash((one.path, one.member)) for one in origins], np.int64)
        first = np.searchsorted(self._sorted, wanted, "left")
        last = np.searchsorted(self._sorted, wanted, "right")
        places = [self._order[a:b] for a, b in zip(first, last, strict=True) if a < b]
        return np.unique(np.concatenate(places)) if places else np.zeros(0, np.int64)
