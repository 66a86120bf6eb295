"""Cells and space groups that a pattern and a formula allow, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.canonical import crystal_system, operations_of
from generator.direct import indexing
from generator.direct.frame import Frame
from generator.direct.free_fit import free_cosine
from generator.direct.indexing import Cell, Marks
from generator.direct.misfit import View
from generator.direct.setup import Curve, view_of

LETTERS = "PABCIFR"
"""Of centrings, as `indexing` numbers them."""
DROP, ABSENT = 0.006, 4.0
"""Loss of the free fit that makes a group e times less likely; and what groups gain that explain
the absence of all lines.
"""
COMMON = {
    62: 8.0, 14: 8.0, 225: 6.0, 227: 5.0, 15: 4.0, 12: 4.0, 139: 4.0, 221: 4.0, 194: 3.5, 166: 3.5,
    2: 3.5, 63: 2.5, 216: 2.0, 167: 2.0, 136: 1.6, 164: 1.6, 129: 1.5, 123: 1.5, 191: 1.5, 148: 1.5,
    141: 1.3, 140: 1.2, 11: 1.2, 189: 1.1, 229: 1.0, 160: 1.0, 186: 1.0, 71: 1.0, 87: 1.0, 193: 0.9,
    33: 0.9, 64: 0.9, 61: 0.9, 36: 0.8, 19: 0.8, 176: 0.8, 187: 0.8, 127: 0.8, 60: 0.7, 4: 0.7,
    9: 0.7, 205: 0.7, 220: 0.6, 161: 0.6, 55: 0.6, 1: 0.6, 156: 0.6, 57: 0.5, 58: 0.5, 47: 0.5,
    26: 0.4, 31: 0.4, 29: 0.4, 152: 0.4, 154: 0.4, 88: 0.4, 82: 0.4, 122: 0.4, 121: 0.3, 223: 0.4,
    217: 0.4, 198: 0.5, 230: 0.3, 65: 0.4, 69: 0.4, 70: 0.3, 72: 0.3, 74: 0.4, 43: 0.3, 8: 0.4,
    5: 0.4, 7: 0.3, 13: 0.3, 10: 0.3, 38: 0.3, 44: 0.3, 155: 0.3, 146: 0.3, 163: 0.3, 165: 0.3,
    147: 0.3, 173: 0.3, 182: 0.3, 190: 0.3, 199: 0.2, 206: 0.3, 212: 0.2, 213: 0.2, 215: 0.3,
    130: 0.3, 131: 0.3, 137: 0.3, 138: 0.2, 142: 0.2, 52: 0.3, 59: 0.4, 51: 0.3, 40: 0.2, 46: 0.2,
}  # fmt: skip
"""Percent of inorganic crystals with a space group, roughly; after Urusov and Nadezhina, J. Struct.
Chem. 50 (2009) S22.
"""
RARE = 0.1

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A cell with a space group.

    Attributes:
        frame: both.
        view: the pattern as its reflections see it.
        zero_shift_deg: added to the calculated 2θ.
        score: logarithm of its likelihood, up to a constant.
        cell: rank of its cell.
    """

    frame: Frame
    view: View
    zero_shift_deg: float
    score: float
    cell: int


