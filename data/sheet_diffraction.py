"""Diffraction of a sheet: its in-plane reflections, and the same with its atoms in motion.

A sheet does not repeat along its normal, so that reciprocal space is rods, one for each h and k of
its net. Measured in the plane, a rod counts over the short piece that the slits let through. After
Fu et al., Commun. Phys. 8 (2025) 221, equations 1 and 2:

    I = A · P / sin 2θ · |Σ_j f_j exp(-iq·R_j)|²

A the Debye-Waller factors (each atom's own, inside the sum here), P the polarisation, f the form
factors. The lines of a library get the Lorentz factor of a powder, 1 / (sin² θ · cos θ), when
they are compared. It is that of a sheet over sin θ, and sin θ goes with 1/d: strengths of sheets
carry a factor 1/d, and everything that draws or fits lines then draws and fits sheets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.crystal import Crystal
from data.errors import CrystalError
from data.form_factors import DEFAULT_U_ISO, GAUSSIANS, atomic_numbers
from data.lines import Lines
from data.sheets import frame_of

ROD_INV_ANGSTROM = 0.03
"""Half of the length of rod that is seen, in 1/Å of 1/d: 0.2 1/Å of Q."""
RODS_MOST = 20_000
"""Rods that one sheet may have."""
SAME_D = 1e-6
"""Reflections whose 1/d² differ by less than this part are one line."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rods:
    """The rods of a sheet, of each pair hk and -h-k one, by rising distance from the origin.

    Attributes:
        vectors: places at which each is looked at, in 1/Å, in the frame of sheets; the weights of
            the places along a rod are `weights`. Shape (m, p, 3).
        weights: Shape (p,).
        hkl: of each rod, in the cell of the crystal that was asked about. Shape (m, 3).
        line: which line each belongs to; lines are counted from 0 by rising 1/d². Shape (m,).
    """

    vectors: _FLOAT
    weights: _FLOAT
    hkl: NDArray[np.int16]
    line: NDArray[np.int64]

    @property
    def inv_d2(self) -> _FLOAT:
        """1/d² of each rod in the plane, in 1/Å². Shape (m,)."""
        return np.asarray((self.vectors[:, 0, :2] ** 2).sum(axis=1))

    def lines(self, intensity: _FLOAT) -> Lines:
        """Lines of what is scattered along the rods.

        Args:
            intensity: |F|² at each place, in electrons². Shape (m, p).
        """
        inv_d2 = self.inv_d2
        # Twice, for the pair hk and -h-k.
        each = 2 * (intensity @ self.weights) * np.sqrt(inv_d2)
        first = np.flatnonzero(np.diff(self.line, prepend=-1))
        strength = np.bincount(self.line, each).astype(np.float64)
        return Lines(inv_d2[first], strength, self.hkl[first])


def rods_of(
    sheet: Crystal, *, d_min_angstrom: float = 1.0, cell: _FLOAT | None = None, points: int = 3
) -> Rods:
    """The rods of a sheet down to a smallest d.

    Args:
        sheet: in the frame of sheets.
        d_min_angstrom: in the plane.
        cell: that indices are of, rows a, b, c in Å in the same orientation; the sheet's own when
            not given. Shape (3, 3).
        points: at which a rod is looked at, by the rule of Gauss and Legendre; 1 is the plane
            itself.

    Raises:
        CrystalError: more rods than are sensible.
    """
    net = sheet.lattice[:2, :2]
    reciprocal = np.linalg.inv(net)
    most = np.ceil(np.linalg.norm(net, axis=1) / d_min_angstrom).astype(int)
    if 2 * most[0] * most[1] > RODS_MOST:
        raise CrystalError(
            f"a net of {abs(np.linalg.det(net)):.6g} Å² has too many rods down to "
            f"{d_min_angstrom:g} Å; correct the cell"
        )
    h, k = np.meshgrid(np.arange(most[0] + 1), np.arange(-most[1], most[1] + 1), indexing="ij")
    hk = np.column_stack([h.ravel(), k.ravel()])
    hk = hk[(hk[:, 0] > 0) | (hk[:, 1] > 0)]
    in_plane = hk @ reciprocal.T
    inv_d2 = (in_plane**2).sum(axis=1)
    near = inv_d2 <= (1 + 1e-9) / d_min_angstrom**2
    order = np.lexsort((hk[near, 1], hk[near, 0], np.round(inv_d2[near], 9)))
    in_plane, hk, inv_d2 = in_plane[near][order], hk[near][order], inv_d2[near][order]
    nodes, weights = np.polynomial.legendre.leggauss(points)
    vectors = np.zeros((len(hk), points, 3))
    vectors[:, :, :2] = in_plane[:, None]
    vectors[:, :, 2] = ROD_INV_ANGSTROM * nodes
    line = np.cumsum(np.diff(inv_d2, prepend=-1.0) > SAME_D * inv_d2) - 1
    if cell is None:
        hkl = np.column_stack([hk, np.zeros(len(hk), np.int64)])
    else:
        hkl = np.rint(np.column_stack([in_plane, np.zeros(len(hk))]) @ cell.T)
    return Rods(vectors, weights / 2, hkl.astype(np.int16), line)


