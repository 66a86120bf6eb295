"""The atoms of a CIF block: its sites, multiplied by the symmetry, merged where they coincide."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.cif_document import Block, BlockError, plain
from data.cif_symmetry import StatedSymmetry, metric_lattice
from data.sites import element_of, equivalent_displacements, grouped, orbits

MAX_ATOMS = 20_000
MAX_LABEL = 200
MAX_SITE_OCCUPANCY = 1.1
"""Rounding and refinement bring a full site a little above one, not further."""

_log = logging.getLogger(__name__)
_EIGHT_PI2 = 8 * math.pi**2
_CELL = (
    "_cell_length_a", "_cell_length_b", "_cell_length_c",
    "_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma",
)  # fmt: skip
_X, _Y, _Z = (f"_atom_site_fract_{axis}" for axis in "xyz")


@dataclass(frozen=True, eq=False)
class Sites:
    """Atom sites as a block lists them, without dummies and those not located.

    Attributes:
        labels: Length m.
        species: element symbols. Length m.
        occupancies: Shape (m,).
        fractional: Shape (m, 3).
        u_iso_angstrom2: NaN where not given. Shape (m,).
        where: file and block.
        line: of the file where the coordinates stand.
    """

    labels: list[str]
    species: list[str]
    occupancies: NDArray[np.float64]
    fractional: NDArray[np.float64]
    u_iso_angstrom2: NDArray[np.float64]
    where: str
    line: int


Rows = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]
"""Atoms of the cell: their positions (n, 3), their rows in `Sites` (n,), their occupancies (n,)."""


def has_structure(block: Block) -> bool:
    """Whether a block means to describe a crystal, not a publication or a powder pattern."""
    pattern = any(tag.startswith("_pd_") for tag in block.tags)
    return _X in block.tags or (bool(block.text(*_CELL)) and not pattern)


def read_lattice(block: Block) -> NDArray[np.float64]:
    """Rows a, b, c in Å. Shape (3, 3). Angles that are not given are right ones.

    Raises:
        BlockError: no lengths, or no cell that a crystal could have.
    """
    values = [_number(block.text(tag)) for tag in _CELL]
    lengths, angles = values[:3], [90.0 if math.isnan(v) else v for v in values[3:]]
    line = block.line_of(*_CELL)
    if any(math.isnan(length) for length in lengths):
        raise BlockError("no cell lengths; give _cell_length_a, _b and _c in Å", line)
    said = " ".join(f"{value:g}" for value in (*lengths, *angles))
    if not (all(0.5 < v < 1000 for v in lengths) and all(5 < v < 175 for v in angles)):
        raise BlockError(f"cell {said} is not one of a crystal; correct it (Å, degrees)", line)
    alpha, beta, gamma = (math.cos(math.radians(angle)) for angle in angles)
    if 1 - alpha**2 - beta**2 - gamma**2 + 2 * alpha * beta * gamma < 1e-4:
        raise BlockError(f"the angles of cell {said} enclose no volume; correct them", line)
    return metric_lattice((*lengths, *angles))


def _number(value: str) -> float:
    """A CIF number without its esd; also a fraction such as 1/3. NaN where it is neither."""
    number = gemmi.cif.as_number(value)
    if math.isnan(number) and (parts := re.fullmatch(r"(-?\d{1,9})/([1-9]\d{0,8})", value)):
        return int(parts[1]) / int(parts[2])
    return float(number)


def read_sites(block: Block, lattice: NDArray[np.float64]) -> Sites:
    """The atom sites of a block.

    Raises:
        BlockError: none, too many, or one whose element, position or occupancy makes no sense.
    """
    line = block.line_of(_X)
    count = block.rows(_X)
    if count > MAX_ATOMS:
        raise BlockError(
            f"{count} atom sites are more than {MAX_ATOMS}; give the conventional cell", line
        )
    axes = [block.beside(_X, tag) for tag in (_X, _Y, _Z)]
    if not count or any(axis is None for axis in axes):
        raise BlockError("no atom sites; give _atom_site_fract_x, _y and _z", line)
    positions = list(zip(*(axis for axis in axes if axis is not None), strict=True))
    labels = [
        _bounded(label, line) for label in block.beside(_X, "_atom_site_label") or [""] * count
    ]
    types = block.beside(_X, "_atom_site_type_symbol") or ["?"] * count
    occupancies = block.beside(_X, "_atom_site_occupancy") or ["1"] * count
    flags = block.beside(_X, "_atom_site_calc_flag") or [""] * count
    displacements = _displacements(block, labels, lattice)
    formula = frozenset(re.findall(r"[A-Z][a-z]?", block.text("_chemical_formula_sum")))
    kept: list[tuple[str, str, float, list[float], float]] = []
    for row, label in enumerate(labels):
        symbol = _symbol(types[row], label, formula, line)
        if symbol is None or flags[row] == "dum" or any(map(gemmi.cif.is_null, positions[row])):
            continue
        share = _share(occupancies[row], label, line)
        if share > 0:
            position = [_coordinate(value, label, line) for value in positions[row]]
            kept.append((label, symbol, share, position, displacements[row]))
    if not kept:
        raise BlockError("no atom site has an element and coordinates", line)
    names, species, shares, places, u_iso = (list(column) for column in zip(*kept, strict=True))
    return Sites(
        names, species, np.array(shares), np.array(places), np.array(u_iso), block.where, line
    )


def _symbol(kind: str, label: str, formula: frozenset[str], line: int) -> str | None:
    """The element of a site by its type symbol, or else its label; None for a dummy."""
    symbol = "" if gemmi.cif.is_null(kind) else element_of(_bounded(kind, line))
    if symbol == "":
        symbol = element_of(label, among=formula)
    if symbol == "":
        raise BlockError(f"atom site {label!r} names no element; correct its label", line)
    return symbol


def _bounded(value: str, line: int) -> str:
    """A label or type symbol without its quotes.

    Raises:
        BlockError: it is too long to be one.
    """
    if len(value) > MAX_LABEL:
        raise BlockError(f"atom site label of {len(value)} characters; correct the file", line)
    return plain(value)


def _share(value: str, label: str, line: int) -> float:
    if gemmi.cif.is_null(value):
        return 1.0
    share = _number(value)
    if not share <= MAX_SITE_OCCUPANCY:
        raise BlockError(
            f"occupancy {value} of atom site {label!r} is not between 0 and 1; correct it", line
        )
    return min(share, 1.0)


def _coordinate(value: str, label: str, line: int) -> float:
    number = _number(value)
    if not abs(number) < 1000:
        raise BlockError(
            f"coordinate {value} of atom site {label!r} is not a fraction of the cell; correct it",
            line,
        )
    return number


def _displacements(
    block: Block, labels: Sequence[str], lattice: NDArray[np.float64]
) -> list[float]:
    """Mean square displacement of every site in Å², NaN where neither U nor B nor U_ij is given."""
    u_iso = block.beside(_X, "_atom_site_u_iso_or_equiv") or ["?"] * len(labels)
    b_iso = block.beside(_X, "_atom_site_b_iso_or_equiv") or ["?"] * len(labels)
    anisotropic = _anisotropic(block, lattice)
    found = []
    for label, u, b in zip(labels, u_iso, b_iso, strict=True):
        given = (_number(u), _number(b) / _EIGHT_PI2, anisotropic.get(label, math.nan))
        value = next((value for value in given if not math.isnan(value)), math.nan)
        found.append(value if 0 < value < 1 else math.nan)
    return found


def _anisotropic(block: Block, lattice: NDArray[np.float64]) -> dict[str, float]:
    """Ueq in Å² of the labels in the anisotropic loop."""
    rows = block.rows("_atom_site_aniso_label")
    if rows > MAX_ATOMS:
        line = block.line_of("_atom_site_aniso_label")
        raise BlockError(
            f"displacements of {rows} sites are more than {MAX_ATOMS}; correct the loop", line
        )
    labels = block.column("_atom_site_aniso_label")
    if labels is None:
        return {}
    for letter, scale in (("u", 1.0), ("b", 1 / _EIGHT_PI2)):
        tags = [
            f"_atom_site_aniso_{letter}_{pair}" for pair in ("11", "22", "33", "12", "13", "23")
        ]
        columns = [block.beside("_atom_site_aniso_label", tag) for tag in tags]
        values = [[_number(value) for value in column] for column in columns if column]
        if len(values) == len(tags):
            equivalent = equivalent_displacements(np.array(values).T, lattice) * scale
            return dict(zip(map(plain, labels), equivalent.tolist(), strict=True))
    return {}


def expanded(
    sites: Sites, lattice: NDArray[np.float64], symmetries: list[StatedSymmetry], line: int
) -> tuple[StatedSymmetry, Rows]:
    """All atoms of the cell, and the symmetry that made them.

    Where the block leaves the origin open there are two symmetries, and that which keeps the
    atoms further apart is taken.

    Args:
        sites: of the block.
        lattice: rows a, b, c in Å. Shape (3, 3).
        symmetries: as `data.cif_symmetry.stated` gives them.
        line: of the file, for what is wrong with them.

    Raises:
        BlockError: the symmetry does not fit the cell, or makes too many atoms of it.
    """
    candidates = []
    for symmetry in symmetries:
        if not symmetry.fits(lattice):
            raise BlockError(
                "the symmetry does not leave the cell as it is; correct the cell, or the symmetry",
                line,
            )
        images, site_of = orbits(
            sites.fractional,
            (symmetry.rotations, symmetry.translations),
            lattice,
            limit=MAX_ATOMS,
        )
        if len(images) > MAX_ATOMS:
            raise BlockError(f"the cell holds more than {MAX_ATOMS} atoms; correct it", sites.line)
        candidates.append((symmetry, images, site_of))
    symmetry, images, site_of = max(
        candidates,
        key=lambda one: _shortest_distance(one[1], lattice) if len(candidates) > 1 else 0.0,
    )
    return symmetry, _merged(images, site_of, sites, lattice)


def _shortest_distance(fractional: NDArray[np.float64], lattice: NDArray[np.float64]) -> float:
    """Between different sites, to 0.1 Å; of the first few hundred atoms."""
    part = fractional[np.unique(grouped(fractional, lattice), return_index=True)[1]][:400]
    difference = part[:, None] - part[None]
    distances = np.linalg.norm((difference - np.round(difference)) @ lattice, axis=-1)
    np.fill_diagonal(distances, np.inf)
    return round(float(distances.min()), 1)


def _merged(
    images: NDArray[np.float64],
    site_of: NDArray[np.int64],
    sites: Sites,
    lattice: NDArray[np.float64],
) -> Rows:
    """The atoms with one position for all species of a site, and no species twice."""
    together = grouped(images, lattice)
    shares = sites.occupancies[site_of]
    if len(together) == int(together.max()) + 1:
        return images, site_of, shares
    members: dict[int, list[int]] = {}
    for image, number in enumerate(together.tolist()):
        members.setdefault(number, []).append(image)
    rows: list[tuple[NDArray[np.float64], int, float]] = []
    overfull: dict[str, float] = {}
    for group in members.values():
        apart = images[group] - images[group[0]]
        centre = images[group[0]] + shares[group] @ (apart - np.round(apart)) / shares[group].sum()
        centre = np.maximum(centre - np.floor(centre + 1e-9), 0.0)
        content = _content(group, site_of, sites)
        total = math.fsum(share for _, share in content)
        if total > MAX_SITE_OCCUPANCY:
            named = ", ".join(dict.fromkeys(sites.labels[site] for site, _ in content))
            overfull[named] = total
        rows += [(centre, site, share / max(total, 1.0)) for site, share in content]
    if overfull:
        named, total = next(iter(overfull.items()))
        others = f", and {len(overfull) - 1} more such" if len(overfull) > 1 else ""
        _log.warning(
            "%s, line %d: %s fill one site %.2f times%s; scaled to one",
            sites.where, sites.line, named, total, others,
        )  # fmt: skip
    places, origins, occupancies = zip(*rows, strict=True)
    return np.array(places), np.array(origins), np.array(occupancies)


def _content(group: list[int], site_of: NDArray[np.int64], sites: Sites) -> list[tuple[int, float]]:
    """Row in `sites` and occupancy of each species of a group of coinciding images.

    A species listed twice is added up, unless that makes more than a whole atom: then the file
    lists one atom twice.
    """
    content: dict[str, tuple[int, float]] = {}
    for image in group:
        site = int(site_of[image])
        share = float(sites.occupancies[site])
        first, known = content.get(sites.species[site], (site, 0.0))
        total = known + share
        content[sites.species[site]] = (
            first, max(known, share) if total > MAX_SITE_OCCUPANCY else total
        )  # fmt: skip
    return list(content.values())
