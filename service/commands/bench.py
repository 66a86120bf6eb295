"""`braggle bench`: what is measured, each figure beside its reference in the same run."""

from __future__ import annotations

import typer

app = typer.Typer(name="bench", no_args_is_help=True, rich_markup_mode=None, help="Measure.")
