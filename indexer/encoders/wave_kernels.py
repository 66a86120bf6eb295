"""Compiled loops of the tower over atoms: which waves a crystal has, and what they answer."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.reflections import multiply, phases
from indexer.encoders.axis import MOST_WAVES, Q_MAX_INV_ANGSTROM, Q_MIN_INV_ANGSTROM

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]


def waves(lattice: _Floats) -> tuple[NDArray[np.int16], _Floats]:
    """As `waves.waves_of`, in the order of h, k and l, with |Q| in 1/Å. Shapes (G, 3) and (G,).

    Args:
        lattice: rows a, b, c in Å. Shape (3, 3).
    """
    lengths = np.linalg.norm(lattice, axis=1)
    most = np.floor(Q_MAX_INV_ANGSTROM * lengths / (2 * np.pi)).astype(np.int64)
    hkl, q = _in_range(most, np.ascontiguousarray(2 * np.pi * np.linalg.inv(lattice).T))
    if len(q) > MOST_WAVES:
        kept = np.sort(np.argsort(q, kind="stable")[:MOST_WAVES])
        hkl, q = hkl[kept], q[kept]
    return hkl, q


@njit(cache=True, nogil=True)
def _in_range(most: _Integers, reciprocal: _Floats) -> tuple[NDArray[np.int16], _Floats]:
    """One of each pair ± of the waves between the smallest and the largest |Q|."""
    room = (most[0] + 1) * (2 * most[1] + 1) * (2 * most[2] + 1)
    hkl, lengths = np.empty((room, 3), np.int16), np.empty(room)
    count = 0
    for h in range(most[0] + 1):
        for k in range(-most[1] if h else 0, most[1] + 1):
            for l in range(-most[2] if h or k else 1, most[2] + 1):  # noqa: E741
                square = 0.0
                for axis in range(3):
                    part = h * reciprocal[0, axis] + k * reciprocal[1, axis]
                    square += (part + l * reciprocal[2, axis]) ** 2
                length = math.sqrt(square)
                if Q_MIN_INV_ANGSTROM <= length <= Q_MAX_INV_ANGSTROM:
                    hkl[count, 0], hkl[count, 1], hkl[count, 2] = h, k, l
                    lengths[count] = length
                    count += 1
    return hkl[:count], lengths[:count]


@njit(cache=True, nogil=True)
def answers(
    hkl: NDArray[np.int16],
    fall: _Floats,
    atoms: tuple[_Floats, _Floats, _Integers],
    amplitude: _Floats,
) -> _Floats:
    """Squared modulus of what each wave receives of the atoms, in each channel. Shape (C, G).

    Args:
        hkl: of the waves, those of one h and k one after another, h ≥ 0. Shape (G, 3).
        fall: of each Gaussian at each wave. Shape (G, W).
        atoms: fractional coordinates (n, 3), occupancies (n,), and kinds (n,).
        amplitude: of each kind, by channel and Gaussian. Shape (K, C, W).
    """
    fractional, occupancies, kinds = atoms
    n, channels = len(kinds), amplitude.shape[1]
    tables = [phases(fractional, axis, 0.0, hkl) for axis in range(3)]
    phase_hk, phase = np.empty((2, n)), np.empty((2, n))
    sent = np.empty((len(amplitude), 2))
    answer = np.empty((channels, len(hkl)))
    for i in range(len(hkl)):
        h, k, l = hkl[i, 0], hkl[i, 1], hkl[i, 2]  # noqa: E741
        if i == 0 or h != hkl[i - 1, 0] or k != hkl[i - 1, 1]:
            multiply(tables[0][h], tables[1][abs(k)], 1.0 if k >= 0 else -1.0, phase_hk)
        multiply(phase_hk, tables[2][abs(l)], 1.0 if l >= 0 else -1.0, phase)
        sent[:] = 0.0
        for j in range(n):
            sent[kinds[j], 0] += occupancies[j] * phase[0, j]
            sent[kinds[j], 1] += occupancies[j] * phase[1, j]
        for channel in range(channels):
            real = imaginary = 0.0
            for kind in range(len(sent)):
                weight = 0.0
                for width in range(fall.shape[1]):
                    weight += amplitude[kind, channel, width] * fall[i, width]
                real += weight * sent[kind, 0]
                imaginary += weight * sent[kind, 1]
            answer[channel, i] = real * real + imaginary * imaginary
    return answer