def sheet_lines(crystal: Crystal, *, d_min_angstrom: float = 1.0, floor: float = 0.0) -> Lines:
    """Lines of a sheet: as `data.diffraction.lines_of`, in the plane alone.

    Args:
        crystal: with vacuum, in the standard setting of its space group or of none (1); indices
            are of its cell.
        d_min_angstrom: smallest distance of rows in the plane.
        floor: drops lines whose strength·d² is below this part of the largest.

    Raises:
        CrystalError: it is no sheet, has an element without form factor, or too many rods.
    """
    found = frame_of(Standard.from_stored(crystal).primitive)
    if found is None:
        raise CrystalError(
            "the crystal is no sheet: it has no room without atoms between one layer and the next; "
            "exfoliate it first"
        )
    sheet = found.sheet
    cell = crystal.lattice @ found.axes.T
    rods = rods_of(sheet, d_min_angstrom=d_min_angstrom, cell=cell)
    lines = rods.lines(np.abs(amplitudes(sheet, rods)) ** 2)
    keep = np.ones(len(lines), bool)
    if len(lines):
        height = lines.strength / lines.inv_d2
        keep = height >= floor * height.max()
    return Lines(lines.inv_d2[keep], lines.strength[keep], lines.hkl[keep])


def amplitudes(sheet: Crystal, rods: Rods) -> NDArray[np.complex128]:
    """Structure factors along rods, in electrons. Shape (m, p)."""
    factors = scattering(sheet, rods)
    vibration = np.exp(-2 * np.pi**2 * displacements(sheet) * _square(rods)[..., None])
    phase = 2j * np.pi * (rods.vectors @ (sheet.fractional @ sheet.lattice).T)
    return np.asarray((factors * vibration * np.exp(phase)).sum(axis=2))


def scattering(sheet: Crystal, rods: Rods) -> _FLOAT:
    """Form factor of each atom times its occupancy, without displacement. Shape (m, p, n)."""
    numbers, which = np.unique(atomic_numbers(sheet.species), return_inverse=True)
    table = GAUSSIANS[numbers]
    damping = np.exp(-table[:, 1:8:2] * _square(rods)[..., None, None] / 4)
    factors = (damping * table[:, 0:8:2]).sum(axis=-1) + table[:, 8]
    return np.asarray(factors[..., which] * sheet.occupancies)


def displacements(sheet: Crystal) -> _FLOAT:
    """Mean square displacement of each atom in Å², the usual one where none is known. (n,)."""
    usual = DEFAULT_U_ISO[atomic_numbers(sheet.species)]
    known = sheet.u_iso_angstrom2 >= 0.0
    return np.where(known, sheet.u_iso_angstrom2, usual)


def _square(rods: Rods) -> _FLOAT:
    return np.asarray((rods.vectors**2).sum(axis=2))
