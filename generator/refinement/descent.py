"""Cells and coordinates that describe a pattern better, by gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray

from generator.refinement.simulator import Axis, CrystalBatch, Parameters, cosines

STEPS = 60
"""Of Adam, whose rate falls to nothing along half a cosine."""
SCALES = Parameters(*(torch.tensor(one) for one in (0.03, 5e-4, 0.008, 1e-3, 0.05)))
"""How far each kind of parameter may go in the first steps."""
SHORTEST_CONTACT = 0.75
"""Of the sum of two covalent radii, below which a distance costs something."""
CONTACT_COST, U_COST = 2.0, 20.0
"""Of the square of what a contact lacks, summed; and of that of the added displacement in Å²."""
TIMID, BOLD = 0.3, 0.05
"""What the mean square move of atoms in Å² may cost: if the atoms are about where they belong, and
if they need not be."""
STARTS, START_SPREAD_ANGSTROM = 4, 0.3
"""Of a bold descent: places that atoms are moved to at random first, and how far."""
MOST_U_ANGSTROM2, MOST_LOG_WIDTH = 0.02, 0.5
"""Limits of the two parameters that no crystal is told apart by."""


@dataclass(frozen=True, eq=False)
class Descent:
    """Parameters of b crystals at the lowest cost that was met.

    Attributes:
        coordinates: free coordinates, in Å. Shape (b, p).
        cell: logarithms of free lengths, and free angles in radians. Shape (b, 6).
        zero_shift_deg: that was added. Shape (b,).
        u_angstrom2: that was added. Shape (b,).
        cost: that was made small. Shape (b,).
    """

    coordinates: NDArray[np.float64]
    cell: NDArray[np.float64]
    zero_shift_deg: NDArray[np.float64]
    u_angstrom2: NDArray[np.float64]
    cost: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> Descent:
        """That of these crystals, in this order."""
        return Descent(*(getattr(self, one.name)[rows] for one in fields(self)))


def descend_boldly(
    batch: CrystalBatch, axis: Axis, *, late: Callable[[], bool] = lambda: False
) -> Descent:
    """The best of descents from `STARTS` places at random, for atoms that are far off.

    The places are the same whenever the same is asked. See `descend`.
    """
    crystals, coordinates = len(batch.hkl), batch.moves.shape[1]
    rows = torch.arange(crystals).repeat(STARTS)
    generator = torch.Generator().manual_seed(0)
    begin = START_SPREAD_ANGSTROM * torch.randn(len(rows), coordinates, generator=generator)
    found = descend(batch.take(rows), axis, begin=begin, move_cost=BOLD, late=late)
    best = found.cost.reshape(STARTS, crystals).argmin(axis=0)
    return found.take(best * crystals + np.arange(crystals))


def descend(
    batch: CrystalBatch,
    axis: Axis,
    *,
    steps: int = STEPS,
    begin: torch.Tensor | None = None,
    move_cost: float = TIMID,
    late: Callable[[], bool] = lambda: False,
) -> Descent:
    """Refine crystals side by side, none knowing of the others.

    The cost is one less the cosine of the square-root profiles, and what short contacts and moves
    of atoms cost: unless the profile gains enough, an atom stays where it is.

    Args:
        batch: the crystals.
        axis: the pattern.
        steps: of Adam (Kingma and Ba, arXiv:1412.6980).
        begin: free coordinates to begin with, in Å. Shape (b, p).
        move_cost: of the mean square move of atoms in Å², from where they are in the batch.
        late: asked before each step; True ends the descent, and the best so far is returned.
    """
    crystals, coordinates = len(batch.hkl), batch.moves.shape[1]
    start = Parameters.zeros(crystals, coordinates)
    if begin is not None:
        start = replace(start, coordinates=begin / SCALES.coordinates)
    # In units of their scales, all parameters move at one rate.
    free = [getattr(start, field.name).clone().requires_grad_() for field in fields(Parameters)]
    optimizer = torch.optim.Adam(free, lr=1.0, betas=(0.8, 0.95))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    lowest = torch.full((crystals,), torch.inf)
    kept = [one.detach().clone() for one in free]
    for step in range(steps + 1):
        if step and late():
            break
        cost = _cost(batch, _scaled(free), axis, move_cost)
        with torch.no_grad():
            better = cost < lowest
            lowest = torch.where(better, cost, lowest)
            for best, one in zip(kept, free, strict=True):
                best[better] = one[better]
        optimizer.zero_grad()
        torch.autograd.backward(cost.sum())
        for one in free:
            if one.grad is not None:
                one.grad.nan_to_num_(0.0, 0.0, 0.0)
        optimizer.step()
        schedule.step()
    at = _scaled(kept)
    ends = (at.coordinates, at.cell, at.zero_shift_deg, at.u_angstrom2, lowest)
    moved, cell, zero, u, least = (one.double().numpy() for one in ends)
    return Descent(moved, cell, zero, u, least)


def _scaled(free: list[torch.Tensor]) -> Parameters:
    coordinates, cell, zero, u, width = (
        one * getattr(SCALES, field.name)
        for one, field in zip(free, fields(Parameters), strict=True)
    )
    return Parameters(
        coordinates,
        cell,
        zero,
        MOST_U_ANGSTROM2 * torch.tanh(u / MOST_U_ANGSTROM2),
        MOST_LOG_WIDTH * torch.tanh(width / MOST_LOG_WIDTH),
    )


def _cost(
    batch: CrystalBatch, parameters: Parameters, axis: Axis, move_cost: float
) -> torch.Tensor:
    """What is made small. Shape (b,)."""
    lacking = (SHORTEST_CONTACT - batch.contacts(parameters)).clamp(min=0.0)
    moved = torch.einsum("bp,bpnx->bnx", parameters.coordinates, batch.moves)
    square = torch.einsum("bni,bij,bnj->bn", moved, batch.metric(parameters), moved)
    atoms = (batch.scattering > 0).any(dim=1).sum(1).clamp(min=1)
    return (
        1
        - cosines(batch, parameters, axis)
        + CONTACT_COST * (lacking**2).sum(1)
        + move_cost * square.sum(1) / atoms
        + U_COST * parameters.u_angstrom2**2
    )
