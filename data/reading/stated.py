"""Find the radiation that a heading, a comment or a settings file states in words."""

from __future__ import annotations

import re

from data.errors import RadiationError
from data.radiation import HC_KEV_ANGSTROM, Radiation

_NUMBER = r"(?<![\w.])(\d+[.,]\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.\d+)"
_UNIT = r"[\s\"]*(nm\b|pm\b|m\b)?"
_NAME = r"(?:wave[ _-]?length|lambda|λ|(?<![A-Za-z])WL|(?<![A-Za-z])LA(?=\s*=))"
_ALPHA = r"(?:alpha|α|\\a|a)"
_GAP = r"[^\n]{0,40}?"
_LINE = (
    rf"(?:{_NAME}[ _-]?(?:K?[ _-]?{_ALPHA})?[ _-]?{{0}}(?![\d.,])"
    rf"|K?[ _-]?(?:alpha|α)[ _-]?{{0}}(?![\d.,])(?:[ _-]?{_NAME})?)"
)
_FIRST = re.compile(_LINE.format("1") + _GAP + _NUMBER + _UNIT, re.IGNORECASE)
_SECOND = re.compile(_LINE.format("2") + _GAP + _NUMBER + _UNIT, re.IGNORECASE)
_RATIO = re.compile(
    r"(?:WLRATIO|wave[ _-]?length[ _-]?ratio|ratio[ _-]?K[ _-]?alpha\S*)" + _GAP + _NUMBER,
    re.IGNORECASE,
)
_ONLY = re.compile(
    _NAME
    + rf"(?![ _-]?(?:K?[ _-]?beta|ratio|unit))(?![12](?!\d*[.,]))[^\n]{{0,40}}?{_NUMBER}{_UNIT}",
    re.IGNORECASE,
)
_ENERGY = re.compile(rf"\benergy{_GAP}{_NUMBER}\s*(keV|eV)", re.IGNORECASE)
_KALPHA = re.compile(
    r"(?<![A-Za-z])(Cr|Fe|Co|Cu|Mo|Ag)[ _-]?K[ _-]?(?:\\a|[aA](?:lpha)?|α)[ _-]?"
    r"(1(?![\d.]|\s*(?:[+,/&]|and)\s*(?:K\S*)?2)|2)?"
)
_ANODE = re.compile(
    r"(?i:anode|target|tube|radiation)[^\n]{0,24}?(?<![A-Za-z])(Cr|Fe|Co|Cu|Mo|Ag)(?![A-Za-z])"
)
_SCALE = {"": 1.0, "nm": 10.0, "pm": 0.01, "m": 1e10}
_LONGEST = 1 << 18


def stated_radiation(text: str) -> Radiation | None:
    """Read a radiation out of headings and comments, in whatever program's words.

    Args:
        text: "Wavelength: 1.5406", "_WL1=1.540600", "Anode: Cu", "energy 31 keV", "4.1e-11 m".

    Returns:
        None when the text says nothing, or nothing credible.
    """
    text = text[:_LONGEST]
    kalpha = _KALPHA.search(text)
    try:
        return _by_wavelength(text, kalpha) or _by_energy(text) or _by_anode(text, kalpha)
    except RadiationError:
        return None


def _by_wavelength(text: str, kalpha: re.Match[str] | None) -> Radiation | None:
    first = _angstrom(_FIRST.search(text))
    second = _angstrom(_SECOND.search(text))
    if first is not None and second is not None and first < second:
        ratio = _RATIO.search(text)
        return Radiation.from_wavelengths(
            first, second, ratio=_number(ratio[1]) if ratio is not None else 0.5
        )
    only = first or _angstrom(_ONLY.search(text))
    if only is None:
        return None
    return Radiation.from_wavelengths(only, 0.0 if kalpha and kalpha[2] == "1" else None)


def _by_energy(text: str) -> Radiation | None:
    found = _ENERGY.search(text)
    if found is None:
        return None
    kev = _number(found[1]) / (1.0 if found[2].lower() == "kev" else 1000.0)
    return Radiation.monochromatic(HC_KEV_ANGSTROM / kev) if kev > 0 else None


def _by_anode(text: str, kalpha: re.Match[str] | None) -> Radiation | None:
    if kalpha is not None:
        return Radiation.parse(f"{kalpha[1]}Ka{kalpha[2] or ''}")
    anode = _ANODE.search(text)
    return None if anode is None else Radiation.doublet(anode[1])


def _angstrom(found: re.Match[str] | None) -> float | None:
    """The wavelength in Å, or None when it cannot be one."""
    if found is None:
        return None
    value, unit = _number(found[1]), (found[2] or "").lower()
    value *= 1e10 if not unit and value < 1e-6 else _SCALE[unit]
    return value if 0.05 <= value <= 10.0 else None


def _number(text: str) -> float:
    return float(text.replace(",", "."))
