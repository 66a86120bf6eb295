"""`braggle bench`: what is measured, each figure beside its reference in the same run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.options import Json, LibraryName, verb
from service.commands.search import FirstStage, open_library
from service.terminal import emit, progress_bar, say, show

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(
    name="bench",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure how well and how fast patterns are named.",
)

CONDITIONS = {
    "cells": "cells moved by {:g} %",
    "noise": "noise of {:g} %",
    "impurity": "impurity of {:g} %",
    "start": "from {:g}° 2θ",
    "end": "to {:g}° 2θ",
    "texture": "simulated, texture {:g}",
}
COLUMNS = ("hit@1", "hit@5", "hit@10", "hit@50", "hit@200", "mrr")


Queries = Annotated[
    Path, typer.Argument(help="Holds a folder a case: one pattern, and one CIF of its truth.")
]


class Chemistry(StrEnum):
    """What is known of the sample's elements."""

    NONE = "none"
    ELEMENTS = "elements"


@app.command()
@verb
def lookup(
    queries: Queries,
    *,
    library: LibraryName = None,
    chemistry: Annotated[
        Chemistry, typer.Option(help="elements allows only entries of the truth's elements.")
    ] = Chemistry.NONE,
    independent: Annotated[
        bool,
        typer.Option(
            "--independent", help="Leave the truth and every entry with its cell out of the answer."
        ),
    ] = False,
    first_stage: Annotated[
        FirstStage, typer.Option(help="How the entries to fit are found; auto goes by size.")
    ] = FirstStage.AUTO,
    control: Annotated[
        bool, typer.Option(help="Measure the masked cosine of rendered patterns, too.")
    ] = True,
    json: Json = False,
) -> None:
    """Count how often measured patterns find their crystal, beside a control."""
    from service.bench.lookup import bench_lookup

    opened = open_library(library)
    with progress_bar() as progress:
        result = bench_lookup(
            queries,
            opened,
            chemistry=chemistry.value,
            independent=independent,
            first_stage=first_stage.value,
            control=control,
            advance=lambda done, total: progress(done, total, "queries"),
        )
    if json:
        emit(result)
    else:
        show(_lookup_table(result))
        if result["per_query"]:
            show(_breakdown_table(result["breakdown"]))


@app.command()
@verb
def robustness(
    queries: Queries,
    *,
    library: LibraryName = None,
    count: Annotated[
        int | None,
        typer.Option("--queries", min=1, help="Cases to take, all when not given.", metavar="N"),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="SVG", help="Draw hits among the first ten, too.")
    ] = None,
    json: Json = False,
) -> None:
    """Count what the first stages find as cells and patterns are made worse."""
    from service.bench.robustness import bench_robustness
    from service.bench.robustness_plot import robustness_svg
    from service.pages import write_page

    opened = open_library(library)
    with progress_bar() as progress:
        result = bench_robustness(
            queries,
            opened,
            count=count,
            advance=lambda done, total: progress(done, total, "conditions"),
        )
    if json:
        emit(result)
    else:
        show(_robustness_table(result))
    if plot:
        write_page(robustness_svg(result), plot, "drawing")
        say(f"Drawing written to {plot}")


@app.command()
@verb
def scale(
    queries: Queries,
    distractors: Annotated[
        Path, typer.Argument(help="Crystals packed by python -m indexer.encoders.packing.")
    ],
    *,
    library: LibraryName = None,
    json: Json = False,
) -> None:
    """Count and time look-ups by vectors beside every entry, among very many entries."""
    from service.bench.scale import bench_scale

    opened = open_library(library)
    with progress_bar() as progress:
        result = bench_scale(queries, opened, distractors, advance=progress)
    if json:
        emit(result)
    else:
        show(_scale_table(result))


@app.command()
@verb
def speed(*, library: LibraryName = None, json: Json = False) -> None:
    """Time the calculation of lines beside pymatgen, and look-ups beside a masked cosine."""
    from service.bench.speed import bench_speed

    opened = open_library(library)
    with progress_bar() as progress:
        progress(0, None, "timing")
        result = bench_speed(opened)
    if json:
        emit(result)
    else:
        show(_speed_table(result["simulation"]))
        show(_lookup_speed_table(result["lookup"]))