def refined(cell: Cell, marks: Marks, wavelength_angstrom: float) -> tuple[Cell, float]:
    """A cell with its lengths and angles, and a zero shift in degrees, from the peaks it explains.

    Least squares in 1/d², the metric of the crystal system kept.
    """
    lattice, zero = cell.lattice, 0.0
    columns = _metric_columns(cell.system)
    theta = np.arcsin(np.sqrt(marks.inv_d2) * wavelength_angstrom / 2)
    slope = np.sin(2 * theta) * 2 / wavelength_angstrom**2 * np.pi / 180  # of 1/d² by 2θ
    top = float(marks.inv_d2[-1] + marks.tolerance[-1])
    for _ in range(4):
        hkl = _indices(lattice, top, cell.centring)
        inv_d2 = ((hkl @ np.linalg.inv(lattice).T) ** 2).sum(axis=1)
        there = inv_d2 + zero * np.interp(inv_d2, marks.inv_d2, slope)
        nearest = np.abs(there[:, None] - marks.inv_d2).argmin(axis=0)
        near = np.abs(there[nearest] - marks.inv_d2) < marks.tolerance
        if near.sum() < columns.shape[0] + 1:
            break
        chosen = hkl[nearest[near]]
        terms = np.column_stack(
            [
                chosen**2,
                chosen[:, 1] * chosen[:, 2],
                chosen[:, 0] * chosen[:, 2],
                chosen[:, 0] * chosen[:, 1],
            ]
        )
        weight = (marks.weight / marks.tolerance)[near]
        design = np.column_stack([terms @ columns.T, slope[near]]) * weight[:, None]
        # The zero shift is known to be about 0.05°.
        prior = np.zeros(len(columns) + 1)
        prior[-1] = 1.0 / 0.06
        unknown, *_ = np.linalg.lstsq(
            np.vstack([design, prior]),
            np.append(marks.inv_d2[near] * weight, 0.0),
            rcond=None,
        )
        a, b, c, d, e, f = unknown[:-1] @ columns
        reciprocal = np.array([[a, f / 2, e / 2], [f / 2, b, d / 2], [e / 2, d / 2, c]])
        if np.linalg.eigvalsh(reciprocal)[0] <= 1e-6:
            break
        lattice = np.asarray(np.linalg.cholesky(np.linalg.inv(reciprocal)))
        zero = float(np.clip(unknown[-1], -0.15, 0.15))
    return replace(cell, lattice=lattice), zero


def _metric_columns(system: str) -> _FLOAT:
    if system == "triclinic":
        return np.eye(6)
    return next(one.metric for one in indexing.SYSTEMS if one.name == system)


def _indices(lattice: _FLOAT, top: float, centring: int) -> _FLOAT:
    """Reflections with 1/d² up to `top`, one of each Friedel pair. Shape (n, 3)."""
    reach = np.floor(np.linalg.norm(lattice, axis=1) * np.sqrt(top)).astype(int)
    axes = [np.arange(-n, n + 1) for n in reach]
    hkl = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    h, k, l = hkl.T  # noqa: E741
    half = (h > 0) | ((h == 0) & ((k > 0) | ((k == 0) & (l > 0))))
    inside = ((hkl @ np.linalg.inv(lattice).T) ** 2).sum(axis=1) <= top
    allowed = {
        indexing.PRIMITIVE: np.ones(len(hkl), bool),
        indexing.A_FACE: (k + l) % 2 == 0,
        indexing.B_FACE: (h + l) % 2 == 0,
        indexing.C_FACE: (h + k) % 2 == 0,
        indexing.BODY: (h + k + l) % 2 == 0,
        indexing.FACES: ((h + k) % 2 == 0) & ((k + l) % 2 == 0),
        indexing.RHOMBOHEDRAL: (-h + k + l) % 3 == 0,
    }[centring]
    return np.asarray(hkl[half & inside & allowed], dtype=np.float64)


@cache
def settings(system: str, centring: int) -> tuple[tuple[int, tuple[tuple[int, ...], ...]], ...]:
    """Space groups of a lattice, each with the axes of its standard setting in terms of the cell's.

    Axes that make the same group once more are left out.
    """
    found = []
    for number in range(1, 231):
        own = crystal_system(number)
        letter = gemmi.find_spacegroup_by_number(number).centring_type()
        if {"trigonal": "hexagonal"}.get(own, own) != system:
            continue
        seen: set[frozenset[tuple[int, ...]]] = set()
        for axes in _axes(system, centring):
            if (letter if letter != "H" else "R") != _centring_along(centring, axes):
                continue
            group = _turned(number, axes)
            if group not in seen:
                seen.add(group)
                found.append((number, tuple(map(tuple, axes.tolist()))))
    return tuple(found)


