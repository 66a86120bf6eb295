"""How much room atoms take, by what kind of crystal they make: the unit of distances.

The same as `generator.chemistry.AtomicVolumes`, with torch alone and of padded atomic numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ANIONS = (1, 7, 8, 9, 16, 17, 34, 35, 52, 53)
ELEMENTS = 104
KINDS = 3
"""Crystals of anions and others, of anions alone, and of others alone."""
USUAL_ANGSTROM3 = 18.0
ATOM_SPREAD, ERROR_SPREAD = 0.3, 0.12
"""Of the logarithm of an atom's volume about what is usual; and of a crystal's."""
TURNS, LONGEST_STEP, SETTLED = 60, 0.5, 1e-4


def usual_volumes() -> Tensor:
    """A table where nothing is known; padding takes no room. Shape (KINDS, ELEMENTS)."""
    table = torch.full((KINDS, ELEMENTS), USUAL_ANGSTROM3)
    table[:, 0] = 0.0
    return table


def volumes_of(number: Tensor, volume: Tensor) -> Tensor:
    """A table from crystals, their relative errors counted, large ones less than their squares.

    Args:
        number: atomic numbers of primitive cells, 0 where padded. Shape (B, A).
        volume: of these in Å³. Shape (B,).

    Returns:
        Å³ of an atom of each element in each kind of crystal. Shape (KINDS, ELEMENTS).
    """
    kinds = kinds_of(number)
    counts = torch.zeros(len(number), ELEMENTS, dtype=torch.float64, device=number.device)
    counts.scatter_add_(1, number, (number > 0).double())
    table = usual_volumes().to(number.device)
    for kind in range(KINDS):
        mine = kinds == kind
        table[kind, 1:] = _fitted(counts[mine], volume[mine].double())[1:].float()
    return table


def unit_of(table: Tensor, number: Tensor) -> Tensor:
    """Cube root of the volume that an atom has in crystals of these atoms, in Å. Shape (B,)."""
    each = table[kinds_of(number)].gather(1, number)
    mean = each.sum(dim=1) / (number > 0).sum(dim=1).clamp(min=1)
    return mean.clamp(min=1.0).pow(1 / 3)


def kinds_of(number: Tensor) -> Tensor:
    """Row of the table for each crystal. Shape (B,)."""
    there = number > 0
    anion = torch.isin(number, torch.tensor(ANIONS, device=number.device))
    some, only = anion.any(dim=1), (anion | ~there).all(dim=1)
    return torch.where(some, torch.where(only, 1, 0), 2)


def _fitted(counts: Tensor, volume: Tensor) -> Tensor:
    """Robust least squares of logarithms by Gauss and Newton. Shape (ELEMENTS,)."""
    wanted = torch.full_like(counts[0] if len(counts) else counts.sum(0), math.log(USUAL_ANGSTROM3))
    logarithms = wanted.clone()
    prior = torch.eye(ELEMENTS, dtype=counts.dtype, device=counts.device) / ATOM_SPREAD**2
    for _ in range(TURNS):
        sizes = logarithms.exp()
        total = counts @ sizes
        error = (volume / total).log()
        # Cauchy's weights: wrong, compressed and porous crystals do not carry the others along.
        weight = 1 / (ERROR_SPREAD**2 + error**2)
        slope = counts * sizes / total[:, None]
        curvature = slope.T @ (slope * weight[:, None]) + prior
        gradient = slope.T @ (weight * error) - (logarithms - wanted) / ATOM_SPREAD**2
        step = torch.linalg.solve(curvature, gradient).clamp(-LONGEST_STEP, LONGEST_STEP)
        logarithms = logarithms + step
        if float(step.abs().max()) < SETTLED:
            break
    return logarithms.exp()
