"""`braggle serve`: the HTTP API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.checks import NEEDED
from service.commands.options import LibraryName, extra_needed, verb
from service.terminal import say

if TYPE_CHECKING:
    from service.settings import Settings


@verb
def serve(
    *,
    library: LibraryName = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; 127.0.0.1 when not given.", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="8000 when not given; 0 takes a free one.", show_default=False
        ),
    ] = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Let everyone in who can reach the address.")
    ] = False,
    ask_for_keys: Annotated[
        bool, typer.Option("--keys", help="Ask for keys on loopback, too.")
    ] = False,
    bundled: Annotated[
        bool,
        typer.Option("--bundled", help="Where there is no library yet, build the bundled one."),
    ] = False,
) -> None:
    """Serve a library over HTTP; BRAGGLE_SERVE_... sets limits."""
    if without_keys and ask_for_keys:
        raise typer.BadParameter("--keys and --without-keys: choose one")
    extra_needed("service", *sorted(NEEDED))
    from service.settings import Settings

    settings = Settings.load()
    serving = settings.serve.model_copy(
        update={
            **({} if host is None else {"host": host}),
            **({} if port is None else {"port": port}),
            **({"keys": "off"} if without_keys else {"keys": "on"} if ask_for_keys else {}),
        }
    )
    _run(
        settings.model_copy(
            update={"serve": serving, **({} if library is None else {"library": library})}
        ),
        bundled=bundled,
    )


def _run(settings: Settings, *, bundled: bool) -> None:
    from indexer.publishing import is_library
    from service.api.app import asks_for_keys
    from service.api.clients import is_loopback
    from service.api.keys import KeyStore
    from service.api.server import run
    from service.commands.search import open_library

    serving, library = settings.serve, settings.library_path()
    is_to_build = bundled and not is_library(library)
    if not is_to_build:
        open_library(str(library))
    if asks_for_keys(serving):
        if not any(key.revoked_at is None for key in KeyStore(settings.service_dir).all()):
            raise _no_keys(serving.host)
    elif not is_loopback(serving.host):
        say(f"braggle: everyone who can reach {serving.host} may use this service, without keys")
    if is_to_build:
        _build(library)
    run(settings)


def _build(library: Path) -> None:
    from data.bundled import bundled_stream
    from indexer import Library

    say(f"braggle: builds the bundled library at {library}, which takes some minutes")
    Library.build(bundled_stream(), library)


def _no_keys(host: str) -> Exception:
    from data.errors import BraggleError

    return BraggleError(
        f"{host}: the service asks for keys and there are none; make one with `braggle keys add "
        "NAME`, or say --without-keys"
    )
