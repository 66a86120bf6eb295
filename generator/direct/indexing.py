"""Cells whose lines are where the peaks are: low indices are tried on the first peaks, compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.preparation import Prepared

PEAKS_COUNTED = 24
"""The first peaks are to be described."""
BINS = 6000
"""Of the axis 1/d² on which peaks are looked up."""
TOLERANCE_DEG, TOLERANCE_WIDTHS = 0.045, 0.2
"""How far a line may be from a peak, in degrees 2θ; and in widths of the peak, that are added."""
STRAY = 0.08
"""Share of the peaks that are of something else."""
EARLY, EARLY_SHARE = 10, 0.5
"""After so many peaks a cell that describes less than that share of their weight is given up."""
LEAST_LENGTH_ANGSTROM, MOST_LENGTH_ANGSTROM = 2.3, 40.0
VOLUME_SPREAD, VOLUME_LIMIT = 0.15, 0.5
"""Of the logarithm of a volume beside what atoms usually take."""
CELLS_KEPT = 400
"""Of each system, before those that are the same are left out."""
SAME_CELL = 0.01
"""Cells whose lengths differ by less, relatively, are the same."""

PRIMITIVE, A_FACE, B_FACE, C_FACE, BODY, FACES, RHOMBOHEDRAL = range(7)
"""Centrings: P, A, B, C, I, F and R."""

CENTRINGS: tuple[tuple[tuple[float, float, float], ...], ...] = (
    (),
    ((0, 0.5, 0.5),),
    ((0.5, 0, 0.5),),
    ((0.5, 0.5, 0),),
    ((0.5, 0.5, 0.5),),
    ((0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)),
    ((2 / 3, 1 / 3, 1 / 3), (1 / 3, 2 / 3, 2 / 3)),
)
"""Lattice points of each besides those at the corners."""
VECTORS = np.array(list(product(range(-3, 4), repeat=3)), dtype=np.float64)

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Marks:
    """Peaks as indexing sees them.

    Attributes:
        inv_d2: of the peaks, ascending, in 1/Å². Shape (n,).
        tolerance: of each, in 1/Å². Shape (n,).
        weight: of each, at most 1. Shape (n,).
        owner: peak at each bin of 1/d², -1 where there is none. Shape (BINS,).
        step: of the bins in 1/Å².
    """

    inv_d2: _FLOAT
    tolerance: _FLOAT
    weight: _FLOAT
    owner: _INT
    step: float

    @classmethod
    def of(cls, prepared: Prepared) -> Marks:
        """The first peaks of a pattern."""
        peaks = prepared.peaks
        strong = peaks.area > 0.004 * peaks.area.max(initial=0.0)
        theta = np.radians(peaks.two_theta_deg[strong][:PEAKS_COUNTED] / 2)
        area = peaks.area[strong][:PEAKS_COUNTED]
        wavelength = prepared.wavelengths_angstrom[0]
        inv_d2 = (2 * np.sin(theta) / wavelength) ** 2
        off = TOLERANCE_DEG + TOLERANCE_WIDTHS * prepared.fwhm_deg
        tolerance = np.radians(off) * 2 * np.sin(2 * theta) / wavelength**2
        weight = np.clip(np.sqrt(area / (0.1 * area.max(initial=1e-9))), 0.35, 1.0)
        top = float(inv_d2[-1] + tolerance[-1]) if len(inv_d2) else 1.0
        step = top / (BINS - 1)
        at = step * np.arange(BINS)
        owner = np.full(BINS, -1)
        for k in np.argsort(weight, kind="stable"):
            owner[np.abs(at - inv_d2[k]) <= tolerance[k]] = k
        return cls(inv_d2, tolerance, weight, owner, step)

    def __len__(self) -> int:
        return len(self.inv_d2)


@dataclass(frozen=True)
class System:
    """How a crystal system's 1/d² = design(hkl) · unknowns is tried.

    Attributes:
        name: of the system.
        design: of the unknowns, from hkl.
        metric: A, B, C, D, E, F of 1/d² = Ah² + Bk² + Cl² + Dkl + Ehl + Fhk, from the unknowns.
        centrings: that it may have.
        base: peaks, the first, that indices are tried on.
        indices: that are tried.
    """

    name: str
    design: Callable[[_FLOAT], _FLOAT]
    metric: _FLOAT
    centrings: tuple[int, ...]
    base: int
    indices: int


def _columns(*rows: Sequence[float]) -> _FLOAT:
    return np.array(rows, dtype=np.float64)


SYSTEMS = (
    System("cubic", lambda x: (x**2).sum(axis=1, keepdims=True),
            _columns([1, 1, 1, 0, 0, 0]), (PRIMITIVE, BODY, FACES), 8, 24),
    System("tetragonal",
            lambda x: np.column_stack([x[:, 0] ** 2 + x[:, 1] ** 2, x[:, 2] ** 2]),
            _columns([1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]), (PRIMITIVE, BODY), 10, 30),
    System("hexagonal",
            lambda x: np.column_stack(
                [x[:, 0] ** 2 + x[:, 1] ** 2 + x[:, 0] * x[:, 1], x[:, 2] ** 2]),
            _columns([1, 1, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0]), (PRIMITIVE, RHOMBOHEDRAL), 10, 40),
    System("orthorhombic", lambda x: x**2,
            _columns([1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]),
            (PRIMITIVE, C_FACE, A_FACE, B_FACE, BODY, FACES), 9, 22),
    System("monoclinic",
            lambda x: np.column_stack([x**2, x[:, 0] * x[:, 2]]),
            _columns([1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0],
                     [0, 0, 0, 0, 1, 0]), (PRIMITIVE, C_FACE), 8, 20),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell that may describe a pattern.

    Attributes:
        system: crystal system of the lattice; "hexagonal" where axes are hexagonal.
        centring: P, A, B, C, I, F or R.
        lattice: rows in Å. Shape (3, 3).
        merit: logarithm of how much likelier the peaks are with the cell than by chance.
    """

    system: str
    centring: int
    lattice: _FLOAT
    merit: float


