"""The AFLOW crystallographic prototypes, each the real crystal that gave its type the name."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from data.crystal import Crystal
from data.errors import CrystalError
from data.formula import reduced_formula
from data.record import Problem, Record, Source

COLLECTION = "aflow"
LICENCE = "MIT"
LIBRARY_REFERENCE = "Mehl et al., Comput. Mater. Sci. 136 (2017) S1-S828"


def read_aflow(compressed_json: bytes) -> Iterator[Record | Problem]:
    """Read pymatgen's `aflow_prototypes.json.gz`.

    The prototype's label names its space group, and with the formula identifies it.
    """
    taken: dict[str, int] = {}
    for index, entry in enumerate(json.loads(gzip.decompress(compressed_json))):
        label = entry["tags"]["aflow"]
        try:
            crystal = _crystal(entry["snl"], int(label.split("_")[2]))
        except (CrystalError, ValueError, IndexError, KeyError) as error:
            yield Problem(f"{COLLECTION} {index}, {label}", 0, f"{error}")
            continue
        identifier = f"{label}:{reduced_formula(crystal.composition)}"
        taken[identifier] = taken.get(identifier, 0) + 1
        if taken[identifier] > 1:
            identifier += f":{taken[identifier]}"
        reference = _reference(entry["snl"]["about"]["references"])
        source = Source(COLLECTION, identifier, reference, LICENCE)
        yield Record(crystal, _names(entry["tags"]), source)


def _crystal(structure: dict[str, Any], space_group_number: int) -> Crystal:
    species = [(site, share) for site in structure["sites"] for share in site["species"]]
    fractional = np.array([site["abc"] for site, _ in species], dtype=np.float64)
    return Crystal(
        lattice=np.array(structure["lattice"]["matrix"], dtype=np.float64),
        species=tuple(share["element"] for _, share in species),
        occupancies=np.array([share["occu"] for _, share in species], dtype=np.float64),
        fractional=np.maximum(fractional - np.floor(fractional + 1e-9), 0.0),
        u_iso_angstrom2=np.full(len(species), np.nan),
        space_group_number=space_group_number,
    )


def _names(tags: dict[str, str]) -> tuple[str, ...]:
    """Minerals that the type is named after, then its Strukturbericht symbol."""
    names = [name.strip() for name in tags["mineral"].split(",")]
    if tags["strukturbericht"] != "None":
        names.append(f"{tags['strukturbericht']} type")
    return tuple(name for name in names if name)


def _reference(bibtex: str) -> str:
    """The crystal's own paper in one line, then the library's."""
    first = bibtex.split("@article")[1]
    field = {key: " ".join(value.split()) for key, value in re.findall(r'(\w+) = "([^"]*)"', first)}
    authors = field.get("author", "").split(" and ")
    who = authors[0] + (" et al." if len(authors) > 1 else "")
    where = f"{field.get('journal')} {field.get('volume')} ({field.get('year')}) "
    paper = f"{who}, {where}{field.get('page_first')}"
    return LIBRARY_REFERENCE if "None" in where else f"{paper}; {LIBRARY_REFERENCE}"
