"""What keeps a library: remove, maintain, history, rollback, ledger, export, import, watch."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import LibraryError, QueryError
from service.commands.options import DryRun, Json, LibraryName, verb
from service.commands.search import open_library
from service.terminal import complain, emit, emit_line, progress_bar, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer import Library
    from indexer.profiles import Profile
    from indexer.watching import Taken


@verb
def remove(
    ids: Annotated[
        list[str], typer.Argument(metavar="ID", help="Ids of entries; - reads them from stdin.")
    ],
    *,
    library: LibraryName = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take entries out of a library; the version before stays in its history."""
    opened = open_library(library)
    there = set(opened.ids)
    asked = _ids(ids)
    for one in asked:
        if one not in there:
            complain(f"{opened.path}: no entry has the id {one}; it is passed over")
    found = [one for one in asked if one in there]
    if not found:
        raise QueryError(f"{opened.path}: none of these entries is there; nothing was removed")
    changed = opened
    if not dry_run:
        with progress_bar() as progress:
            changed = opened.remove(found, progress=progress)
    if json:
        emit({"library": _library(changed), "removed": found, "dry_run": dry_run})
        return
    done = "would be removed" if dry_run else "removed"
    show(f"{changed.path}: version {changed.version}, {len(changed)} entries; {len(found)} {done}")


@verb
def maintain(
    *,
    library: LibraryName = None,
    keep_last: Annotated[
        int, typer.Option(metavar="N", min=1, help="So many versions are kept in any case.")
    ] = 3,
    keep_days: Annotated[
        float, typer.Option(metavar="DAYS", min=0.0, help="Younger versions are kept, too.")
    ] = 1.0,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Put a library in order: tables, indexes and templates made anew where it is worth it, and old
    versions let go that nobody reads.
    """
    from indexer.maintaining import maintain as put_in_order
    from indexer.profiles import channels_of

    # The library itself is not held: a version that is read is not let go.
    path, profile = _place(open_library(library))
    with progress_bar() as progress:
        done = put_in_order(
            path,
            channels_of(profile),
            keep_last=keep_last,
            keep_days=keep_days,
            progress=progress,
            dry_run=dry_run,
        )
    if json:
        emit({"path": str(path), "version": done.after, **asdict(done), "dry_run": dry_run})
        return
    parts = []
    if done.remade:
        parts.append("made anew: " + ", ".join(done.remade))
    if done.compacted:
        parts.append("compacted: " + ", ".join(done.compacted))
    if done.forgotten:
        parts.append("versions let go: " + ", ".join(map(str, done.forgotten)))
    if done.in_use:
        parts.append("still being read: " + ", ".join(map(str, done.in_use)))
    if done.bytes_freed:
        parts.append(f"{done.bytes_freed / 1e6:.1f} MB freed")
    said = "; ".join(parts) if parts else "nothing to do"
    would = "it would be: " if dry_run and parts else ""
    show(f"{path}: version {done.after}; {would}{said}")


@verb
def history(*, library: LibraryName = None, json: Json = False) -> None:
    """List the versions of a library that are kept."""
    opened = open_library(library)
    versions = opened.history()
    if json:
        emit({"library": _library(opened), "versions": [asdict(one) for one in versions]})
        return
    from service.tables import key_values

    rows = {
        f"{one.version}{' *' if one.is_current else ''}": (
            f"{one.published_at}  {one.entries} entries  {one.verb or 'not noted'}"
            f"{'' if one.finished else ', goes on'}{_counts(one.counts)}"
        )
        for one in versions
    }
    show(key_values(rows))


@verb
def rollback(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="One that is kept.")],
    *,
    library: LibraryName = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Publish an earlier version again, as a new one; what came since stays in the history."""
    opened = open_library(library)
    if dry_run:
        from indexer import Library

        changed = Library.open(opened.path, version=version)
    else:
        with progress_bar() as progress:
            progress(0, 1, "checking")
            changed = opened.rollback(version)
            progress(1, 1, "checking")
    if json:
        said = {"before": opened.version, "to": version, "dry_run": dry_run}
        emit({"library": _library(changed), **said})
    elif dry_run:
        show(
            f"{opened.path}: version {opened.version + 1} would be what version {version} is, "
            f"{len(changed)} entries"
        )
    else:
        show(
            f"{changed.path}: version {changed.version} is what version {version} was, "
            f"{len(changed)} entries; to undo it: braggle library rollback {opened.version}"
        )


@verb
def ledger(
    *,
    library: LibraryName = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only files that cannot be read, as they are now.")
    ] = False,
    json: Json = False,
) -> None:
    """List every file that was offered to a library, and what became of it."""
    opened = open_library(library)
    rows = opened.ledger(failed=failed)
    if json:
        emit({"library": _library(opened), "files": [asdict(one) for one in rows]})
        return
    for row in rows:
        place = f"{row.path}/{row.member}" if row.member else row.path
        given = f", {len(row.entries)} entries" if len(row.entries) > 1 else ""
        show(f"{row.at}  {row.status}{given}  {place}{f': {row.reason}' if row.reason else ''}")
    if not rows:
        show(f"{opened.path}: {'no file that cannot be read' if failed else 'no files'}")


