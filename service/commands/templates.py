"""`braggle library templates`: the patterns that recur in a library, and their structures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import Json, LibraryName, verb
from service.commands.search import open_library
from service.terminal import emit, say, show

if TYPE_CHECKING:
    from rich.table import Table

    from service.templates import Listing

SHOWN_FORMULAS = 3


class Kind(StrEnum):
    """Frameworks of whole cells, or coordination polyhedra."""

    GLOBAL = "global"
    LOCAL = "local"


@verb
def templates(
    *,
    library: LibraryName = None,
    kind: Annotated[Kind | None, typer.Option(help="Only these.", show_default=False)] = None,
    top: Annotated[
        int, typer.Option(min=1, help="Rows of the table; --json lists every template.")
    ] = 30,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw patterns and structures as a page."),
    ] = None,
    json: Json = False,
) -> None:
    """List patterns that recur in a library, with the structures that recur with them."""
    from service.templates import answer, list_templates, write_templates
    from service.templates.page import SHOWN

    most = None if json else max(top, SHOWN if page else 0)
    opened = open_library(library)
    listing = list_templates(opened, kind=None if kind is None else kind.value, most=most)
    if page is not None:
        write_templates(listing, page)
        say(f"Page written to {page}")
    if json:
        emit({**answer(listing), "page": None if page is None else str(page)})
    else:
        show(_table(listing, top))
        rest = f"; the {top} with most members are shown" if top < listing.asked else ""
        show(
            f"Templates of {listing.library}: {listing.counts}; {listing.covered} of "
            f"{listing.entries} entries are members of one{rest}"
        )


def _table(listing: Listing, top: int) -> Table:
    from rich.table import Table

    from service.templates.listing import formulas_words, interval_words

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("2θ (°)", justify="right", no_wrap=True)
    table.add_column("members", justify="right", no_wrap=True)
    table.add_column("of")
    table.add_column("formulas", overflow="fold")
    for row in listing.rows[:top]:
        table.add_row(
            row.template.id,
            row.template.kind,
            interval_words(row.template),
            str(len(row.entries)),
            row.classes,
            formulas_words(row, SHOWN_FORMULAS),
        )
    return table
