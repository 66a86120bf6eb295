"""`braggle keys`: who may use the service."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import Json, verb
from service.terminal import emit, say, show

if TYPE_CHECKING:
    from service.api.keys import KeyStore

app = typer.Typer(
    name="keys",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make keys for the service, and take them back.",
)


@app.command()
@verb
def add(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    *,
    scope: Annotated[
        str,
        typer.Option(help="read looks up, write adds crystals, too, admin may do everything."),
    ] = "read",
    json: Json = False,
) -> None:
    """Make a key; it is shown once and stored as a hash only."""
    key, secret = _store().add(name, scope)
    if json:
        emit({**asdict(key), "key": secret})
        return
    show(secret)
    say(f"braggle: key {key.id} for {name} with the scope {scope}; it is not shown again")


@app.command("list")
@verb
def list_keys(*, json: Json = False) -> None:
    """Show which keys there are."""
    keys = _store().all()
    if json:
        emit([asdict(key) for key in keys])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("key", "name", "scope", "made", "revoked"):
        table.add_column(heading)
    for key in keys:
        table.add_row(key.id, key.name, key.scope, key.made_at, key.revoked_at or "")
    show(table)


@app.command()
@verb
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As `braggle keys list` names it.")],
    *,
    json: Json = False,
) -> None:
    """Refuse a key from now on."""
    revoked = _store().revoke(key)
    if json:
        emit(asdict(revoked))
    else:
        show(f"key {revoked.id} of {revoked.name} is refused since {revoked.revoked_at}")


def _store() -> KeyStore:
    from service.api.keys import KeyStore
    from service.settings import Settings

    return KeyStore(Settings.load().service_dir)
