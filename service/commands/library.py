"""`braggle library`: make libraries, add to them, look into them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands import upkeep
from service.commands.options import (
    DryRun,
    Json,
    LibraryName,
    Profiles,
    library_named,
    verb,
)
from service.commands.search import open_library
from service.commands.templates import templates
from service.terminal import complain, emit, progress_bar, say, show

if TYPE_CHECKING:
    from data.sources import SourceStream
    from indexer import Library
    from indexer.ingest import Item
    from indexer.tallying import Change
    from service.map import LibraryMap

app = typer.Typer(
    name="library",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make libraries of crystals, and look into them.",
)

SHOWN_PROBLEMS = 20


class Engines(StrEnum):
    """What works out crystals."""

    LOCAL = "local"
    RAY = "ray"


class Joined:
    """Several sources as one stream of files or records that knows its length if they all do.

    Files that can be read elsewhere are left unread where `unread` says so.
    """

    def __init__(self, streams: list[SourceStream], *, unread: bool = False) -> None:
        self.streams = streams
        self.unread = unread

    def __iter__(self) -> Iterator[Item]:
        for stream in self.streams:
            if self.unread and stream.places is not None:
                yield from stream.places
            else:
                yield from stream if stream.offered is None else stream.offered

    def __length_hint__(self) -> int:
        totals = [stream.total for stream in self.streams]
        return 0 if None in totals else sum(total or 0 for total in totals)


@app.command()
@verb
def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="bundled, core-mof, standata, a folder, .cif, .zip, .csv with a cif column, "
            ".parquet, s3://bucket/folder; - reads a CIF from stdin.",
        ),
    ],
    *,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="LIB",
            help="Path or name of the library; $BRAGGLE_LIBRARY, else 'main', when not given.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Build anew what is there already.")
    ] = False,
    engine: Annotated[
        Engines,
        typer.Option(
            help="What works out crystals: this machine, or the Ray cluster that $RAY_ADDRESS "
            "names (extra distributed)."
        ),
    ] = Engines.LOCAL,
    profile: Annotated[
        Profiles,
        typer.Option(
            help="2d makes a library of sheets: layered crystals are exfoliated, others left out."
        ),
    ] = Profiles.POWDER,
    json: Json = False,
) -> None:
    """Make a library of crystals."""
    from indexer import Library
    from service.settings import Settings

    path = Settings.load().library_path(library_named(into, profile))
    streams = Joined([_open(source) for source in sources], unread=engine is Engines.RAY)
    # Ray tells on stdout of workers that were lost.
    with progress_bar() as progress, redirect_stdout(sys.stderr):
        library = Library.build(
            streams,
            path,
            replace=replace,
            progress=progress,
            engine=engine.value,
            profile=profile.value,
        )
    _tell_change(library, json=json)


@app.command()
@verb
def add(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="A folder, .cif, .zip, .csv, .parquet, or any other source; - reads a CIF from "
            "stdin.",
        ),
    ],
    *,
    library: LibraryName = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Add crystals to a library; files that were added before are skipped."""
    opened = open_library(library)
    streams = Joined([_open(path) for path in paths])
    with progress_bar() as progress:
        changed = opened.add(streams, progress=progress, dry_run=dry_run)
    _tell_change(changed, json=json, dry_run=dry_run)


@app.command()
@verb
def info(*, library: LibraryName = None, json: Json = False) -> None:
    """Say what a library holds."""
    facts = open_library(library).info()
    if json:
        emit(asdict(facts))
        return
    from service.tables import key_values

    statistics = facts.statistics
    rows = {
        "library": facts.path,
        "version": f"{facts.version}, published {facts.published_at}",
        "entries": f"{facts.entries}, read from {facts.sources} records",
        "on disk": f"{facts.bytes_on_disk / 1e6:.0f} MB",
        "profile": facts.profile,
        "channels": ", ".join(f"{one.id} {one.version}" for one in facts.channels),
        "collections": _counted(statistics.collections),
        "elements": _counted(statistics.elements),
        "space groups": _counted(statistics.space_groups),
        "licences": _counted({key or "not stated": n for key, n in statistics.licences.items()}),
    }
    show(key_values(rows))


