"""What structure databases say of an entry, as columns that `indexer.conditions` may ask about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import gemmi
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.canonical import crystal_system
from data.formula import (
    alphabetical_formula,
    anonymous_formula,
    hill_formula,
    is_whole,
    whole_amounts,
)
from indexer.schema import flat

FULL = 0.999
"""From this occupancy on a site counts as full."""

STRUCTURE_COLUMNS = (
    "id",
    "formula",
    "elements",
    "amounts",
    "space_group_number",
    "space_group",
    "volume_angstrom3",
    "density_g_cm3",
    "n_atoms",
    "occupancies",
    "fractional",
)

STRUCTURES = """
    CREATE TABLE structures AS
    WITH said AS (
        SELECT id,
               list_distinct(flatten(list(names))) AS names,
               list_sort(list_distinct(list(collection))) AS collections,
               list_sort(list_distinct(list(identifier))) AS identifiers,
               list_sort(list_distinct(list(reference))) AS citations,
               list_sort(list_distinct(list(licence))) AS licences
        FROM arrow_sources GROUP BY id
    )
    SELECT arrow_structures.*,
           list_sort(coalesce(names, [])) AS names,
           coalesce(collections, []) AS collections,
           coalesce(identifiers, []) AS identifiers,
           list_filter(coalesce(citations, []), lambda x: x <> '') AS citations,
           list_filter(coalesce(licences, []), lambda x: x <> '') AS licences
    FROM arrow_structures LEFT JOIN said USING (id)
"""
"""Makes the table of arrow's `arrow_structures` and `arrow_sources`."""


def structures_table(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """What can be said of each entry, given its `STRUCTURE_COLUMNS`, in row order.

    `formula` is the house's; `reduced`, `hill` and `anonymous` have whole numbers, `hill` only
    where the cell's content is whole; `ratios` are of the atoms by `elements`, `n_sites` counts
    places in the conventional cell however many elements share them, and `features` is
    ["disorder"] where a site is shared or not full, else empty.
    """
    tables = []
    first = 0
    for batch in batches:
        tables.append(_described(batch, first))
        first += len(batch)
    return pa.concat_tables(tables)


def _described(batch: pa.RecordBatch, first: int) -> pa.Table:
    sites, disordered = _sites(batch)
    elements = batch["elements"].to_pylist()
    compositions = [
        dict(zip(symbols, amounts, strict=True))
        for symbols, amounts in zip(elements, batch["amounts"].to_pylist(), strict=True)
    ]
    numbers = [whole_amounts(one) for one in compositions]
    hill = [
        hill_formula(number) if is_whole(composition) else None
        for number, composition in zip(numbers, compositions, strict=True)
    ]
    groups = batch["space_group_number"].to_pylist()
    kept = ("id", "formula", "elements", "space_group", "volume_angstrom3", "density_g_cm3")
    return pa.table(
        {
            "row": pa.array(np.arange(first, first + len(batch), dtype=np.int64)),
            **{name: batch[name] for name in kept},
            "space_group_number": pa.array(groups, pa.int64()),
            "hermann_mauguin": pa.array([hermann_mauguin(one) for one in groups], pa.string()),
            "reduced": pa.array([alphabetical_formula(one) for one in numbers], pa.string()),
            "hill": pa.array(hill, pa.string()),
            "anonymous": pa.array([anonymous_formula(one) for one in numbers], pa.string()),
            "ratios": pa.array([_shares(one) for one in compositions], pa.list_(pa.float64())),
            "n_elements": pa.array([len(one) for one in elements], pa.int64()),
            "n_sites": pa.array(sites, pa.int64()),
            "features": pa.array(
                [["disorder"] if one else [] for one in disordered], pa.list_(pa.string())
            ),
        }
    )


def _sites(batch: pa.RecordBatch) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Places in each cell, and whether one of them is shared or not full. Shape (N,) each.

    Rows of one place have exactly the same coordinates.
    """
    counts = flat(batch["n_atoms"]).astype(np.int64)
    entry = np.repeat(np.arange(len(counts)), counts)
    fractional = flat(batch["fractional"]).reshape(-1, 3)
    order = np.lexsort((*fractional.T, entry))
    begins = np.ones(len(order), dtype=bool)
    same = (fractional[order][1:] == fractional[order][:-1]).all(axis=1)
    begins[1:] = ~(same & (entry[order][1:] == entry[order][:-1]))
    sites = np.bincount(entry[order][begins], minlength=len(counts))
    partial = np.bincount(entry[flat(batch["occupancies"]) < FULL], minlength=len(counts))
    return sites, (sites < counts) | (partial > 0)


def _shares(composition: Mapping[str, float]) -> list[float]:
    total = sum(composition.values())
    return [amount / total for amount in composition.values()]


@cache
def hermann_mauguin(number: int) -> str:
    """Short symbol of the standard setting with blanks, such as "P 21/c" or "F m -3 m"."""
    parts = str(gemmi.find_spacegroup_by_number(number).hm).split()
    if crystal_system(number) == "monoclinic":
        parts = [part for part in parts if part != "1"]
    return " ".join(parts)
