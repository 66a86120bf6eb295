"""The command line reference of the user guide, made from the commands themselves.

python -m service.reference > docs/command-line.md
"""

from __future__ import annotations

from collections.abc import Iterator

import typer
from typer.core import TyperGroup

WIDTH = 92

HEAD = """\
# Command line

Every verb takes `--json`: one JSON document on stdout, and everything else on stderr. Where a file
is read, `-` means stdin. The exit status is 0 on success, 1 on failure, with one line on stderr
that names the file, what is wrong and what to do, and 2 on bad usage.

| variable | meaning |
|---|---|
| `BRAGGLE_LIBRARY` | the library that is meant when none is named: a path, or a bare name |
| `BRAGGLE_DATA_DIR` | the folder of libraries with bare names, else in the per-user data folder |
| `BRAGGLE_DEBUG` | `1` shows the traceback of an unexpected error |
| `BRAGGLE_SERVE_...` | how the library is served: [Service](service.md#for-those-who-run-it) |
"""


def reference() -> str:
    """The page, in Markdown."""
    from service.cli import app

    return "\n".join([HEAD, *_sections(typer.main.get_command(app), "braggle")])


def _sections(command: object, path: str) -> Iterator[str]:
    """A section for each verb; of a group, for each of its verbs."""
    if not isinstance(command, TyperGroup):
        raise TypeError(f"{path} is no group of commands")
    for name, child in command.commands.items():
        full = f"{path} {name}"
        if isinstance(child, TyperGroup):
            yield from _sections(child, full)
            continue
        with child.make_context(
            full, ["--help"], resilient_parsing=True, terminal_width=WIDTH
        ) as context:
            yield f"## {full}\n\n```text\n{child.get_help(context).rstrip()}\n```\n"


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - this is what it is run for
