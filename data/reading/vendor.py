"""Vendors' own files through `geddes`, with the wavelength from the file's headers."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import replace

import numpy as np

from data.errors import MissingExtraError, PatternError, RadiationError
from data.radiation import Radiation
from data.reading.content import is_zip
from data.reading.scan import Scan
from data.reading.stated import stated_radiation

_LARGEST_UNPACKED = 2**29
_LARGEST_MEMBER = 2**26


def read_text(text: str, name: str) -> Scan:
    """Read Rigaku .ras or Bruker .uxd text.

    Raises:
        PatternError: the file cannot be read.
        MissingExtraError: `geddes` is not installed.
    """
    suffix = ".uxd" if "_FILEVERSION" in text[:4096] else ".ras"
    heading = "\n".join(s for s in text.splitlines() if s.lstrip()[:1] in "*_;")
    return _scan(text.encode(), name, suffix, stated_radiation(heading))


def read_binary(data: bytes, name: str) -> Scan:
    """Read Bruker .raw or .brml, or Rigaku .rasx.

    Raises:
        PatternError: the file cannot be read, or is a zip of something else.
        MissingExtraError: `geddes` is not installed.
    """
    if not is_zip(data):
        return _scan(data, name, ".raw", _raw_radiation(data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            suffix, settings = _unpacked(archive)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, *_ZIP_FAULTS) as error:
        raise PatternError(f"is a damaged zip archive ({error}); copy it again") from None
    return _scan(data, name, suffix, stated_radiation(settings))


_ZIP_FAULTS = (ValueError, RuntimeError, NotImplementedError, EOFError, OSError, struct.error)


def _unpacked(archive: zipfile.ZipFile) -> tuple[str, str]:
    """The kind of an archive, and the text of the member that holds its settings."""
    names = archive.namelist()
    if sum(member.file_size for member in archive.infolist()) > _LARGEST_UNPACKED:
        raise PatternError("is a zip archive that unpacks to more than 512 MB; give one pattern")
    if any(name.endswith("DataContainer.xml") for name in names):
        suffix, wanted = ".brml", ("RawData", "MeasurementContainer")
    elif any(name.endswith("root.xml") for name in names):
        suffix, wanted = ".rasx", ("MesurementConditions", "MeasurementConditions")
    else:
        raise PatternError("is a zip archive; unpack it and name the pattern inside")
    settings = [
        name
        for word in wanted
        for name in names
        if word in name
        and name.endswith(".xml")
        and archive.getinfo(name).file_size <= _LARGEST_MEMBER
    ]
    return suffix, "\n".join(_lines_about_waves(archive.read(name)) for name in settings[:4])


def _lines_about_waves(data: bytes) -> str:
    """The elements of an XML document that name a wavelength or the anode, one a line."""
    words = data.decode("utf-8", errors="replace").replace(">", ">\n").replace("<", "\n<")
    return "\n".join(
        f"{before} {line}"
        for before, line in zip(("", *words.split("\n")), words.split("\n"), strict=False)
        if "avelength" in before.lower() or "avelength" in line.lower()
    )


def _raw_radiation(data: bytes) -> Radiation | None:
    """Kα1, Kα2 and their ratio of a Bruker RAW file, versions 3 (RAW1.01) and 4 (RAW4.00).

    Version 3 has them at bytes 624, 632 and 648; version 4 at 80, 88 and 104 of its record of
    type 30, little-endian doubles in Å.
    """
    try:
        at = 544 if data.startswith(b"RAW1.01") else _record_30(data)
        if at is None:
            return None
        alpha1, alpha2, _, ratio = struct.unpack_from("<4d", data, at + 80)
        return Radiation.from_wavelengths(alpha1, alpha2, ratio=ratio)
    except (struct.error, RadiationError):
        return None


def _record_30(data: bytes) -> int | None:
    at = 61
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<2I", data, at)
        if kind == 30:
            return at
        if kind in (0, 160) or length < 8:
            return None
        at += length
    return None


def _scan(data: bytes, name: str, suffix: str, stated: Radiation | None) -> Scan:
    try:
        import geddes
    except ImportError:
        raise MissingExtraError(
            f"{name}: vendor files need the extra `vendor`; install it with "
            "pip install 'braggle[vendor]', or export two columns, 2θ and counts"
        ) from None
    file = f"pattern{suffix}"
    try:
        pattern = geddes.read_bytes(data, file)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else "unreadable"
        raise PatternError(f"{reason}; export two columns, 2θ and counts") from None
    scan = Scan("two_theta", np.array(pattern.x), np.array(pattern.y), stated=stated)
    try:
        geddes.read_bytes(data, file, index=1)
    except (ValueError, OSError):
        return scan
    return replace(scan, warnings=("The file holds several scans; the first one was read.",))
