"""Made-up entries, each with what OPTIMADE should say of it, worked out without the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from data.canonical import space_group_symbol
from data.crystal import Crystal
from data.formula import density_g_cm3, reduced_formula
from data.record import Source
from indexer.catalogue import FACTS_COLUMNS, SOURCES_COLUMNS, Catalogue
from indexer.entry import Entry
from indexer.schema import ENTRIES_SCHEMA, SOURCES_SCHEMA, crystal_columns
from indexer.structures import STRUCTURE_COLUMNS

PUBLISHED_AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
ELEMENTS = ("C", "H", "O", "Si", "Pb")
NAMES = ("rutile", 'a "b" \\', "Quarz β", "100%", "")

_shares = st.dictionaries(
    st.sampled_from(ELEMENTS), st.sampled_from([1.0, 0.5, 0.25]), min_size=1, max_size=2
).filter(lambda shares: sum(shares.values()) <= 1.0)


@dataclass(frozen=True)
class Made:
    """An entry: what is at each of its sites, and what its one source calls it."""

    sites: tuple[tuple[tuple[str, float], ...], ...]
    names: tuple[str, ...]
    group: int
    edge: float

    @property
    def crystal(self) -> Crystal:
        rows = [(i, *share) for i, site in enumerate(self.sites) for share in site]
        places = np.array([[i / 16, 0.25, 0.0] for i, _, _ in rows])
        return Crystal(
            np.eye(3) * self.edge,
            tuple(symbol for _, symbol, _ in rows),
            np.array([occupancy for _, _, occupancy in rows]),
            places,
            np.full(len(rows), np.nan),
            self.group,
        )

    def source(self, number: int) -> Source:
        return Source("toy", f"no. {number}", "On things", "" if number % 2 else "CC0-1.0")

    def entry(self, number: int) -> Entry:
        crystal = self.crystal
        composition = crystal.composition
        return Entry(
            id=f"{number:020x}",
            crystal=crystal,
            names=self.names,
            formula=reduced_formula(composition),
            elements=tuple(sorted(composition)),
            space_group_number=self.group,
            space_group=space_group_symbol(self.group),
            density_g_cm3=density_g_cm3(crystal),
            sources=(self.source(number),),
        )

    def said(self, number: int) -> dict[str, Any]:
        """Properties that filters may ask about, by name."""
        entry = self.entry(number)
        composition = entry.crystal.composition
        total = sum(composition.values())
        partial = any(len(site) > 1 or site[0][1] < 1 for site in self.sites)
        licence = self.source(number).licence
        return {
            "id": entry.id,
            "type": "structures",
            "immutable_id": entry.id,
            "last_modified": PUBLISHED_AT,
            "elements": list(entry.elements),
            "nelements": len(entry.elements),
            "elements_ratios": [composition[symbol] / total for symbol in entry.elements],
            "chemical_formula_descriptive": entry.formula,
            "nsites": len(self.sites),
            "nperiodic_dimensions": 3,
            "dimension_types": [1, 1, 1],
            "space_group_it_number": self.group,
            "structure_features": ["disorder"] if partial else [],
            "_braggle_names": sorted(set(self.names)),
            "_braggle_space_group": entry.space_group,
            "_braggle_cell_volume": entry.crystal.volume_angstrom3,
            "_braggle_density": entry.density_g_cm3,
            "_braggle_sources": ["toy"],
            "_braggle_identifiers": [f"no. {number}"],
            "_braggle_references": ["On things"],
            "_braggle_licences": [licence] if licence else [],
        }


made = st.builds(
    Made,
    st.lists(_shares.map(lambda shares: tuple(shares.items())), min_size=1, max_size=4).map(tuple),
    st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    st.sampled_from([1, 14, 62, 225]),
    st.sampled_from([4.0, 5.5, 9.25]),
)


def catalogue_of(entries: list[Made]) -> Catalogue:
    """What a library of them would have."""
    rows = []
    sources = []
    for number, one in enumerate(entries):
        entry = one.entry(number)
        composition = entry.crystal.composition
        rows.append(
            {
                "id": entry.id,
                "formula": entry.formula,
                "elements": list(entry.elements),
                "amounts": [composition[symbol] for symbol in entry.elements],
                "space_group": entry.space_group,
                "volume_angstrom3": entry.crystal.volume_angstrom3,
                "density_g_cm3": entry.density_g_cm3,
                "n_atoms": len(entry.crystal),
                **crystal_columns(entry.crystal),
            }
        )
        source = one.source(number)
        sources.append(
            {
                "id": entry.id,
                "collection": source.collection,
                "identifier": source.identifier,
                "reference": source.reference,
                "licence": source.licence,
                "names": list(one.names),
            }
        )
    return Catalogue(
        pa.Table.from_pylist(rows, pa.schema([ENTRIES_SCHEMA.field(n) for n in FACTS_COLUMNS])),
        lambda: pa.Table.from_pylist(
            sources, pa.schema([SOURCES_SCHEMA.field(n) for n in SOURCES_COLUMNS])
        ),
        lambda: pa.Table.from_pylist(
            rows, pa.schema([ENTRIES_SCHEMA.field(n) for n in STRUCTURE_COLUMNS])
        ).to_batches(max_chunksize=3),
    )