def index_peaks(
    marks: Marks, volumes: _FLOAT, *, most: int, late: Callable[[], bool] = lambda: False
) -> list[Cell]:
    """Cells of all systems but the triclinic, each system's best.

    Args:
        marks: the peaks.
        volumes: that the primitive cell may have, in Å³. Shape (z,).
        most: cells of each system.
        late: when no further system is to be begun.
    """
    found: list[Cell] = []
    for system in SYSTEMS:
        if late() or len(marks) < max(len(system.metric), 2):
            continue
        indices = _indices(system)
        rows = _search(
            _inverses(system.design(indices)), system.metric,
            marks.inv_d2, marks.tolerance, marks.weight, marks.owner, marks.step, volumes,
            np.array(system.centrings), min(system.base, len(marks)),
            system.name == "monoclinic", CELLS_KEPT,
        )  # fmt: skip
        found += _distinct(system.name, rows, most)
    return found


def index_triclinic(marks: Marks, volumes: _FLOAT, *, most: int) -> list[Cell]:
    """Triclinic cells: three early peaks are 100, 010 and 001, others 110, 101 and 011."""
    if len(marks) < 8:
        return []
    rows = _search_triclinic(
        marks.inv_d2, marks.tolerance, marks.weight, marks.owner, marks.step, volumes, CELLS_KEPT
    )
    return _distinct("triclinic", rows, most)


def _indices(system: System) -> _FLOAT:
    """Low indices, the simplest first; equivalent ones once. Shape (n, 3)."""
    signs = range(-3, 4) if system.name == "monoclinic" else range(4)
    every = [hkl for hkl in product(range(4), range(4), signs) if any(hkl)]
    every.sort(key=lambda one: (sum(i * i for i in one), tuple(-i for i in one)))
    rows = system.design(np.array(every, dtype=np.float64))
    _, first = np.unique(rows, axis=0, return_index=True)
    return np.array(every, dtype=np.float64)[np.sort(first)[: system.indices]]