def _robustness_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    depths = (1, 10, 200)
    table = Table(
        title=f"strict hits in % among the first {', '.join(map(str, depths))}; "
        f"{result['queries']} queries, {result['library']['entries']} entries",
        box=None,
        pad_edge=False,
    )
    table.add_column("")
    for stage in result["stages"]:
        table.add_column(stage.replace("_one_vector", ",\none vector"), justify="right")
    for row in result["conditions"]:
        shares = (row["strict"][stage] for stage in result["stages"])
        figures = [
            " ".join(f"{100 * hits[f'hit@{depth}']:3.0f}" for depth in depths) if hits else ""
            for hits in shares
        ]
        table.add_row(CONDITIONS[row["condition"]].format(row["level"]), *figures)
    return table


def _scale_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(
        title=f"{result['queries']} queries, {result['failed']} failed, "
        f"{result['entries']} entries",
        box=None,
        pad_edge=False,
    )
    table.add_column("strict")
    columns = ("hit@1", "hit@10", "hit@200")
    for name in (*columns, "ms", "times faster", "points lost @1 (95 %)"):
        table.add_column(name, justify="right")
    for what, hits in result["strict"].items():
        stage = what.removesuffix(" and fit")
        lost = result["points_lost_at_1"].get(stage) if what != stage else None
        ratio = result["times_faster"].get(what)
        table.add_row(
            what,
            *(_figure(key, hits[key]) for key in columns),
            f"{result['median_ms'][what]:.1f}" if what == stage else "",
            f"{ratio:.1f}" if ratio else "",
            f"{lost['points']:.1f} ({lost['low']:.1f} to {lost['high']:.1f})" if lost else "",
        )
    return table


def _lookup_speed_table(figures: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(
        title=f"wall time of a look-up in {figures['entries']} entries", box=None, pad_edge=False
    )
    table.add_column("stage")
    for name in ("ms", "times faster than the masked cosine"):
        table.add_column(name, justify="right")
    for stage, ms in figures["median_ms"].items():
        ratio = figures["times_faster"].get(stage)
        table.add_row(stage.replace("_", " "), f"{ms:.1f}", f"{ratio:.1f}" if ratio else "")
    for channel, rate in figures["crystals_a_second"].items():
        table.add_row(f"{channel}, crystals a second", f"{rate}")
    return table


def _speed_table(cases: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title="processor time for a crystal", box=None, pad_edge=False)
    for name in ("case", "symmetry"):
        table.add_column(name)
    for name in ("crystals", "atoms", "pymatgen ms", "braggle ms", "times faster"):
        table.add_column(name, justify="right")
    for case, figures in cases.items():
        for way, ms in figures["braggle_ms"].items():
            table.add_row(
                case.replace("_", " "),
                way.removeprefix("symmetry_"),
                str(figures["crystals"]),
                f"{figures['atoms']:.1f}",
                f"{figures['pymatgen_ms']:.2f}",
                f"{ms:.4f}",
                f"{figures['times_faster'][way]:.0f}",
            )
    return table


def _lookup_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    rows = {f"look-up, {notion}": result[notion] for notion in ("strict", "species", "twin")}
    stages = {
        **result["first_stage"],
        "control: masked cosine": result["controls"]["masked_cosine"],
    }
    rows |= {f"{stage}, strict": table["strict"] for stage, table in stages.items() if table}
    columns = [key for key in COLUMNS if any(key in row for row in rows.values())]
    table = Table(
        title=f"{result['queries']} queries, {result['failed']} failed, "
        f"{result['library']['entries']} entries, "
        f"median {result['median_ms']} ms, p95 {result['p95_ms']} ms",
        box=None,
        pad_edge=False,
    )
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(_figure(key, row.get(key)) for key in columns))
    return table


def _breakdown_table(kinds: dict[str, dict[str, dict[str, float]]]) -> Table:
    from rich.table import Table

    titles = {
        "crystal_system": "crystal system",
        "volume": "cell volume, Å³",
        "source": "source",
    }
    table = Table(title="strict hits by what the truth is", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("")
    for name in ("queries", "hit@1", "hit@10"):
        table.add_column(name, justify="right")
    for kind, groups in kinds.items():
        for place, (name, row) in enumerate(groups.items()):
            figures = [_figure(key, row[key]) for key in ("hit@1", "hit@10")]
            title = titles[kind] if place == 0 else ""
            table.add_row(title, name, str(row["queries"]), *figures)
    return table


def _figure(key: str, share: float | None) -> str:
    if share is None:
        return ""
    return f"{share:.3f}" if key == "mrr" else f"{100 * share:.1f} %"
