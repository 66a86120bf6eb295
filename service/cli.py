"""The command `braggle`. Nothing heavy is imported before a verb is run."""

from __future__ import annotations

from typing import Annotated

import typer

from service.commands import (
    agents,
    bench,
    demo,
    doctor,
    generate,
    keys,
    library,
    search,
    serve,
    similar,
    train,
)

app = typer.Typer(
    name="braggle",
    help="A powder X-ray diffraction pattern in, the named phase out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if wanted:
        from importlib.metadata import version

        typer.echo(f"braggle {version('braggle')}")
        raise typer.Exit


@app.callback()
def braggle(
    *,
    _version_wanted: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """A powder X-ray diffraction pattern in, the named phase out."""


app.command()(demo.demo)
app.add_typer(library.app)
app.command()(search.search)
app.command()(similar.similar)
app.command()(generate.generate)
app.command()(serve.serve)
app.command()(agents.mcp)
app.add_typer(keys.app)
app.add_typer(train.app)
app.add_typer(bench.app)
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line and exit with its status."""
    app(prog_name="braggle")
