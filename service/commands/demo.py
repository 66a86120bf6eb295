"""`braggle demo`: the bundled library, looked up with real measured patterns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.library import Joined
from service.commands.options import Json, verb
from service.terminal import emit, progress_bar, say, show

if TYPE_CHECKING:
    from indexer import Library

FOLDER = Path("demo")


@verb
def demo(
    *,
    folder: Annotated[
        Path, typer.Option("--into", help="Where the library and the report are written.")
    ] = FOLDER,
    json: Json = False,
) -> None:
    """Look three measured patterns up in the bundled crystals, and write a report."""
    from data.bundled import examples
    from data.radiation import Radiation
    from data.reading import read_pattern
    from search.searcher import Searcher
    from service.answer import answer
    from service.report import write_report
    from service.tables import lookup_table

    searcher = Searcher(_library(folder / "library"))
    results = []
    for example in examples().values():
        pattern = read_pattern(example.path, radiation=Radiation.parse(example.radiation))
        result = searcher.lookup(pattern, top=10)
        results.append(result)
        if not json:
            show(lookup_table(result))
    report = folder / "report.html"
    write_report(results, report)
    if json:
        emit([answer(result) for result in results])
    say(f"Report: {report.resolve()}")
    say(f"Your own pattern: braggle search PATTERN --library {folder / 'library'}")


def _library(path: Path) -> Library:
    """The bundled library at `path`; built when it is missing or damaged."""
    from data.bundled import bundled_stream
    from data.errors import LibraryError
    from indexer import Library

    if path.exists():
        try:
            return Library.open(path)
        except LibraryError as error:
            say(f"Building anew: {error}")
    say(f"Building a library of the bundled crystals in {path}; this takes a few minutes, once")
    with progress_bar() as progress:
        return Library.build(Joined([bundled_stream()]), path, replace=True, progress=progress)
