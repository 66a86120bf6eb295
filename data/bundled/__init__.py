"""What ships with Braggle: crystals of open collections and three measured patterns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import CrystalError
from data.record import Record
from data.sources.packed import read_packed
from data.sources.stream import SourceStream

FOLDER = Path(__file__).parent
CRYSTALS = FOLDER / "crystals.parquet"

_REMEDY = "reinstall braggle"


@dataclass(frozen=True)
class Example:
    """A measured pattern that ships, and where it comes from.

    Attributes:
        path: the file, byte for byte as its source distributes it.
        sha256: of that file.
        truth: the name, in lower case or as a formula, of the phase it was measured on.
        radiation: what `Radiation.parse` understands; not every file states it.
        origin: who measured it and which package distributes it.
        licence: terms, as far as any are stated.
    """

    path: Path
    sha256: str
    truth: str
    radiation: str
    origin: str
    licence: str


def bundled_records() -> Iterator[Record]:
    """Every crystal that ships, in the order of the file.

    Raises:
        CrystalError: the file is missing or damaged; reinstalling brings it back.
    """
    with _whole():
        for item in read_packed(CRYSTALS):
            if not isinstance(item, Record):
                raise CrystalError(f"{item}; {_REMEDY}")
            yield item


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise CrystalError(f"{CRYSTALS}: damaged ({reason}); {_REMEDY}") from None


def examples() -> dict[str, Example]:
    """The measured patterns that ship, by name."""
    entries = json.loads((FOLDER / "patterns" / "patterns.json").read_text("utf-8"))
    return {
        name: Example(FOLDER / "patterns" / entry.pop("file"), **entry)
        for name, entry in entries.items()
    }


def example_patterns() -> dict[str, Path]:
    """The files of the measured patterns that ship, by name."""
    return {name: example.path for name, example in examples().items()}


def bundled_stream() -> SourceStream:
    """The bundled crystals as a source that knows its length."""
    with _whole(), pq.ParquetFile(CRYSTALS) as file:
        rows = file.metadata.num_rows
    return SourceStream("bundled", bundled_records(), rows)
