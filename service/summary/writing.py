"""The table of a batch as CSV or as a page."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from data.errors import BraggleError
from service.pages import asset, template_environment, trusted_asset, write_page
from service.summary.rows import COLUMNS, SPARK_WIDTH, Spark, SummaryRow
from service.words import VERDICTS

KINDS = (".csv", ".html")
"""Suffixes of a summary, which say what it is."""

SPARK_HEIGHT = 38
ORDER = (*VERDICTS, "failed")
"""Verdicts as they are counted and sorted."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def check_place(path: Path, what: str) -> None:
    """Make sure, before the work begins, that a file can be written.

    Raises:
        BraggleError: the folder cannot be made or written in, or the path is a folder.
    """
    reason = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        reason = str(error.strerror)
    if path.is_dir():
        reason = "it is a folder"
    if reason:
        raise BraggleError(f"{path}: the {what} cannot be written: {reason}; name another place")


def write_summary(rows: Sequence[SummaryRow], path: Path, *, report: Path | None = None) -> None:
    """Write the table, whole or not at all; the suffix says how.

    Args:
        rows: in the order of the batch.
        path: ends in one of `KINDS`.
        report: the page of `braggle search --report` for the same batch, linked from each row.

    Raises:
        BraggleError: the file cannot be written, or has another suffix.
    """
    match path.suffix.lower():
        case ".csv":
            text = csv_text(rows)
        case ".html":
            text = render(rows, report_link=None if report is None else _relative(report, path))
        case _:
            raise BraggleError(f"{path}: a summary ends in {' or '.join(KINDS)}")
    write_page(text, path, "summary")


def csv_text(rows: Sequence[SummaryRow]) -> str:
    """The table as CSV, with a byte order mark, by which spreadsheets know UTF-8.

    A text that a spreadsheet would take for a formula begins with an apostrophe, which it hides.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = row.values()
        writer.writerow([_cell(values[name]) for name in COLUMNS])
    return "\N{ZERO WIDTH NO-BREAK SPACE}" + out.getvalue()


def render(rows: Sequence[SummaryRow], *, report_link: str | None = None) -> str:
    """The table as one HTML document that loads nothing from anywhere.

    Args:
        rows: in the order of the batch.
        report_link: address of the report as the page should say it.
    """
    environment = template_environment()
    environment.globals["spark"] = spark_svg
    counts = Counter(row.verdict for row in rows)
    answered = np.cumsum([not row.error for row in rows]).tolist()
    template = environment.from_string(asset("service.summary", "summary.html"))
    return template.render(
        rows=rows,
        links=[
            f"{report_link}#q{answered[i]}" if report_link and not row.error else None
            for i, row in enumerate(rows)
        ],
        names=_names([row.file for row in rows]),
        shared=_shared(rows),
        counts=[(name, VERDICTS.get(name, "Failed"), counts[name]) for name in ORDER],
        order={name: i for i, name in enumerate(ORDER)},
        style=trusted_asset("service.report", "report.css")
        + trusted_asset("service.summary", "summary.css"),
        script=trusted_asset("service.summary", "summary.js"),
    )


def spark_svg(spark: Spark) -> Markup:
    """A thumbnail: the measured curve as an area, the calculated one as a line over it."""
    xs = np.arange(SPARK_WIDTH)
    area = f"M{_points(xs, spark.high)}L{_points(xs[::-1], spark.low[::-1])}Z"
    line = ""
    if spark.calculated is not None:
        line = f'<path class="calc" d="M{_points(xs, spark.calculated)}"/>'
    return Markup(  # noqa: S704 - made of numbers
        f'<svg class="spark" viewBox="0 0 {SPARK_WIDTH - 1} {SPARK_HEIGHT}" '
        f'preserveAspectRatio="none" aria-hidden="true"><path class="obs" d="{area}"/>{line}</svg>'
    )


def _names(files: Sequence[str]) -> list[tuple[str, str]]:
    """Folder and name of each file; no folder where all lie in one, else less what they share."""
    paths = [Path(file) for file in files]
    folders = [str(path.parent) for path in paths]
    common = "."
    if len(set(folders)) > 1:
        with suppress(ValueError):  # absolute and relative names, or several drives
            common = os.path.commonpath(folders) or "."
    shown = [os.path.relpath(folder, common) if len(set(folders)) > 1 else "" for folder in folders]
    return [(folder, path.name) for folder, path in zip(shown, paths, strict=True)]


def _shared(rows: Sequence[SummaryRow]) -> list[str]:
    """Warnings that every answer of several has."""
    answered = [row.warnings for row in rows if not row.error]
    if len(answered) < 2:
        return []
    return [one for one in answered[0] if all(one in warnings for warnings in answered)]


def _points(xs: NDArray[np.int64], heights: NDArray[np.float64]) -> str:
    ys = np.round(1 + (SPARK_HEIGHT - 2) * (1 - heights), 1)
    return " ".join(f"{x},{y:g}" for x, y in zip(xs.tolist(), ys.tolist(), strict=True))


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return "" if value is None else value


def _relative(target: Path, start: Path) -> str:
    try:
        relative = os.path.relpath(target, start.parent)
    except ValueError:  # another drive
        relative = str(target)
    return quote(Path(relative).as_posix())
