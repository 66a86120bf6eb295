"""Templates with what their members are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from indexer.entry import Entry
from indexer.library import Library
from indexer.templates.shapes import Framework, Kind
from indexer.templates.template import INTERVAL_DEG, Template


@dataclass(frozen=True, eq=False)
class TemplateRow:
    """A template, and its members in the same order."""

    template: Template
    entries: tuple[Entry, ...]

    @property
    def formulas(self) -> dict[str, int]:
        """Members by formula, the most frequent first."""
        return dict(Counter(entry.formula for entry in self.entries).most_common())

    @property
    def classes(self) -> str:
        """What the members agree in, in a few words."""
        template, shape = self.template, self.template.shape
        if isinstance(shape, Framework):
            marked = _counted(len(shape.coordinates), shape.marker)
            return f"{marked}, {_counted(shape.non_metals, 'non-metal')}"
        return f"{shape.marker} with {_counted(len(template.coordinates) - 1, 'non-metal')}"


@dataclass(frozen=True, eq=False)
class Listing:
    """Templates of a library, those with most members first.

    Attributes:
        library, version, entries: which library.
        total: templates of it, by kind.
        covered: entries that are in one.
        rows: those that are listed.
    """

    library: str
    version: int
    entries: int
    total: dict[str, int]
    covered: int
    rows: tuple[TemplateRow, ...]

    @property
    def asked(self) -> int:
        """Templates that could be listed."""
        return sum(self.total.values())

    @property
    def counts(self) -> str:
        """How many of each kind, in words."""
        return ", ".join(f"{count} {kind}" for kind, count in self.total.items()) or "none"


def list_templates(
    library: Library, *, kind: Kind | None = None, most: int | None = None
) -> Listing:
    """Templates with most members.

    Args:
        library: opened.
        kind: only these.
        most: at most so many; all when None.

    Raises:
        LibraryError: the library has no templates as they are made now.
    """
    asked = [one for one in library.templates if kind in (None, one.kind)]
    listed = sorted(asked, key=lambda one: -len(one.members))[:most]
    rows = {member: library.row(member) for one in listed for member in one.members}
    entries = dict(zip(rows, library.entries(list(rows.values())), strict=True))
    return Listing(
        library=str(library.path),
        version=library.version,
        entries=len(library),
        total=dict(sorted(Counter(one.kind for one in asked).items())),
        covered=len({member for one in asked for member in one.members}),
        rows=tuple(TemplateRow(one, tuple(entries[m] for m in one.members)) for one in listed),
    )


def answer(listing: Listing) -> dict[str, Any]:
    """The document of `braggle library templates --json`. Lengths in Å, angles in degrees."""
    return {
        "library": {
            "path": listing.library,
            "version": listing.version,
            "entries": listing.entries,
        },
        "total": listing.total,
        "covered_entries": listing.covered,
        "templates": [_document(row) for row in listing.rows],
    }


def interval_words(template: Template) -> str:
    """Where the strongest peak is, such as "27.4 – 27.5"."""
    return f"{template.two_theta_deg:.1f} – {template.two_theta_deg + INTERVAL_DEG:.1f}"


def formulas_words(row: TemplateRow, most: int) -> str:
    """The most frequent formulas of the members, and how many more there are."""
    formulas: Sequence[str] = list(row.formulas)
    shown = ", ".join(formulas[:most])
    return f"{shown} and {len(formulas) - most} more" if len(formulas) > most else shown


def _document(row: TemplateRow) -> dict[str, Any]:
    template, shape = row.template, row.template.shape
    document: dict[str, Any] = {
        "id": template.id,
        "kind": template.kind,
        "interval": template.interval,
        "two_theta_deg": round(template.two_theta_deg, 1),
        "members": [{"id": one.id, "formula": one.formula} for one in row.entries],
        "classes": list(template.classes),
        "coordinates": template.coordinates.tolist(),
        "size_angstrom": shape.size_angstrom,
    }
    if isinstance(shape, Framework):
        document |= {"lattice": shape.lattice.tolist(), "non_metals": shape.non_metals}
    return document


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
