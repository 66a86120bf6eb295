"""Entries as OPTIMADE resources."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from data.crystal import Crystal
from data.sheets import axis_across
from indexer.conditions import Column, Constant
from indexer.entry import Entry
from indexer.structures import FULL
from service.api.optimade.properties import ENTRY_TYPE, Property

_GEOMETRY = frozenset(
    {"lattice_vectors", "cartesian_site_positions", "species_at_sites", "species"}
)
_TOP = frozenset({"id", "type"})


def resource(
    entry: Entry,
    facts: Mapping[str, Any],
    known: Mapping[str, Property],
    wanted: Collection[str] | None,
) -> dict[str, Any]:
    """One entry.

    Args:
        entry: which.
        facts: its columns of `indexer.conditions`.
        known: properties by name.
        wanted: names of properties, those that are not known being null; None for all known.
    """
    names = known if wanted is None else wanted
    geometry = _geometry(entry.crystal) if _GEOMETRY & set(names) else {}
    attributes: dict[str, Any] = {}
    for name in names:
        if name in _TOP:
            continue
        operand = known[name].operand if name in known else Constant(None)
        match operand:
            case Column(column):
                attributes[name] = facts[column]
            case Constant(value):
                attributes[name] = _written(value)
            case None if name == "dimension_types":
                across = axis_across(entry.crystal)
                attributes[name] = [int(axis != across) for axis in range(3)]
            case None:
                attributes[name] = geometry[name]
    return {"id": entry.id, "type": ENTRY_TYPE, "attributes": attributes}


def _written(value: object) -> object:
    """A value as JSON has it; a time without a plus sign, which is a blank in addresses."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return list(value) if isinstance(value, tuple) else value


def _geometry(crystal: Crystal) -> dict[str, Any]:
    """Cell and sites. Rows at exactly one place are one site, with one species for its elements."""
    sites: dict[tuple[float, ...], dict[str, float]] = {}
    for place, symbol, occupancy in zip(
        crystal.fractional.tolist(), crystal.species, crystal.occupancies.tolist(), strict=True
    ):
        there = sites.setdefault(tuple(place), {})
        there[symbol] = there.get(symbol, 0.0) + occupancy
    species: dict[str, dict[str, Any]] = {}
    at_sites = []
    for shares in sites.values():
        one = _species(shares)
        species[one["name"]] = one
        at_sites.append(one["name"])
    return {
        "lattice_vectors": crystal.lattice.tolist(),
        "cartesian_site_positions": (np.array(list(sites)) @ crystal.lattice).tolist(),
        "species_at_sites": at_sites,
        "species": list(species.values()),
    }


def _species(shares: Mapping[str, float]) -> dict[str, Any]:
    """What is at a site; what its elements leave is vacant."""
    if len(shares) == 1 and min(shares.values()) >= FULL:
        (symbol,) = shares
        return {"name": symbol, "chemical_symbols": [symbol], "concentration": [1.0]}
    symbols, amounts = list(shares), list(shares.values())
    vacant = 1.0 - sum(amounts)
    if vacant > 1.0 - FULL:
        symbols.append("vacancy")
        amounts.append(vacant)
    name = "".join(f"{symbol}{amount:.4g}" for symbol, amount in shares.items())
    return {"name": name, "chemical_symbols": symbols, "concentration": amounts}