def _axes(system: str, centring: int) -> list[NDArray[np.int64]]:
    """Ways of naming the axes of a cell. Rows are new axes in terms of the old."""
    eye = np.eye(3, dtype=np.int64)
    if system == "orthorhombic":
        turns = [eye[list(order)] for order in permutations(range(3))]
        return [turn * round(float(np.linalg.det(turn))) for turn in turns]
    if system == "monoclinic" and centring == indexing.PRIMITIVE:
        return [eye, np.array([[0, 0, 1], [0, -1, 0], [1, 0, 0]]),
                np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1]])]  # fmt: skip
    return [eye]


def _centring_along(centring: int, axes: NDArray[np.int64]) -> str:
    """Letter of the centring with axes renamed; "A" and "B" are no standard setting's, but "A" is.

    Groups 38 to 41 are A-centred as they stand.
    """
    if centring not in {indexing.A_FACE, indexing.B_FACE, indexing.C_FACE}:
        return LETTERS[centring]
    alone = {indexing.A_FACE: 0, indexing.B_FACE: 1, indexing.C_FACE: 2}[centring]
    return "ABC"[int(np.flatnonzero(axes[:, alone])[0])]


def _turned(number: int, axes: NDArray[np.int64]) -> frozenset[tuple[int, ...]]:
    """Operations of a group in the old axes, in whole numbers, up to the origin."""
    rotations, translations = operations_of(number)
    new = np.linalg.inv(axes.T.astype(float)).round().astype(np.int64)
    # Old coordinates are axesᵀ times new ones.
    turned = axes.T @ rotations @ new
    keys = []
    for rotation, translation in zip(turned, translations @ axes, strict=True):
        # What of a translation no choice of the origin takes away.
        power, total, part = rotation, translation.copy(), translation
        order = 1
        while (power != np.eye(3, dtype=np.int64)).any():
            part = rotation @ part
            total = total + part
            power = power @ rotation
            order += 1
        intrinsic = np.rint(24 * total / order).astype(np.int64) % 24
        keys.append((*rotation.ravel().tolist(), *intrinsic.tolist()))
    return frozenset(keys)


def hypotheses(
    curve: Curve,
    cells: Sequence[tuple[Cell, float]],
    elements: Sequence[str],
    *,
    groups: Iterable[int] | None = None,
    late: Callable[[], bool] = lambda: False,
) -> list[Hypothesis]:
    """Space groups of cells, the likeliest first.

    Args:
        curve: the pattern.
        cells: with their zero shifts, best first.
        elements: that scatter.
        groups: the only ones that are looked at; all by default.
        late: when no further cell is to be begun.
    """
    wanted = None if groups is None else set(groups)
    found: list[Hypothesis] = []
    for rank, (cell, zero) in enumerate(cells):
        if late():
            break
        own: list[tuple[Hypothesis, float, int]] = []
        known: dict[tuple[int, ...], tuple[float, int]] = {}
        for number, axes in settings(cell.system, cell.centring):
            if wanted is not None and number not in wanted:
                continue
            frame = Frame.of(number, np.array(axes) @ cell.lattice)
            view = view_of(curve, frame, elements, zero_shift_deg=zero)
            key = tuple(view.begins.tolist())
            if key not in known:
                known[key] = free_cosine(view), len(view.begins)
            cosine, lines = known[key]
            prior = np.log(COMMON.get(number, RARE))
            own.append((Hypothesis(frame, view, zero, prior, rank), cosine, lines))
        if not own:
            continue
        best = max(cosine for _, cosine, _ in own)
        most = max(lines for _, _, lines in own)
        found += [
            replace(
                one,
                score=one.score - (best - cosine) / DROP + ABSENT * (1 - lines / max(most, 1)),
            )
            for one, cosine, lines in own
        ]
    return sorted(found, key=lambda one: -one.score)
