"""The American Mineralogist Crystal Structure Database, as the package xraylarch ships it.

R. T. Downs and M. Hall-Wallace, *American Mineralogist* 88 (2003) 247-250. The SQLite file
stores sites as base64 of little-endian int32, the value times four million.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.canonical import standardize
from data.cif_symmetry import from_operations, metric_lattice
from data.crystal import Crystal
from data.errors import CrystalError
from data.record import Problem, Record, Source
from data.sites import element_of, equivalent_displacements, grouped, orbits

COLLECTION = "amcsd"
LICENCE = "no licence text; cite Downs & Hall-Wallace (2003) and the paper"
LIBRARY_REFERENCE = "Downs & Hall-Wallace, American Mineralogist 88 (2003) 247-250"

MAX_ATOMS = 10_000

_SCALE = 4e6
_UNKNOWN = (2.0, 3.0)
"""How the database writes "?" and "."."""

_ABSENT = ("0", "<missing>", '"<missing>"', "", None)

_PAIRS = ("11", "22", "33", "12", "13", "23")
_CELL = ("a", "b", "c", "alpha", "beta", "gamma")

_QUERY = """
select c.id, m.name as mineral, c.formula, c.compound, c.formula_title, s.symmetry_xyz,
    c.a, c.b, c.c, c.alpha, c.beta, c.gamma, c.atoms_sites, c.atoms_x, c.atoms_y, c.atoms_z,
    c.atoms_occupancy, c.atoms_u_iso, c.atoms_aniso_label, c.atoms_aniso_u11, c.atoms_aniso_u22,
    c.atoms_aniso_u33, c.atoms_aniso_u12, c.atoms_aniso_u13, c.atoms_aniso_u23,
    p.journalname, p.volume, p.year, p.page_first, p.page_last,
    (select group_concat(name, '; ') from (
        select a.name from publication_authors pa join authors a on a.id = pa.author_id
        where pa.publication_id = p.id order by pa.rowid)) as authors
from cif c join minerals m on m.id = c.mineral_id join spacegroups s on s.id = c.spacegroup_id
    join publications p on p.id = c.publication_id
order by c.id
"""


def read_amcsd(content: bytes) -> Iterator[Record | Problem]:
    """Every entry of the database, a SQLite file, in the order of its codes.

    The operations that the entry lists win over its symbol. Hydrogen that was not located
    (water and hydroxyl written as their oxygen) is not there.

    Raises:
        CrystalError: the content is not this database.
    """
    for row in _rows(content):
        code = f"{row['id']:07d}"
        try:
            crystal = _crystal(row)
        except (CrystalError, ValueError, TypeError, binascii.Error) as error:
            yield Problem(f"{COLLECTION} {code}, {row['mineral']}", 0, str(error))
            continue
        yield Record(crystal, _names(row), Source(COLLECTION, code, _reference(row), LICENCE))


def _rows(content: bytes) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.row_factory = sqlite3.Row
        try:
            database.deserialize(content)
            return database.execute(_QUERY).fetchall()
        except sqlite3.Error as error:
            raise CrystalError(f"not the AMCSD database of xraylarch: {error}") from None


def _crystal(row: sqlite3.Row) -> Crystal:
    labels = json.loads(row["atoms_sites"])
    if not isinstance(labels, list):
        raise CrystalError("no atom sites")
    among = frozenset(re.findall("[A-Z][a-z]?", row["formula"]))
    elements = [element_of(label, among=among) for label in labels]
    if strange := [label for label, element in zip(labels, elements, strict=True) if not element]:
        raise CrystalError(f"site label {strange[0]!r} names no element")
    lattice = metric_lattice([_decimal(row[name]) for name in _CELL])
    sites = np.column_stack([_numbers(row[f"atoms_{axis}"], len(labels)) for axis in "xyz"])
    symmetry = from_operations(tuple(json.loads(row["symmetry_xyz"])))
    positions, site_of = orbits(
        sites, (symmetry.rotations, symmetry.translations), lattice, limit=MAX_ATOMS
    )
    shares = _occupancies(row["atoms_occupancy"], len(labels))[site_of]
    there = shares > 0
    positions, site_of, shares = positions[there], site_of[there], shares[there]
    crystal = Crystal(
        lattice=lattice,
        species=tuple(str(elements[site]) for site in site_of),
        occupancies=shares / _overfilled(positions, shares, lattice),
        fractional=positions,
        u_iso_angstrom2=_displacements(row, labels, lattice)[site_of],
        space_group_number=symmetry.number or 1,
    )
    if symmetry.number:
        return crystal
    return replace(crystal, space_group_number=standardize(crystal).crystal.space_group_number)


def _overfilled(
    positions: NDArray[np.float64], shares: NDArray[np.float64], lattice: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many times over the site of each row is filled, at least one. Shape (n,).

    Thirty entries list an atom twice, or two atoms in one place without their shares.
    """
    site_of = grouped(positions, lattice)
    totals = np.bincount(site_of, weights=shares)
    return np.maximum(totals, 1.0)[site_of]


def _decimal(text: str) -> float:
    """A number of the cell; two entries hold a decimal comma, or a comma after it."""
    return float(text.strip(" ,").replace(",", "."))


def _numbers(text: str, count: int) -> NDArray[np.float64]:
    values = np.frombuffer(base64.b64decode(text + "=="), dtype="<i4") / _SCALE
    if len(values) != count:
        raise CrystalError(f"{len(values)} values for {count} sites")
    return values


def _occupancies(text: str | None, count: int) -> NDArray[np.float64]:
    if text in _ABSENT:
        return np.ones(count)
    values = _numbers(str(text), count)
    return np.where(np.isin(values, _UNKNOWN), 1.0, np.clip(values, 0.0, 1.0))


def _displacements(
    row: sqlite3.Row, labels: list[str], lattice: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Isotropic displacement of each site in Å², NaN where none is given or it is not positive.

    Where only an anisotropic one is given it is the equivalent of that.
    """
    u_iso = np.full(len(labels), np.nan)
    if row["atoms_aniso_label"] not in _ABSENT:
        names = json.loads(row["atoms_aniso_label"])
        columns = [_numbers(row[f"atoms_aniso_u{pair}"], len(names)) for pair in _PAIRS]
        tensors = np.column_stack(columns)
        tensors[np.isin(tensors, _UNKNOWN)] = np.nan
        equivalent = equivalent_displacements(tensors, lattice)
        known = dict(zip(names, equivalent.tolist(), strict=True))
        u_iso = np.array([known.get(label, np.nan) for label in labels])
    if row["atoms_u_iso"] not in _ABSENT:
        stated = _numbers(row["atoms_u_iso"], len(labels))
        u_iso = np.where(np.isin(stated, _UNKNOWN), u_iso, stated)
    return np.where((u_iso > 0) & (u_iso < 1), u_iso, np.nan)


def _names(row: sqlite3.Row) -> tuple[str, ...]:
    names = (row["mineral"], row["formula_title"])
    return tuple(dict.fromkeys(name.strip() for name in names if name and name not in _ABSENT))


def _reference(row: sqlite3.Row) -> str:
    authors = (row["authors"] or "").split("; ")
    who = authors[0] if len(authors) == 1 else f"{authors[0]} et al."
    pages = "-".join(filter(None, (row["page_first"], row["page_last"])))
    return f"{who}, {row['journalname']} {row['volume']} ({row['year']}) {pages}"
