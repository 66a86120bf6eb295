"""From records to rows: standard crystal, id and lines, worked out by several processes.

Few records are worked out where they are; many are handed to worker processes in chunks, and come
back in the order they went.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.canonical import Standard, crystal_id, space_group_symbol, standardize
from data.diffraction import lines_of
from data.errors import BraggleError
from data.formula import density_g_cm3, reduced_formula
from data.lines import Lines, LinesTable
from data.offered import Offered, Origin, Place
from data.record import Problem, Record
from data.sheet_diffraction import sheet_lines
from data.sheets import NO_SHEET, sheets_of
from indexer.channel import AnyChannel, ReadsAtoms
from indexer.profiles import POWDER, SHEETS, Profile
from indexer.schema import ENTRIES_SCHEMA, SOURCES_SCHEMA, crystal_columns, lines_columns
from indexer.workers import one_a_core, worked_out

CHUNK = 32
SMALL = 256
"""Up to this many records are done before worker processes would have started."""

LARGE_BYTES = 2**18
"""Files above this are taken apart here, so that many workers share their crystals."""

NO_PLACE = f"{NO_SHEET}; a library of sheets has no place for it"

Item = Record | Problem | Offered | Place
"""What a library is made of: crystals, or files that hold them, read or not."""


@dataclass(frozen=True)
class _Part:
    """A piece of a large file; None marks its end."""

    origin: Origin
    item: Record | Problem | None


Piece = Item | _Part


@dataclass(frozen=True)
class LineSettings:
    """How far the lines of a library go, and how weak the weakest is; see `lines_of`. In one of
    sheets, crystals are exfoliated and lines are in the plane.
    """

    d_min_angstrom: float = 1.0
    floor: float = 1e-4
    profile: Profile = POWDER


@dataclass(frozen=True)
class Chunk:
    """What some items became. Row i of `entries` and of `sources` are of one record.

    Attributes:
        read: how many items went in.
        entries: rows with `ENTRIES_SCHEMA`; the same crystal may be there more than once.
        sources: rows with `SOURCES_SCHEMA`.
        problems: records that gave no entry, and problems that came in place of records; each
            with the key of its file, or an empty one.
        ended: files whose last piece is in this chunk.
        skipped: keys of files that were not worked out, as their content is known.
        vectors: of the entries, by channel, where they were made along with them. Shape (rows of
            `entries`, dimension) each.
    """

    read: int
    entries: pa.RecordBatch
    sources: pa.RecordBatch
    problems: tuple[tuple[str, Problem], ...]
    ended: tuple[Origin, ...] = ()
    skipped: tuple[str, ...] = ()
    vectors: Mapping[str, NDArray[np.float16]] = field(default_factory=dict)


def digest(
    pieces: Iterable[Piece], settings: LineSettings, channels: Sequence[AnyChannel] = ()
) -> Chunk:
    """Turn items into rows, and into vectors of these channels, here and now."""
    made = _Made(settings)
    read = 0
    ended: list[Origin] = []
    skipped: list[str] = []
    for one in pieces:
        piece: Record | Problem | Offered | _Part
        if isinstance(one, Place):
            piece = one.read()
            if one.done and piece.origin.sha256 == one.done:
                skipped.append(piece.origin.key)
                continue
        else:
            piece = one
        if isinstance(piece, Offered):
            made.take_all(piece)
        elif not isinstance(piece, _Part):
            made.take(piece, "")
        elif piece.item is not None:
            made.take(piece.item, piece.origin.key)
            continue
        read += 1
        if isinstance(piece, Offered | _Part):
            ended.append(piece.origin)
    return Chunk(
        read,
        pa.RecordBatch.from_pylist(made.entries, ENTRIES_SCHEMA),
        pa.RecordBatch.from_pylist(made.sources, SOURCES_SCHEMA),
        tuple(made.problems),
        tuple(ended),
        tuple(skipped),
        {channel.id: made.vectors(channel) for channel in channels},
    )


class _Made:
    """Rows and problems as they come about, and what vectors are made of."""

    def __init__(self, settings: LineSettings) -> None:
        self._settings = settings
        self._standards: list[Standard] = []
        self._lines: list[Lines] = []
        self.entries: list[dict[str, Any]] = []
        self.sources: list[dict[str, Any]] = []
        self.problems: list[tuple[str, Problem]] = []

    def take(self, item: Record | Problem, key: str) -> None:
        """One record of a file, or of none."""
        if isinstance(item, Problem):
            self.problems.append((key, item))
            return
        try:
            records = sheets_of(item) if self._settings.profile == SHEETS else (item,)
            worked = [_worked_out(record, self._settings) for record in records]
            entries = [_entry(standard, lines) for standard, lines in worked]
        except Exception as error:  # noqa: BLE001 - one bad crystal must not end a build
            self.problems.append((key, Problem(_where(item), 0, _reason(error))))
            return
        # Of a collection few crystals are layered; whoever offers a file wants to know.
        if not entries and key:
            self.problems.append((key, Problem(_where(item), 0, NO_PLACE)))
        self._standards += [standard for standard, _ in worked]
        self._lines += [lines for _, lines in worked]
        self.entries += entries
        self.sources += [
            _source(record, entry["id"], key)
            for record, entry in zip(records, entries, strict=True)
        ]

    def take_all(self, offered: Offered) -> None:
        """All of a file."""
        key = offered.origin.key
        try:
            for item in offered.items():
                self.take(item, key)
        except Exception as error:  # noqa: BLE001 - nor must one bad file
            self.problems.append((key, Problem(offered.name, 0, _reason(error))))

    def vectors(self, channel: AnyChannel) -> NDArray[np.float16]:
        """A channel's vectors of the entries. Shape (rows of `entries`, dimension)."""
        if isinstance(channel, ReadsAtoms):
            return channel.embed_crystals(self._standards).astype(np.float16)
        return channel.embed_lines(LinesTable.of(self._lines)).astype(np.float16)


