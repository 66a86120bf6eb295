"""Patterns in plain text: columns under any heading, or counts in rows below start, step, stop."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import PatternError
from data.reading.columns import columns_of
from data.reading.scan import Scan, place
from data.reading.stated import stated_radiation

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NOT_COLUMNS = "has one column of numbers and no start and step; give two columns, 2θ and counts"
_DIGITS = frozenset("0123456789")
_SIGNS = frozenset('-+."')
_ROW = re.compile(rf"[\s\"]*{_NUMBER}")
_NUMERIC = re.compile(r"[-+\d.,;eE \t]+")
_THREE = re.compile(rf"\s*({_NUMBER})[\s,;]+({_NUMBER})[\s,;]+({_NUMBER})(?![^\s,;])")
_UNIT = r"\s*(?:[\[(][^\])]*[\])])?\s*"
_START, _STOP, _STEP = (
    re.compile(
        rf"\b{word}(?:[ _]?(?:angle|position|size|width|2theta))?{_UNIT}"
        rf"[=:,]\s*({_NUMBER})(?![:\d])",
        re.IGNORECASE,
    )
    for word in ("start", "stop", "step")
)


@dataclass(frozen=True)
class _Sheet:
    """A text taken apart.

    Attributes:
        heading: lines before the first row of numbers.
        comments: lines between and after the rows.
        rows: lines of numbers, with decimal points and separated by blanks.
        lines: line of the file of each row, counted from 1.
        width: how many numbers a row has.
    """

    heading: list[str]
    comments: list[str]
    rows: list[str]
    lines: list[int]
    width: int


def read_text(text: str, suffix: str = "") -> Scan:
    """Read a text file of a pattern.

    Columns are separated by blanks, tabs, commas or semicolons, decimals written with a point or
    a comma. Headings and comments of any kind are searched for the axis, the names of the
    columns and the wavelength. Counts in rows below "start step stop" (DBWS, FullProf) or below
    named values (Rigaku ASCII) are read too.

    Args:
        text: the decoded file.
        suffix: of its name; ".xye" says that the third column is the esd.

    Raises:
        PatternError: there is no table of numbers, or a line in it cannot be read.
    """
    sheet = _sheet(text)
    stated = stated_radiation("\n".join([*sheet.heading, *sheet.comments]))
    in_rows = _counts_in_rows(sheet)
    if in_rows is not None:
        return Scan("two_theta", *in_rows, stated=stated)
    if sheet.width < 2:
        raise PatternError(_NOT_COLUMNS)
    table, warnings = _table(sheet)
    _refuse_halves(table)
    columns = columns_of(sheet.heading, table, suffix)
    axis, x = place(columns.kind, table[:, columns.x])
    return Scan(
        axis,
        x,
        table[:, columns.counts],
        None if columns.esd is None else table[:, columns.esd],
        stated,
        (*warnings, *columns.warnings),
    )


def _sheet(text: str) -> _Sheet:
    lines = text.splitlines()
    starts = [line.lstrip()[:1] for line in lines]
    at = [
        i
        for i, start in enumerate(starts)
        if start in _DIGITS or (start in _SIGNS and _ROW.match(lines[i]))
    ]
    rows = _plain([lines[i] for i in at])
    width = len(rows[len(rows) // 2].split()) if rows else 0
    first = next(
        (i for i, row in enumerate(rows) if len(row.split()) == width and _starts(row)), None
    )
    if not at or first is None:
        raise PatternError("holds no rows of numbers; give two columns, 2θ and counts")
    taken = set(at[first:])
    comments = [lines[i] for i in range(at[first], len(lines)) if i not in taken]
    return _Sheet(lines[: at[first]], comments, rows[first:], [i + 1 for i in at[first:]], width)


def _starts(row: str) -> bool:
    """Whether a row begins with two numbers, or is one."""
    return _floats(" ".join(row.split(maxsplit=2)[:2])) is not None


def _floats(row: str) -> list[float] | None:
    try:
        return [float(word) for word in row.split()]
    except ValueError:
        return None


def _plain(rows: list[str]) -> list[str]:
    """Give the rows decimal points and blanks between the columns, whatever they had."""
    body = "\n".join(rows)
    if not any(mark in body for mark in ',;"'):
        return rows
    body = body.replace('"', " ")
    if "," in body:
        numeric = "\n".join(filter(_NUMERIC.fullmatch, body.split("\n")))
        body = _without_commas(body, numeric or body)
    return body.replace(";", " ").split("\n")


def _without_commas(body: str, numeric: str) -> str:
    """Tell commas that are decimal, that separate columns and that separate thousands apart.

    Args:
        body: every row.
        numeric: those of them that hold nothing but numbers, which show what commas mean.
    """
    inside = re.search(r"\d,\d", numeric) is not None
    points = "." in numeric
    columns_apart = re.search(r"[;\t]|\d +[-+.\d]", numeric) is not None
    if points and inside and columns_apart:
        if re.search(r"\d,(?!\d{3}(?!\d))\d", numeric):
            raise PatternError("mixes decimal points and commas; write one of them throughout")
        return re.sub(r"(?<=\d),(?=\d)", "", body)
    if inside and not points and (columns_apart or re.search(r",[ \t]+[-+\d]", numeric)):
        if re.search(r"(?<!\d),|,(?!\d)", body):
            body = re.sub(r"(?<=\d),(?=\d)", ".", body).replace(",", " ")
        return body.replace(",", ".")
    return body.replace(",", " ")


def _refuse_halves(table: NDArray[np.float64]) -> None:
    """Refuse "10,02,1,5", two numbers taken for four: the first column hardly ever changes."""
    if table.shape[1] != 4 or len(np.unique(table[:, 0])) > len(table) / 2:
        return
    if np.array_equal(table, np.rint(table)):
        raise PatternError(
            "has commas as decimals and between the columns; separate the columns by semicolons"
        )


def _counts_in_rows(sheet: _Sheet) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Positions and counts of a file that gives start, step and stop, then counts only."""
    grid = _grid(sheet.heading)
    if grid is None or sheet.width in (2, 3):
        return None
    start, step, stop = grid
    values = _floats(" ".join(sheet.rows))
    if values is None:
        raise PatternError("holds a word among the counts; keep numbers only below the heading")
    points = len(values) if stop is None else round((stop - start) / step) + 1
    if stop is not None and not points - 1 <= len(values) < points + max(sheet.width, 2):
        raise PatternError(
            f"the heading announces {points} points from {start:g} to {stop:g}°, "
            f"and {len(values)} follow; is the file cut off?"
        )
    counts = np.array(values[:points], dtype=np.float64)
    return start + step * np.arange(len(counts), dtype=np.float64), counts


