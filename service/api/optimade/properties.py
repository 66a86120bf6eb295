"""The properties of structures: what is answered, what may be asked about, and by which column."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from optimade.models import StructureResource, StructureResourceAttributes

from indexer.conditions import Column, Constant, Operand
from indexer.profiles import POWDER, SHEETS, Profile

PREFIX = "braggle"
OWN = f"_{PREFIX}_"
ENTRY_TYPE = "structures"

Kind = Literal["text", "number", "time", "texts", "numbers", "anything"]
"""Of values that are compared; an unknown value is anything."""

Type = Literal["string", "integer", "float", "timestamp", "list"]

_KINDS: dict[Type, Kind] = {
    "string": "text",
    "integer": "number",
    "float": "number",
    "timestamp": "time",
}


@dataclass(frozen=True)
class Property:
    """One property of structures.

    Attributes:
        name: as OPTIMADE calls it.
        type: OPTIMADE's, of a list its outermost.
        kind: what it can be compared with.
        operand: what filters compare; None where they cannot.
        description: for `info`.
        unit: of its numbers.
    """

    name: str
    type: Type
    kind: Kind
    operand: Operand | None
    description: str
    unit: str | None = None

    @property
    def sort_column(self) -> Column | None:
        """What sorts by it; lists and what is the same for all do not."""
        scalar = self.kind in {"text", "number"}
        return self.operand if scalar and isinstance(self.operand, Column) else None


def properties(published_at: datetime, profile: Profile = POWDER) -> dict[str, Property]:
    """The properties of the structures of a library, by name.

    Args:
        published_at: when this version was, which is the last time that its entries may have
            changed.
        profile: of the library.
    """
    of_sheets = _OF_SHEETS if profile == SHEETS else ()
    known = {one.name: one for one in (*_STANDARD, *_OWN, *of_sheets)}
    known["type"] = _standard("type", "string", Constant(ENTRY_TYPE))
    known["last_modified"] = _standard("last_modified", "timestamp", Constant(published_at))
    return known


def unsupported(name: str) -> bool:
    """Whether OPTIMADE knows a property of structures that the library says nothing of."""
    return name in StructureResourceAttributes.model_fields


def _standard(
    name: str, type_: Type, operand: Operand | None, kind: Kind | None = None
) -> Property:
    fields = StructureResource.model_fields | StructureResourceAttributes.model_fields
    field = fields[name]
    extra = field.json_schema_extra
    unit = extra.get("x-optimade-unit") if isinstance(extra, dict) else None
    about = field.description or ""
    return Property(
        name,
        type_,
        kind or _KINDS.get(type_, "texts"),
        operand,
        about,
        unit if isinstance(unit, str) else None,
    )


def _own(name: str, column: str, type_: Type, about: str, unit: str | None = None) -> Property:
    kind = _KINDS.get(type_, "texts")
    return Property(f"{OWN}{name}", type_, kind, Column(column), about, unit)


_STANDARD = (
    _standard("id", "string", Column("id")),
    _standard("immutable_id", "string", Column("id")),
    _standard("elements", "list", Column("elements")),
    _standard("nelements", "integer", Column("n_elements")),
    _standard("elements_ratios", "list", Column("ratios"), "numbers"),
    _standard("chemical_formula_descriptive", "string", Column("formula")),
    _standard("chemical_formula_reduced", "string", Column("reduced")),
    _standard("chemical_formula_hill", "string", Column("hill")),
    _standard("chemical_formula_anonymous", "string", Column("anonymous")),
    _standard("dimension_types", "list", Constant((1, 1, 1)), "numbers"),
    _standard("nperiodic_dimensions", "integer", Constant(3)),
    _standard("space_group_it_number", "integer", Column("space_group_number")),
    _standard("space_group_symbol_hermann_mauguin", "string", Column("hermann_mauguin")),
    _standard("nsites", "integer", Column("n_sites")),
    _standard("structure_features", "list", Column("features")),
    _standard("lattice_vectors", "list", None),
    _standard("cartesian_site_positions", "list", None),
    _standard("species", "list", None),
    _standard("species_at_sites", "list", None),
)

_OF_SHEETS = (
    _standard("dimension_types", "list", None, "numbers"),
    _standard("nperiodic_dimensions", "integer", Constant(2)),
    _standard("space_group_it_number", "integer", Constant(None)),
)
"""In place of those above. Which axis is not repeated along differs; OPTIMADE wants no number of
what has fewer than three that are.
"""

_OWN = (
    _own("names", "names", "list", "What the sources call it: minerals, compounds."),
    _own("space_group", "space_group", "string", "Symbol of the space group, without blanks."),
    _own("cell_volume", "volume_angstrom3", "float", "Of the conventional cell.", "Å^3"),
    _own("density", "density_g_cm3", "float", "From the cell and what it holds.", "g/cm^3"),
    _own("sources", "collections", "list", "Collections that it was read from, such as amcsd."),
    _own("identifiers", "identifiers", "list", "What its collections number it by."),
    _own("references", "citations", "list", "Where it was published, a line each; please cite."),
    _own("licences", "licences", "list", "Terms of its sources."),
)
