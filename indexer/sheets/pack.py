"""The packed file of sheets, held on the device that trains, and patterns drawn of its lines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from indexer.sheets.axes import (
    AT_RANDOM,
    BY_COMPOSITION,
    MOST_PEAKS,
    Q_RANGE,
    STRAINED,
    TRAINED,
)

WAVELENGTH_ANGSTROM = 1.5406
USUAL_U_ANGSTROM2 = 0.011


@dataclass(frozen=True)
class Bench:
    """How patterns of sheets are drawn for training; ranges are of even draws.

    Attributes:
        strain: of the net, either way; the sheet's own tokens get it, too.
        off: share of the patterns of nets that are not quite those of the tokens.
        misfit: of them: strain of the net, either way, that the tokens do not get.
        warm: share of the patterns that are snapshots of atoms in motion.
        warmth: of them: what mean square displacements are multiplied by.
        cells: that move independently in a snapshot.
        merged_deg: lines nearer than this in 2θ are one peak, drawn evenly in its logarithm.
        seen: peaks weaker than this part of the largest are not seen, drawn in the same way.
        shift_deg, scatter_deg: spread of the zero of 2θ, and of each peak.
        error: spread of the logarithm of intensities, drawn from 0 to this.
        strangers: share of the patterns with a peak or two of something else.
        from_q, to_q: where patterns begin and end, in 1/Å.
    """

    strain: float = 0.015
    off: float = 0.5
    misfit: float = 0.01
    warm: float = 0.5
    warmth: tuple[float, float] = (0.5, 2.0)
    cells: float = 9.0
    merged_deg: tuple[float, float] = (0.02, 0.3)
    seen: tuple[float, float] = (3e-4, 0.1)
    shift_deg: float = 0.02
    scatter_deg: float = 0.01
    error: float = 0.5
    strangers: float = 0.2
    from_q: tuple[float, float] = (0.35, 1.1)
    to_q: tuple[float, float] = (4.0, 6.2)


@dataclass(frozen=True)
class Peaks:
    """Peaks of patterns as the tower over them reads them. Shape (B, P) each."""

    ln_q: Tensor
    log_strength: Tensor
    there: Tensor


@dataclass(frozen=True)
class Sheets:
    """Sheets as the tower over them reads them.

    Attributes:
        cell: Shape (B, 7).
        elements: Shape (B, S).
        sites: Shape (B, S, features).
        there: Shape (B, S).
        rods: Shape (B, R, 2).
        rods_there: Shape (B, R).
    """

    cell: Tensor
    elements: Tensor
    sites: Tensor
    there: Tensor
    rods: Tensor
    rods_there: Tensor


class SheetPack:
    """Sheets to train on; `packing.write_packed` says what the file holds."""

    def __init__(self, path: Path, device: torch.device) -> None:
        """Read the file and put it on the device."""
        with np.load(path) as file:
            names = [name for name in file.files if name not in {"formula", "identifier"}]
            read = {name: torch.from_numpy(file[name]).to(device) for name in names}
        self.device = device
        self.cell = read["cell"]
        self.site_offsets, self.line_offsets = read["site_offsets"], read["line_offsets"]
        self.elements, self.sites = read["elements"], read["sites"]
        self.rod_offsets, self.rod_lines = read["rod_offsets"], read["rod_lines"]
        self.inv_d2, self.strength = read["inv_d2"], read["strength"]
        self.diffuse, self.rods = read["diffuse"], read["rods"]
        self.part = read["part"]
        self.strained = torch.tensor(STRAINED, device=device)
        self.training_rows = self._rows(TRAINED)
        self.held_out_rows = self._rows(AT_RANDOM)
        self.other_compositions = self._rows(BY_COMPOSITION)

    def __len__(self) -> int:
        return len(self.cell)

    def _rows(self, part: int) -> Tensor:
        return torch.nonzero(self.part == part)[:, 0]

    def sheets(self, rows: Tensor, strain: Tensor | None = None) -> Sheets:
        """Sheets, their nets strained by `strain` (B,)."""
        at, there = _slots(self.site_offsets, rows)
        of_rods, rods_there = _slots(self.rod_offsets, rows)
        cell, rods = self.cell[rows], self.rod_lines[of_rods]
        if strain is not None:
            stretch = torch.log1p(strain)
            cell = cell + self.strained * stretch[:, None]
            rods = torch.stack([rods[..., 0] - stretch[:, None], rods[..., 1]], dim=2)
        elements = torch.where(there, self.elements[at].long(), 0)
        sites = self.sites[at].float() * there[..., None]
        return Sheets(cell, elements, sites, there, rods, rods_there)

    def clean(self, rows: Tensor) -> Peaks:
        """Peaks of ideal sheets, lines within 0.05° of each other taken together."""
        nothing = torch.zeros(len(rows), device=self.device)
        q, strength, there = self._lines(rows, nothing)
        return _peaks(q, strength, there, nothing + 0.05, nothing + 1e-3)

    def drawn(self, rows: Tensor, strain: Tensor, bench: Bench, rng: torch.Generator) -> Peaks:
        """Peaks as they may be measured, of sheets whose nets are strained by `strain` (B,)."""

        def even(limits: tuple[float, float], *shape: int) -> Tensor:
            draws = torch.rand(len(rows), *shape, generator=rng, device=self.device)
            return limits[0] + (limits[1] - limits[0]) * draws

        def normal(*shape: int) -> Tensor:
            return torch.randn(len(rows), *shape, generator=rng, device=self.device)

        off = torch.where(even((0.0, 1.0)) < bench.off, even((-bench.misfit, bench.misfit)), 0.0)
        q, strength, there = self._lines(rows, (1 + strain) * (1 + off) - 1)
        strength = self._in_motion(rows, q, strength, bench, rng)
        strength = strength * (even((0.0, bench.error), 1) * normal(q.shape[1])).exp()
        from_q, to_q = even(bench.from_q), even(bench.to_q)
        stranger = even((0.0, 1.0), 1) < bench.strangers
        other = even((0.0, 1.0), 2)
        place = from_q[:, None] + (to_q - from_q)[:, None] * other
        q = torch.cat([q, place], dim=1)
        top = _area(q[:, :-2], torch.where(there, strength, 0.0)).amax(1, keepdim=True)
        size = top * 0.2 * even((0.0, 1.0), 2) ** 2 / _area(place, torch.ones_like(place))
        strength = torch.cat([strength, size], dim=1)
        there = torch.cat([there, stranger.expand(-1, 2)], dim=1)
        there = there & (q > from_q[:, None]) & (q < to_q[:, None])
        moved = math.radians(1) * (
            bench.shift_deg * normal(1) + bench.scatter_deg * normal(q.shape[1])
        )
        theta = torch.asin((q * WAVELENGTH_ANGSTROM / (4 * math.pi)).clamp(max=0.999)) + moved / 2
        q = 4 * math.pi / WAVELENGTH_ANGSTROM * theta.clamp(0.01, 1.55).sin()
        merged = even(tuple(map(math.log, bench.merged_deg))).exp()  # type: ignore[arg-type]
        seen = even(tuple(map(math.log, bench.seen))).exp()  # type: ignore[arg-type]
        return _peaks(q, strength, there, merged, seen)

    def _lines(self, rows: Tensor, strain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Q in 1/Å, strength, and whether there, of the lines of sheets. Shape (B, L) each."""
        at, there = _slots(self.line_offsets, rows)
        q = 2 * math.pi * self.inv_d2[at].sqrt() / (1 + strain[:, None])
        return q, torch.where(there, self.strength[at], 0.0), there

    def _in_motion(
        self, rows: Tensor, q: Tensor, strength: Tensor, bench: Bench, rng: torch.Generator
    ) -> Tensor:
        """Strengths in a snapshot, of those patterns that are one.

        The structure factor of each of a line's rods is off by a complex normal deviate, whose
        variance is what one cell scatters diffusely over the number of cells; the strength is the
        sum of the squares of rods that are off independently, here by its first two moments.
        """
        at, _ = _slots(self.line_offsets, rows)
        shape = (len(rows), 1)
        draws = torch.rand(shape, generator=rng, device=self.device)
        warmth = bench.warmth[0] + (bench.warmth[1] - bench.warmth[0]) * draws
        still = torch.rand(shape, generator=rng, device=self.device) >= bench.warm
        # exp(-2W) of the usual displacement, over that at room temperature.
        inv_d2 = (q / (2 * math.pi)) ** 2
        mean = strength * (-4 * math.pi**2 * USUAL_U_ANGSTROM2 * (warmth - 1) * inv_d2).exp()
        noise = self.diffuse[at] * warmth / bench.cells
        spread = ((2 * mean * noise + noise**2) / self.rods[at].clamp(min=1)).sqrt()
        normal = torch.randn(strength.shape, generator=rng, device=self.device)
        return torch.where(still, strength, (mean + noise + spread * normal).clamp(min=0.0))