def _inverses(rows: _FLOAT) -> _FLOAT:
    """Inverses of the designs of all tuples of indices that tell all unknowns. Shape (t, n, n)."""
    n = rows.shape[1]
    grids = np.meshgrid(*[np.arange(len(rows))] * n, indexing="ij")
    designs = rows[np.stack([grid.ravel() for grid in grids], axis=1)]
    return np.linalg.inv(designs[np.abs(np.linalg.det(designs)) > 1e-6])


def _distinct(system: str, rows: _FLOAT, most: int) -> list[Cell]:
    cells: list[Cell] = []
    known: list[_FLOAT] = []
    for row in rows[np.argsort(-rows[:, 0], kind="stable")]:
        if row[0] <= 0.0:
            break
        a, b, c, d, e, f = row[2:]
        reciprocal = np.array([[a, f / 2, e / 2], [f / 2, b, d / 2], [e / 2, d / 2, c]])
        lattice = _rows(np.linalg.inv(reciprocal))
        own = shortest(lattice, int(row[1]))
        if any(np.abs(own / other - 1).max() < SAME_CELL for other in known):
            continue
        cells.append(Cell(system, int(row[1]), lattice, float(row[0])))
        known.append(own)
        if len(cells) == most:
            break
    return cells


def shortest(lattice: _FLOAT, centring: int) -> _FLOAT:
    """Lengths in Å of the shortest vectors of a lattice, whatever its axes are. Shape (10,)."""
    points = np.concatenate([VECTORS, *(VECTORS + one for one in CENTRINGS[centring])])
    lengths = np.sort(np.linalg.norm(points @ lattice, axis=1))
    # Each has its opposite, and the first is none.
    return np.asarray(lengths[1:21:2])


def _rows(metric: _FLOAT) -> _FLOAT:
    """Lattice vectors of a metric, a along x, b in the plane of x and y. Shape (3, 3)."""
    return np.asarray(np.linalg.cholesky(metric))


@njit(cache=True, nogil=True)
def _allowed(h: int, k: int, l: int, centring: int) -> bool:  # noqa: E741
    if centring == PRIMITIVE:
        return True
    if centring == RHOMBOHEDRAL:
        return (-h + k + l) % 3 == 0
    if centring == BODY:
        return (h + k + l) % 2 == 0
    first = (k + l) % 2 == 0 or centring not in (A_FACE, FACES)
    second = (h + l) % 2 == 0 or centring not in (B_FACE, FACES)
    third = (h + k) % 2 == 0 or centring not in (C_FACE, FACES)
    return first and second and third


@njit(cache=True, nogil=True, fastmath=True)
def _merit(  # noqa: PLR0912 - one pass over the lines, compiled
    x: _FLOAT,
    centring: int,
    limit: int,
    inv_d2: _FLOAT,
    tolerance: _FLOAT,
    weight: _FLOAT,
    owner: _INT,
    step: float,
    hit: NDArray[np.bool_],
) -> float:
    """Logarithm of how much likelier the first peaks are with this cell than by chance."""
    top = inv_d2[limit - 1] + tolerance[limit - 1]
    hit[:] = False
    oblique_l, oblique_k = x[4] != 0.0 or x[3] != 0.0, x[5] != 0.0 and x[3] != 0.0
    # Reach of each index from the diagonal of the direct metric.
    a, b, c, d, e, f = x[0], x[1], x[2], x[3] / 2, x[4] / 2, x[5] / 2
    volume = a * (b * c - d * d) - f * (f * c - d * e) + e * (f * d - b * e)
    if volume <= 0.0:
        return -1e9
    top_h = int(np.sqrt(top * (b * c - d * d) / volume))
    top_k = int(np.sqrt(top * (a * c - e * e) / volume))
    top_l = int(np.sqrt(top * (a * b - f * f) / volume))
    if top_h > 40 or top_k > 40 or top_l > 60:
        return -1e9
    lines = 0
    inverse = 1.0 / step
    for h in range(top_h + 1):
        for k in range(-top_k if oblique_k and h > 0 else 0, top_k + 1):
            low = 0
            if oblique_l and (h > 0 or (oblique_k and k > 0)):
                low = -top_l
            for l in range(low, top_l + 1):  # noqa: E741
                if h == 0 and k == 0 and l <= 0:
                    continue
                q = a * h * h + b * k * k + c * l * l + x[3] * k * l + x[4] * h * l + x[5] * h * k
                if q > top or not _allowed(h, k, l, centring):
                    continue
                lines += 1
                mine = owner[int(q * inverse + 0.5)]
                if mine >= 0:
                    hit[mine] = True
    if x[0] == x[1]:  # axes alike: lines were met twice
        lines = int(0.6 * lines) + 1
        if x[1] == x[2]:
            lines = int(0.4 * lines) + 1
    density = 1.5 * lines / top**1.5
    total = 0.0
    for k in range(limit):
        by_chance = 1.0 - np.exp(-2.0 * tolerance[k] * density * np.sqrt(inv_d2[k]))
        by_chance = min(max(by_chance, 0.005), 0.98)
        if hit[k]:
            total += weight[k] * np.log((1.0 - STRAY * (1.0 - by_chance)) / by_chance)
        else:
            total += weight[k] * np.log(STRAY)
    return total