def _grid(heading: list[str]) -> tuple[float, float, float | None] | None:
    """Start, step and stop in degrees, from a line of three numbers or from named values."""
    for line in reversed(heading):
        three = _THREE.match(line)
        if three:
            start, step, stop = (float(word) for word in three.groups())
            if 0 < step < stop - start <= 180 and stop - start < 1e6 * step:
                return start, step, stop
    text = "\n".join(heading)
    first, step_found, last = _START.search(text), _STEP.search(text), _STOP.search(text)
    if first is None or step_found is None or not 0 < float(step_found[1]) < 10:
        return None
    start, step = float(first[1]), float(step_found[1])
    end = float(last[1]) if last is not None else None
    if end is not None and not step < end - start < 1e6 * step:
        return None
    return start, step, end


def _table(sheet: _Sheet) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """All columns, or the first two where the rows differ in length. Shape (n, width)."""
    rows = sheet.rows
    warnings: tuple[str, ...] = ()
    if len(rows) > 1 and len(rows[-1].split()) < min(sheet.width, 2):
        rows, warnings = rows[:-1], (f"Line {sheet.lines[-1]} is cut off; it was left out.",)
    try:
        return np.loadtxt(rows, ndmin=2), warnings
    except ValueError:
        pass
    table = np.empty((len(rows), 2))
    for i, row in enumerate(rows):
        try:
            table[i] = [float(word) for word in row.split(maxsplit=2)[:2]]
        except ValueError:
            raise PatternError(
                f"line {sheet.lines[i]} ({row.strip()[:40]!r}) is not 2θ and counts; correct it"
            ) from None
    return table, (
        *warnings,
        "The rows hold more than numbers of one count; the first two columns were read.",
    )
