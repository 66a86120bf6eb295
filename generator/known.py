"""What is known of a sample besides its formula, and whether a crystal agrees with it."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import product

import gemmi
import moyopy
import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard, crystal_system, space_group_symbol, unhanded
from data.crystal import Crystal
from data.errors import QueryError
from data.formula import reduced_formula
from generator.candidate import Cell, Sought

LENGTH_TOLERANCE, ANGLE_TOLERANCE_DEG = 0.03, 2.0
"""A cell is the known one where lengths (relative) and angles differ by no more."""
LIKE_LENGTHS, LIKE_ANGLES_DEG = 0.16, 10.0
"""A crystal of other elements may have the known cell where its own differs by no more."""
TIED_LENGTHS, TIED_ANGLE_DEG = 0.005, 0.5
"""Lengths or angles that a crystal system makes equal, or right, differ by no more."""

LEAST_ROOM = 0.4
"""Of what atoms need in other crystals, that a known cell must have."""

_FLOAT = NDArray[np.float64]


def agrees(sought: Sought, crystal: Crystal) -> bool:
    """Whether a crystal has the space group, the formula units and the cell that are known.

    Groups that are mirror images of each other, which a powder pattern cannot tell apart, count as
    one. The cell may be given in any setting, conventional or primitive.

    Args:
        sought: what is known.
        crystal: in the standard setting of its space group.
    """
    return (
        may_have_group(sought, crystal.space_group_number)
        and may_have_atoms(sought, len(crystal))
        and (sought.cell is None or _has_cell(crystal, sought.cell))
    )


def check_known(sought: Sought, formula_volume_angstrom3: float) -> None:
    """Refuse what cannot be.

    Args:
        sought: what is known.
        formula_volume_angstrom3: that a formula unit has in crystals, about.

    Raises:
        QueryError: the cell is not of the space group's crystal system, or has no room.
    """
    if sought.cell is None:
        return
    written = " ".join(f"{value:g}" for value in sought.cell)
    if sought.space_group is not None:
        system = crystal_system(sought.space_group)
        if not len(_settings(sought.cell, system)):
            raise QueryError(
                f"cell {written}: it is not {system}, as space group "
                f"{space_group_symbol(sought.space_group)} is; give the conventional cell"
            )
    volume = abs(float(np.linalg.det(lattice_of_cell(sought.cell))))
    room = volume / formula_volume_angstrom3
    if room < LEAST_ROOM * (sought.formula_units or 1):
        units = f"{sought.formula_units or 1} x {reduced_formula(sought.composition)}"
        raise QueryError(
            f"cell {written}: {volume:.4g} Å³ have no room for {units}, which takes about "
            f"{formula_volume_angstrom3 * (sought.formula_units or 1):.4g} Å³; correct one of them"
        )


def may_have_group(sought: Sought, number: int) -> bool:
    """Whether a space group is the known one, if one is."""
    return sought.space_group is None or unhanded(sought.space_group) == unhanded(number)


def may_have_atoms(sought: Sought, atoms: int) -> bool:
    """Whether so many atoms of a conventional cell are the known formula units, if they are."""
    if sought.formula_units is None:
        return True
    return abs(sought.formula_units * sum(sought.composition.values()) - atoms) < 0.5


def in_known_cell(crystal: Crystal, cell: Cell) -> _FLOAT | None:
    """The known cell in the setting that is most like a crystal's own, None where none is like it.

    Args:
        crystal: in the standard setting of its space group.
        cell: a, b, c in Å and α, β, γ in degrees, in any setting.

    Returns:
        Rows a, b, c in Å, with all that the crystal system asks for. Shape (3, 3).
    """
    system = crystal_system(crystal.space_group_number)
    settings = _settings(cell, system)
    own = np.array(crystal.cell)
    lengths = np.abs(np.log(settings[:, :3] / own[:3])).max(axis=1, initial=0.0) / LIKE_LENGTHS
    angles = np.abs(settings[:, 3:] - own[3:]).max(axis=1, initial=0.0) / LIKE_ANGLES_DEG
    unlike = np.maximum(lengths, angles)
    if not (unlike < 1.0).any():
        return None
    return lattice_of_cell(tuple(settings[unlike.argmin()]))


def lattice_of_cell(cell: Cell) -> _FLOAT:
    """Rows a, b, c in Å, a along x and b in the xy plane. Shape (3, 3)."""
    return np.array(gemmi.UnitCell(*cell).orth.mat.tolist()).T


def _has_cell(crystal: Crystal, cell: Cell) -> bool:
    known = lattice_of_cell(cell)
    both = (crystal.lattice, Standard.from_stored(crystal).primitive.lattice)
    return any(_same_lattice(known, lattice) for lattice in both)


def _same_lattice(one: _FLOAT, other: _FLOAT) -> bool:
    """Whether two sets of rows a, b, c span one lattice, within the tolerances."""
    swollen = abs(np.linalg.det(one) / np.linalg.det(other))
    if abs(np.log(swollen)) > 3 * LENGTH_TOLERANCE:
        return False
    cells = _transformed(_reduced(one))
    wanted = _cells(_reduced(other)[None])[0]
    same = (np.abs(np.log(cells[:, :3] / wanted[:3])) < LENGTH_TOLERANCE).all(axis=1)
    same &= (np.abs(cells[:, 3:] - wanted[3:]) < ANGLE_TOLERANCE_DEG).all(axis=1)
    return bool(same.any())


def _reduced(lattice: _FLOAT) -> _FLOAT:
    return np.array(moyopy.niggli_reduce(lattice.tolist())[0])


@lru_cache(maxsize=1000)
def _settings(cell: Cell, system: str) -> _FLOAT:
    """The cell in all settings that obey a crystal system, made to obey it. Shape (n, 6)."""
    cells = _transformed(lattice_of_cell(cell))
    a, b, c, alpha, beta, gamma = cells.T
    right = [np.abs(angle - 90) < TIED_ANGLE_DEG for angle in (alpha, beta, gamma)]
    alike = np.abs(np.log(a / b)) < TIED_LENGTHS
    if system == "triclinic":
        fits = np.ones(len(cells), np.bool_)
    elif system == "monoclinic":
        fits = right[0] & right[2]
        cells[fits, 3] = cells[fits, 5] = 90.0
    else:
        last = 120.0 if system in {"trigonal", "hexagonal"} else 90.0
        fits = right[0] & right[1] & (np.abs(gamma - last) < TIED_ANGLE_DEG)
        cells[fits, 3:] = 90.0, 90.0, last
        if system != "orthorhombic":
            fits &= alike
            cells[:, :2] = np.sqrt(a * b)[:, None]
        if system == "cubic":
            fits &= np.abs(np.log(a / c)) < TIED_LENGTHS
            cells[:, :3] = np.cbrt(a * b * c)[:, None]
    return np.unique(cells[fits].round(6), axis=0)


def _transformed(lattice: _FLOAT) -> _FLOAT:
    """Cells of the bases that small whole numbers make of a lattice's. Shape (n, 6)."""
    return _cells(_bases() @ lattice)


def _cells(lattices: _FLOAT) -> _FLOAT:
    """a, b, c in Å and α, β, γ in degrees. Shapes (n, 3, 3) and (n, 6)."""
    metric = lattices @ lattices.transpose(0, 2, 1)
    lengths = np.sqrt(np.einsum("nii->ni", metric))
    cosines = [
        metric[:, i, j] / (lengths[:, i] * lengths[:, j]) for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    angles = np.degrees(np.arccos(np.clip(np.stack(cosines, axis=1), -1.0, 1.0)))
    return np.concatenate([lengths, angles], axis=1)


@cache
def _bases() -> NDArray[np.int64]:
    """Matrices of -1, 0 and 1 with determinant 1. Shape (n, 3, 3)."""
    every = np.array(list(product((-1, 0, 1), repeat=9)), np.int64).reshape(-1, 3, 3)
    return np.asarray(every[np.rint(np.linalg.det(every)) == 1])
