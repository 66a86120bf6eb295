"""A tower that reads atoms and lattice: waves over the reciprocal lattice, learned form factors.

Each atom sends a message to every wave of the reciprocal lattice, a learned amplitude that falls
off with |Q|, with the wave's phase at the atom; a wave answers with the squared modulus of what it
received (message passing in reciprocal space: Kosmala et al., Ewald-based long-range message
passing, ICML 2023). That depends on no origin, orientation, order of atoms or choice of cell, and
it is differentiable in coordinates, lattice and, through the amplitudes, in what the atoms are.
The waves' answers, several channels of them, are laid out over ln Q and read by the same network
that reads profiles.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from indexer.encoders.axis import (
    BINS,
    FAINTEST,
    LN_Q_START,
    STEP,
    WIDTHS_ANGSTROM2,
    line_shape,
)
from indexer.encoders.drawing import deposit, polarisation_of_q
from indexer.encoders.model import ProfileEncoder, ProfileEncoderShape
from indexer.encoders.waves import Atoms

ELEMENTS = 119
SHARES = (0.45, 0.3, 0.17, 0.08)
"""Of an atom's electrons in each, to begin with: about those of a medium element."""
CHANNELS = 4


class AtomsEncoder(nn.Module):
    """Atoms and lattice in, unit vectors of the profile encoder's space out."""

    def __init__(self, shape: ProfileEncoderShape | None = None) -> None:
        """Channel 0 begins as the electron density, the others near nothing."""
        super().__init__()
        self.amplitude = nn.Embedding(ELEMENTS, CHANNELS * len(WIDTHS_ANGSTROM2))
        with torch.no_grad():
            amplitude = 0.1 * torch.randn(ELEMENTS, CHANNELS, len(WIDTHS_ANGSTROM2))
            amplitude *= torch.arange(ELEMENTS)[:, None, None]
            amplitude[:, 0] = torch.arange(ELEMENTS)[:, None] * torch.tensor(SHARES)
            self.amplitude.weight.copy_(amplitude.flatten(1))
        self.encoder = ProfileEncoder(shape, channels=1 + CHANNELS)

    def begin_from(self, encoder: ProfileEncoder) -> None:
        """Take the profile encoder's weights over; channels it does not know count for nothing."""
        weights = encoder.state_dict()
        stem = self.encoder.stem.weight.detach().clone().zero_()
        stem[:, 0], stem[:, -1] = weights["stem.weight"][:, 0], weights["stem.weight"][:, 1]
        self.encoder.load_state_dict({**weights, "stem.weight": stem})

    def forward(self, atoms: Atoms) -> Tensor:
        """Unit vectors. Shape (B, DIMENSION)."""
        vectors: Tensor = self.encoder(self.profiles(atoms))
        return vectors

    def profiles(self, atoms: Atoms) -> Tensor:
        """Square roots of the waves' answers over ln Q, then ones. (B, 1 + CHANNELS, BINS)."""
        waves = 2 * math.pi * atoms.hkl @ torch.linalg.inv(atoms.lattice).transpose(1, 2)
        q = waves.norm(dim=2).clamp(min=1e-6)
        phase = 2 * math.pi * atoms.hkl @ atoms.fractional.transpose(1, 2)
        sent = self.amplitude(atoms.number) * atoms.occupancy[..., None]
        real, imaginary = phase.cos() @ sent, phase.sin() @ sent
        widths = torch.tensor(WIDTHS_ANGSTROM2, device=q.device)
        fall = (-widths * (q[..., None] / (4 * math.pi)) ** 2).exp()[:, :, None]
        shape = (*q.shape, CHANNELS, len(widths))
        scattered = [(part.view(shape) * fall).sum(-1) for part in (real, imaginary)]
        answer = scattered[0] ** 2 + scattered[1] ** 2
        place = (q.log() - LN_Q_START) / STEP - 0.5
        seen = atoms.wave & (place >= 0) & (place < BINS - 1)
        weight = torch.where(seen, polarisation_of_q(q), 0.0)
        combs = [deposit(place, weight * answer[..., c], BINS) for c in range(CHANNELS)]
        kernel = torch.as_tensor(line_shape(), dtype=q.dtype, device=q.device)[None, None]
        drawn = conv1d(torch.stack(combs, 1).flatten(0, 1)[:, None], kernel,
                       padding=kernel.shape[2] // 2).view(len(q), CHANNELS, BINS)  # fmt: skip
        highest = drawn.detach().amax((1, 2), keepdim=True)
        root = (drawn.clamp(min=0) + FAINTEST * highest).sqrt()
        level = root[:, :1].square().mean(dim=2, keepdim=True).sqrt().clamp(min=1e-12)
        return torch.cat([root / level, torch.ones_like(root[:, :1])], dim=1)
