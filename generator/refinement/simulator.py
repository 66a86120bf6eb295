"""A differentiable powder pattern: atoms and cells in, profiles on a pattern's axis out.

What `data.diffraction` and `search.profile_fit` calculate crystal by crystal, in compiled loops,
is here calculated for a padded batch of crystals in torch, so that every number that goes in has a
gradient. Lines are laid on the axis between its two nearest points, and given their shape there by
a Fourier transform.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from data.canonical import operations_of
from data.diffraction import lines_of
from data.form_factors import DEFAULT_U_ISO, atomic_numbers, form_factor
from generator.cell_fit import cell_logarithms
from generator.refinement.freedom import Freedom
from search.profile_fit import LORENTZIAN_SHARE

if TYPE_CHECKING:
    from data.crystal import Crystal
    from data.preparation import Prepared

REACH_ANGSTROM = 0.8
"""Atoms are watched that are nearer to each other than the sum of their radii and so much."""
MARGIN = 32
"""Points on either side of the axis, for lines that stand beside it."""
FAINTEST = 1e-5
"""Of the highest point of a profile, below which its square root is not taken: it has no slope."""

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Parameters:
    """What is refined of b crystals, all zero to begin with.

    Attributes:
        coordinates: free coordinates, in Å. Shape (b, p).
        cell: logarithms of free lengths, and free angles in radians. Shape (b, 6).
        zero_shift_deg: beside the one the crystal came with. Shape (b,).
        u_angstrom2: added to every mean square displacement. Shape (b,).
        log_width: logarithm of the lines' width over the pattern's typical one. Shape (b,).
    """

    coordinates: torch.Tensor
    cell: torch.Tensor
    zero_shift_deg: torch.Tensor
    u_angstrom2: torch.Tensor
    log_width: torch.Tensor

    @classmethod
    def zeros(cls, crystals: int, coordinates: int) -> Parameters:
        """That leave everything as it is."""
        none = torch.zeros(crystals)
        return cls(torch.zeros(crystals, coordinates), torch.zeros(crystals, 6), none, none, none)


@dataclass(frozen=True, eq=False)
class Axis:
    """A measured pattern as profiles are compared with it.

    Attributes:
        root: square roots of the counts, of unit norm. Shape (t,).
        start_deg, step_deg, fwhm_deg: of the 2θ axis and of its lines.
        wavelengths_angstrom, weights: of the beam.
    """

    root: torch.Tensor
    start_deg: float
    step_deg: float
    fwhm_deg: float
    wavelengths_angstrom: tuple[float, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, prepared: Prepared) -> Axis:
        """Of a prepared pattern.

        Noise stays in: what is cut off weak lines would be made up for by displacements.
        """
        root = torch.tensor(np.sqrt(np.maximum(prepared.net, 0.0)), dtype=torch.float32)
        return cls(
            root / root.norm().clamp(min=1e-12),
            float(prepared.two_theta_deg[0]),
            prepared.step_deg,
            prepared.fwhm_deg,
            prepared.wavelengths_angstrom,
            prepared.weights,
        )


@dataclass(frozen=True, eq=False)
class CrystalBatch:
    """b crystals, padded to k reflections, n atoms of a lattice point, p free coordinates, m pairs.

    What is padded has no weight: scattering power, multiplicity, moves and radii are zero there.

    Attributes:
        hkl: Shape (b, k, 3).
        multiplicity: of the planes, times the square of the cell's lattice points. Shape (b, k).
        inv_d2: in the cells as they came, in 1/Å². Shape (b, k).
        scattering: form factors with displacements, in electrons. Shape (b, k, n).
        fractional: Shape (b, n, 3).
        moves: of the atoms, by free coordinate; see `Freedom`. Shape (b, p, n, 3).
        cell: logarithms of lengths in Å, and angles in radians. Shape (b, 6).
        ties: 1 where a quantity of the cell follows a free one. Shape (b, 6, 6).
        zero_shift_deg: Shape (b,).
        pairs: atoms that are near each other. Shape (b, m, 2).
        shifts: fractional, added to the second of a pair less the first. Shape (b, m, 3).
        radii: sum of a pair's covalent radii in Å. Shape (b, m).
    """

    hkl: torch.Tensor
    multiplicity: torch.Tensor
    inv_d2: torch.Tensor
    scattering: torch.Tensor
    fractional: torch.Tensor
    moves: torch.Tensor
    cell: torch.Tensor
    ties: torch.Tensor
    zero_shift_deg: torch.Tensor
    pairs: torch.Tensor
    shifts: torch.Tensor
    radii: torch.Tensor

    @classmethod
    def of(
        cls,
        crystals: Sequence[Crystal],
        freedoms: Sequence[Freedom],
        zero_shifts_deg: Sequence[float],
        *,
        d_min_angstrom: float,
    ) -> CrystalBatch:
        """Ordered crystals in the standard settings of their space groups."""
        each = [
            _unpadded(crystal, freedom, d_min_angstrom)
            for crystal, freedom in zip(crystals, freedoms, strict=True)
        ]
        (hkl, multiplicity, inv_d2, scattering, fractional, moves, cell, ties, pairs, shifts,
         radii) = (_padded(one) for one in zip(*each, strict=True))  # fmt: skip
        zero = torch.tensor(list(zero_shifts_deg), dtype=torch.float32)
        return cls(
            hkl, multiplicity, inv_d2, scattering, fractional, moves, cell, ties, zero,
            pairs.long(), shifts, radii,
        )  # fmt: skip

    def take(self, rows: torch.Tensor) -> CrystalBatch:
        """The batch of these crystals only, in this order; one may come several times."""
        return CrystalBatch(*(getattr(self, one.name)[rows] for one in fields(self)))

    def metric(self, parameters: Parameters) -> torch.Tensor:
        """Scalar products of a, b, c in Å². Shape (b, 3, 3)."""
        cell = self.cell + torch.einsum("bij,bj->bi", self.ties, parameters.cell)
        length, cosine = cell[:, :3].exp(), cell[:, 3:].cos()
        one = torch.ones_like(cosine[:, 0])
        alpha, beta, gamma = cosine.unbind(1)
        angles = torch.stack([one, gamma, beta, gamma, one, alpha, beta, alpha, one], 1)
        return angles.view(-1, 3, 3) * length[:, :, None] * length[:, None, :]

    def positions(self, parameters: Parameters) -> torch.Tensor:
        """Fractional coordinates. Shape (b, n, 3)."""
        return self.fractional + torch.einsum("bp,bpnx->bnx", parameters.coordinates, self.moves)

    def lines(self, parameters: Parameters) -> tuple[torch.Tensor, torch.Tensor]:
        """1/d² in 1/Å² and m·|F|² of all planes. Shape (b, k) each."""
        reciprocal = torch.linalg.inv(self.metric(parameters))
        inv_d2 = torch.einsum("bki,bij,bkj->bk", self.hkl, reciprocal, self.hkl)
        phase = 2 * torch.pi * self.hkl @ self.positions(parameters).transpose(1, 2)
        real = (self.scattering * phase.cos()).sum(2)
        imaginary = (self.scattering * phase.sin()).sum(2)
        damping = torch.exp(-4 * torch.pi**2 * parameters.u_angstrom2[:, None] * self.inv_d2)
        return inv_d2, self.multiplicity * (real**2 + imaginary**2) * damping

    def contacts(self, parameters: Parameters) -> torch.Tensor:
        """Distances of near atoms over the sums of their radii; padding is far. Shape (b, m)."""
        at = self.positions(parameters)
        rows = torch.arange(len(at))[:, None]
        apart = at[rows, self.pairs[..., 1]] - at[rows, self.pairs[..., 0]] + self.shifts
        square = torch.einsum("bmi,bij,bmj->bm", apart, self.metric(parameters), apart)
        far = torch.full_like(square, 9.0)
        near = self.radii > 0
        return torch.where(near, square / torch.where(near, self.radii, 1.0) ** 2, far).sqrt()


def profiles(batch: CrystalBatch, parameters: Parameters, axis: Axis) -> torch.Tensor:
    """Profiles of the crystals on the axis of a pattern, each of any scale. Shape (b, t)."""
    inv_d2, strength = batch.lines(parameters)
    shift = (batch.zero_shift_deg + parameters.zero_shift_deg)[:, None]
    points = len(axis.root) + 2 * MARGIN
    sticks = torch.zeros(len(inv_d2) * points)
    row = torch.arange(len(inv_d2))[:, None] * points
    for wavelength, weight in zip(axis.wavelengths_angstrom, axis.weights, strict=True):
        sine = (inv_d2.clamp(min=1e-6).sqrt() * (wavelength / 2)).clamp(max=0.999)
        place = torch.rad2deg(2 * torch.asin(sine)) + shift - axis.start_deg
        place = place / axis.step_deg + MARGIN
        first = place.detach().floor()
        part = place - first
        inside = (first >= 0) & (first < points - 1) & (sine < 0.999)
        area = torch.where(inside, weight * strength * _lorentz_polarisation(sine), 0.0)
        index = row + first.clamp(0, points - 2).long()
        sticks = sticks.index_add(0, index.flatten(), (area * (1 - part)).flatten())
        sticks = sticks.index_add(0, index.flatten() + 1, (area * part).flatten())
    shaped = _shaped(sticks.view(len(inv_d2), points), parameters.log_width, axis)
    return shaped[:, MARGIN:-MARGIN]


def cosines(batch: CrystalBatch, parameters: Parameters, axis: Axis) -> torch.Tensor:
    """Of the square roots of the calculated profiles and of the measured one. Shape (b,)."""
    drawn = profiles(batch, parameters, axis)
    floor = FAINTEST * drawn.detach().amax(1, keepdim=True).clamp(min=1e-12)
    root = (drawn.clamp(min=0.0) + floor).sqrt()
    cosine: torch.Tensor = (root @ axis.root) / root.norm(dim=1)
    return cosine


def _lorentz_polarisation(sine: torch.Tensor) -> torch.Tensor:
    """Of an unpolarised beam, as `search.profile_fit.intensity` has it."""
    square = sine**2
    return (1 + (1 - 2 * square) ** 2) / (square * (1 - square).sqrt())


def _shaped(sticks: torch.Tensor, log_width: torch.Tensor, axis: Axis) -> torch.Tensor:
    """Each stick drawn as a pseudo-Voigt of unit area. Shapes (b, t)."""
    points = next_fast_len(sticks.shape[1], real=True)
    width = (axis.fwhm_deg / axis.step_deg * log_width.exp())[:, None]
    turn = torch.pi * width * torch.fft.rfftfreq(points)[None]
    shape = (1 - LORENTZIAN_SHARE) * torch.exp(-(turn**2) / (4 * np.log(2)))
    shape = shape + LORENTZIAN_SHARE * torch.exp(-turn)
    whole: torch.Tensor = torch.fft.irfft(torch.fft.rfft(sticks, n=points) * shape, n=points)
    return whole[:, : sticks.shape[1]]


def _padded(arrays: Sequence[_FLOAT | _INT]) -> torch.Tensor:
    shape = tuple(np.max([one.shape for one in arrays], axis=0).tolist())
    whole = np.zeros((len(arrays), *shape), np.float32)
    for row, one in zip(whole, arrays, strict=True):
        row[tuple(slice(size) for size in one.shape)] = one
    return torch.from_numpy(whole)


def _unpadded(
    crystal: Crystal, freedom: Freedom, d_min_angstrom: float
) -> tuple[_FLOAT | _INT, ...]:
    """What `CrystalBatch` holds of one crystal, `zero_shift_deg` left out, in its order."""
    operations = operations_of(crystal.space_group_number)
    lines = lines_of(crystal, d_min_angstrom=d_min_angstrom, operations=operations)
    chosen = freedom.lattice_points
    inv_d2 = lines.inv_d2.astype(np.float64)
    hkl = lines.hkl.astype(np.int64)
    copies = len(crystal) / len(chosen)
    ties = (freedom.ties[:, None] == np.arange(6)).astype(np.float64)
    return (
        hkl,
        np.asarray(multiplicities(hkl, operations[0]) * copies**2, np.float64),
        inv_d2,
        _scattering(crystal, inv_d2)[:, chosen],
        crystal.fractional[chosen],
        freedom.moves[:, chosen],
        cell_logarithms(crystal.lattice),
        ties,
        *_near(crystal, freedom),
    )


def multiplicities(hkl: _INT, rotations: _INT) -> _INT:
    """Planes that are equivalent to each, Friedel's mates among them. Shape (k,)."""
    orbit = np.einsum("ki,oij->koj", hkl, np.unique(rotations, axis=0))
    orbit = np.concatenate([orbit, -orbit], axis=1)
    base = 2 * int(np.abs(orbit).max(initial=0)) + 1
    key = np.sort((orbit[..., 0] * base + orbit[..., 1]) * base + orbit[..., 2], axis=1)
    return np.asarray(1 + (np.diff(key, axis=1) != 0).sum(axis=1))