@njit(cache=True, nogil=True, fastmath=True)
def _judge(
    x: _FLOAT,
    centring: int,
    volumes: _FLOAT,
    inv_d2: _FLOAT,
    tolerance: _FLOAT,
    weight: _FLOAT,
    owner: _INT,
    step: float,
    hit: NDArray[np.bool_],
) -> float:
    """Merit of a cell, less where its volume is unlikely; very small where it cannot be."""
    a, b, c, d, e, f = x[0], x[1], x[2], x[3] / 2, x[4] / 2, x[5] / 2
    if a <= 0 or b <= 0 or c <= 0:
        return -1e9
    square = a * (b * c - d * d) - f * (f * c - d * e) + e * (f * d - b * e)
    if square <= 1e-12:
        return -1e9
    for part in (b * c - d * d, a * c - e * e, a * b - f * f):
        length = np.sqrt(part / square)
        if not LEAST_LENGTH_ANGSTROM < length < MOST_LENGTH_ANGSTROM:
            return -1e9
    many = 1.0
    if centring == FACES:
        many = 4.0
    elif centring == RHOMBOHEDRAL:
        many = 3.0
    elif centring != PRIMITIVE:
        many = 2.0
    primitive = 1.0 / np.sqrt(square) / many
    away = 1e9
    for volume in volumes:
        away = min(away, abs(np.log(primitive / volume)))
    if away > VOLUME_LIMIT:
        return -1e9
    cost = np.log(1.0 + (away / VOLUME_SPREAD) ** 2)
    early = min(EARLY, len(inv_d2))
    first = _merit(x, centring, early, inv_d2, tolerance, weight, owner, step, hit)
    have, all_of = 0.0, 0.0
    for k in range(early):
        all_of += weight[k]
        if hit[k]:
            have += weight[k]
    if first < -1e8 or have < EARLY_SHARE * all_of:
        return -1e9
    every = _merit(x, centring, len(inv_d2), inv_d2, tolerance, weight, owner, step, hit)
    return float(every - cost)


@njit(cache=True, nogil=True)
def _keep(best: _FLOAT, merit: float, centring: int, x: _FLOAT) -> None:
    """Put a cell in the place of the worst that is kept, unless one like it is there."""
    worst = 0
    for i in range(len(best)):
        if best[i, 0] < best[worst, 0]:
            worst = i
        if best[i, 0] > 0.0 and int(best[i, 1]) == centring:
            alike = True
            for j in range(6):
                scale = abs(x[j]) if j < 3 else 0.5 * (x[0] + x[1] + x[2])
                if abs(best[i, 2 + j] - x[j]) > 0.006 * scale:
                    alike = False
                    break
            if alike:
                if merit > best[i, 0]:
                    best[i, 0] = merit
                    best[i, 2:] = x
                return
    if merit > best[worst, 0]:
        best[worst, 0], best[worst, 1] = merit, centring
        best[worst, 2:] = x


