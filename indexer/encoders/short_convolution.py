"""Convolutions with few taps in fewer multiplications: Winograd's minimal filters.

Four places at a time are worked out from as many products as there are places to read, where four
times the taps would be needed (Winograd, Arithmetic complexity of computations, SIAM 1980; Lavin
and Gray, Fast algorithms for convolutional neural networks, CVPR 2016). The matrices are those of
Toom and Cook, transposed: polynomials are multiplied by their values at a few points.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FLOAT = NDArray[np.float32]

TILE = 4
"""Places that are worked out together."""

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""That polynomials are evaluated at, as many as are needed, and at infinity."""


def transformed(taps: _FLOAT) -> _FLOAT:
    """The taps of a convolution (K, C, O) as the matrices of its products (K + TILE - 1, C, O)."""
    if len(taps) == 1:
        return np.ascontiguousarray(taps)
    values = np.einsum("nk,kco->nco", _values(_products(len(taps)), len(taps)), taps)
    return np.ascontiguousarray(values, dtype=np.float32)


def places_read(places: int, products: int) -> int:
    """Places that `short_convolution` reads to work out so many."""
    return places if products == 1 else -(-places // TILE) * TILE + products - TILE


def short_convolution(rows: _FLOAT, products: _FLOAT, bias: _FLOAT, places: int) -> _FLOAT:
    """A convolution along places and a rectifier.

    Args:
        rows: place p of the result reads from place p on. Shape (B, `places_read`, C).
        products: as `transformed` gives them. Shape (N, C, O).
        bias: Shape (O,).
        places: P, that are wanted.

    Returns:
        Shape (B, P, O).
    """
    if len(products) == 1:
        total = rows @ products[0] + bias
        return np.asarray(np.maximum(total, 0.0, out=total))
    into, out_of = _matrices(len(products))
    multiplied = np.matmul(_read(rows, into), products)
    return _joined(multiplied, out_of, bias, len(rows), places)


def _products(taps: int) -> int:
    return taps + TILE - 1


def _values(count: int, degree: int) -> NDArray[np.float64]:
    """Of polynomials with so many coefficients at the points. Shape (count, degree)."""
    values = np.vander(_POINTS[: count - 1], degree, increasing=True)
    return np.concatenate([values, np.eye(degree)[-1:]])


@cache
def _matrices(count: int) -> tuple[_FLOAT, _FLOAT]:
    """What places are multiplied by, and what products are. (count, count) and (TILE, count)."""
    into = np.linalg.inv(_values(count, count)).T
    return into.astype(np.float32), _values(count, TILE).T.astype(np.float32)


@njit(cache=True, nogil=True)
def _term(factors: _FLOAT, start: int, step: int, j: int) -> tuple[np.float32, np.uint64]:
    """Factor j, 0 where there is none, and where what it multiplies begins."""
    if j < len(factors):
        return factors[j], np.uint64(start + step * j)
    return np.float32(0.0), np.uint64(start)


@njit(cache=True, nogil=True)
def _combine(values: _FLOAT, start: int, step: int, factors: _FLOAT, target: _FLOAT) -> None:
    """Σ_j factors[j] · values[start + step·j + c] into target[c], for at most eight factors.

    Written out, and with indices that cannot be negative, it is done in vector registers.
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


@njit(cache=True, nogil=True)
def _read(rows: _FLOAT, matrix: _FLOAT) -> _FLOAT:
    """Combinations of the places of each tile. (B, P, C) to (N, B · tiles, C)."""
    n, places, channels = len(matrix), rows.shape[1], rows.shape[2]
    tiles = (places - n) // TILE + 1
    read = np.empty((n, len(rows) * tiles, channels), np.float32)
    values = rows.ravel()
    for b in range(len(rows)):
        for tile in range(tiles):
            start = (b * places + tile * TILE) * channels
            for i in range(n):
                _combine(values, start, channels, matrix[i], read[i, b * tiles + tile])
    return read


@njit(cache=True, nogil=True)
def _joined(products: _FLOAT, matrix: _FLOAT, bias: _FLOAT, count: int, places: int) -> _FLOAT:
    """The places of each tile, rectified. (N, B · tiles, O) to (B, P, O)."""
    rows, channels = products.shape[1], products.shape[2]
    tiles = rows // count
    joined = np.empty((count, places, channels), np.float32)
    values = products.ravel()
    for b in range(count):
        for place in range(places):
            target = joined[b, place]
            start = (b * tiles + place // TILE) * channels
            _combine(values, start, rows * channels, matrix[place % TILE], target)
            for c in range(channels):
                target[c] = max(target[c] + bias[c], np.float32(0.0))
    return joined
