"""Convolutions with few taps in fewer multiplications: Winograd's minimal filters.

Four places at a time are worked out from as many products as there are places to read, where each
tap of each place would need one of its own (Winograd, Arithmetic complexity of computations, SIAM
1980; Lavin and Gray, Fast algorithms for convolutional neural networks, CVPR 2016). The matrices
are those of Toom and Cook, transposed: polynomials are multiplied by their values at a few points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FLOAT = NDArray[np.float32]

MOST_PLACES, MOST_PRODUCTS = 4, 8
"""Of a tile: what is worked out together, and what of. More would cost digits."""

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""That polynomials are evaluated at, as many as are needed, and at infinity."""


@dataclass(frozen=True, eq=False)
class ShortConvolution:
    """A convolution along places and a rectifier.

    Attributes:
        products: the taps as the matrices of its products. Shape (N, C, O).
        bias: Shape (O,).
        into: what the N places that a tile reads are multiplied by. Shape (N, N).
        out_of: what the products are, to be the places of a tile. Shape (tile, N).
    """

    products: _FLOAT
    bias: _FLOAT
    into: _FLOAT
    out_of: _FLOAT

    @classmethod
    def of(cls, taps: _FLOAT, bias: _FLOAT) -> ShortConvolution:
        """From taps (K, C, O): place p of the result is the sum of x[p + k] · taps[k] over k."""
        count = len(taps)
        tile = max(min(MOST_PLACES, MOST_PRODUCTS + 1 - count), 1)
        if tile == 1 or count == 1:
            one = np.eye(count, dtype=np.float32)
            return cls(np.ascontiguousarray(taps), bias, one, np.ones((1, count), np.float32))
        size = count + tile - 1
        return cls(
            np.einsum("nk,kco->nco", _values(size, count), taps).astype(np.float32),
            bias,
            np.linalg.inv(_values(size, size)).T.astype(np.float32),
            _values(size, tile).T.astype(np.float32),
        )

    def places_read(self, places: int) -> int:
        """Places that so many are worked out of."""
        tile = len(self.out_of)
        return -(-places // tile) * tile + len(self.products) - tile

    def __call__(self, rows: _FLOAT, places: int) -> _FLOAT:
        """(B, `places_read`, C) to so many places, (B, P, O)."""
        if len(self.products) == 1:
            total = rows @ self.products[0]
            total += self.bias
            return np.asarray(np.maximum(total, 0.0, out=total))
        products = np.matmul(_read(rows, self.into, len(self.out_of)), self.products)
        return _joined(products, self.out_of, self.bias, len(rows), places)


def _values(count: int, degree: int) -> NDArray[np.float64]:
    """Of polynomials with so many coefficients at the points. Shape (count, degree)."""
    values = np.vander(_POINTS[: count - 1], degree, increasing=True)
    return np.concatenate([values, np.eye(degree)[-1:]])


@njit(cache=True, nogil=True)
def _term(factors: _FLOAT, start: int, step: int, j: int) -> tuple[np.float32, np.uint64]:
    """Factor j, 0 where there is none, and where what it multiplies begins."""
    if j < len(factors):
        return factors[j], np.uint64(start + step * j)
    return np.float32(0.0), np.uint64(start)


@njit(cache=True, nogil=True)
def _combine(values: _FLOAT, start: int, step: int, factors: _FLOAT, target: _FLOAT) -> None:
    """Σ_j factors[j] · values[start + step·j + c] into target[c].

    The first eight are written out: so, and with indices that cannot be negative, it is done in
    vector registers.
    """
    f0, i0 = _term(factors, start, step, 0)
    f1, i1 = _term(factors, start, step, 1)
    f2, i2 = _term(factors, start, step, 2)
    f3, i3 = _term(factors, start, step, 3)
    f4, i4 = _term(factors, start, step, 4)
    f5, i5 = _term(factors, start, step, 5)
    f6, i6 = _term(factors, start, step, 6)
    f7, i7 = _term(factors, start, step, 7)
    for at in range(len(target)):
        c = np.uint64(at)
        target[c] = (
            f0 * values[i0 + c]
            + f1 * values[i1 + c]
            + f2 * values[i2 + c]
            + f3 * values[i3 + c]
            + f4 * values[i4 + c]
            + f5 * values[i5 + c]
            + f6 * values[i6 + c]
            + f7 * values[i7 + c]
        )
    for j in range(8, len(factors)):
        fj, ij = _term(factors, start, step, j)
        for at in range(len(target)):
            target[at] += fj * values[ij + np.uint64(at)]


@njit(cache=True, nogil=True)
def _read(rows: _FLOAT, matrix: _FLOAT, tile: int) -> _FLOAT:
    """Combinations of the places of each tile. (B, P, C) to (N, B · tiles, C)."""
    n, places, channels = len(matrix), rows.shape[1], rows.shape[2]
    tiles = (places - n) // tile + 1
    read = np.empty((n, len(rows) * tiles, channels), np.float32)
    values = rows.ravel()
    for b in range(len(rows)):
        for at in range(tiles):
            start = (b * places + at * tile) * channels
            for i in range(n):
                _combine(values, start, channels, matrix[i], read[i, b * tiles + at])
    return read


@njit(cache=True, nogil=True)
def _joined(products: _FLOAT, matrix: _FLOAT, bias: _FLOAT, count: int, places: int) -> _FLOAT:
    """The places of each tile, rectified. (N, B · tiles, O) to (B, P, O)."""
    rows, channels = products.shape[1], products.shape[2]
    tiles, tile = rows // count, len(matrix)
    joined = np.empty((count, places, channels), np.float32)
    values = products.ravel()
    for b in range(count):
        for place in range(places):
            target = joined[b, place]
            start = (b * tiles + place // tile) * channels
            _combine(values, start, rows * channels, matrix[place % tile], target)
            for c in range(channels):
                target[c] = max(target[c] + bias[c], np.float32(0.0))
    return joined