@njit(cache=True, nogil=True)
def _search(  # noqa: C901, PLR0912 - loops over peaks and indices, compiled
    inverses: _FLOAT,
    metric: _FLOAT,
    inv_d2: _FLOAT,
    tolerance: _FLOAT,
    weight: _FLOAT,
    owner: _INT,
    step: float,
    volumes: _FLOAT,
    centrings: _INT,
    base: int,
    oblique: bool,  # noqa: FBT001 - compiled
    keep: int,
) -> _FLOAT:
    """Try all tuples of indices on all ascending tuples of the first peaks. Shape (keep, 8)."""
    n = inverses.shape[1]
    best = np.full((keep, 8), 0.0)
    hit = np.empty(len(inv_d2), np.bool_)
    chosen = np.arange(n)
    unknown, x = np.empty(n), np.empty(6)
    while True:
        for t in range(len(inverses)):
            bad = False
            for i in range(n):
                total = 0.0
                for j in range(n):
                    total += inverses[t, i, j] * inv_d2[chosen[j]]
                unknown[i] = total
                if i < 3 and total <= 0.0:
                    bad = True
                    break
            if bad:
                continue
            if oblique and (unknown[3] > 0.0 or -unknown[3] > 1.02 * max(unknown[0], unknown[2])):
                continue
            for j in range(6):
                x[j] = 0.0
                for i in range(n):
                    x[j] += unknown[i] * metric[i, j]
            for centring in centrings:
                if oblique and centring == PRIMITIVE and -x[4] > 1.02 * min(x[0], x[2]):
                    continue
                merit = _judge(x, centring, volumes, inv_d2, tolerance, weight, owner, step, hit)
                if merit > 0.0:
                    _keep(best, merit, centring, x)
        # The next ascending tuple of peaks.
        place = n - 1
        while place >= 0 and chosen[place] == base - n + place:
            place -= 1
        if place < 0:
            return best
        chosen[place] += 1
        for i in range(place + 1, n):
            chosen[i] = chosen[i - 1] + 1


@njit(cache=True, nogil=True)
def _search_triclinic(
    inv_d2: _FLOAT,
    tolerance: _FLOAT,
    weight: _FLOAT,
    owner: _INT,
    step: float,
    volumes: _FLOAT,
    keep: int,
) -> _FLOAT:
    """Reciprocal cells of short vectors. Shape (keep, 8)."""
    best = np.full((keep, 8), 0.0)
    hit = np.empty(len(inv_d2), np.bool_)
    x = np.empty(6)
    n = len(inv_d2)
    base, others = min(8, n), min(16, n)
    crossed = np.empty((3, 2 * others))
    counts = np.zeros(3, np.int64)
    for i in range(base):
        for j in range(i + 1, base):
            for k in range(j + 1, base):
                x[0], x[1], x[2] = inv_d2[i], inv_d2[j], inv_d2[k]
                # Angles of the reduced reciprocal cell: no cross term exceeds a square.
                for pair in range(3):
                    one, two = (
                        (x[1], x[2]) if pair == 0 else ((x[0], x[2]) if pair == 1 else (x[0], x[1]))
                    )
                    count = 0
                    for p in range(others):
                        cross = inv_d2[p] - one - two
                        if abs(cross) <= 1.02 * min(one, two):
                            crossed[pair, count] = cross
                            count += 1
                    counts[pair] = count
                for p in range(counts[0]):
                    for q in range(counts[1]):
                        for r in range(counts[2]):
                            x[3], x[4], x[5] = crossed[0, p], crossed[1, q], crossed[2, r]
                            for sign in (1.0, -1.0):
                                x[5] = sign * crossed[2, r]
                                merit = _judge(
                                    x,
                                    PRIMITIVE,
                                    volumes,
                                    inv_d2,
                                    tolerance,
                                    weight,
                                    owner,
                                    step,
                                    hit,
                                )
                                if merit > 0.0:
                                    _keep(best, merit, PRIMITIVE, x)
    return best
