"""`braggle similar`: a crystal in, crystals like it out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import Json, LibraryName, verb
from service.commands.search import open_library
from service.terminal import complain, emit, show

if TYPE_CHECKING:
    from rich.table import Table

    from data.record import Record
    from search.result import SimilarEntry


@verb
def similar(
    cif: Annotated[str, typer.Argument(metavar="CIF", help="A crystal; - reads stdin.")],
    *,
    library: LibraryName = None,
    top: Annotated[int, typer.Option(min=1, max=200, help="Rows to show.")] = 10,
    json: Json = False,
) -> None:
    """Find crystals whose powder patterns are like that of a given one."""
    from search.similar import similar as find

    record = _crystal(cif)
    opened = open_library(library)
    found = find(opened, record.crystal, top=top)
    if json:
        from service.answer import similar_answer

        emit(similar_answer(cif, record.names, opened, found))
    else:
        show(_table(found))


def _crystal(cif: str) -> Record:
    """The first crystal of a CIF; what else is wrong in the file is said.

    Raises:
        CrystalError: there is none.
    """
    from data.cif import read_cif, read_cif_text
    from data.errors import CrystalError
    from data.record import Record

    blocks = (
        read_cif_text(sys.stdin.read(), "standard input") if cif == "-" else read_cif(Path(cif))
    )
    problems: list[str] = []
    for block in blocks:
        if isinstance(block, Record):
            for problem in problems:
                complain(problem)
            return block
        problems.append(str(block))
    raise CrystalError(problems[0] if problems else f"{cif}: holds no crystal; give a CIF with one")


def _table(found: tuple[SimilarEntry, ...]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("#", "likeness", "strain %"):
        table.add_column(name, justify="right")
    for name in ("phase", "formula", "space group", "source"):
        table.add_column(name)
    for one in found:
        entry = one.entry
        name = next(iter(entry.names), entry.formula)
        table.add_row(
            str(one.rank),
            f"{one.similarity:.3f}",
            f"{one.strain_percent:+.2f}",
            f"{name} (the same crystal)" if one.same_crystal else name,
            entry.formula,
            entry.space_group,
            next((f"{source.collection} {source.identifier}" for source in entry.sources), ""),
        )
    return table
