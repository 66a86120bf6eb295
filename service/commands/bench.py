"""`braggle bench`: what is measured, each figure beside its reference in the same run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.commands.generate import Engine
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


class Given(StrEnum):
    """What is known of a sample that is to be solved."""

    FORMULA = "formula"
    FORMULA_AND_CELL = "formula+cell"


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
def distances(
    formulas: Annotated[
        Path, typer.Argument(help="Reduced formulas that no network was trained on.")
    ],
    *,
    library: LibraryName = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Of `braggle train distances`; may be repeated. That which comes with Braggle "
            "when not given.",
        ),
    ] = None,
    crystals: Annotated[int, typer.Option(min=1, help="Of the library, at most.")] = 1000,
    max_atoms: Annotated[
        int, typer.Option(min=2, help="Of the primitive cell, of these crystals.")
    ] = 12,
    json: Json = False,
) -> None:
    """Measure how well distances between atoms are predicted from formulas."""
    torch_needed()
    from contextlib import ExitStack

    from data.errors import BraggleError
    from generator.distance.network_file import shipped_weights
    from service.bench.distances import bench_distances
    from service.bench.tables import distances_table

    missing = [str(one) for one in weights or () if not one.is_file()]
    if missing:
        raise BraggleError(f"{missing[0]}: no such file of weights; train it first")
    with ExitStack() as stack, progress_bar() as progress:
        files = {one.stem: one for one in weights or ()}
        if not files:
            files = {"shipped": stack.enter_context(shipped_weights())}
        result = bench_distances(
            open_library(library),
            formulas,
            files,
            crystals=crystals,
            max_atoms=max_atoms,
            advance=progress,
        )
    if json:
        emit(result)
    else:
        show(distances_table(result))


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


@app.command()
@verb
def solve(
    queries: Annotated[
        Path | None,
        typer.Argument(help="Holds a folder a case: one pattern, and one CIF of its truth."),
    ] = None,
    *,
    library: LibraryName = None,
    simulated: Annotated[
        int,
        typer.Option(min=0, help="Crystals of the library to take as cases, too.", metavar="N"),
    ] = 0,
    formulas: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Reduced formulas that these are taken from."),
    ] = None,
    max_atoms: Annotated[
        int, typer.Option(min=1, help="Of the primitive cell, of the cases that are taken.")
    ] = 20,
    samples: Annotated[int, typer.Option(min=1, help="Candidates looked at in each case.")] = 20,
    crystals: Annotated[
        str | None,
        typer.Option(
            metavar="LIBRARY",
            help="Simulated cases are crystals of this library instead.",
            show_default=False,
        ),
    ] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Only cases whose prototype is not in the library.")
    ] = False,
    withhold: Annotated[
        bool, typer.Option("--withhold", help="Crystals of a case's prototype, too.")
    ] = False,
    given: Annotated[Given, typer.Option(help="What is told besides the pattern.")] = Given.FORMULA,
    engine: Annotated[
        list[Engine] | None,
        typer.Option(
            help="What proposes; when not given, the first three in turn until one convinces."
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--every", help="Ask all engines, and say what each gives and what is lost without it."
        ),
    ] = False,
    no_pattern: Annotated[
        bool, typer.Option("--no-pattern", help="Tell the formula alone; patterns are not read.")
    ] = False,
    relax: Annotated[
        bool, typer.Option("--relax", help="With --no-pattern: rank by CHGNet's energies.")
    ] = False,
    templates: Annotated[int, typer.Option(min=0, max=4, help="As of `braggle generate`.")] = 4,
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="As of `braggle generate`.")
    ] = True,
    workers: Annotated[
        int, typer.Option(min=1, help="Cases that are worked on at a time, each on a core.")
    ] = 1,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keeps each case's outcome as it comes; those that it has are not done again.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Count how often a crystal is proposed that the library lacks, its formula given."""
    from service.bench.solve import bench_solve
    from service.bench.solve_formula import bench_formulas
    from service.bench.tables import engines_table, solve_table

    if no_pattern and queries is None:
        raise typer.BadParameter("--no-pattern takes its cases from QUERIES; name the folder")
    names = [one.value for one in Engine] if every else [one.value for one in engine or ()]
    opened = open_library(library)
    with progress_bar() as progress:
        if no_pattern and queries is not None:
            result = bench_formulas(
                opened,
                queries,
                max_atoms=max_atoms,
                samples=samples,
                engines=tuple(one.value for one in engine) if engine else None,
                relax=relax,
                advance=progress,
            )
        else:
            result = bench_solve(
                opened,
                queries=queries,
                simulated=simulated,
                formulas=formulas,
                max_atoms=max_atoms,
                samples=samples,
                crystals=open_library(crystals) if crystals else None,
                unknown=unknown,
                withhold=withhold,
                engines=tuple(names) or None,
                cell_given=given is Given.FORMULA_AND_CELL,
                templates=templates,
                refine=refine,
                workers=workers,
                keep=keep,
                advance=progress,
            )
    if json:
        emit(result)
    else:
        show(solve_table("braggle", result))
        if result["by_engine"]:
            show(engines_table(result["by_engine"]))
        for name, figures in result.get("rankings", {}).items():
            show(solve_table(f"ranked {name.replace('_', ' ')} alone", figures))
        for name, figures in result["controls"].items():
            show(solve_table(f"control: {name.replace('_', ' ')}", figures))