@verb
def export(
    to: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="The bundle, a folder for it, or s3://bucket/name.braggle."
        ),
    ],
    *,
    library: LibraryName = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write a library as one file, to be handed on."""
    from data.sources.stores import in_store, put

    opened = open_library(library)
    if dry_run:
        file = to if in_store(to) else str(opened.bundle_place(to))
        size = opened.bundle_bytes()
    else:
        with (
            progress_bar() as progress,
            put(to, progress) if in_store(to) else nullcontext(Path(to)) as place,
        ):
            written = opened.export(place, progress=progress)
            size = written.stat().st_size
        file = to if in_store(to) else str(written)
    if json:
        emit({"library": _library(opened), "file": file, "bytes": size, "dry_run": dry_run})
        return
    would, about = ("it would be: ", "about ") if dry_run else ("", "")
    said = f"{len(opened)} entries of version {opened.version}, {about}{size / 1e6:.1f} MB"
    replaced = ", in place of what is there" if dry_run and Path(file).exists() else ""
    show(f"{file}: {would}{said}{replaced}")


@verb
def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A bundle; s3://bucket/name.braggle is fetched.")
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
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make a library of a bundle that `braggle library export` wrote."""
    from data.sources.stores import fetched, in_store
    from indexer import Library
    from service.settings import Settings

    path = Settings.load().library_path(into)
    if dry_run:
        _tell_bundle(file, path, json=json)
        return
    with (
        progress_bar() as progress,
        fetched(file, progress) if in_store(file) else nullcontext(Path(file)) as place,
    ):
        made = Library.import_bundle(place, path, progress=progress)
    if json:
        emit({"library": _library(made), "dry_run": dry_run})
    else:
        show(f"{made.path}: {len(made)} entries from {file}")


def _tell_bundle(file: str, path: Path, *, json: bool) -> None:
    """What an import would do."""
    from data.sources.stores import in_store, opened
    from indexer.bundle import look_into

    with opened(file) if in_store(file) else nullcontext(Path(file)) as bundle:
        found = look_into(bundle, file, path)
    if json:
        emit({"library": {"path": str(path)}, "bundle": asdict(found), "dry_run": True})
        return
    anew = f", vectors of {', '.join(found.made_anew)} made anew" if found.made_anew else ""
    show(
        f"{path}: it would be: {found.entries} entries of version {found.version} of "
        f"{found.library} ({found.profile}, {found.published_at}), {found.bytes / 1e6:.1f} MB"
        f"{anew}; whether the bundle is whole is looked at when it is imported"
    )


@verb
def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="CIFs, and archives of CIFs.")],
    *,
    library: LibraryName = None,
    every: Annotated[
        float,
        typer.Option(metavar="S", min=0.1, help="Between looks; a file that stays is complete."),
    ] = 5.0,
    once: Annotated[
        bool, typer.Option("--once", help="Take what is complete now, and end.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would be done with what is complete now, and end."
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="A JSON document a line for each file.")
    ] = False,
) -> None:
    """Add files of a folder to a library as they come; bad ones are moved to DIR-refused."""
    from indexer.watching import WatchedFolder, take_up

    path = open_library(library).path
    watched = WatchedFolder(folder)
    watched.complete()
    try:
        while True:
            time.sleep(every)
            found = watched.complete()
            taken: list[Taken] = []
            try:
                if found:
                    taken = take_up(path, watched, found, dry_run=dry_run)
            except LibraryError as error:  # somebody else writes, or the disk is full
                if once or dry_run:
                    raise
                complain(f"{error}; tried again in {every:g} s")
                watched.again(found)
            for one in taken:
                _tell_taken(one, json=json, dry_run=dry_run)
            if dry_run and not (taken or json):
                show(f"{watched.folder}: nothing to do")
            if once or dry_run:
                return
    except KeyboardInterrupt:
        return


def _tell_taken(taken: Taken, *, json: bool, dry_run: bool) -> None:
    if json:
        emit_line({**asdict(taken), "dry_run": dry_run})
    elif taken.status == "failed":
        would = "it would be " if dry_run else ""
        complain(f"{taken.reason}; {taken.not_moved or f'{would}moved to {taken.moved_to}'}")
    else:
        beside = f"; not read: {taken.reason}" if taken.reason else ""
        would = "it would be: " if dry_run else ""
        entries = "entry" if taken.entries == 1 else "entries"
        show(f"{taken.path}: {would}{taken.status}, {taken.entries} {entries}{beside}")


def _ids(given: list[str]) -> list[str]:
    if "-" not in given:
        return list(dict.fromkeys(given))
    import sys

    return list(dict.fromkeys([*(one for one in given if one != "-"), *sys.stdin.read().split()]))


def _counts(counts: Mapping[str, int]) -> str:
    said = ", ".join(
        f"{name} {count}" if name == "to" else f"{count} {name}" for name, count in counts.items()
    )
    return f": {said}" if said else ""


def _library(library: Library) -> dict[str, Any]:
    return {
        "path": str(library.path),
        "version": library.version,
        "entries": len(library),
        "channels": [stamp.id for stamp in library.channels],
    }


def _place(library: Library) -> tuple[Path, Profile]:
    """Where a library is and what it is of, without holding it."""
    return library.path, library.profile
