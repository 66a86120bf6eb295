"""Lines of a crystal: where it diffracts and how strongly, whatever the wavelength."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from data.crystal import Crystal
from data.errors import CrystalError
from data.form_factors import DEFAULT_U_ISO, GAUSSIANS, atomic_numbers
from data.lines import Lines, LinesTable
from data.reflections import Atoms, reflections
from data.symmetry import Operations, symmetry_operations

MAX_REFLECTIONS = 2_000_000
MAX_INDEX = 32_000
MAX_TERMS = 2e10
"""Reflections that symmetry does not relate, times atoms: half a minute of one core."""


def lines_of(
    crystal: Crystal,
    *,
    d_min_angstrom: float = 1.0,
    floor: float = 0.0,
    operations: Operations | None = None,
    default_u: float | None = None,
) -> Lines:
    """Every reflection of a crystal with d ≥ `d_min_angstrom`, in the crystal's own cell.

    Strengths are m·|F|² of that cell: the same crystal in a cell n times as large has the same
    lines, n² times as strong. Systematically absent reflections are left out. Anomalous
    dispersion is not modelled.

    Args:
        crystal: any cell, any setting.
        d_min_angstrom: smallest lattice plane distance.
        floor: drops lines whose strength·d² is below this part of the largest.
        operations: symmetry of the crystal in its own cell; by default `symmetry_operations`.
        default_u: mean square displacement in Å² of atoms without one; by default
            `data.form_factors.DEFAULT_U_ISO` of the element.

    Raises:
        CrystalError: an element without form factor, or more reflections than are sensible.
    """
    _refuse_excess(crystal, d_min_angstrom)
    elements = atomic_numbers(crystal.species)
    u = crystal.u_iso_angstrom2
    u = np.where(u >= 0.0, u, DEFAULT_U_ISO[elements] if default_u is None else default_u)
    sort = np.argsort(elements, kind="stable")
    metric = crystal.lattice @ crystal.lattice.T
    reciprocal_metric = np.asarray(np.linalg.inv(metric), dtype=np.float64)
    rotations, translations = operations or symmetry_operations(crystal)
    _refuse_terms(crystal, d_min_angstrom, len(rotations))
    inv_d2, strength, hkl = reflections(
        (metric, reciprocal_metric),
        (1 + 1e-9) / d_min_angstrom**2,
        (np.array(rotations, np.int64), np.array(translations, np.float64)),
        Atoms(
            np.array(crystal.fractional[sort], order="C"),
            crystal.occupancies[sort],
            elements[sort],
            u[sort],
        ),
        GAUSSIANS,
    )
    order = np.argsort(inv_d2, kind="stable")
    if floor > 0.0 and len(order):
        height = strength / inv_d2
        order = order[height[order] >= floor * height.max()]
    return Lines(inv_d2[order], strength[order], hkl[order])


def lines_table(
    crystals: Sequence[Crystal],
    *,
    d_min_angstrom: float = 1.0,
    floor: float = 1e-4,
    workers: int | None = None,
    operations: Sequence[Operations | None] | None = None,
    default_u: float | None = None,
) -> LinesTable:
    """`lines_of` for many crystals on all cores, side by side.

    Args:
        crystals: N crystals.
        d_min_angstrom: smallest lattice plane distance.
        floor: as for `lines_of`.
        workers: threads; by default one a core.
        operations: symmetry of each crystal, None where it is to be found.
        default_u: as for `lines_of`.

    Raises:
        CrystalError: as for `lines_of`, of the first crystal that fails.
    """
    symmetry = operations or [None] * len(crystals)

    def one(crystal: Crystal, its_operations: Operations | None) -> Lines:
        return lines_of(
            crystal,
            d_min_angstrom=d_min_angstrom,
            floor=floor,
            operations=its_operations,
            default_u=default_u,
        )

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return LinesTable.of(list(pool.map(one, crystals, symmetry)))


def _expected(crystal: Crystal, d_min_angstrom: float) -> float:
    """About how many reflections a crystal has, Friedel pairs counted once."""
    return 2 * np.pi / 3 * crystal.volume_angstrom3 / d_min_angstrom**3


def _refuse_terms(crystal: Crystal, d_min_angstrom: float, operations: int) -> None:
    terms = 2 * _expected(crystal, d_min_angstrom) * len(crystal) / operations
    if terms > MAX_TERMS:
        raise CrystalError(
            f"{len(crystal)} atoms in {crystal.volume_angstrom3:.6g} Å³ with {operations} symmetry "
            f"operations make {terms:.2g} terms of structure factors, too many; state the symmetry"
        )


def _refuse_excess(crystal: Crystal, d_min_angstrom: float) -> None:
    if not d_min_angstrom > 0.0:
        raise CrystalError(f"a smallest d of {d_min_angstrom:g} Å is not positive")
    volume = crystal.volume_angstrom3
    expected = _expected(crystal, d_min_angstrom)
    longest = float(np.sqrt((crystal.lattice**2).sum(axis=1).max()))
    if expected > MAX_REFLECTIONS or longest / d_min_angstrom > MAX_INDEX:
        raise CrystalError(
            f"a cell of {volume:.6g} Å³ and {longest:.6g} Å length has about {expected:.2g} "
            f"reflections down to {d_min_angstrom:g} Å, too many; "
            "correct the cell, or give a larger smallest d"
        )
