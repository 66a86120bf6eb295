"""The sites of a crystal by their Wyckoff positions, as the International Tables set them out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import gemmi
import moyopy
import numpy as np
from numpy.typing import NDArray

from data.canonical import SYMPREC_ANGSTROM, operations_of
from data.crystal import Crystal
from data.sites import grouped

SAME = 1e-4
"""Fractional coordinates that differ by less are equal."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True)
class WyckoffSite:
    """One occupied Wyckoff position.

    Attributes:
        letter: of the International Tables; the 27th of space group 47 is "A".
        multiplicity: points in the conventional cell.
        content: element symbols with their occupancies, in alphabetical order.
        coordinates: the position's first representative, such as "x,2x,1/4".
        parameters: values of those of x, y and z that stand in `coordinates`.
        u_iso_angstrom2: mean square displacement, averaged over the content; NaN if unknown.
    """

    letter: str
    multiplicity: int
    content: tuple[tuple[str, float], ...]
    coordinates: str
    parameters: dict[str, float]
    u_iso_angstrom2: float


@dataclass(frozen=True)
class WyckoffSites:
    """A crystal by its sites, in the standard setting of its space group.

    The letters go with the origin and the axes that are stated here, which need not be those of
    the crystal that was given: another choice of origin gives the same crystal other letters.

    Attributes:
        number: of the space group.
        hall_number: 1 to 530; names the setting.
        lattice: rows a, b, c in Å. Shape (3, 3).
        sites: in the order of the letters.
        same_cell: whether cell and origin are those of the given crystal.
    """

    number: int
    hall_number: int
    lattice: _FLOAT
    sites: tuple[WyckoffSite, ...]
    same_cell: bool


def wyckoff_sites(crystal: Crystal) -> WyckoffSites | None:
    """Find the sites of a crystal, symmetry as moyopy sees it (github.com/spglib/moyo).

    Args:
        crystal: in any cell.

    Returns:
        None where no symmetry is found, or where a site cannot be brought to the first
        representative of its position.
    """
    site_of_row = grouped(crystal.fractional, crystal.lattice)
    contents, displacements, first = _contents(crystal, site_of_row)
    kinds = sorted(set(contents))
    cell = moyopy.Cell(
        crystal.lattice.tolist(),
        crystal.fractional[first].tolist(),
        [kinds.index(content) + 1 for content in contents],
    )
    try:
        dataset = moyopy.MoyoDataset(
            cell, symprec=SYMPREC_ANGSTROM, setting=moyopy.Setting.standard()
        )
    except ValueError:
        return None
    positions = {
        one.letter: one
        for one in dataset.normalizer_wyckoff_positions(preserve_chirality=True).wyckoffs
    }
    u_of_kind = _means(kinds, contents, displacements)
    standard = dataset.std_cell
    own = (crystal.lattice, crystal.fractional[first], contents)
    moved = (
        np.array(standard.basis),
        np.array(standard.positions),
        [kinds[number - 1] for number in standard.numbers],
    )
    for lattice, fractional, held in (own, moved):
        sites = _sites(dataset.number, fractional, held, positions, u_of_kind)
        if sites is not None and len(held) == sum(one.multiplicity for one in sites):
            return WyckoffSites(
                number=dataset.number,
                hall_number=dataset.hall_number,
                lattice=lattice,
                sites=sites,
                same_cell=lattice is crystal.lattice,
            )
    return None


_Content = tuple[tuple[str, float], ...]


