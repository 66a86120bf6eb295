"""CIF out: the asymmetric unit where the cell is a standard one, else all atoms as P1."""

from __future__ import annotations

import gemmi
import numpy as np
from numpy.typing import NDArray

from data import canonical
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
    rotations, translations = canonical.operations_of(number)
    lines = [
        f"data_{'_'.join(name.split()) or 'crystal'}",
        f"_chemical_formula_sum            {gemmi.cif.quote(_formula_sum(crystal))}",
        *(f"{tag:<32} {value:.8f}" for tag, value in zip(_CELL, crystal.cell, strict=True)),
        f"_cell_volume                     {crystal.volume_angstrom3:.6f}",
        f"_space_group_name_H-M_alt        {gemmi.cif.quote(gemmi.SpaceGroup(number).hm)}",
        f"_space_group_IT_number           {number}",
        "loop_",
        "_space_group_symop_operation_xyz",
        *(f"'{_triplet(r, t)}'" for r, t in zip(rotations, translations, strict=True)),
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
    kinds = np.unique(
        [f"{s} {n:.3f}" for s, n in zip(crystal.species, crystal.occupancies, strict=True)],
        return_inverse=True,
    )[1]
    left = np.ones(len(crystal), dtype=bool)
    rows = []
    for row in range(len(crystal)):
        if not left[row]:
            continue
        same = np.flatnonzero(kinds == kinds[row])
        images = symmetry.rotations @ crystal.fractional[row] + symmetry.translations
        apart = images[:, None] - crystal.fractional[same]
        distance = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice, axis=-1)
        if (distance.min(axis=1) > 1e-4).any():
            return None
        orbit = same[np.unique(distance.argmin(axis=1))]
        if not left[orbit].all():
            return None
        left[orbit] = False
        rows.append((row, len(orbit)))
    return rows


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