def digest_all(
    items: Iterable[Item],
    settings: LineSettings,
    channels: Sequence[AnyChannel] = (),
    *,
    workers: int | None = None,
) -> Generator[Chunk]:
    """Turn a stream of items into chunks of rows, in order, never holding more than a few.

    Args:
        items: consumed as workers need them.
        settings: of the library.
        channels: that make vectors.
        workers: processes; by default one a core, and none for few records. 1 works in this one.

    Raises:
        LibraryError: the worker processes died.
    """
    stream = pieces_of(items)
    few = list(islice(stream, SMALL + 1))
    count = workers or (1 if len(few) <= SMALL else one_a_core())
    work = partial(digest, settings=settings, channels=channels)
    yield from worked_out(work, slices(chain(few, stream), CHUNK), count)


def pieces_of(items: Iterable[Item]) -> Iterator[Piece]:
    """The items, large files taken apart."""
    for one in items:
        item = one
        if isinstance(one, Place) and one.size > LARGE_BYTES and not one.done:
            item = one.read()
        if not isinstance(item, Offered) or item.origin.size <= LARGE_BYTES:
            yield item
            continue
        origin = item.origin
        try:
            for part in item.items():
                yield _Part(origin, part)
        except Exception as error:  # noqa: BLE001 - as for small ones
            yield _Part(origin, Problem(item.name, 0, _reason(error)))
        yield _Part(origin, None)


def slices(stream: Iterator[Piece], size: int) -> Iterator[list[Piece]]:
    """So many pieces at a time."""
    while chunk := list(islice(stream, size)):
        yield chunk


def _worked_out(record: Record, settings: LineSettings) -> tuple[Standard, Lines]:
    standard = standardize(record.crystal)
    return standard, lines_in_profile(standard, settings)


def _entry(standard: Standard, lines: Lines) -> dict[str, Any]:
    crystal = standard.crystal
    composition = crystal.composition
    return {
        "id": crystal_id(standard),
        "formula": reduced_formula(composition),
        "elements": sorted(composition),
        "amounts": [composition[element] for element in sorted(composition)],
        "space_group": space_group_symbol(crystal.space_group_number),
        "volume_angstrom3": crystal.volume_angstrom3,
        "density_g_cm3": density_g_cm3(crystal),
        "n_atoms": len(crystal),
        **crystal_columns(crystal),
        **lines_columns(lines),
    }


def lines_in_profile(standard: Standard, settings: LineSettings) -> Lines:
    """Lines of a crystal as a library with these settings has them."""
    if settings.profile == SHEETS:
        return sheet_lines(
            standard.crystal, d_min_angstrom=settings.d_min_angstrom, floor=settings.floor
        )
    return lines_of(
        standard.crystal,
        d_min_angstrom=settings.d_min_angstrom,
        floor=settings.floor,
        operations=(standard.rotations, standard.translations),
    )


def _source(record: Record, entry_id: str, key: str) -> dict[str, Any]:
    source = record.source
    return {
        "id": entry_id,
        "collection": source.collection,
        "identifier": source.identifier,
        "reference": source.reference,
        "licence": source.licence,
        "names": list(record.names),
        "file": key,
    }


def _where(record: Record) -> str:
    return f"{record.source.collection} {record.source.identifier}".strip()


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, BraggleError) else f"{type(error).__name__}: {text}"
