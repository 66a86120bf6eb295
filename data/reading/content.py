"""What the bytes of a file are, told from the bytes and not from the name."""

from __future__ import annotations

import re
from typing import Literal

from data.errors import PatternError

Content = Literal["text", "xrdml", "pdcif", "gsas", "vendor_text"]

_STRANGERS = {
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
    b"BZh": "is compressed with bzip2; unpack it first",
    b"\xfd7zXZ": "is compressed with xz; unpack it first",
    b"7z\xbc\xaf": "is a 7z archive; unpack it and name the pattern inside",
    b"%PDF": "is a PDF; give the measured data",
    b"\x89PNG": "is a picture; give the measured data",
    b"\xff\xd8\xff": "is a picture; give the measured data",
    b"GIF8": "is a picture; give the measured data",
    b"\x89HDF": "is an HDF5 or NeXus file; export two columns, 2θ and counts",
    b"\xd0\xcf\x11\xe0": "is an old Office file; export two columns, 2θ and counts, as CSV",
    b"\x93NUMPY": "is a NumPy array; export two columns, 2θ and counts, as text",
    b"SQLite format 3": "is a database, not a pattern",
}
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f\ufffe\uffff]")
_GSAS = re.compile(r"^\s*(?:BANK\s*\d|TIME_MAP)", re.MULTILINE)
_CIF = re.compile(r"^\s*data_\S*\s*$", re.MULTILINE | re.IGNORECASE)
_VENDOR = re.compile(r"\*RAS_(?:DATA_START|HEADER_START|INT_START)|^_FILEVERSION\s*=", re.MULTILINE)
_LOOKED_AT = 1 << 16


def is_zip(data: bytes) -> bool:
    """Whether these are the bytes of a zip archive."""
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def is_bruker_raw(data: bytes) -> bool:
    """Whether these are the bytes of a Bruker RAW file, versions 1 to 4."""
    return data.startswith((b"RAW ", b"RAW1", b"RAW2", b"RAW4")) and b"\x00" in data[:64]


def decode(data: bytes) -> str:
    """Text of a text file in UTF-8, UTF-16 with its mark, or Latin-1.

    Raises:
        PatternError: the bytes are no text.
    """
    for magic, reason in _STRANGERS.items():
        if data.startswith(magic):
            raise PatternError(reason)
    if _PICKLE.match(data):
        raise PatternError("is a Python pickle, which is never opened; export two columns as text")
    text = _decoded(data)
    if _CONTROL.search(text):
        raise PatternError("is a binary file of an unknown kind; export two columns, 2θ and counts")
    if not text.strip():
        raise PatternError("is empty; give a measured pattern")
    return text


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise PatternError("is damaged UTF-16 text; save it again as UTF-8") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def content_of(text: str) -> Content:
    """Which format a text is in.

    Raises:
        PatternError: a format that holds no pattern, such as a web page.
    """
    head = text[:_LOOKED_AT].lstrip()
    if head.startswith("<"):
        return _xml(head)
    if _VENDOR.search(head):
        return "vendor_text"
    if _GSAS.search(head):
        return "gsas"
    if _CIF.search(head) and re.search(r"^\s*(?:_\w|loop_)", head, re.MULTILINE):
        return "pdcif"
    return "text"


def _xml(head: str) -> Content:
    if re.search(r"<!doctype\s+html|<html", head, re.IGNORECASE):
        raise PatternError("is a web page, not a pattern; download the file itself")
    if re.search(r"<(?:\w+:)?xrdMeasurements\b", head):
        return "xrdml"
    raise PatternError("is XML but not .xrdml; export .xrdml or two columns, 2θ and counts")
