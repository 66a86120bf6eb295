"""Reading measured patterns, whatever program wrote them."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

import numpy as np

from data.errors import PatternError
from data.pattern import Pattern
from data.radiation import Radiation
from data.reading import gsas, pdcif, text, vendor, xrdml
from data.reading.content import content_of, decode, is_bruker_raw, is_zip
from data.reading.scan import Scan, to_pattern

__all__ = ["MAX_BYTES", "read_pattern", "read_pattern_bytes"]

MAX_BYTES = 256 * 2**20
"""Larger files are refused before they are read; no powder pattern comes near it."""

MAX_LINES = 5_000_000


def read_pattern(path: Path | str, *, radiation: Radiation | None = None) -> Pattern:
    """Read one measured pattern.

    The content decides which reader is used, not the name: text in columns (.xy .xye .csv .tsv
    .dat .asc .txt .chi) or in rows below a start, step and stop; PANalytical .xrdml; powder CIF;
    GSAS (.fxye .gsa .gda .raw); and with the extra `vendor` Bruker .raw .brml .uxd and
    Rigaku .ras .rasx.

    Args:
        path: a file, or "-" for the standard input.
        radiation: wins over the radiation that the file states. Without either, Cu Kα is
            assumed and the pattern's warnings say so.

    Raises:
        PatternError: the file is missing, too large, damaged, or no pattern.
        MissingExtraError: the file needs the extra `vendor`.
    """
    standard_input = str(path) == "-"
    name = "standard input" if standard_input else Path(path).name or str(path)
    with _named(name):
        data = _standard_input() if standard_input else _bytes(Path(path))
        return _pattern(data, name, radiation, None if standard_input else Path(path))


def read_pattern_bytes(data: bytes, name: str, *, radiation: Radiation | None = None) -> Pattern:
    """Read one measured pattern from the content of a file; nothing on the disk is looked at.

    Args:
        data: what stands in the file.
        name: what the file is called: the pattern's name, and its ending a hint.
        radiation: as of `read_pattern`.

    Raises:
        PatternError: as of `read_pattern`.
        MissingExtraError: as of `read_pattern`.
    """
    with _named(name):
        return _pattern(_checked(data), name, radiation, None)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Every message begins with the name of the file."""
    try:
        yield
    except PatternError as error:
        message = str(error)
        if message.startswith(f"{name}: "):
            raise
        raise PatternError(f"{name}: {message}") from None


def _pattern(data: bytes, name: str, radiation: Radiation | None, place: Path | None) -> Pattern:
    with np.errstate(all="ignore"):  # what overflows is not finite, and refused as that
        return to_pattern(_scan(data, name, place), name, radiation)


def _scan(data: bytes, name: str, place: Path | None) -> Scan:
    if is_zip(data) or is_bruker_raw(data):
        return vendor.read_binary(data, name)
    words = decode(data)
    if words.count("\n") > MAX_LINES:
        raise PatternError(f"has more than {MAX_LINES:,} lines; give one powder pattern")
    match content_of(words):
        case "xrdml":
            return xrdml.read_xrdml(words)
        case "pdcif":
            return pdcif.read_pdcif(words)
        case "gsas":
            return gsas.read_gsas(words, place)
        case "vendor_text":
            return vendor.read_text(words, name)
        case "text":
            return text.read_text(words, PurePath(name).suffix.lower())


def _bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PatternError("is a folder; name a pattern file in it")
        if status.st_size > MAX_BYTES:
            raise PatternError(_too_large(status.st_size))
        with path.open("rb") as file:
            return _checked(file.read(MAX_BYTES + 1))
    except FileNotFoundError:
        raise PatternError("no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PatternError(f"cannot be opened ({reason}); check the path") from None


def _standard_input() -> bytes:
    stream = getattr(sys.stdin, "buffer", None)
    return _checked(stream.read(MAX_BYTES + 1) if stream else sys.stdin.read().encode())


def _checked(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise PatternError(_too_large(len(data)))
    if not data:
        raise PatternError("is empty; give a measured pattern")
    return data


def _too_large(size: int) -> str:
    return (
        f"has at least {size / 2**20:.0f} MB, and at most {MAX_BYTES / 2**20:.0f} MB are read; "
        "give one powder pattern"
    )
