"""What a sheet is: a crystal that repeats in two directions only, in a cell with vacuum.

Every sheet is brought into one frame: a and b in the plane, reduced, a along x; c along z, normal
to the plane; the middle of the atoms at half its height and `VACUUM_ANGSTROM` between one image
and the next. A library stores a sheet as it stores every crystal, in the standard setting of its
space group; `sheet_of` finds the plane again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.bonds import BONDED, Pieces, has_sheet, layered_pieces
from data.canonical import Standard, crystal_id, standardize
from data.crystal import Crystal
from data.errors import BraggleError, CrystalError
from data.formula import reduced_formula
from data.record import Record

VACUUM_ANGSTROM = 15.0
"""Between the outermost atoms of a sheet and those of its image."""
LEAST_VACUUM_ANGSTROM = 7.0
"""A crystal without atoms over such a height is a sheet already; van der Waals gaps are half."""
LAYERED = 0.9
"""Score above which a crystal is taken apart into its layers."""
NO_SHEET = f"neither a sheet with vacuum nor layered (score above {LAYERED:g})"
"""What is said of a crystal that is not taken for sheets."""
MOST_ATOMS = 200
"""Of the primitive cell of a crystal in which layers are sought."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Framed:
    """A sheet in the one frame, and where that frame's axes are.

    Attributes:
        sheet: the sheet.
        axes: its x, y and z in the Cartesian axes of the crystal it was made from. Shape (3, 3).
    """

    sheet: Crystal
    axes: _FLOAT


def framed(
    in_plane: _FLOAT,
    cartesian: _FLOAT,
    atoms: Crystal,
    rows: NDArray[np.int64] | None = None,
) -> Framed:
    """Atoms as a sheet in the one frame, with the vacuum that all sheets have.

    Args:
        in_plane: two vectors that the sheet repeats by, in Å. Shape (2, 3).
        cartesian: places of its atoms in Å, of one repeat, unbroken across it. Shape (n, 3).
        atoms: what the atoms are, by row.
        rows: of `atoms` that the places are of; all when None.
    """
    rows = np.arange(len(atoms)) if rows is None else rows
    a, b = _reduced(in_plane)
    z = np.cross(a, b)
    z /= np.linalg.norm(z)
    height = cartesian @ z
    thickness = float(np.ptp(height))
    c = thickness + VACUUM_ANGSTROM
    across = cartesian @ np.linalg.pinv(np.stack([a, b]))
    fractional = np.column_stack([across, (height - height.min() - thickness / 2) / c + 0.5])
    length = np.linalg.norm(a)
    x = a / length
    y = np.cross(z, x)
    sheet = Crystal(
        np.array([[length, 0.0, 0.0], [b @ x, b @ y, 0.0], [0.0, 0.0, c]]),
        tuple(atoms.species[row] for row in rows),
        atoms.occupancies[rows],
        fractional - np.floor(fractional),
        atoms.u_iso_angstrom2[rows],
    )
    return Framed(sheet, np.stack([x, y, z]))


def sheet_of(crystal: Crystal | Standard) -> Crystal | None:
    """A crystal with vacuum in the frame of sheets; None where it has too little of it.

    Args:
        crystal: in any cell; a `Standard` saves the search for the symmetry.
    """
    standard = crystal if isinstance(crystal, Standard) else standardize(crystal)
    found = frame_of(standard.primitive)
    return None if found is None else found.sheet


def frame_of(primitive: Crystal) -> Framed | None:
    """A crystal with vacuum as a sheet, and how it lies; None where it has too little of it.

    Args:
        primitive: in its reduced primitive cell, two of whose vectors are in the plane.
    """
    spacing = 1 / np.linalg.norm(np.linalg.inv(primitive.lattice), axis=0)
    best, axis, begin = 0.0, 0, 0.0
    for i in range(3):
        places = np.sort(primitive.fractional[:, i])
        gaps = np.diff(places, append=places[0] + 1)
        widest = int(np.argmax(gaps))
        if gaps[widest] * spacing[i] > best:
            best, axis = float(gaps[widest] * spacing[i]), i
            begin = float(places[(widest + 1) % len(places)])
    if best < LEAST_VACUUM_ANGSTROM:
        return None
    fractional = np.array(primitive.fractional)
    # The sheet begins where the vacuum ends, so that no image of it is broken.
    fractional[:, axis] = (fractional[:, axis] - begin + 1e-9) % 1.0
    in_plane = np.delete(primitive.lattice, axis, axis=0)
    return framed(in_plane, fractional @ primitive.lattice, primitive)


def axis_across(sheet: Crystal) -> int:
    """Which of a, b and c leads across a sheet to its image, 0 to 2; the others are in its plane.

    Args:
        sheet: in the standard setting of its space group, which may give the normal any axis.

    Raises:
        CrystalError: it is no sheet.
    """
    found = frame_of(Standard.from_stored(sheet).primitive)
    if found is None:
        raise CrystalError("the crystal is no sheet; exfoliate it first")
    return int(np.argmax(np.abs(sheet.lattice @ found.axes[2])))


def thickness_angstrom(sheet: Crystal) -> float:
    """Of a sheet in its frame, from the middle of the lowest atom to that of the highest."""
    return float(np.ptp(sheet.fractional[:, 2]) * sheet.lattice[2, 2])