def _sites(
    number: int,
    fractional: _FLOAT,
    contents: list[_Content],
    positions: dict[str, Any],
    u_of_kind: dict[_Content, float],
) -> tuple[WyckoffSite, ...] | None:
    """The sites of points that obey the operations of a space group as they stand.

    Args:
        number: of the space group.
        fractional: one point a site. Shape (n, 3).
        contents: of each.
        positions: moyopy's Wyckoff positions that may occur, by letter.
        u_of_kind: displacement by content, in Å².

    Returns:
        None where the points do not obey the operations, or lie on none of the positions.
    """
    rotations, translations = operations_of(number)
    sites = []
    left = np.ones(len(fractional), dtype=bool)
    for row, content in enumerate(contents):
        if not left[row]:
            continue
        images = rotations @ fractional[row] + translations
        alike = np.array([one == content for one in contents])
        apart = fractional[:, None] - images
        near = np.abs(apart - np.round(apart)).max(axis=2) < 10 * SAME
        orbit = near.any(axis=1) & alike
        if not near[alike].any(axis=0).all() or not left[orbit].all():
            return None
        left[orbit] = False
        for position in positions.values():
            if position.multiplicity != int(orbit.sum()):
                continue
            parameters = _parameters(position.coordinates, images)
            if parameters is not None:
                sites.append(
                    WyckoffSite(
                        letter=position.letter,
                        multiplicity=position.multiplicity,
                        content=content,
                        coordinates=position.coordinates,
                        parameters=parameters,
                        u_iso_angstrom2=u_of_kind[content],
                    )
                )
                break
        else:
            return None
    return tuple(sorted(sites, key=lambda one: (one.letter == "A", one.letter, one.content)))


def _contents(
    crystal: Crystal, site_of_row: NDArray[np.int64]
) -> tuple[list[_Content], list[float], list[int]]:
    """What each site holds, its displacement in Å², and the first of its rows."""
    rows_of = [np.flatnonzero(site_of_row == site) for site in range(int(site_of_row.max()) + 1)]
    contents, displacements = [], []
    for rows in rows_of:
        amounts: dict[str, float] = {}
        for row in rows:
            symbol = crystal.species[row]
            amounts[symbol] = amounts.get(symbol, 0.0) + float(crystal.occupancies[row])
        contents.append(tuple(sorted((s, round(min(n, 1.0), 4)) for s, n in amounts.items())))
        known = crystal.u_iso_angstrom2[rows]
        known = known[np.isfinite(known)]
        displacements.append(float(known.mean()) if len(known) else float("nan"))
    return contents, displacements, [int(rows[0]) for rows in rows_of]


def _means(
    kinds: list[_Content], contents: list[_Content], displacements: list[float]
) -> dict[_Content, float]:
    """Mean displacement of the sites that hold the same, in Å²; NaN where none is known."""
    means = {}
    for kind in kinds:
        of_kind = np.array([u for u, content in zip(displacements, contents, strict=True)
                            if content == kind])  # fmt: skip
        known = of_kind[np.isfinite(of_kind)]
        means[kind] = float(known.mean()) if len(known) else float("nan")
    return means


def _parameters(coordinates: str, images: _FLOAT) -> dict[str, float] | None:
    """The x, y, z at which a representative falls on one of the images; None if it does not.

    Args:
        coordinates: such as "x,2x,1/4"; every coefficient is a whole number, and each letter
            stands somewhere without a factor.
        images: of one point. Shape (k, 3).
    """
    representative = gemmi.Op(re.sub(r"(\d)([xyz])", r"\1*\2", coordinates))
    linear = np.array(representative.rot, dtype=np.float64) / gemmi.Op.DEN
    constant = np.array(representative.tran, dtype=np.float64) / gemmi.Op.DEN
    solved = np.zeros_like(images)
    letters = []
    for column, letter in enumerate("xyz"):
        alone = [row for row in range(3) if abs(linear[row, column]) == 1.0
                 and np.count_nonzero(linear[row]) == 1]  # fmt: skip
        if alone:
            letters.append((column, letter))
            row = alone[0]
            solved[:, column] = linear[row, column] * (images[:, row] - constant[row])
    apart = solved @ linear.T + constant - images
    fits = np.flatnonzero(np.abs(apart - np.round(apart)).max(axis=1) < 10 * SAME)
    if len(fits) == 0:
        return None
    found = solved[fits] - np.floor(solved[fits] + SAME / 10)
    best = min(np.round(found, 6).tolist())
    return {letter: best[column] + 0.0 for column, letter in letters}
