"""Options that several verbs share, and how verbs end."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, ParamSpec

import typer

from service.terminal import complain, say

P = ParamSpec("P")

Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
LibraryName = Annotated[
    str | None,
    typer.Option(
        "--library",
        "-l",
        metavar="LIB",
        help="Path or name of a library; $BRAGGLE_LIBRARY, else 'main', when not given.",
        show_default=False,
    ),
]


class Profiles(StrEnum):
    """What a library is of."""

    POWDER = "powder"
    SHEETS = "2d"


def library_named(library: str | None, profile: Profiles | None) -> str | None:
    """The library that is meant where none is named: that of sheets has a name of its own."""
    return Profiles.SHEETS.value if library is None and profile is Profiles.SHEETS else library


def verb(command: Callable[P, None]) -> Callable[P, None]:
    """Errors of a verb in one line and exit status 1, a traceback only under BRAGGLE_DEBUG=1."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence
            report_error(error)
            raise typer.Exit(1) from None

    return run


def report_error(error: Exception, *, where: str = "") -> None:
    """Say on stderr what went wrong; `where` is the file that an unexpected error came of."""
    from data.errors import BraggleError
    from service.settings import Settings

    try:
        debug = Settings.load().debug
    except BraggleError:
        debug = False
    if debug:
        say("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, BraggleError):
        complain(str(error))
    else:
        hint = "" if debug else "; BRAGGLE_DEBUG=1 shows where"
        place = f"{where}: " if where else ""
        complain(f"{place}unexpected {type(error).__name__}: {error}{hint}")


def extra_needed(extra: str, *modules: str) -> None:
    """Say what brings modules where they are missing.

    Raises:
        MissingExtraError: one of them is missing.
    """
    from importlib.util import find_spec

    from data.errors import MissingExtraError

    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"this needs {', '.join(missing)}, not installed; pip install 'braggle[{extra}]'"
        )


def torch_needed() -> None:
    """Say what brings torch where it is missing.

    Raises:
        MissingExtraError: it is missing.
    """
    from importlib.util import find_spec

    from data.errors import MissingExtraError

    if find_spec("torch") is None:
        raise MissingExtraError(
            "this needs torch, which is not installed; pip install 'braggle[train]'"
        )
