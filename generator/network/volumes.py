"""Volumes of atoms of each element, fitted to the cells of crystals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

STEPS = 400
USUAL_ANGSTROM3 = 16.0


def element_volumes(counts: Tensor, log_volume: Tensor, steps: int = STEPS) -> Tensor:
    """Volumes of atoms (Å³) whose sums are the volumes of crystals, single ones counting little.

    Args:
        counts: atoms of each element in each cell. Shape (n, elements).
        log_volume: logarithm of the volume of each cell in Å³. Shape (n,).
        steps: of the optimiser.

    Returns:
        Shape (elements,).
    """
    begin = math.log(USUAL_ANGSTROM3)
    volume = torch.full((counts.shape[1],), begin, device=counts.device, requires_grad=True)
    optimiser = torch.optim.Adam([volume], lr=0.03)
    for _ in range(steps):
        optimiser.zero_grad()
        error = (counts @ volume.exp()).log() - log_volume
        loss = torch.nn.functional.smooth_l1_loss(error, torch.zeros_like(error), beta=0.1)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return volume.detach().exp()
