"""How a crystal's atoms hang together as bonds are allowed to be longer and longer.

The dimensionality analysis of Larsen, Pandey, Strange and Jacobsen, Phys. Rev. Materials 3 (2019)
034003: bonds are ranked by length over the sum of covalent radii, and a crystal is layered over
the interval of that ratio in which every piece of it repeats in exactly two directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.crystal import Crystal

LONGEST = 2.4
"""No bond is looked for beyond this ratio: a gap that wide scores 0.99."""
SAME = 1e-4
"""Ratios that differ by less are of one kind of bond."""
BONDED = 1.3
"""Atoms nearer than this many sums of their radii are of one piece, where the interval allows it:
half layers that a first bond already makes are none."""
WIDTH = 0.15
"""Of the scoring function, in units of the ratio."""

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pieces:
    """A crystal at the ratio at which it is best seen as layers.

    Attributes:
        score: of being layered, 0 to 1; 0 where it never is.
        from_ratio, to_ratio: interval of bond length over sum of radii in which it is.
        piece: which piece each atom is of, counted from 0. Shape (n,).
        cell: the cell that each atom has to be moved into to lie beside its piece. Shape (n, 3).
        vectors: of each piece, two lattice vectors that generate all that it repeats by, in units
            of the crystal's own. Shape (pieces, 2, 3).
    """

    score: float
    from_ratio: float
    to_ratio: float
    piece: _INT
    cell: _INT
    vectors: _INT


def layered_pieces(crystal: Crystal) -> Pieces | None:
    """The pieces of a layered crystal; None where at no ratio all pieces repeat in two directions.

    Of several intervals the one with the best score counts.
    """
    first, second, image, ratio = bonds(crystal, LONGEST)
    order = np.argsort(ratio, kind="stable")
    first, second, image, ratio = first[order], second[order], image[order], ratio[order]
    begin, end = _layered_interval(len(crystal), first, second, image, ratio)
    if not begin < np.inf:
        return None
    used = ratio <= max(begin + SAME, min(BONDED, (begin + end) / 2))
    piece, cell, loops, owner = _joined(len(crystal), first[used], second[used], image[used])
    names, piece = np.unique(piece, return_inverse=True)
    vectors = np.stack([_generators(loops[owner == name]) for name in names])
    score = score_of(begin, end)
    return Pieces(score, float(begin), float(end), piece.astype(np.int64), cell, vectors)


def score_of(begin: float, end: float) -> float:
    """Score of an interval of ratios: near 1 where bonds are short and the next contacts long."""
    return _share(end) - _share(begin)


def has_sheet(crystal: Crystal, ratio: float) -> bool:
    """Whether, with bonds up to a ratio, a piece repeats in two directions and none in three."""
    first, second, image, found = bonds(crystal, ratio)
    _, _, loops, owner = _joined(len(crystal), first[found <= ratio], second[found <= ratio],
                                 image[found <= ratio])  # fmt: skip
    ranks = [int(np.linalg.matrix_rank(loops[owner == name])) for name in np.unique(owner)]
    return max(ranks, default=0) == 2


def _share(ratio: float) -> float:
    excess = (max(ratio - 1.0, 0.0) / WIDTH) ** 2
    return 1.0 if np.isinf(ratio) else excess / (1 + excess)


def bonds(crystal: Crystal, most: float) -> tuple[_INT, _INT, _INT, _FLOAT]:
    """Pairs of atoms, each once, whose distance over the sum of covalent radii is at most `most`.

    Radii are those of Cordero et al., Dalton Trans. (2008) 2832.

    Returns:
        First and second atom, shape (m,) each; the cell of the second, shape (m, 3); the ratio,
        shape (m,).
    """
    radii = np.array([gemmi.Element(symbol).covalent_r for symbol in crystal.species])
    spacing = 1 / np.linalg.norm(np.linalg.inv(crystal.lattice), axis=0)
    reach = np.ceil(2 * radii.max() * most / spacing + 1).astype(np.int64)
    fractional, lattice = np.array(crystal.fractional), np.array(crystal.lattice)
    count = _pairs(fractional, lattice, radii, most, reach, np.zeros((0, 5), np.int64), np.zeros(0))
    found, ratio = np.zeros((count, 5), np.int64), np.zeros(count)
    _pairs(fractional, lattice, radii, most, reach, found, ratio)
    return found[:, 0], found[:, 1], found[:, 2:], ratio


@njit(cache=True, nogil=True)
def _pairs(
    fractional: _FLOAT,
    lattice: _FLOAT,
    radii: _FLOAT,
    most: float,
    reach: _INT,
    found: _INT,
    ratio: _FLOAT,
) -> int:
    """Count pairs, and write those that there is room for. Columns of `found`: i, j, cell of j."""
    count = 0
    n = len(fractional)
    for i in range(n):
        for j in range(i, n):
            limit = ((radii[i] + radii[j]) * most) ** 2
            for u in range(-reach[0], reach[0] + 1):
                for v in range(-reach[1], reach[1] + 1):
                    for w in range(-reach[2], reach[2] + 1):
                        # Of an atom and its own images, one of each opposite pair.
                        if i == j and not (u > 0 or (u == 0 and (v > 0 or (v == 0 and w > 0)))):
                            continue
                        a = fractional[j, 0] - fractional[i, 0] + u
                        b = fractional[j, 1] - fractional[i, 1] + v
                        c = fractional[j, 2] - fractional[i, 2] + w
                        square = 0.0
                        for k in range(3):
                            part = a * lattice[0, k] + b * lattice[1, k] + c * lattice[2, k]
                            square += part * part
                        if square > limit:
                            continue
                        if count < len(ratio):
                            found[count, 0], found[count, 1] = i, j
                            found[count, 2], found[count, 3], found[count, 4] = u, v, w
                            ratio[count] = np.sqrt(square) / (radii[i] + radii[j])
                        count += 1
    return count


@njit(cache=True, nogil=True)
def _root(parent: _INT, cell: _INT, i: int) -> int:
    """The root of an atom's piece; afterwards `cell[i]` is relative to it."""
    total = np.zeros(3, np.int64)
    at = i
    while parent[at] != at:
        total += cell[at]
        at = parent[at]
    if i != at:
        parent[i] = at
        cell[i] = total
    return at