def _scattering(crystal: Crystal, inv_d2: _FLOAT) -> _FLOAT:
    """Form factor with displacement and occupancy of every atom. Shape (k, n)."""
    known = crystal.u_iso_angstrom2
    u = np.where(known >= 0.0, known, DEFAULT_U_ISO[atomic_numbers(crystal.species)])
    factors = {symbol: form_factor(symbol, inv_d2) for symbol in set(crystal.species)}
    bare = np.array([factors[symbol] for symbol in crystal.species]).T
    return np.asarray(bare * crystal.occupancies * np.exp(-2 * np.pi**2 * u * inv_d2[:, None]))


def _near(crystal: Crystal, freedom: Freedom) -> tuple[_INT, _FLOAT, _FLOAT]:
    """Pairs of near atoms, one of each site first: pairs, shifts and radii of `CrystalBatch`."""
    chosen = freedom.lattice_points
    place = crystal.fractional
    stand_in = _stand_ins(crystal, freedom)
    number = np.full(len(crystal), -1)
    number[chosen] = np.arange(len(chosen))
    radius = np.array([gemmi.Element(symbol).covalent_r for symbol in crystal.species])
    firsts = [
        row for row in chosen if row == chosen[freedom.sites[chosen] == freedom.sites[row]][0]
    ]
    pairs, shifts, radii = [], [], []
    images = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    for first in firsts:
        sums = radius[first] + radius
        apart = place - place[first]
        whole = -np.round(apart)[None] + images[:, None]
        distance = np.linalg.norm((apart[None] + whole) @ crystal.lattice, axis=2)
        near = (distance < sums + REACH_ANGSTROM) & (distance > 1e-3)
        for image, other in np.argwhere(near):
            pairs.append((number[first], number[stand_in[other]]))
            shifts.append(whole[image, other] + place[other] - place[stand_in[other]])
            radii.append(sums[other])
    return (
        np.array(pairs, np.int64).reshape(-1, 2),
        np.array(shifts, np.float64).reshape(-1, 3),
        np.array(radii, np.float64),
    )


def _stand_ins(crystal: Crystal, freedom: Freedom) -> _INT:
    """The chosen atom that a centring joins each atom with. Shape (n,)."""
    rotations, translations = operations_of(crystal.space_group_number)
    chosen = freedom.lattice_points
    pure = translations[(rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))]
    apart = crystal.fractional[:, None] - crystal.fractional[chosen][None] - pure[:, None, None]
    distance = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice, axis=3)
    return np.asarray(chosen[distance.min(axis=0).argmin(axis=1)])
