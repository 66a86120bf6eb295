"""Tables for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from search.result import Hit, LookupResult, Mixture
from service.words import (
    VERDICTS,
    for_terminal,
    percent,
    phase_name,
    radiation_words,
    verdict_sentence,
)

_COLOURS = {"match": "green", "ambiguous": "yellow", "no-confident-match": "red"}
_SHOWN_NAMES = 60


def lookup_table(result: LookupResult) -> Group:
    """What was asked, the verdict in words, the warnings and the hits."""
    pattern = result.query
    head = Text.assemble(
        (pattern.name, "bold"),
        f"  {len(pattern)} points, {radiation_words(pattern)}; "
        f"{result.library_entries} entries searched",
    )
    verdict = Text.assemble(
        (f"{VERDICTS[result.verdict]}. ", f"bold {_COLOURS[result.verdict]}"),
        verdict_sentence(result),
    )
    warnings = [
        Text(f"Warning: {for_terminal(warning)}", style="yellow") for warning in result.warnings
    ]
    parts: list[RenderableType] = [_hits(result.hits), _cell(result.hits[0])] if result.hits else []
    if result.mixtures:
        # What was asked for is the mixture; the single phases nearest it stay for comparison.
        titled: list[RenderableType] = [
            _mixtures(result.mixtures),
            Text("\nAs a single phase:", style="bold"),
        ]
        return Group(head, *warnings, *titled, *parts, Text())
    return Group(head, verdict, *warnings, *parts, Text())


def _mixtures(mixtures: tuple[Mixture, ...]) -> Table:
    """A block of rows for each set of phases."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("phase")
    table.add_column("formula", max_width=26)
    table.add_column("space group", no_wrap=True)
    for name in ("weight %", "I/Ic", "strain %", "Rwp %", "unexplained %", "confidence"):
        table.add_column(name, justify="right", no_wrap=True)
    for mixture in mixtures:
        for place, phase in enumerate(mixture.phases):
            ties = f" (+{len(phase.ties)} alike)" if phase.ties else ""
            whole = (
                f"{mixture.rwp_percent:.1f}",
                f"{mixture.unexplained_percent:.1f}",
                percent(mixture.confidence),
            )
            table.add_row(
                "" if place else str(mixture.rank),
                f"{_short(phase_name(phase))}{ties}",
                phase.formula,
                phase.space_group,
                f"{phase.weight_percent:.1f}{' trace' if phase.trace else ''}",
                "" if phase.i_over_ic is None else f"{phase.i_over_ic:.2f}",
                f"{phase.strain_percent:+.2f}",
                *(("", "", "") if place else whole),
            )
    return table


def _hits(hits: tuple[Hit, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("phase")
    table.add_column("formula", max_width=26)
    table.add_column("space group", no_wrap=True)
    table.add_column("Rwp %", justify="right", no_wrap=True)
    table.add_column("r", justify="right", no_wrap=True)
    table.add_column("peaks", justify="right", no_wrap=True)
    table.add_column("strain %", justify="right", no_wrap=True)
    table.add_column("confidence", justify="right", no_wrap=True)
    table.add_column("source")
    for hit in hits:
        fit = hit.fit
        table.add_row(
            str(hit.rank),
            _phase(hit),
            hit.formula,
            hit.space_group,
            f"{fit.rwp_percent:.1f}",
            f"{fit.correlation:.3f}",
            f"{fit.matched_peaks}/{fit.matched_peaks + fit.unexplained_peaks}",
            f"{fit.strain_percent:+.2f}",
            percent(hit.confidence),
            _source(hit),
        )
    return table


def _cell(hit: Hit) -> Text:
    a, b, c, alpha, beta, gamma = hit.fit.cell
    return Text(
        f"Cell of 1 as fitted: {a:.4f} {b:.4f} {c:.4f} Å, {alpha:.3f} {beta:.3f} {gamma:.3f}°",
        style="dim",
    )


def _source(hit: Hit) -> str:
    if not hit.sources:
        return ""
    first, *others = hit.sources
    shown = f"{first.collection} {first.identifier}"
    return f"{shown} (+{len(others)})" if others else shown


def _phase(hit: Hit) -> str:
    shown = _short(phase_name(hit))
    return f"{shown} (+{len(hit.twins)} alike)" if hit.twins else shown


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN_NAMES else f"{name[: _SHOWN_NAMES - 1]}…"


def key_values(rows: dict[str, str]) -> Table:
    """Two columns: what, and its value."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in rows.items():
        table.add_row(key, value)
    return table
