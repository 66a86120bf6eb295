"""`braggle generate`: a pattern and a formula in, proposed structures out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import Json, LibraryName, verb
from service.commands.search import open_library, radiation_of
from service.terminal import emit, progress_bar, say, show

if TYPE_CHECKING:
    from rich.table import Table

    from generator.solver import Solution

ANSWER, PAGE = "proposals.json", "proposals.html"
SHOWN = 10


class Engine(StrEnum):
    """What proposes structures."""

    SUBSTITUTION = "substitution"


@verb
def generate(
    pattern: Annotated[
        str, typer.Argument(metavar="PATTERN", help="Measured pattern; - reads stdin.")
    ],
    *,
    formula: Annotated[str, typer.Option(help="What the sample is made of: PbSO4")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="For the CIFs, the document and the page.")
    ],
    library: LibraryName = None,
    engine: Annotated[
        list[Engine] | None, typer.Option(help="What proposes; all engines when not given.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=200, help="Structures at most.")] = 20,
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
    """Propose structures for a pattern that nothing known explains."""
    radiation = radiation_of(wavelength)

    from data.formula import parse_formula, reduced_formula
    from data.reading import read_pattern
    from generator.solver import ENGINES, Solver
    from service.proposals import solution_answer, write_cifs, write_proposals

    composition = parse_formula(formula)
    withheld = frozenset(
        reduced_formula(parse_formula(one)) for one in without.split(",") if one.strip()
    )
    measured = read_pattern(pattern, radiation=radiation)
    solver = Solver(open_library(library))
    with progress_bar() as progress:
        solution = solver.solve(
            measured,
            composition,
            engines=tuple(one.value for one in engine) if engine else tuple(ENGINES),
            samples=samples,
            without=withheld,
            time_limit_s=time_limit,
            progress=progress,
        )
    files = write_cifs(solution, out)
    answer = solution_answer(solution, files)
    write_proposals(solution, out / PAGE)
    _write_answer(answer, out / ANSWER)
    if json:
        emit(answer)
        return
    for warning in solution.warnings:
        say(f"braggle: {warning}")
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
    from service.words import percent

    table = Table(
        title=f"structures of {solution.formula}; shares are among these proposals",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for name in ("#", "space group", "a, b, c (Å)", "Rwp %", "r", "share", "made in"):
        table.add_column(name, justify="left" if name in ("space group", "made in") else "right")
    for one in solution.proposals[:SHOWN]:
        crystal = one.candidate.crystal
        template = one.template
        table.add_row(
            str(one.rank),
            space_group_symbol(crystal.space_group_number),
            " ".join(f"{length:.3f}" for length in crystal.cell[:3]),
            f"{one.rwp_percent:.1f}",
            f"{one.candidate.correlation:.3f}",
            percent(one.probability),
            "" if template is None else ", ".join((template.formula, *template.names[:1])),
        )
    return table
