"""Lines of a crystal: where it diffracts and how strongly, whatever the wavelength."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import moyopy
import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.errors import CrystalError
from data.form_factors import default_u_iso, gaussians
from data.lines import Lines, LinesTable
from data.reflections import reflections

Operations = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Rotations (k, 3, 3) and translations (k, 3) in fractional coordinates, centrings included."""

MAX_REFLECTIONS = 2_000_000
SYMMETRY_TOLERANCE_ANGSTROM = 1e-3
METRIC_TOLERANCE = 1e-6
SAME_SITE_DECIMALS = 4


def lines_of(
    crystal: Crystal,
    *,
    d_min_angstrom: float = 1.0,
    floor: float = 0.0,
    operations: Operations | None = None,
    default_u: float | None = None,
) -> Lines:
    """Every reflection of a crystal with d ≥ `d_min_angstrom`, in the crystal's own cell.

    Strengths are m·|F|² of that cell: n primitive cells together scatter n² times as strongly.
    Systematically absent reflections are left out. Anomalous dispersion is not modelled.

    Args:
        crystal: any cell, any setting.
        d_min_angstrom: smallest lattice plane distance.
        floor: drops lines whose strength·d² is below this part of the largest.
        operations: symmetry of the crystal in its cell; found when not given.
        default_u: mean square displacement in Å² of atoms without one; by default
            `data.form_factors.default_u_iso` of the element.

    Raises:
        CrystalError: an element without form factor, or more reflections than are sensible.
    """
    expected = 2 * np.pi / 3 * crystal.volume_angstrom3 / d_min_angstrom**3
    if expected > MAX_REFLECTIONS:
        raise CrystalError(
            f"a cell of {crystal.volume_angstrom3:.6g} Å³ has {expected:.2g} reflections down to "
            f"{d_min_angstrom:g} Å, more than {MAX_REFLECTIONS}; give a larger smallest d"
        )
    if operations is None:
        operations = symmetry_operations(crystal)
    rotations, translations, centrings, inversion = _point_group(crystal, operations)
    centric = inversion is not None
    positions = crystal.fractional
    if inversion is not None:
        positions = positions - inversion
        translations = translations + rotations @ inversion - inversion

    elements = sorted(set(crystal.species))
    displacements = _displacements(crystal, default_u)
    symbols = np.array([elements.index(symbol) for symbol in crystal.species])
    kinds, kind_of = np.unique(
        np.column_stack([symbols, displacements]), axis=0, return_inverse=True
    )
    inv_d2, strength, hkl = reflections(
        _triangle(crystal),
        (1 + 1e-9) / d_min_angstrom**2,
        rotations,
        translations,
        centrings,
        positions,
        crystal.occupancies,
        kind_of.astype(np.int64),
        kinds[:, 0].astype(np.int64),
        np.ascontiguousarray(kinds[:, 1]),
        np.array([gaussians(symbol) for symbol in elements]),
        centric,
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
        d_min_angstrom, floor, default_u: as for `lines_of`.
        workers: threads; by default one a core.
        operations: symmetry of each crystal, None where it is to be found.

    Raises:
        CrystalError: as for `lines_of`, for the first crystal that fails.
    """
    symmetry = [None] * len(crystals) if operations is None else operations

    def one(row: int) -> Lines:
        return lines_of(
            crystals[row],
            d_min_angstrom=d_min_angstrom,
            floor=floor,
            operations=symmetry[row],
            default_u=default_u,
        )

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return LinesTable.of(list(pool.map(one, range(len(crystals)))))


def symmetry_operations(crystal: Crystal) -> Operations:
    """Operations of a crystal in its own cell; the identity alone when none are found.

    Atoms that share a site count as one; equivalent sites agree in species, occupancies and
    displacement.
    """
    sites: dict[tuple[float, ...], list[tuple[str, float, float]]] = {}
    wrapped = np.round(crystal.fractional, SAME_SITE_DECIMALS) % 1.0
    displacements = np.round(np.nan_to_num(crystal.u_iso_angstrom2, nan=-1.0), 4)
    for row, position in enumerate(wrapped):
        content = (
            crystal.species[row],
            round(float(crystal.occupancies[row]), 4),
            float(displacements[row]),
        )
        sites.setdefault(tuple(position), []).append(content)
    first = {tuple(position): row for row, position in reversed(list(enumerate(wrapped)))}
    contents = [tuple(sorted(content)) for content in sites.values()]
    numbering = {content: number for number, content in enumerate(dict.fromkeys(contents), 1)}
    cell = moyopy.Cell(
        basis=crystal.lattice.tolist(),
        positions=[crystal.fractional[first[position]].tolist() for position in sites],
        numbers=[numbering[content] for content in contents],
    )
    try:
        found = moyopy.MoyoDataset(cell, symprec=SYMMETRY_TOLERANCE_ANGSTROM).operations
    except ValueError:
        return np.eye(3, dtype=np.int64)[None], np.zeros((1, 3))
    return np.array(found.rotations, dtype=np.int64), np.array(found.translations)


def _point_group(
    crystal: Crystal, operations: Operations
) -> tuple[
    NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None
]:
    """Rotations with a translation each, pure translations, and an inversion centre if any.

    Operations that the lattice itself does not have, which a tolerant search may find, are left
    out: they would join lines of different d. Of R and -R one is kept when there is a centre.
    """
    rotations, translations = operations
    metric = crystal.lattice @ crystal.lattice.T
    turned = np.einsum("kji,jl,klm->kim", rotations, metric, rotations)
    kept = (np.abs(turned - metric) <= METRIC_TOLERANCE * metric.max()).all(axis=(1, 2))
    rotations, translations = rotations[kept], translations[kept]

    codes = (rotations.reshape(-1, 9) + 1) @ 3 ** np.arange(9)
    identity, inversion = (np.arange(9) % 4 == 0).astype(np.int64), 3**9 - 1
    one = int((identity + 1) @ 3 ** np.arange(9))
    pure = translations[codes == one]
    pure = pure[np.abs(pure - np.round(pure)).max(axis=1) > 1e-3]
    centres = translations[codes == inversion - one]
    centre = centres[0] / 2 if len(centres) else None
    names = np.minimum(codes, inversion - codes) if centre is not None else codes
    _, chosen = np.unique(names, return_index=True)
    return (
        np.ascontiguousarray(rotations[chosen], dtype=np.int64),
        np.ascontiguousarray(translations[chosen]),
        np.ascontiguousarray(pure),
        centre,
    )


def _displacements(crystal: Crystal, default_u: float | None) -> NDArray[np.float64]:
    """Mean square displacement of each atom in Å²; shape (n,). Negative ones are not believed."""
    given = crystal.u_iso_angstrom2
    if default_u is None:
        default = np.array([default_u_iso(symbol) for symbol in crystal.species])
    else:
        default = np.full(len(crystal), default_u)
    return np.where(given >= 0.0, given, default)


def _triangle(crystal: Crystal) -> NDArray[np.float64]:
    """Lower triangular T with 1/d² = |T·hkl|² and a positive diagonal. Shape (3, 3)."""
    inverse = np.linalg.inv(crystal.lattice)
    # 1/d² = |inverse·hkl|²; QL decomposition of `inverse` through the QR of its mirror image.
    upper = np.linalg.qr(inverse[::-1, ::-1], mode="r")[::-1, ::-1]
    return np.ascontiguousarray(upper * np.sign(np.diag(upper))[:, None])
