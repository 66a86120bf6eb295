"""What the commands have in common that make coefficients and write them beside their module."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from indexer.library import Library


def parser_of(doc: str | None, into: Path) -> argparse.ArgumentParser:
    """Options of all of them.

    Args:
        doc: of the module; its first line describes the command.
        into: where the coefficients go unless said otherwise.
    """
    parser = argparse.ArgumentParser(description=(doc or "").split("\n", 1)[0])
    parser.add_argument("--library", required=True, help="a library of the bundled crystals")
    parser.add_argument("--exclude", type=Path, help="reduced formulas that are not to be used")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", type=Path, default=into)
    return parser


def excluded_by(options: argparse.Namespace) -> set[str]:
    """Formulas of the file that was named."""
    return set(options.exclude.read_text().split()) if options.exclude else set()


def write_coefficients(
    options: argparse.Namespace, library: Library, excluded: set[str], made: Mapping[str, Any]
) -> None:
    """Write them with how they were made, and show them.

    Args:
        options: of `parser_of`.
        library: that was used.
        excluded: formulas that were not.
        made: coefficients, what made them, and how well they do.
    """
    content = {
        **made,
        "seed": options.seed,
        "library_entries": len(library),
        "excluded_formulas": len(excluded),
    }
    text = json.dumps(content, indent=2) + "\n"
    options.into.write_text(text)
    sys.stdout.write(text)