def _slots(offsets: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Places of what rows own, padded to the longest, and which are no padding. (B, L) each."""
    begin = offsets[rows]
    count = offsets[rows + 1] - begin
    slot = torch.arange(int(count.max()), device=offsets.device)
    there = slot < count[:, None]
    return torch.where(there, begin[:, None] + slot, begin[:, None]), there


def _area(q: Tensor, strength: Tensor) -> Tensor:
    """Areas that strengths make in a pattern: with the Lorentz-polarisation of a powder."""
    sine = (q * WAVELENGTH_ANGSTROM / (4 * math.pi)).clamp(1e-3, 0.95)
    theta = torch.asin(sine)
    return strength * (1 + (2 * theta).cos() ** 2) / (sine**2 * theta.cos())


def _peaks(q: Tensor, strength: Tensor, there: Tensor, merged: Tensor, seen: Tensor) -> Peaks:
    """Lines as peaks: near ones taken together, faint ones and those out of range left out.

    Args:
        q: of lines, in 1/Å. Shape (B, L).
        strength: of lines. Shape (B, L).
        there: False where padded. Shape (B, L).
        merged: degrees 2θ between lines that are told apart. Shape (B,).
        seen: part of the largest area that is still seen. Shape (B,).
    """
    there = there & (q > Q_RANGE[0]) & (q < Q_RANGE[1])
    q = torch.where(there, q, 99.0)
    q, order = q.sort(dim=1)
    area = _area(q, torch.where(there, strength, 0.0).gather(1, order))
    there = there.gather(1, order)
    sine = (q * WAVELENGTH_ANGSTROM / (4 * math.pi)).clamp(max=0.9999)
    two_theta = 2 * torch.asin(sine) * 180 / math.pi
    apart = torch.diff(two_theta, dim=1) > merged[:, None]
    group = torch.cat([torch.zeros_like(there[:, :1]), apart], dim=1).long().cumsum(1)
    none = torch.zeros_like(area)
    total = none.scatter_add(1, group, area)
    moment = none.scatter_add(1, group, area * q)
    place = moment / total.clamp(min=1e-30)
    visible = total > seen[:, None] * total.amax(1, keepdim=True).clamp(min=1e-30)
    size = torch.where(visible, total, 0.0)
    kept = size.topk(min(MOST_PEAKS, size.shape[1]), dim=1).indices.sort(dim=1).values
    place, size = place.gather(1, kept), size.gather(1, kept)
    there = size > 0
    level = _area(place, torch.ones_like(place)).clamp(min=1e-30)
    log_strength = torch.where(there, (size / level).clamp(min=1e-30).log(), -99.0)
    log_strength = log_strength - log_strength.amax(1, keepdim=True)
    ln_q = place.clamp(min=Q_RANGE[0]).log()
    return Peaks(torch.where(there, ln_q, 0.0), torch.where(there, log_strength, 0.0), there)
