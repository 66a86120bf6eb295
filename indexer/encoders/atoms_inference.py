"""The tower over atoms without torch: what a library is embedded with."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from data.crystal import Crystal
from indexer.encoders.axis import (
    BINS,
    FAINTEST,
    LN_Q_START,
    MOST_WAVES,
    Q_MAX_INV_ANGSTROM,
    Q_MIN_INV_ANGSTROM,
    STEP,
    WIDTHS_ANGSTROM2,
)
from indexer.encoders.inference import NumpyProfileEncoder
from indexer.encoders.profile import drawn, lorentz_polarisation_of_q

_FLOAT = NDArray[np.float32]


class NumpyAtomsEncoder:
    """`atoms.AtomsEncoder`, from its weights on disk."""

    def __init__(self, weights: dict[str, _FLOAT]) -> None:
        """Weights under the names that torch gives them."""
        amplitude = weights["amplitude.weight"]
        self._amplitude = amplitude.reshape(len(amplitude), -1, len(WIDTHS_ANGSTROM2))
        self._encoder = NumpyProfileEncoder(
            {
                name.removeprefix("encoder."): value
                for name, value in weights.items()
                if name.startswith("encoder.")
            }
        )
        self.dimension = self._encoder.dimension

    @classmethod
    def load(cls, path: Path) -> NumpyAtomsEncoder:
        """From a safetensors file."""
        return cls({name: value.astype(np.float32) for name, value in load_file(path).items()})

    def __call__(self, profiles: _FLOAT) -> _FLOAT:
        """(B, 1 + channels, BINS) to unit vectors (B, dimension)."""
        return self._encoder(profiles)

    def profiles(self, crystal: Crystal) -> _FLOAT:
        """What the waves of one crystal answer, over ln Q; (1 + channels, BINS).

        Args:
            crystal: any cell; the primitive one costs least.
        """
        numbers = [gemmi.Element(symbol).atomic_number for symbol in crystal.species]
        hkl, q = _waves(crystal.lattice)
        phase = (2 * np.pi * hkl @ crystal.fractional.T).astype(np.float32)
        sent = self._amplitude[numbers] * crystal.occupancies[:, None, None].astype(np.float32)
        fall = np.exp(-np.outer((q / (4 * np.pi)) ** 2, WIDTHS_ANGSTROM2)).astype(np.float32)
        flat = sent.reshape(len(sent), -1)
        shape = (len(q), *sent.shape[1:])
        real, imaginary = (
            ((wave @ flat).reshape(shape) * fall[:, None]).sum(axis=2)
            for wave in (np.cos(phase), np.sin(phase))
        )
        answer = (real**2 + imaginary**2) * lorentz_polarisation_of_q(q)[:, None]
        place = (np.log(q) - LN_Q_START) / STEP - 0.5
        seen = (place >= 0) & (place < BINS - 1)
        curves = np.array([drawn(place[seen], one) for one in answer[seen].T])
        root = np.sqrt(np.maximum(curves, 0.0) + FAINTEST * curves.max(initial=0.0))
        level = max(float(np.sqrt(np.mean(root[0] ** 2))), 1e-12)
        return np.concatenate([root / level, np.ones((1, BINS))]).astype(np.float32)


def _waves(lattice: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As `waves.waves_of`, with |Q| in 1/Å. Shapes (G, 3) and (G,)."""
    most = np.floor(Q_MAX_INV_ANGSTROM * np.linalg.norm(lattice, axis=1) / (2 * np.pi)).astype(int)
    h, k, l = np.meshgrid(  # noqa: E741 - as crystallographers call it
        np.arange(most[0] + 1), *(np.arange(-n, n + 1) for n in most[1:]), indexing="ij"
    )
    half = (h > 0) | (k > 0) | ((k == 0) & (l > 0))
    hkl = np.stack([h[half], k[half], l[half]], axis=1).astype(float)
    q = 2 * np.pi * np.linalg.norm(hkl @ np.linalg.inv(lattice).T, axis=1)
    inside = np.flatnonzero((q >= Q_MIN_INV_ANGSTROM) & (q <= Q_MAX_INV_ANGSTROM))
    order = inside[np.argsort(q[inside], kind="stable")[:MOST_WAVES]]
    return hkl[order], q[order]
