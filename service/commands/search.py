"""`braggle search`: measured patterns in, named phases out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.options import Json, LibraryName, Profiles, library_named, verb
from service.spans import Span, span_of
from service.terminal import progress_bar

if TYPE_CHECKING:
    from data.radiation import Radiation
    from indexer import Filters, Library
    from search.result import LookupResult


class FirstStage(StrEnum):
    """How the entries to fit are found."""

    AUTO = "auto"
    EXHAUSTIVE = "exhaustive"
    SCREENED = "screened"
    VECTORS = "vectors"
    PHYSICAL = "physical"
    LEARNED = "learned"
    ATOMS = "atoms"
    SHEETS = "2d"


def open_library(name: str | None) -> Library:
    """Open a library, or say how one is made.

    Raises:
        LibraryError: there is none at that place, or it is damaged.
    """
    from data.errors import LibraryError
    from indexer import Library
    from service.settings import Settings

    path = Settings.load().library_path(name)
    if not path.exists():
        into = f" --into {name}" if name else ""
        raise LibraryError(
            f"{path}: there is no library yet; run `braggle library build bundled{into}`"
        )
    return Library.open(path)


def radiation_of(text: str | None) -> Radiation | None:
    """The radiation that `--wavelength` names."""
    from data.errors import RadiationError
    from data.radiation import Radiation

    try:
        return None if text is None else Radiation.parse(text)
    except RadiationError as error:
        raise typer.BadParameter(str(error)) from None


@verb
def search(
    patterns: Annotated[
        list[str],
        typer.Argument(
            metavar="PATTERN",
            help="Measured patterns, folders of them, or quoted names with *; - reads stdin.",
        ),
    ],
    *,
    library: LibraryName = None,
    elements: Annotated[
        str, typer.Option(help="Only these elements, traces of others and hydrogen allowed: Pb,S,O")
    ] = "",
    require: Annotated[str, typer.Option(help="Each of these elements: Pb")] = "",
    exclude: Annotated[str, typer.Option(help="None of these elements: Cl,F")] = "",
    formula: Annotated[
        str | None, typer.Option(help="This composition: PbSO4", show_default=False)
    ] = None,
    space_group: Annotated[
        str | None, typer.Option(help="Number or symbol: 62, Pnma", show_default=False)
    ] = None,
    volume: Annotated[
        str | None,
        typer.Option(
            metavar="FROM:TO", help="Of the conventional cell in Å³: 300:350", show_default=False
        ),
    ] = None,
    density: Annotated[
        str | None, typer.Option(metavar="FROM:TO", help="In g/cm³: 6:", show_default=False)
    ] = None,
    wavelength: Annotated[
        str | None,
        typer.Option(
            help="CuKa, CuKa1, CoKa, MoKa, AgKa, CrKa, FeKa, a number in Å, or 17.4keV; wins over "
            "the file's.",
            show_default=False,
        ),
    ] = None,
    phases: Annotated[
        int,
        typer.Option(
            min=1, max=6, metavar="N", help="Most phases of a sample; from 2 on they are weighed."
        ),
    ] = 1,
    top: Annotated[int, typer.Option(min=1, max=200, help="Rows to show.")] = 10,
    first_stage: Annotated[
        FirstStage, typer.Option(help="How the entries to fit are found; auto goes by size.")
    ] = FirstStage.AUTO,
    profile: Annotated[
        Profiles | None,
        typer.Option(
            help="What the library has to be of; 2d looks in the library 2d where none is named.",
            show_default=False,
        ),
    ] = None,
    attention: Annotated[
        Path | None,
        typer.Option(
            metavar="HTML",
            help="Of one pattern and a library of sheets: draw what the towers looked at.",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="HTML", help="Write a page to look at and to send.")
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A row a pattern, as .csv or as a page, .html."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder a pattern for GSAS-II, BGMN and others."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Patterns at a time; a core each when not given."),
    ] = None,
    json: Json = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="A JSON document a line, each as soon as it is ready.")
    ] = False,
) -> None:
    """Name the phases of measured patterns."""
    if json and jsonl:
        raise typer.BadParameter("--json and --jsonl: choose one")
    if summary is not None and summary.suffix.lower() not in {".csv", ".html"}:
        raise typer.BadParameter(f"--summary {summary}: name a file that ends in .csv or .html")
    filters = _filters(
        elements=elements,
        require=require,
        exclude=exclude,
        formula=formula,
        space_group=space_group,
        volume_angstrom3=_range(volume, "--volume"),
        density_g_cm3=_range(density, "--density"),
    )
    radiation = radiation_of(wavelength)

    from data.reading import read_pattern
    from search.searcher import Searcher
    from service.attention import write_attention
    from service.batch import is_batch, look_up_all, pattern_files
    from service.outputs import Outputs

    searcher = Searcher(open_library(library_named(library, profile)))

    def look_up(name: str) -> LookupResult:
        return searcher.lookup(
            read_pattern(name, radiation=radiation),
            filters=filters,
            top=top,
            first_stage=first_stage.value,
            phases=phases,
            profile=profile.value if profile else None,
        )

    files = pattern_files(patterns)
    if attention is not None and (len(files) != 1 or is_batch(patterns)):
        raise typer.BadParameter("--attention: draws one pattern; name one file")
    outputs = Outputs(
        files,
        as_list=is_batch(patterns),
        json=json,
        jsonl=jsonl,
        report=report,
        summary=summary,
        export=export,
    )
    with outputs, progress_bar() as progress:
        for done, outcome in enumerate(look_up_all(look_up, files, jobs=jobs), start=1):
            outputs.take(outcome, searcher.library)
            if attention is not None and outcome.result is not None:
                write_attention(outcome.result, searcher.library, attention)
            if len(files) > 1:
                progress(done, len(files), "patterns", outcome.file)
    if outputs.failed:
        raise typer.Exit(1)


def _filters(**conditions: Any) -> Filters:  # noqa: ANN401 - as `Filters` takes them
    from data.errors import QueryError
    from indexer import Filters

    group = conditions["space_group"]
    if group is not None and group.isdigit():
        conditions["space_group"] = int(group)
    try:
        return Filters(**conditions)
    except QueryError as error:
        raise typer.BadParameter(str(error)) from None


def _range(text: str | None, option: str) -> Span | None:
    if text is None:
        return None
    try:
        return span_of(text)
    except ValueError:
        raise typer.BadParameter(
            f"{option} {text}: give a range as FROM:TO, either of them may be left out"
        ) from None
