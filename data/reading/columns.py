"""Which column of a table is the axis, which the counts and which their esd."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.reading.scan import AxisKind

_TWO_THETA = re.compile(
    r"[°\s]*(?:2[\s_-]*(?:theta|th|θ|ϑ)|two[\s_-]?theta|t?tth(?:eta)?|angle|pos|x$)"
)
_Q = re.compile(r"q(?![a-z])|scattering vector|momentum transfer")
_D = re.compile(r"d(?:[\s_-]?(?:spac\w*|value))?\s*(?:$|[\[(/_])")
_COUNTS = re.compile(r"(?:[iy](?![a-z])|[iy][\s_-]?(?:obs|exp|meas)|int|count|cps|lin|signal)")
_ESD = re.compile(r"e$|[ds][iy]$|.*(?:esd|e\.s\.d|sigma|σ|err|std|uncert)")
_CALCULATED = re.compile(r".*(?:calc|backg|bkg|diff|weight)")
_RECIPROCAL = (
    r"(?:1\s*/\s*(?:(?P<nm1>nm)|å|ang\w*|a\b)"
    r"|(?:(?P<nm2>nm)|å|ang\w*|a)\s*\\?\^?[{(]?\s*[-−–⁻]\\?\s*[1¹]"
    r"|inverse\s+(?:(?P<nm3>nano)|ang))"
)
_Q_LINE = re.compile(
    rf"(?<![a-z0-9])(?:q(?![a-z])|scattering vector|momentum transfer).{{0,20}}?{_RECIPROCAL}"
)
_RADIANS = re.compile(r"(?:2[\s_-]*th\w*|two[\s_-]?theta)[\s_(\[]*rad")
_D_LINE = re.compile(r"^[#;!\s]*d[\s_-]?spacing\w*[\s_(\[]*(?:å|a)")
_MARKS = re.compile(r"^[#;!'*%/\s]+(?:L\s)?")


@dataclass(frozen=True)
class Columns:
    """The part each column plays.

    Attributes:
        kind: what the axis holds.
        x: index of the axis.
        counts: index of the counts.
        esd: index of their standard uncertainties, None where there are none.
        warnings: what was left aside or had to be assumed.
    """

    kind: AxisKind
    x: int
    counts: int
    esd: int | None
    warnings: tuple[str, ...]


def columns_of(heading: list[str], table: NDArray[np.float64], suffix: str) -> Columns:
    """Give each column its part, by the names in the heading where there are any.

    Args:
        heading: the lines above the table.
        table: Shape (n, width), width at least 2.
        suffix: of the file; ".xye" says that the third column is the esd.
    """
    width = table.shape[1]
    names = _names(heading, width)
    x = next(
        (i for role in (_TWO_THETA, _Q, _D) for i, name in enumerate(names) if role.match(name)), 0
    )
    others = [i for i in range(width) if i != x]
    esd = next((i for i in others if names and _ESD.match(names[i])), None)
    others = [i for i in others if i != esd] or others
    counts = next((i for i in others if names and _is_counts(names[i])), others[0])
    if esd is None and (x, counts) == (0, 1) and width > 2 and (not names or suffix == ".xye"):
        esd = 2 if _is_esd(table[:, 2], table[:, 1], suffix) else None
    kind, warnings = _kind(names[x] if names else "", heading)
    unused = width - len({x, counts, esd} - {None})
    if unused:
        warnings = (*warnings, f"{unused} more column(s) were ignored.")
    return Columns(kind, x, counts, esd, warnings)


def _names(heading: list[str], width: int) -> list[str]:
    """Names of the columns in lower case, from the last lines of the heading; or none."""
    for line in [line for line in reversed(heading) if line.strip()][:3]:
        plain = _MARKS.sub("", line).strip()
        for separator in (",", ";", "\t", r"\s{2,}", r"\s+"):
            names = [name.strip(" \"'").lower() for name in re.split(separator, plain)]
            if (
                len(names) == width
                and not re.search("[=:]", plain)
                and any(
                    role.match(name) for role in (_TWO_THETA, _Q, _D, _COUNTS) for name in names
                )
            ):
                return names
    return []


def _is_counts(name: str) -> bool:
    return _COUNTS.match(name) is not None and _CALCULATED.match(name) is None


def _is_esd(column: NDArray[np.float64], counts: NDArray[np.float64], suffix: str) -> bool:
    """Whether a third column looks like the esds of Poisson counts, within a factor of 3."""
    if suffix == ".xye":
        return True
    if not (np.isfinite(column) & (column >= 0)).all() or column.min() == column.max():
        return False
    counted = counts > 0
    if not counted.any():
        return False
    return bool(1 / 3 < np.median(column[counted] / np.sqrt(counts[counted])) < 3)


def _kind(name: str, heading: list[str]) -> tuple[AxisKind, tuple[str, ...]]:
    lines = [line.lower() for line in heading]
    stated = next(filter(None, map(_Q_LINE.search, (name, *lines))), None)
    per_nm = stated is not None and bool(stated["nm1"] or stated["nm2"] or stated["nm3"])
    if _Q.match(name) or (stated is not None and name in ("", "x")):
        note = () if stated is not None else ("The unit of Q is not stated; 1/Å was assumed.",)
        return ("q_nm" if per_nm else "q"), note
    if _D.match(name) or (name == "" and any(map(_D_LINE.search, lines))):
        return "d", ()
    if any(map(_RADIANS.search, (name, *lines))):
        return "two_theta_rad", ()
    return "two_theta", ()
