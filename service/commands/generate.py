"""`braggle generate`: a pattern and a formula in, proposed structures out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import Json, LibraryName, verb
from service.commands.sample import (
    Sample,
    cell_of,
    conflict,
    sample_of,
    space_group_of,
    withheld_of,
)
from service.commands.search import open_library, radiation_of
from service.terminal import emit, progress_bar, say, show

if TYPE_CHECKING:
    from rich.table import Table

    from generator.solver import Proposal, Solution

ANSWER, PAGE = "proposals.json", "proposals.html"
SHOWN = 10
OPTIONS = {"ligands": "ligand", "engines": "engine"}
"""Options that have other names than in the service."""
ABOVE_WORDS = "above hull (eV/atom, CHGNet's estimate)"


class Engine(StrEnum):
    """What proposes structures."""

    SUBSTITUTION = "substitution"
    DIFFUSION = "diffusion"
    DIRECT = "direct"
    DISTANCE = "distance"
    POINTCLOUD = "pointcloud"


@verb
def generate(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="PATTERN",
            help="Measured pattern; - reads stdin. Without one, structures are proposed for the "
            "formula alone.",
            show_default=False,
        ),
    ] = None,
    *,
    formula: Annotated[
        str | None,
        typer.Option(help="What the sample is made of: PbSO4", show_default=False),
    ] = None,
    elements: Annotated[
        str | None,
        typer.Option(
            metavar="ELEMENTS",
            help="In place of a formula, with --engine pointcloud: one to three, Mg,Mn,O.",
            show_default=False,
        ),
    ] = None,
    metals: Annotated[
        str | None,
        typer.Option(
            metavar="METALS",
            help="Of a coordination compound, with their numbers: Zn:4,Cu:1",
            show_default=False,
        ),
    ] = None,
    ligand: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SMILES",
            help='Of a coordination compound, with its number: "[O-2]:1"; may be repeated.',
        ),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(help="If known: 'a b c α β γ' in Å and degrees.", show_default=False),
    ] = None,
    space_group: Annotated[
        str | None, typer.Option(help="If known: 62 or Pnma.", show_default=False)
    ] = None,
    formula_units: Annotated[
        int | None,
        typer.Option(
            metavar="Z", min=1, help="If known: of the conventional cell.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="For the CIFs, the document and the page.")
    ],
    library: LibraryName = None,
    engine: Annotated[
        list[Engine] | None,
        typer.Option(
            help="What proposes; when not given, the first three in turn until one convinces."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=200, help="Structures at most.")] = 20,
    templates: Annotated[
        int, typer.Option(min=0, max=4, help="That the network is shown, the nearest.")
    ] = 4,
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="Coordinates of the best, too.")
    ] = True,
    relax: Annotated[
        bool, typer.Option("--relax", help="The best by a force field, too (extra `relax`).")
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option(metavar="S", min=0.0, help="Begin nothing new after so many seconds."),
    ] = None,
    without: Annotated[
        str, typer.Option(help="Formulas of the library that nothing is made from: PbSO4,BaSO4")
    ] = "",
    wavelength: Annotated[
        str | None,
        typer.Option(help="As of `braggle search`; wins over the file's.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Propose structures for a pattern that nothing known explains, or for a formula alone."""
    known_cell, known_group = cell_of(cell), space_group_of(space_group)
    engines = tuple(one.value for one in engine) if engine else None
    given = {
        "formula": formula, "elements": elements, "metals": metals, "ligands": ligand,
        "formula_units": formula_units, "wavelength": wavelength,
    }  # fmt: skip
    named = [name for name, value in given.items() if value]
    amiss = conflict(named, engines, measured=pattern is not None)
    if amiss is not None:
        name, why = amiss
        raise typer.BadParameter(f"--{OPTIONS.get(name, name).replace('_', '-')}: {why}")
    sample = Sample({}) if elements else sample_of(formula, metals, ligand)

    from data.reading import read_pattern
    from generator.elements import checked_symbols
    from service.proposals import Wanted, proposed, solution_answer, write_cifs, write_proposals

    wanted = Wanted(
        sample.composition,
        symbols=checked_symbols(elements.split(",")) if elements else (),
        ligands=sample.ligands,
        cell=known_cell,
        space_group=known_group,
        formula_units=formula_units,
        engines=engines,
        samples=samples,
        templates=templates,
        without=withheld_of(without),
        refine=refine,
        relax=relax,
        time_limit_s=time_limit,
        radiation=radiation_of(wavelength),
    )
    measured = None if pattern is None else read_pattern(pattern, radiation=wanted.radiation)
    opened = open_library(library)
    with progress_bar() as progress:
        solution = proposed(opened, wanted, measured, progress=progress)
    files = write_cifs(solution, out)
    answer = solution_answer(solution, files)
    write_proposals(solution, out / PAGE)
    _write_answer(answer, out / ANSWER)
    if json:
        emit(answer)
        return
    from service.words import for_terminal

    for warning in solution.warnings:
        say(f"braggle: {for_terminal(warning)}")
    show(_table(solution))
    show(f"{len(files)} CIFs, {ANSWER} and {PAGE} in {out}")


def _write_answer(answer: dict[str, object], path: Path) -> None:
    import json

    from data.errors import BraggleError

    try:
        path.write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise BraggleError(f"{path}: cannot be written: {error.strerror}") from error


def _table(solution: Solution) -> Table:
    from rich.table import Table

    from data.canonical import space_group_symbol
    from data.formula import reduced_formula
    from service.words import percent

    table = Table(
        title=f"structures of {solution.formula}; shares are among these proposals",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    fit = ("eV/atom",) if solution.query is None else ("Rwp %", "r")
    formula = ("formula",) if solution.elements else ()
    above = (ABOVE_WORDS,) if solution.elements else ()
    names = (
        "#", *formula, "space group", "a, b, c (Å)", *fit, *above,
        "share", "made by", "made in", "refined",
    )  # fmt: skip
    for name in names:
        left = name in ("formula", "space group", "made by", "made in", "refined")
        table.add_column(name, justify="left" if left else "right")
    for one in solution.proposals[:SHOWN]:
        crystal = one.candidate.crystal
        template = one.template
        table.add_row(
            str(one.rank),
            *((reduced_formula(crystal.composition),) if solution.elements else ()),
            space_group_symbol(crystal.space_group_number),
            " ".join(f"{length:.3f}" for length in crystal.cell[:3]),
            *_fit(one, measured=solution.query is not None),
            *((_number(one, "above_hull_ev_per_atom"),) if solution.elements else ()),
            percent(one.probability),
            one.candidate.proposer,
            "" if template is None else ", ".join((template.formula, *template.names[:1])),
            "yes" if one.candidate.refined else "",
        )
    return table


def _fit(one: Proposal, *, measured: bool) -> tuple[str, ...]:
    """How well it fits, or its energy where that is known."""
    if measured:
        return f"{one.rwp_percent:.1f}", f"{one.candidate.correlation:.3f}"
    return (_number(one, "energy_ev_per_atom"),)


def _number(one: Proposal, feature: str) -> str:
    value = one.candidate.features.get(feature)
    return "" if value is None else f"{value:.3f}"
