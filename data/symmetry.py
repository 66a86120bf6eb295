"""Symmetry operations of a crystal in the cell it is given in."""

from __future__ import annotations

from functools import cache

import moyopy
import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.canonical import operations_of
from data.crystal import Crystal
from data.form_factors import atomic_numbers
from data.reflections import keeps_metric
from data.sites import grouped

Operations = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Rotations (k, 3, 3) and translations (k, 3): x → R·x + t in fractional coordinates, centrings
included."""

_Whole = tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]

TOLERANCE_ANGSTROM = 1e-3
SAME_AMOUNT = 1e-3
SAME_U_ANGSTROM2 = 1e-3


@cache
def generators(space_group_number: int) -> Operations:
    """A few operations whose products are all of `data.canonical.operations_of`."""
    rotations, translations = operations_of(space_group_number)
    operations = [
        _whole(rotation, translation)
        for rotation, translation in zip(rotations.tolist(), translations.tolist(), strict=True)
    ]
    chosen: list[int] = []
    reached = {_whole(np.eye(3, dtype=int).tolist(), [0.0, 0.0, 0.0])}
    for row, operation in enumerate(operations):
        if operation in reached:
            continue
        chosen.append(row)
        reached.add(operation)
        fresh = list(reached)
        while fresh:
            one = fresh.pop()
            products = {_product(operations[other], one) for other in chosen} - reached
            reached |= products
            fresh += products
    return rotations[chosen], translations[chosen]


def _whole(rotation: list[list[int]], translation: list[float]) -> _Whole:
    """An operation in whole numbers: translations of the tables are multiples of 1/24."""
    return tuple(map(tuple, rotation)), tuple(round(24 * part) % 24 for part in translation)


def _product(first: _Whole, second: _Whole) -> _Whole:
    """The operation that applies `second`, then `first`."""
    (r, t), (s, u) = first, second
    axes = range(3)
    rotation = tuple(tuple(sum(r[i][k] * s[k][j] for k in axes) for j in axes) for i in axes)
    shift = tuple((t[i] + sum(r[i][k] * u[k] for k in axes)) % 24 for i in axes)
    return rotation, shift


def symmetry_operations(crystal: Crystal) -> Operations:
    """Operations that keep the crystal within 0.001 Å, in its own cell.

    Those of its space group in the standard setting are tried first; they are taken when every
    atom has its images. Otherwise they are searched for (moyo), and a crystal in which none are
    found keeps the identity. Equivalent atoms agree in species, occupancy and displacement.
    """
    number = crystal.space_group_number
    if number > 1 and _holds(crystal, generators(number)):
        return operations_of(number)
    sites: dict[int, list[int]] = {}
    together = grouped(crystal.fractional, crystal.lattice, TOLERANCE_ANGSTROM)
    for row, site in enumerate(together.tolist()):
        sites.setdefault(site, []).append(row)
    contents = [tuple(sorted(_content(crystal, row) for row in rows)) for rows in sites.values()]
    numbering = {content: number for number, content in enumerate(dict.fromkeys(contents), 1)}
    cell = moyopy.Cell(
        basis=crystal.lattice.tolist(),
        positions=[crystal.fractional[rows[0]].tolist() for rows in sites.values()],
        numbers=[numbering[content] for content in contents],
    )
    try:
        found = moyopy.MoyoDataset(cell, symprec=TOLERANCE_ANGSTROM).operations
    except ValueError:
        return operations_of(1)
    return np.array(found.rotations, dtype=np.int64), np.array(found.translations)


def _content(crystal: Crystal, row: int) -> tuple[str, int, int]:
    u = crystal.u_iso_angstrom2[row]
    steps = -1 if np.isnan(u) else round(u / SAME_U_ANGSTROM2)
    return crystal.species[row], round(crystal.occupancies[row] / SAME_AMOUNT), steps


def _holds(crystal: Crystal, operations: Operations) -> bool:
    displacements = np.nan_to_num(crystal.u_iso_angstrom2, nan=-1.0)
    contents = (atomic_numbers(crystal.species), np.array(crystal.occupancies), displacements)
    metric = crystal.lattice @ crystal.lattice.T
    positions = np.array(crystal.fractional, order="C")
    return bool(_maps_onto_itself(metric, positions, contents, operations))


@njit(cache=True, nogil=True)
def _maps_onto_itself(
    metric: NDArray[np.float64],
    positions: NDArray[np.float64],
    contents: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
    operations: Operations,
) -> bool:
    """Whether every operation keeps the metric and takes every atom to one of its kind."""
    rotations, translations = operations
    elements, occupancies, u_angstrom2 = contents
    for i in range(len(rotations)):
        if not keeps_metric(metric, rotations[i]):
            return False
    n = len(elements)
    for i in range(len(rotations)):
        r, t = rotations[i], translations[i]
        for j in range(n):
            x = r[0, 0] * positions[j, 0] + r[0, 1] * positions[j, 1] + r[0, 2] * positions[j, 2]
            y = r[1, 0] * positions[j, 0] + r[1, 1] * positions[j, 1] + r[1, 2] * positions[j, 2]
            z = r[2, 0] * positions[j, 0] + r[2, 1] * positions[j, 1] + r[2, 2] * positions[j, 2]
            found = False
            for m in range(n):
                if (
                    elements[m] != elements[j]
                    or abs(occupancies[m] - occupancies[j]) > SAME_AMOUNT
                    or abs(u_angstrom2[m] - u_angstrom2[j]) > SAME_U_ANGSTROM2
                ):
                    continue
                dx = x + t[0] - positions[m, 0]
                dy = y + t[1] - positions[m, 1]
                dz = z + t[2] - positions[m, 2]
                dx, dy, dz = dx - round(dx), dy - round(dy), dz - round(dz)
                distance2 = (
                    metric[0, 0] * dx * dx
                    + metric[1, 1] * dy * dy
                    + metric[2, 2] * dz * dz
                    + 2 * (metric[0, 1] * dx * dy + metric[0, 2] * dx * dz + metric[1, 2] * dy * dz)
                )
                if distance2 < TOLERANCE_ANGSTROM**2:
                    found = True
                    break
            if not found:
                return False
    return True
