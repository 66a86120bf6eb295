"""`braggle bench`: what is measured, each figure beside its reference in the same run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.commands import solving
from service.commands.options import Json, LibraryName, torch_needed, verb
from service.commands.search import FirstStage, open_library, radiation_of
from service.terminal import emit, progress_bar, say, show

app = typer.Typer(
    name="bench",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure how well and how fast patterns are named.",
)

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
    plot: Annotated[
        Path | None,
        typer.Option(metavar="SVG", help="Draw true against false matches, and certainties, too."),
    ] = None,
    json: Json = False,
) -> None:
    """Count how often measured patterns find their crystal, beside a control."""
    from service.bench.lookup import bench_lookup
    from service.bench.tables import breakdown_table, lookup_table, verdict_table
    from service.bench.verdict_plot import verdicts_svg
    from service.pages import write_page

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
        show(lookup_table(result))
        if result["per_query"]:
            show(breakdown_table(result["breakdown"]))
        if result["verdicts"]:
            show(verdict_table(result["verdicts"]))
    if plot and result["verdicts"]:
        write_page(verdicts_svg(result["verdicts"]), plot, "drawing")
        say(f"Drawing written to {plot}")


@app.command()
@verb
def mixtures(
    queries: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Patterns named like NiO_0p6007-Bi2O3_0p4008--2min.xrdml, or a folder a case: one "
            "pattern, and a CIF of each phase.",
        ),
    ],
    *,
    library: LibraryName = None,
    chemistry: Annotated[
        Chemistry, typer.Option(help="elements allows only entries of the sample's elements.")
    ] = Chemistry.NONE,
    phases: Annotated[
        int, typer.Option(min=1, max=6, metavar="N", help="Most phases of a sample.")
    ] = 4,
    spiked: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="PAIRS",
            help="Lay so many pairs of single-phase patterns over one another instead; DIR is as "
            "of lookup.",
            show_default=False,
        ),
    ] = None,
    wavelength: Annotated[
        str | None,
        typer.Option(
            help="Of all patterns, as of `braggle search`; not with --spiked.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Count how often all phases of measured mixtures are named, and how well weighed."""
    from service.bench.mixtures import bench_mixtures
    from service.bench.spiked import bench_spiked
    from service.bench.tables import mixtures_table, spiked_table

    if spiked is not None and wavelength is not None:
        raise typer.BadParameter("--wavelength is not for --spiked; leave one of them out")
    radiation = radiation_of(wavelength)
    opened = open_library(library)
    with progress_bar() as progress:
        if spiked is not None:
            result = bench_spiked(
                queries,
                opened,
                pairs=spiked,
                chemistry=chemistry.value,
                phases=phases,
                advance=lambda done, total: progress(done, total, "queries"),
            )
            emit(result) if json else show(spiked_table(result))
            return
        result = bench_mixtures(
            queries,
            opened,
            chemistry=chemistry.value,
            phases=phases,
            radiation=radiation,
            advance=lambda done, total: progress(done, total, "queries"),
        )
    if json:
        emit(result)
    else:
        show(mixtures_table(result))


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
    from service.bench.tables import robustness_table
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
        show(robustness_table(result))
    if plot:
        write_page(robustness_svg(result), plot, "drawing")
        say(f"Drawing written to {plot}")


@app.command()
@verb
def cells(queries: Queries, *, library: LibraryName = None, json: Json = False) -> None:
    """Count how often crystals are found as all cells of the library are stretched."""
    from service.bench.stretched import bench_cells
    from service.bench.tables import cells_table

    opened = open_library(library)
    with progress_bar() as progress:
        result = bench_cells(
            queries, opened, advance=lambda done, total: progress(done, total, "volumes")
        )
    if json:
        emit(result)
    else:
        show(cells_table(result))


@app.command()
@verb
def scale(
    queries: Queries,
    distractors: Annotated[
        list[Path], typer.Argument(help="Crystals packed by python -m indexer.encoders.packing.")
    ],
    *,
    library: LibraryName = None,
    json: Json = False,
) -> None:
    """Count and time look-ups by vectors beside every entry, among very many entries."""
    from service.bench.scale import bench_scale
    from service.bench.tables import scale_table

    opened = open_library(library)
    with progress_bar() as progress:
        result = bench_scale(queries, opened, distractors, advance=progress)
    if json:
        emit(result)
    else:
        show(scale_table(result))


@app.command()
@verb
def speed(*, library: LibraryName = None, json: Json = False) -> None:
    """Time the calculation of lines beside pymatgen, and look-ups beside a masked cosine."""
    from service.bench.speed import bench_speed
    from service.bench.tables import lookup_speed_table, speed_table

    opened = open_library(library)
    with progress_bar() as progress:
        progress(0, None, "timing")
        result = bench_speed(opened)
    if json:
        emit(result)
    else:
        show(speed_table(result["simulation"]))
        show(lookup_speed_table(result["lookup"]))


@app.command()
@verb
def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="CIFs, or folders that hold CIFs at any depth."),
    ],
    *,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Processes; one a core when not given."),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, metavar="N", help="Files of each size that pymatgen gets, too.")
    ] = 50,
    json: Json = False,
) -> None:
    """Count CIFs a second that become entries, by size of cell, beside pymatgen on the same."""
    from service.bench.ingest import bench_ingest
    from service.bench.tables import ingest_table

    with progress_bar() as progress:
        result = bench_ingest(files, workers=workers, sample=sample, advance=progress)
    if json:
        emit(result)
    else:
        show(ingest_table(result))


@app.command()
@verb
def encoders(
    pack: Annotated[
        Path, typer.Argument(help="Training crystals that all of the encoders were trained on.")
    ],
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Each holds a trained encoder.")
    ],
    *,
    queries: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Measured cases, to be sought in the library, too."),
    ] = None,
    library: LibraryName = None,
    json: Json = False,
) -> None:
    """Compare trained encoders on held-out crystals and on measured patterns."""
    torch_needed()
    from service.bench.encoders import bench_encoders
    from service.bench.tables import encoders_table

    with progress_bar() as progress:
        result = bench_encoders(
            pack,
            folders,
            queries=queries,
            library=open_library(library) if queries else None,
            advance=progress,
        )
    if json:
        emit(result)
    else:
        show(encoders_table(result))


@app.command()
@verb
def sheets(
    file: Annotated[
        str,
        typer.Argument(metavar="SHEETS", help="As `indexer.sheets.making` wrote and trained on."),
    ],
    *,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of trained towers; those that come with Braggle when not given.",
            show_default=False,
        ),
    ] = None,
    queries: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Of each part; all when not given."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Seek among all sheets of the file, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Count how often patterns of held-out sheets find them, beside controls without learning."""
    from service.bench.sheets import bench_sheets
    from service.bench.tables import sheets_table

    with progress_bar() as progress:
        result = bench_sheets(
            file, weights=weights, queries=queries, everything=everything, advance=progress
        )
    if json:
        emit(result)
    else:
        for name in result["parts"]:
            show(sheets_table(name, result))


app.command()(solving.distances)
app.command()(solving.pointclouds)
app.command()(solving.solve)
