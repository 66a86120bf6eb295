"""The packed file of training crystals, held on the device that trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from indexer.encoders.waves import Atoms, waves_of


@dataclass(frozen=True)
class PaddedLines:
    """Lines of a batch of crystals, padded to the longest.

    Attributes:
        inv_d2: 1/d² in 1/Å². Shape (B, L).
        strength: m·|F|² relative to the crystal's strongest. Shape (B, L).
        direction: unit normals of the lattice planes, in Cartesian axes. Shape (B, L, 3).
        present: False where padded. Shape (B, L).
    """

    inv_d2: Tensor
    strength: Tensor
    direction: Tensor
    present: Tensor


class Pack:
    """Training crystals; `packing.write_packed` says what the file holds."""

    def __init__(self, path: Path, device: torch.device) -> None:
        """Read the file and put it on the device."""
        with np.load(path) as file:
            read = {name: file[name] for name in file.files if name != "formula"}
        self.device = device
        self.lattice = torch.from_numpy(read["lattice"]).to(device)
        self.space_group = torch.from_numpy(read["space_group"]).to(device)
        self.line_offsets = torch.from_numpy(read["line_offsets"]).to(device)
        self.hkl = torch.from_numpy(read["hkl"]).to(device)
        self.log_strength = torch.from_numpy(read["log_strength"]).to(device)
        self.atom_offsets = torch.from_numpy(read["atom_offsets"]).to(device)
        self.primitive = torch.from_numpy(read["primitive"]).to(device)
        self.atomic_number = torch.from_numpy(read["atomic_number"]).to(device)
        self.occupancy = torch.from_numpy(read["occupancy"]).to(device)
        self.fractional = torch.from_numpy(read["fractional"]).to(device)
        self.prototype = torch.from_numpy(read["prototype"].astype(np.int64)).to(device)
        held_out = torch.from_numpy(read["held_out"])
        known = read.get("known", np.zeros(len(held_out), np.bool_))  # packs of old do not say
        self.known = torch.from_numpy(known).to(device)
        self.training_rows = torch.nonzero(~held_out)[:, 0].to(device)
        self.held_out_rows = torch.nonzero(held_out)[:, 0].to(device)

    def __len__(self) -> int:
        return len(self.lattice)

    def lines(self, rows: Tensor, *, strain: Tensor | None = None) -> PaddedLines:
        """Lines of these crystals, their lattice vectors scaled by `strain` (B, 3)."""
        begin = self.line_offsets[rows]
        count = self.line_offsets[rows + 1] - begin
        slot = torch.arange(int(count.max()), device=self.device)
        present = slot < count[:, None]
        flat = torch.where(present, begin[:, None] + slot, begin[:, None])
        lattice = self.lattice[rows]
        if strain is not None:
            lattice = lattice * strain[:, :, None]
        normals = self.hkl[flat].float() @ torch.linalg.inv(lattice).transpose(1, 2)
        length = normals.norm(dim=2).clamp(min=1e-9)
        strength = torch.where(present, self.log_strength[flat].float().exp(), 0.0)
        return PaddedLines(length**2, strength, normals / length[..., None], present)

    def atoms(self, rows: Tensor) -> Atoms:
        """These crystals as atoms and waves; all of them must have their atoms in the pack."""
        begin = self.atom_offsets[rows]
        count = self.atom_offsets[rows + 1] - begin
        slot = torch.arange(int(count.max()), device=self.device)
        present = slot < count[:, None]
        flat = torch.where(present, begin[:, None] + slot, begin[:, None])
        lattice = self.primitive[rows]
        waves = [waves_of(one) for one in lattice]
        hkl = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
        counts = torch.tensor([len(one) for one in waves], device=self.device)
        return Atoms(
            lattice,
            torch.where(present, self.atomic_number[flat].long(), 0),
            torch.where(present, self.occupancy[flat].float() / 200, 0.0),
            self.fractional[flat].float() / 65536,
            hkl,
            torch.arange(hkl.shape[1], device=self.device) < counts[:, None],
        )
