"""Is a library what it says it is? All of it, asked whenever a user asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.errors import BraggleError, LibraryError
from data.lines import Lines
from indexer.checking import CANARIES, Check, members_there, structure
from indexer.history import kept_numbers
from indexer.index_cache import cached_index, stored_vectors
from indexer.ingest import LineSettings, lines_in_profile
from indexer.publishing import ChannelStamp, Published, read_current, sha256_of, version_file
from indexer.recall import DEPTH, ENOUGH, nearest_exactly, sample
from indexer.schema import (
    CRYSTAL_COLUMNS,
    ENTRIES,
    LEDGER,
    LINES_COLUMNS,
    crystal_of,
    lines_table_of,
)
from indexer.tables import TAGS, Reader, table_folder, tags_of
from indexer.templates.storage import LOG_COLUMNS, TEMPLATES, holds_templates, known_templates
from indexer.vectors import VectorIndex
from indexer.writing import Progress, silent

SAMPLE = 24


@dataclass(frozen=True)
class VerifyReport:
    """What `Library.verify` found."""

    path: str
    version: int
    entries: int
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)


def verify(
    path: Path, published: Published, reader: Reader, progress: Progress | None = None
) -> VerifyReport:
    """Ask everything; damage is an answer here, not an error."""
    report = progress or silent
    checks: list[Check] = [_files(path, reader, published, report), _kept(path, reader, report)]
    try:
        report(0, 1, "rows")
        checks.extend(structure(reader, published, 0))
        report(1, 1, "rows")
        for done, channel in enumerate(published.channels):
            report(done, len(published.channels), "indexes")
            checks.append(_index(path, reader, published, channel))
        report(len(published.channels), len(published.channels), "indexes")
        report(0, 1, "lines and templates")
        checks.append(_lines(reader, published))
        if holds_templates(reader):
            checks.append(members_there(reader.table(TEMPLATES, LOG_COLUMNS)))
            checks.append(_members_agree(reader))
        report(1, 1, "lines and templates")
    except LibraryError as error:
        checks.append(Check("readable", ok=False, detail=str(error)))
    return VerifyReport(str(path), published.version, published.entries, tuple(checks))


def _files(path: Path, reader: Reader, published: Published, report: Progress) -> Check:
    files, bad = reader.files(), []
    for done, file in enumerate(files):
        report(done, len(files), "data files")
        bad += _altered(path, [file], published)
    report(len(files), len(files), "data files")
    detail = f"altered: {', '.join(bad)}" if bad else f"{len(published.files)} unaltered"
    return Check("data files", not bad, detail)


def _altered(path: Path, files: Iterable[str], published: Published) -> list[str]:
    """Those of some files that are not there, or not what they were."""
    bad = []
    for file in files:
        try:
            if sha256_of(path / file) != published.files.get(file):
                bad.append(file)
        except OSError:
            bad.append(file)
    return bad


def _kept(path: Path, reader: Reader, report: Progress) -> Check:
    """Every version that is kept: its document, what it alone is made of, and its tags."""
    known, bad = set(reader.files()), []
    current = read_current(path).version
    numbers = [one for one in kept_numbers(path) if one <= current]
    for done, number in enumerate(numbers, start=1):
        report(done, len(numbers), "kept versions")
        try:
            file = version_file(path, number)
            document = Published.from_json(file.read_text(encoding="utf-8"), file)
            files = set(Reader(path, document.tables).files())
            bad += _altered(path, sorted(files - known), document)
            known |= files
        except (OSError, UnicodeDecodeError, LibraryError):
            bad.append(f"version {number}")
            continue
        for name, table in document.tables.items():
            tag = tags_of(path, name).get(f"v{number}")
            # Who was cut off while he noted files that gave nothing has moved the tag already.
            moved = tag is not None and number == current and name == LEDGER
            if tag != table.version and not moved:
                bad.append(f"{table_folder(path, name).relative_to(path)}/{TAGS}/v{number}.json")
    detail = f"altered: {', '.join(bad)}" if bad else f"{len(numbers)} unaltered"
    remedy = (
        "`braggle library maintain` mends tags, and lets versions go with "
        "`--keep-last 1 --keep-days 0`"
    )
    return Check("kept versions", not bad, detail, remedy)


def _members_agree(reader: Reader) -> Check:
    """Members of some templates, asked anew."""
    from indexer.templates.verifying import without_agreement, without_members

    ids = reader.table(ENTRIES, ["id"])["id"].combine_chunks()
    rows = {entry_id: row for row, entry_id in enumerate(ids.to_pylist())}
    known_bad, _ = without_members(reader.table(TEMPLATES, LOG_COLUMNS))
    whole = [one for one in known_templates(reader) if one.id not in known_bad]
    asked, bad = without_agreement(reader, whole, rows)
    detail = f"{asked - len(bad)} of {asked} agree with their members"
    return Check("template members", not bad, detail + (f"; not {', '.join(bad)}" if bad else ""))


def _index(path: Path, reader: Reader, published: Published, channel: ChannelStamp) -> Check:
    """The index holds Lance's vectors, and finds what exact search finds."""
    name = f"index of {channel.id}"
    stored = stored_vectors(channel, reader)
    index, warning = cached_index(path, published, channel, reader)
    if warning:
        return Check(name, ok=False, detail=warning, remedy="it was made again: ask once more")
    if not np.isfinite(stored).all():
        return Check(name, ok=False, detail="a vector holds values that are not finite")
    rows = np.unique(np.linspace(0, len(stored) - 1, CANARIES).astype(np.int64))
    found = sum(_finds(index, stored, row) for row in rows)
    recall = _recall(index, stored)
    same = len(index) == len(stored) and bool(np.array_equal(index.vectors, stored))
    detail = f"{found} of {len(rows)} canaries found, {len(index)} vectors, recall {recall:.4f}"
    if index.delta or index.gone:
        detail += f", {index.delta} of them and {index.gone} gone since the index was made"
    ok = found == len(rows) and same and recall >= ENOUGH
    return Check(name, ok, detail + ("" if same else " unlike Lance's"))


