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
    STEP,
    WIDTHS_ANGSTROM2,
)
from indexer.encoders.inference import NumpyProfileEncoder
from indexer.encoders.profile import drawn, lorentz_polarisation_of_q
from indexer.encoders.wave_kernels import answers, waves

_FLOAT = NDArray[np.float32]


class NumpyAtomsEncoder:
    """`atoms.AtomsEncoder`, from its weights on disk."""

    def __init__(self, weights: dict[str, _FLOAT]) -> None:
        """Weights under the names that torch gives them."""
        amplitude = weights["amplitude.weight"]
        by_width = amplitude.reshape(len(amplitude), -1, len(WIDTHS_ANGSTROM2))
        self._amplitude = by_width.astype(np.float64)
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
        names = list(dict.fromkeys(crystal.species))
        kinds = np.array([names.index(symbol) for symbol in crystal.species])
        hkl, q = waves(crystal.lattice)
        answer = answers(
            hkl,
            np.exp(-np.outer((q / (4 * np.pi)) ** 2, WIDTHS_ANGSTROM2)),
            (np.array(crystal.fractional), np.array(crystal.occupancies), kinds),
            self._amplitude[[gemmi.Element(name).atomic_number for name in names]],
        )
        answer *= lorentz_polarisation_of_q(q)
        place = (np.log(q) - LN_Q_START) / STEP - 0.5
        seen = (place >= 0) & (place < BINS - 1)
        curves = np.array([drawn(place[seen], one) for one in answer[:, seen]])
        root = np.sqrt(np.maximum(curves, 0.0) + FAINTEST * curves.max(initial=0.0))
        level = max(float(np.sqrt(np.mean(root[0] ** 2))), 1e-12)
        return np.concatenate([root / level, np.ones((1, BINS))]).astype(np.float32)