def is_sheet(crystal: Crystal | Standard) -> bool:
    """Whether a crystal has vacuum, and between it bonds that run in two directions."""
    sheet = sheet_of(crystal)
    return sheet is not None and len(sheet) <= MOST_ATOMS and has_sheet(sheet, BONDED)


def layers_of(crystal: Crystal | Standard) -> tuple[Crystal, ...]:
    """The different layers of a layered crystal, as sheets; none where it is not layered."""
    pieces, primitive = _layered(crystal)
    if pieces is None:
        return ()
    return _different(
        _stack(primitive, pieces, [(piece, np.zeros(3))]) for piece in range(len(pieces.vectors))
    )


def pairs_of(crystal: Crystal | Standard) -> tuple[Crystal, ...]:
    """The different bilayers of a layered crystal: each layer with the one that lies on it."""
    pieces, primitive = _layered(crystal)
    if pieces is None:
        return ()
    first = pieces.vectors[0] @ primitive.lattice
    normal = np.cross(*first)
    normal /= np.linalg.norm(normal)
    places = (primitive.fractional + pieces.cell) @ primitive.lattice @ normal
    count = len(pieces.vectors)
    middle = np.array([_middle(places[pieces.piece == piece]) for piece in range(count)])
    rises = primitive.lattice @ normal
    found = []
    for lower in range(count):
        above = [
            (middle[upper] + step @ rises - middle[lower], upper, step)
            for upper in range(count)
            for step in _steps(rises)
            if middle[upper] + step @ rises - middle[lower] > 0.5
        ]
        _, upper, step = min(above, key=lambda one: (round(one[0], 3), one[1]))
        if _same_net(pieces.vectors[lower], pieces.vectors[upper]):
            found.append(_stack(primitive, pieces, [(lower, np.zeros(3)), (upper, step)]))
    return _different(found)


def sheets_in(crystal: Crystal | Standard) -> tuple[Crystal, ...]:
    """A crystal as sheets: itself where it is one, its layers where it is layered, else nothing."""
    standard = crystal if isinstance(crystal, Standard) else standardize(crystal)
    sheet = sheet_of(standard)
    if sheet is None:
        return layers_of(standard)
    return (sheet,) if is_sheet(standard) else ()


def sheets_of(record: Record) -> tuple[Record, ...]:
    """A record as sheets, as `sheets_in` has them; layers are called layers."""
    standard = standardize(record.crystal)
    sheets = sheets_in(standard)
    if sheet_of(standard) is not None:
        return tuple(replace(record, crystal=sheet) for sheet in sheets)
    names = record.names or (reduced_formula(record.crystal.composition),)
    return tuple(
        Record(layer, tuple(f"{name}, layer" for name in names), record.source) for layer in sheets
    )


def _layered(crystal: Crystal | Standard) -> tuple[Pieces | None, Crystal]:
    standard = crystal if isinstance(crystal, Standard) else standardize(crystal)
    primitive = standard.primitive
    pieces = layered_pieces(primitive) if len(primitive) <= MOST_ATOMS else None
    return (pieces if pieces is not None and pieces.score > LAYERED else None), primitive


def _stack(primitive: Crystal, pieces: Pieces, members: list[tuple[int, _FLOAT]]) -> Crystal:
    """Pieces of a crystal, each moved by whole cells, as one sheet."""
    in_plane = pieces.vectors[members[0][0]] @ primitive.lattice
    rows, places = [], []
    for piece, step in members:
        own = np.flatnonzero(pieces.piece == piece)
        rows.append(own)
        places.append((primitive.fractional[own] + pieces.cell[own] + step) @ primitive.lattice)
    return framed(in_plane, np.concatenate(places), primitive, np.concatenate(rows)).sheet


def _different(sheets: Iterable[Crystal]) -> tuple[Crystal, ...]:
    """Each sheet once."""
    kept: dict[str, Crystal] = {}
    for sheet in sheets:
        try:
            kept.setdefault(crystal_id(sheet), sheet)
        except BraggleError:
            continue
    return tuple(kept.values())


def _steps(rises: _FLOAT) -> list[_FLOAT]:
    """Cells around, those first that rise least."""
    axes = np.arange(-2, 3)
    every = np.stack(np.meshgrid(axes, axes, axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return [one.astype(float) for one in every[np.argsort(np.abs(every @ rises), kind="stable")]]


def _middle(places: _FLOAT) -> float:
    return float(places.min() + places.max()) / 2


def _same_net(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Whether two pairs of vectors generate the same lattice of the plane."""
    change, *_ = np.linalg.lstsq(one.T.astype(float), other.T.astype(float), rcond=None)
    whole = np.rint(change)
    fits = bool(np.allclose(one.T @ whole, other.T))
    return fits and abs(abs(float(np.linalg.det(whole))) - 1) < 1e-6


def _reduced(in_plane: _FLOAT) -> tuple[_FLOAT, _FLOAT]:
    """The shortest two vectors of the net, a not longer than b, at 90° or a little more."""
    a, b = (np.array(vector, dtype=np.float64) for vector in in_plane)
    while True:
        if a @ a > b @ b * (1 + 1e-9):
            a, b = b, a
        times = np.rint(a @ b / (a @ a))
        if abs(a @ b / (a @ a)) <= 0.5 + 1e-6:
            break
        b = b - times * a
    return (a, -b) if a @ b > 1e-9 * (a @ a) else (a, b)