def _recall(index: VectorIndex, stored: NDArray[np.float32]) -> float:
    """Part of the 100 nearest of a sample that the index finds; as near as one of them counts."""
    queries = stored[sample(len(stored))]
    _, scores = nearest_exactly(stored, queries, DEPTH)
    found = [index.nearest(query, DEPTH)[1] for query in queries]
    return float(
        np.mean(
            [
                (one >= exact[-1] - 1e-4).sum() / len(exact)
                for one, exact in zip(found, scores, strict=True)
            ]
        )
    )


def _finds(index: VectorIndex, stored: NDArray[np.float32], row: np.int64) -> bool:
    """Whether a row's own vector finds as good a row as exact search does."""
    _, scores = index.nearest(stored[row], 1)
    return bool(abs(scores[0] - (stored @ stored[row]).max()) < 1e-4)


def _lines(reader: Reader, published: Published) -> Check:
    """Lines of some entries, worked out again from their crystals."""
    rows = np.unique(np.linspace(0, published.entries - 1, SAMPLE).astype(np.int64))
    table = reader.take(ENTRIES, rows, ["id", *CRYSTAL_COLUMNS, *LINES_COLUMNS])
    stored = lines_table_of(table.to_batches())
    bad = []
    settings = LineSettings(published.d_min_angstrom, published.floor, published.profile)
    for i, row in enumerate(table.select(["id", *CRYSTAL_COLUMNS]).to_pylist()):
        try:
            standard = Standard.from_stored(crystal_of(row))
            lines = lines_in_profile(standard, settings)
            same = _same_lines(stored[i], lines)
        except BraggleError:
            same = False
        if not same:
            bad.append(row["id"])
    detail = f"{len(rows) - len(bad)} of {len(rows)} as stored"
    return Check("lines", not bad, detail + (f"; not {', '.join(bad)}" if bad else ""))


def _same_lines(stored: Lines, lines: Lines) -> bool:
    """Whether each of the strongest lines of either has its place and strength in the other."""

    def at(some: Lines, inv_d2: float) -> float:
        return float(some.strength[np.abs(some.inv_d2 - inv_d2) < 1e-5 * inv_d2].sum())

    positions = [
        some.inv_d2[row] for some in (stored, lines) for row in np.argsort(-some.strength)[:20]
    ]
    return all(np.isclose(at(stored, x), at(lines, x), rtol=1e-3) for x in positions)
