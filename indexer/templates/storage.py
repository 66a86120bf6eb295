"""The table `templates`: a log whose rows found a template, or add members to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from indexer.schema import ENTRIES
from indexer.tables import Reader, present
from indexer.templates.shapes import Framework, Polyhedron, Shape
from indexer.templates.template import INTERVALS, LEAST_MEMBERS, Template

TEMPLATES = "templates"

MADE_BY, VERSION = b"made_by", b"1"
"""Said in the table's metadata; counts up when the same entries would make other templates."""

TEMPLATES_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("interval", pa.int16(), nullable=False),
        pa.field("members", pa.list_(pa.string()), nullable=False),
        # Rows that add members have none of what follows.
        pa.field("marker", pa.string()),
        pa.field("lattice", pa.list_(pa.float64())),
        pa.field("coordinates", pa.list_(pa.float64())),
        pa.field("size_angstrom", pa.float64()),
        pa.field("non_metals", pa.int32()),
        pa.field("pattern_intervals", pa.list_(pa.int16())),
        pa.field("pattern_values", pa.list_(pa.float32())),
    ],
    metadata={MADE_BY: VERSION},
)


LOG_COLUMNS = ("id", "members", "marker")
"""What of the log says who its members are; rows that found a template have a marker."""


def holds_templates(reader: Reader) -> bool:
    """Whether a library has templates, as they are made now."""
    return reader.metadata(TEMPLATES).get(MADE_BY) == VERSION


def log(before: Sequence[Template], after: Sequence[Template]) -> pa.Table:
    """Rows that lead from one state of a collection to a later one."""
    known = {template.id: len(template.members) for template in before}
    return pa.Table.from_pylist(list(_rows(known, after)), TEMPLATES_SCHEMA)


def known_templates(reader: Reader, intervals: Iterable[int] | None = None) -> list[Template]:
    """The collection of a library that holds one, or what of it is in some intervals.

    Members that were taken out of the library are left out, and so are templates that have too
    few others.

    Raises:
        LibraryError: the table is damaged.
    """
    names = TEMPLATES_SCHEMA.names
    if intervals is None:
        log = reader.table(TEMPLATES, names)
    else:
        wanted = ", ".join(map(str, intervals)) or "-1"  # `interval` is a word of SQL, too
        log = reader.where(TEMPLATES, f"`interval` IN ({wanted})", names)
    with reader.damage(TEMPLATES):
        templates = templates_of(log)
    ids = reader.table(ENTRIES, ["id"])["id"]
    every = {member for one in templates for member in one.members}
    gone = every - present(ids, every)
    left = (_without(one, gone) for one in templates)
    return [one for one in left if len(one.members) >= LEAST_MEMBERS]


def _without(template: Template, gone: AbstractSet[str]) -> Template:
    if gone.isdisjoint(template.members):
        return template
    return replace(template, members=tuple(one for one in template.members if one not in gone))


def templates_of(table: pa.Table) -> tuple[Template, ...]:
    """The collection that a log leads to.

    Raises:
        ValueError: a template is founded twice, or gets members before it is founded.
    """
    templates: dict[str, Template] = {}
    for row in table.to_pylist():
        known, members = templates.get(row["id"]), tuple(row["members"])
        if (known is None) is (row["marker"] is None):
            raise ValueError(f"template {row['id']} is founded twice or never")
        if known is None:
            templates[row["id"]] = _founded(row, members)
        else:
            templates[row["id"]] = replace(known, members=known.members + members)
    return tuple(templates.values())


def _rows(known: dict[str, int], after: Sequence[Template]) -> Iterator[dict[str, Any]]:
    for template in after:
        row = {"id": template.id, "kind": template.kind, "interval": template.interval}
        if template.id not in known:
            yield {**row, "members": template.members, **_content(template)}
        elif joined := template.members[known[template.id] :]:
            yield {**row, "members": joined}


def _content(template: Template) -> dict[str, Any]:
    shape = template.shape
    intervals = np.flatnonzero(template.pattern)
    row = {
        "marker": shape.marker,
        "coordinates": shape.coordinates.ravel(),
        "size_angstrom": shape.size_angstrom,
        "pattern_intervals": intervals.astype(np.int16),
        "pattern_values": template.pattern[intervals],
    }
    if isinstance(shape, Framework):
        row |= {"lattice": shape.lattice.ravel(), "non_metals": shape.non_metals}
    return row


def _founded(row: dict[str, Any], members: tuple[str, ...]) -> Template:
    pattern = np.zeros(INTERVALS, np.float32)
    pattern[row["pattern_intervals"]] = row["pattern_values"]
    return Template(row["id"], row["kind"], row["interval"], members, pattern, _shape(row))


def _shape(row: dict[str, Any]) -> Shape:
    coordinates = np.array(row["coordinates"], dtype=np.float64).reshape(-1, 3)
    if row["kind"] == "local":
        return Polyhedron(row["marker"], coordinates, row["size_angstrom"])
    lattice = np.array(row["lattice"], dtype=np.float64).reshape(3, 3)
    return Framework(row["marker"], lattice, coordinates, row["size_angstrom"], row["non_metals"])