@njit(cache=True, nogil=True)
def _independent(basis: _INT, rank: int, vector: _INT) -> bool:
    """Whether a vector leaves the span of the first `rank` rows of a basis. Shapes (3, 3), (3,)."""
    if rank == 0:
        return bool(np.any(vector != 0))
    a = basis[0]
    x = a[1] * vector[2] - a[2] * vector[1]
    y = a[2] * vector[0] - a[0] * vector[2]
    z = a[0] * vector[1] - a[1] * vector[0]
    if rank == 1:
        return bool(x != 0 or y != 0 or z != 0)
    b = basis[1]
    return bool(rank == 2 and x * b[0] + y * b[1] + z * b[2] != 0)


@njit(cache=True, nogil=True)
def _layered_interval(
    n: int, first: _INT, second: _INT, image: _INT, ratio: _FLOAT
) -> tuple[float, float]:
    """The interval of ratios with the best score in which every piece has rank two; inf without."""
    parent, cell = np.arange(n), np.zeros((n, 3), np.int64)
    basis, rank = np.zeros((n, 3, 3), np.int64), np.zeros(n, np.int64)
    counts = np.zeros(4, np.int64)
    counts[0] = n
    best_begin, best_end, best_score = np.inf, np.inf, -1.0
    begin, open_ = 0.0, False
    for m in range(len(ratio) + 1):
        ended = m == len(ratio)
        value = LONGEST if ended else ratio[m]
        layered = counts[0] + counts[1] + counts[3] == 0
        if m and (ended or counts[3] > 0 or value > ratio[m - 1] + SAME):
            if layered and not open_:
                begin, open_ = ratio[m - 1], True
            if open_ and (not layered or ended):
                end = value if layered else ratio[m - 1]
                e, b = (max(end - 1, 0.0) / WIDTH) ** 2, (max(begin - 1, 0.0) / WIDTH) ** 2
                score = e / (1 + e) - b / (1 + b)
                if score > best_score:
                    best_begin, best_end, best_score = begin, end, score
                open_ = False
        if ended or counts[3] > 0:
            break
        i, j = first[m], second[m]
        r, s = _root(parent, cell, i), _root(parent, cell, j)
        apart = cell[i] + image[m] - cell[j]
        if r == s:
            if _independent(basis[r], rank[r], apart):
                counts[rank[r]] -= 1
                basis[r, rank[r]] = apart
                rank[r] += 1
                counts[rank[r]] += 1
            continue
        counts[rank[r]] -= 1
        counts[rank[s]] -= 1
        parent[s] = r
        cell[s] = apart
        for k in range(rank[s]):
            if _independent(basis[r], rank[r], basis[s, k]):
                basis[r, rank[r]] = basis[s, k]
                rank[r] += 1
        counts[rank[r]] += 1
    return best_begin, best_end


@njit(cache=True, nogil=True)
def _joined(n: int, first: _INT, second: _INT, image: _INT) -> tuple[_INT, _INT, _INT, _INT]:
    """Pieces by all of these bonds: root and cell of each atom, and the vectors that pieces repeat
    by with the root of the piece of each.
    """
    parent, cell = np.arange(n), np.zeros((n, 3), np.int64)
    for m in range(len(first)):
        r, s = _root(parent, cell, first[m]), _root(parent, cell, second[m])
        if r != s:
            parent[s] = r
            cell[s] = cell[first[m]] + image[m] - cell[second[m]]
    for i in range(n):
        _root(parent, cell, i)
    loops, owner = np.zeros((len(first), 3), np.int64), np.zeros(len(first), np.int64)
    for m in range(len(first)):
        loops[m] = cell[first[m]] + image[m] - cell[second[m]]
        owner[m] = parent[first[m]]
    return parent, cell, loops, owner


def _generators(loops: _INT) -> _INT:
    """Two vectors that generate all of these, which span a plane. Shape (2, 3)."""
    rows = [row for row in np.unique(loops, axis=0).tolist() if any(row)]
    basis: list[list[int]] = []
    for column in range(3):
        # Euclid's algorithm among the rows that are not zero here.
        while sum(row[column] != 0 for row in rows) > 1:
            rows.sort(key=lambda row: (row[column] == 0, abs(row[column])))
            least = rows[0]
            rows = [least] + [
                [x - (row[column] // least[column]) * y for x, y in zip(row, least, strict=True)]
                for row in rows[1:]
            ]
            rows = [row for row in rows if any(row)]
        rows.sort(key=lambda row: row[column] == 0)
        if rows and rows[0][column]:
            basis.append(rows.pop(0))
    return np.array(basis, np.int64)
