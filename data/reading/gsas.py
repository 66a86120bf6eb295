"""GSAS powder data: BANK records of constant wavelength in the STD, ESD, ALT, FXY and FXYE forms.

Formats after the GSAS manual (Larson & Von Dreele, LAUR 86-748) and GSAS-II's importer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import PatternError, RadiationError
from data.radiation import Radiation
from data.reading.scan import Scan
from data.reading.stated import stated_radiation

_BANK = re.compile(r"BANK\s*\d+", re.IGNORECASE)
_ICONS = re.compile(r"ICONS\s+(\d*\.\d+)\s+(\d*\.?\d+)((?:\s+[-\d.Ee+]+)*)")
_BESIDE = (".prm", ".PRM", ".instprm", ".inst", ".exp", ".EXP")
_LARGEST_SETTINGS = 1 << 22

_Table = tuple[NDArray[np.float64] | None, NDArray[np.float64], NDArray[np.float64] | None]
"""2θ in degrees where the records give it, counts and esds."""


def read_gsas(text: str, path: Path | None) -> Scan:
    """Read the first bank of a GSAS file.

    The wavelength is taken from the comments, else from an instrument parameter or experiment
    file of the same name beside it (.prm, .instprm, .EXP) where there is a path.

    Raises:
        PatternError: time-of-flight data, an unknown binning, or records that cannot be read.
    """
    lines = text.splitlines()
    banks = [i for i, line in enumerate(lines) if _BANK.match(line.strip())]
    if not banks or any(line.startswith("TIME_MAP") for line in lines):
        raise PatternError("is GSAS time-of-flight data; give an X-ray pattern over 2θ")
    words = lines[banks[0]].upper().replace("BANK", "BANK ", 1).split()
    binning, form = (words[4] if len(words) > 4 else ""), _form(words)
    if binning not in ("CONST", "CONS"):
        raise PatternError(
            f"is GSAS data binned as {binning or 'nothing'}, not CONST; give an X-ray pattern "
            "over 2θ"
        )
    start, step, points = _grid(words)
    end = banks[1] if len(banks) > 1 else len(lines)
    records = [s for s in lines[banks[0] + 1 : end] if s.strip() and not s.startswith("#")]
    try:
        x, counts, esd = _FORMS[form](records, points)
    except (ValueError, IndexError):
        raise PatternError(f"its GSAS {form} records cannot be read; export it again") from None
    if x is None:
        x = start + step * np.arange(len(counts), dtype=np.float64)
    warnings: tuple[str, ...] = ()
    if len(counts) < points:
        warnings = (f"The file announces {points} points and holds {len(counts)}.",)
    if len(banks) > 1:
        warnings = (*warnings, f"{len(banks) - 1} further bank(s) in the file were left out.")
    stated = stated_radiation("\n".join(lines[: banks[0]])) or _beside(path)
    return Scan("two_theta", x, counts, esd, stated, warnings)


def _form(words: list[str]) -> str:
    return words[-1] if words[-1] in _FORMS else "STD"


def _grid(words: list[str]) -> tuple[float, float, int]:
    """Start and step in degrees (the file has hundredths), and the number of points."""
    try:
        return float(words[5]) / 100, float(words[6]) / 100, int(words[2])
    except (ValueError, IndexError):
        raise PatternError(
            "its BANK line gives no number of points, start and step; export it again"
        ) from None


def _std(records: list[str], points: int) -> _Table:
    """Fields of 8: two digits for the number of detectors averaged, six for the counts."""
    fields = _fields(records, 8)
    free = " ".join(records).split()
    if len(free) == points and max(map(len, free)) <= 6:
        return None, np.array([float(word) for word in free]), None
    counts = np.array([float(field[2:] or 0) for field in fields[:points]])
    detectors = np.array([max(int(field[:2].strip() or 1), 1) for field in fields[:points]])
    esd = np.sqrt(np.maximum(counts, 1.0) / detectors) if (detectors > 1).any() else None
    return None, counts, esd


def _esd(records: list[str], points: int) -> _Table:
    """Pairs of fields of 8: counts and esd."""
    free = " ".join(records).split()
    words = free if len(free) == 2 * points else _fields(records, 8)
    values = np.array([float(word) for word in words[: 2 * points]])
    if len(values) % 2:
        raise ValueError("a count without its esd")
    return None, values[::2], values[1::2]


def _alt(records: list[str], points: int) -> _Table:
    """Fields of 8, 7 and 5: position in 1/3200 of a degree, counts and esd in thousandths."""
    fields = _fields(records, 20)[:points]
    values = np.array([[float(s[:8]), float(s[8:15]), float(s[15:20])] for s in fields])
    return values[:, 0] / 3200, values[:, 1] / 1000, values[:, 2] / 1000


def _fxye(records: list[str], points: int) -> _Table:
    """Three numbers a line: 2θ in hundredths of a degree, counts, esd."""
    values = np.array([[float(w) for w in s.split()[:3]] for s in records[:points]])
    return values[:, 0] / 100, values[:, 1], values[:, 2]


def _fxy(records: list[str], points: int) -> _Table:
    values = np.array([[float(w) for w in s.split()[:2]] for s in records[:points]])
    return values[:, 0] / 100, values[:, 1], None


_FORMS: dict[str, Callable[[list[str], int], _Table]] = {
    "STD": _std,
    "ESD": _esd,
    "ALT": _alt,
    "FXYE": _fxye,
    "FXY": _fxy,
}


def _fields(records: list[str], width: int) -> list[str]:
    return [
        line[i : i + width]
        for line in (record.rstrip() for record in records)
        for i in range(0, len(line), width)
    ]


def _beside(path: Path | None) -> Radiation | None:
    """The radiation of an instrument parameter file of the same stem in the same folder."""
    if path is None:
        return None
    for suffix in _BESIDE:
        file = path.with_suffix(suffix)
        try:
            if file == path or not file.is_file() or file.stat().st_size > _LARGEST_SETTINGS:
                continue
            text = file.read_text(encoding="latin-1")
        except (OSError, ValueError):
            continue
        found = _instrument(text)
        if found is not None:
            return found
    return None


def _instrument(text: str) -> Radiation | None:
    """Wavelengths of an ICONS record, or of the Lam, Lam1 and Lam2 of a GSAS-II file."""
    icons = _ICONS.search(text)
    try:
        if icons is not None:
            rest = [float(word) for word in icons[3].split()]
            ratio = rest[4] if len(rest) > 4 else 0.5
            return Radiation.from_wavelengths(float(icons[1]), float(icons[2]), ratio=ratio or 0.5)
        named = dict(re.findall(r"^(Lam[12]?|I\(L2\)/I\(L1\)):([\d.]+)", text, re.MULTILINE))
        if "Lam1" in named:
            return Radiation.from_wavelengths(
                float(named["Lam1"]),
                float(named.get("Lam2", 0.0)),
                ratio=float(named.get("I(L2)/I(L1)", 0.5)),
            )
        if "Lam" in named:
            return Radiation.from_wavelengths(float(named["Lam"]), 0.0)
    except (RadiationError, ValueError):
        return None
    return None