@app.command()
@verb
def verify(*, library: LibraryName = None, json: Json = False) -> None:
    """Check that a library is whole; exit status 1 when it is not."""
    opened = open_library(library)
    with progress_bar() as progress:
        report = opened.verify(progress=progress)
    if json:
        emit({**asdict(report), "ok": report.ok})
    else:
        from service.tables import key_values

        marks = {True: "ok      ", False: "FAILED  "}
        rows = {check.name: f"{marks[check.ok]}{check.detail}" for check in report.checks}
        show(key_values(rows))
    if not report.ok:
        anew = "build it anew with `braggle library build SOURCE... --replace`"
        remedies = {check.remedy or anew for check in report.checks if not check.ok}
        remedy = anew if anew in remedies else "; ".join(sorted(remedies))
        complain(f"{report.path}: version {report.version} is damaged; {remedy}")
        raise typer.Exit(1)


@app.command("map")
@verb
def draw_map(
    *,
    library: LibraryName = None,
    channel: Annotated[str, typer.Option(help="Whose vectors are drawn.")] = "physical",
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path(
        "map.html"
    ),
    json: Json = False,
) -> None:
    """Draw a library as a page: crystals with like patterns lie near each other."""
    from service.map import draw, write_map

    opened = open_library(library)
    with progress_bar() as progress:
        drawn = draw(opened, channel, progress)
    write_map(drawn, out)
    if json:
        emit(_map_answer(drawn, out))
        return
    what = f"a sample of {len(drawn.entries)} of" if drawn.is_sample else "all"
    show(f"Map of {what} {drawn.total} entries of {drawn.library} written to {out}")


app.command()(templates)
app.command()(upkeep.remove)
app.command()(upkeep.maintain)
app.command()(upkeep.history)
app.command()(upkeep.rollback)
app.command()(upkeep.ledger)
app.command()(upkeep.watch)
app.command()(upkeep.export)
app.command("import")(upkeep.import_)


def _map_answer(drawn: LibraryMap, out: Path) -> dict[str, Any]:
    return {
        "page": str(out),
        "library": {"path": drawn.library, "version": drawn.version, "entries": drawn.total},
        "channel": drawn.channel,
        "points": len(drawn.entries),
        "sample": drawn.is_sample,
        "neighbours_kept": drawn.layout.neighbours_kept,
        "groups": {one.key: one.counts for one in drawn.colourings},
    }


def _open(source: str) -> SourceStream:
    from data.sources import SourceStream, open_source

    if source != "-":
        return open_source(source)
    from data.offered import Offered

    given = Offered.upload(sys.stdin.buffer.read(), "standard input")
    return SourceStream.of_files("standard input", iter([given]))


def _tell_change(library: Library, *, json: bool, dry_run: bool = False) -> None:
    change = library.change
    if change is None:
        raise ValueError(f"{library.path=} was not changed")
    for problem in change.problems[:SHOWN_PROBLEMS]:
        complain(str(problem))
    hidden = len(change.problems) - SHOWN_PROBLEMS
    if hidden > 0:
        say(f"braggle: and {hidden} more that could not be read; --json lists them all")
    document: dict[str, Any] = {
        "library": {
            "path": str(library.path),
            "version": library.version,
            "entries": len(library),
            "channels": [stamp.id for stamp in library.channels],
        },
        **asdict(change),
    }
    if json:
        emit({**document, "dry_run": dry_run})
    else:
        show(_sentence(library, change, dry_run=dry_run))
    if change.problems and not change.added + change.merged + change.known + change.skipped:
        raise typer.Exit(1)


def _sentence(library: Library, change: Change, *, dry_run: bool) -> str:
    parts = [
        f"{change.added} added",
        f"{change.merged} merged with an entry of the same crystal",
        f"{change.known} known already",
    ]
    if change.skipped:
        parts.append(f"{change.skipped} files skipped that have not changed")
    if change.superseded:
        parts.append(
            f"{change.superseded} superseded by what their files hold now, {change.removed} "
            "entries removed with them"
        )
    parts.append(f"{len(change.problems)} could not be read")
    begin = f"{library.path}: version {library.version}, {len(library)} entries; "
    would = "it would be: " if dry_run else ""
    return begin + would + ", ".join(parts)


def _counted(counts: dict[Any, int], most: int = 12) -> str:
    shown = ", ".join(f"{key} {n}" for key, n in list(counts.items())[:most])
    return f"{shown}, and {len(counts) - most} more" if len(counts) > most else shown
