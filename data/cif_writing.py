"""CIF out: the asymmetric unit where the cell is a standard one, else all atoms as P1."""

from __future__ import annotations

from functools import cache

import gemmi
import numpy as np
from numpy.typing import NDArray

from data import canonical, site_kernels
from data.cif_symmetry import StatedSymmetry
from data.crystal import Crystal

_CELL = (
    "_cell_length_a", "_cell_length_b", "_cell_length_c",
    "_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma",
)  # fmt: skip


def write_cif(crystal: Crystal, *, name: str = "crystal") -> str:
    """One block of CIF text that reads back as the same crystal.

    In the standard setting of its space group the asymmetric unit is written with the operations;
    in any other cell all atoms are, as P1.

    Args:
        crystal: any cell; a left-handed one is inverted, which moves no atom.
        name: of the block; white space becomes underscores.
    """
    fractional, lattice = crystal.fractional, crystal.lattice
    if np.linalg.det(lattice) < 0:
        fractional, lattice = -fractional, -lattice
    number = crystal.space_group_number
    rows = _asymmetric_unit(crystal)
    if rows is None:
        number, rows = 1, [(row, 1) for row in range(len(crystal))]
    lines = [
        f"data_{'_'.join(name.split()) or 'crystal'}",
        f"_chemical_formula_sum            {gemmi.cif.quote(_formula_sum(crystal))}",
        *(f"{tag:<32} {value:.8f}" for tag, value in zip(_CELL, crystal.cell, strict=True)),
        f"_cell_volume                     {crystal.volume_angstrom3:.6f}",
        f"_space_group_name_H-M_alt        {gemmi.cif.quote(gemmi.SpaceGroup(number).hm)}",
        f"_space_group_IT_number           {number}",
        "loop_",
        "_space_group_symop_operation_xyz",
        *(f"'{triplet}'" for triplet in _triplets(number)),
        "loop_",
        *(f"_atom_site_{part}" for part in _WRITTEN),
    ]
    counts: dict[str, int] = {}
    for row, multiplicity in rows:
        symbol = crystal.species[row]
        counts[symbol] = counts.get(symbol, 0) + 1
        x, y, z = fractional[row] % 1.0
        displacement = crystal.u_iso_angstrom2[row]
        lines.append(
            f"{symbol}{counts[symbol]} {symbol} {multiplicity} {x:.8f} {y:.8f} {z:.8f} "
            f"{crystal.occupancies[row]:.6g} "
            + (f"{displacement:.6f}" if np.isfinite(displacement) else "?")
        )
    return "\n".join(lines) + "\n"


_WRITTEN = (
    "label", "type_symbol", "symmetry_multiplicity", "fract_x", "fract_y", "fract_z", "occupancy",
    "U_iso_or_equiv",
)  # fmt: skip


def _asymmetric_unit(crystal: Crystal) -> list[tuple[int, int]] | None:
    """One row of each orbit with its multiplicity; None if the standard operations do not fit."""
    rotations, translations = canonical.operations_of(crystal.space_group_number)
    symmetry = StatedSymmetry(rotations.astype(np.float64), translations, 0)
    if np.linalg.det(crystal.lattice) < 0 or not symmetry.fits(crystal.lattice, 1e-5):
        return None
    numbers: dict[tuple[str, str], int] = {}
    kinds = [
        numbers.setdefault((symbol, f"{occupancy:.3f}"), len(numbers))
        for symbol, occupancy in zip(crystal.species, crystal.occupancies.tolist(), strict=True)
    ]
    leaders = site_kernels.orbit_leaders(
        np.array(crystal.fractional),
        np.array(kinds),
        (symmetry.rotations, np.array(translations)),
        np.array(crystal.lattice),
        1e-4**2,
    )
    if len(leaders) == 0:
        return None
    rows, multiplicities = np.unique(leaders, return_counts=True)
    return list(zip(rows.tolist(), multiplicities.tolist(), strict=True))


@cache
def _triplets(number: int) -> tuple[str, ...]:
    """The standard operations of a space group."""
    return tuple(_triplet(r, t) for r, t in zip(*canonical.operations_of(number), strict=True))


def _triplet(rotation: NDArray[np.int64], translation: NDArray[np.float64]) -> str:
    """An operation as in "x+1/2,-y,z"."""
    operation = gemmi.Op()
    operation.rot = (rotation * gemmi.Op.DEN).tolist()
    operation.tran = [round(float(value) * gemmi.Op.DEN) for value in translation]
    return str(operation.triplet())


def _formula_sum(crystal: Crystal) -> str:
    return " ".join(
        f"{symbol}{amount:.6g}" for symbol, amount in sorted(crystal.composition.items())
    )
