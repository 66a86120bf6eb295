"""`braggle bench solve`, `distances`, `pointclouds`: what is proposed for what a library lacks."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.commands.generate import Engine
from service.commands.options import Json, LibraryName, torch_needed, verb
from service.commands.search import open_library
from service.terminal import emit, progress_bar, show


class Given(StrEnum):
    """What is known of a sample that is to be solved."""

    FORMULA = "formula"
    FORMULA_AND_CELL = "formula+cell"


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


@verb
def pointclouds(
    formulas: Annotated[
        Path, typer.Argument(help="Reduced formulas that the network was not trained on.")
    ],
    *,
    library: LibraryName = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of `braggle train pointclouds`; that which comes with Braggle when not given.",
        ),
    ] = None,
    crystals: Annotated[int, typer.Option(min=1, help="Taken out of their noise, at most.")] = 1280,
    structures: Annotated[int, typer.Option(min=1, help="Drawn for chosen elements.")] = 746,
    systems: Annotated[
        int, typer.Option(min=1, max=500, help="Choices of elements that these are parted among.")
    ] = 30,
    noise: Annotated[
        list[float] | None,
        typer.Option(
            min=0.01, max=1.0, help="Time from 0 to 1, may be repeated; 0.1, 0.3, 0.5 if not given."
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keeps each part's outcome as it comes; those that it has are not done again.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure how well crystals are drawn as clouds of points, out of noise and for elements."""
    torch_needed()
    from contextlib import nullcontext

    from data.errors import BraggleError
    from generator.pointcloud.network_file import shipped_weights
    from service.bench.cloud_tables import generation_table, reconstruction_table
    from service.bench.pointclouds import TIMES, bench_pointclouds

    if weights is not None and not weights.is_file():
        raise BraggleError(f"{weights}: no such file of weights; train it first")
    opened = open_library(library)
    with nullcontext(weights) if weights else shipped_weights() as file, progress_bar() as progress:
        result = bench_pointclouds(
            opened,
            formulas,
            file,
            crystals=crystals,
            structures=structures,
            systems=systems,
            times=noise or TIMES,
            keep=keep,
            advance=progress,
        )
    if json:
        emit(result)
    else:
        show(reconstruction_table(result))
        show(generation_table(result))


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
