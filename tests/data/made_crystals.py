"""Crystals drawn at random, of any space group, and an oracle that knows no symmetry."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.canonical import operations_of
from data.crystal import Crystal
from data.form_factors import form_factor

Floats = NDArray[np.float64]
ELEMENTS = ("H", "O", "Si", "Fe", "Pb")


def of_group(number: int, seed: int, *, volume_angstrom3: float = 150.0) -> Crystal:
    """Two sites in general positions of a space group, in a cell that the group keeps.

    The metric is a random one averaged over the group, the volume is that of the primitive cell.
    """
    rng = np.random.default_rng(seed)
    rotations, translations = operations_of(number)
    random_axes = np.eye(3) + rng.uniform(-0.2, 0.2, (3, 3))
    metric = np.mean(
        [r.T @ (random_axes @ random_axes.T) @ r for r in rotations.astype(float)], axis=0
    )
    lattice = np.linalg.cholesky(metric)
    primitives = (np.abs(rotations - np.eye(3)).max(axis=(1, 2)) == 0).sum()
    lattice *= (volume_angstrom3 * primitives / np.linalg.det(lattice)) ** (1 / 3)
    species: list[str] = []
    occupancies: list[float] = []
    positions = []
    displacements: list[float] = []
    for _ in range(2):
        positions.append((rotations @ rng.random(3) + translations) % 1.0)
        species += [str(rng.choice(ELEMENTS))] * len(rotations)
        occupancies += [float(rng.choice([1.0, 0.4]))] * len(rotations)
        displacements += [float(rng.choice([np.nan, 0.02]))] * len(rotations)
    return Crystal(
        lattice,
        tuple(species),
        np.array(occupancies),
        np.concatenate(positions),
        np.array(displacements),
        number,
    )


def crystals(*, groups: range = range(1, 231)) -> st.SearchStrategy[Crystal]:
    return st.builds(of_group, st.sampled_from(groups), st.integers(0, 2**32 - 1))


def every_reflection(
    crystal: Crystal, d_min_angstrom: float, default_u: float
) -> tuple[Floats, Floats]:
    """1/d² and |F|² of each single hkl in the sphere, from the definition. Shapes (n,)."""
    reciprocal = np.linalg.inv(crystal.lattice)
    tops = np.floor(np.linalg.norm(crystal.lattice, axis=1) / d_min_angstrom + 1e-6).astype(int)
    hkl = np.array(list(itertools.product(*(range(-top, top + 1) for top in tops))))
    inv_d2 = ((hkl @ reciprocal.T) ** 2).sum(axis=1)
    inside = (inv_d2 > 0) & (inv_d2 <= (1 + 1e-9) / d_min_angstrom**2)
    hkl, inv_d2 = hkl[inside], inv_d2[inside]
    total = np.zeros(len(hkl), dtype=np.complex128)
    for symbol, share, x, u in zip(
        crystal.species,
        crystal.occupancies,
        crystal.fractional,
        crystal.u_iso_angstrom2,
        strict=True,
    ):
        u_used = default_u if np.isnan(u) else u
        damping = np.exp(-2 * np.pi**2 * u_used * inv_d2)
        total += share * form_factor(symbol, inv_d2) * damping * np.exp(2j * np.pi * hkl @ x)
    return inv_d2, np.abs(total) ** 2


def summed_by_d(inv_d2: Floats, strength: Floats, *, apart: float = 1e-7) -> tuple[Floats, Floats]:
    """Strengths of lines nearer than `apart` in 1/d² added up; weak ones dropped.

    Absent lines are dropped beforehand: one may lie as near to another by chance, and would
    give the sum its place.
    """
    there = strength > 1e-12 * strength.max(initial=0.0)
    inv_d2, strength = inv_d2[there], strength[there]
    order = np.argsort(inv_d2)
    inv_d2, strength = inv_d2[order], strength[order]
    group = np.concatenate([[0], np.cumsum(np.diff(inv_d2) > apart)]).astype(int)
    sums = np.bincount(group, strength)
    first = np.unique(group, return_index=True)[1]
    strong = sums > 1e-9 * sums.max()
    return inv_d2[first][strong], sums[strong]
