"""Lines: the wavelength-free fingerprint of a crystal, and many of them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Lines:
    """Every reflection of a crystal down to a smallest d, one of each set of equivalents.

    Attributes:
        inv_d2: 1/d² in 1/Å², ascending. Shape (n,), float64.
        strength: m·|F|² in electrons² of the crystal's cell (multiplicity times squared
            structure factor), without Lorentz-polarisation. Shape (n,), float64.
        hkl: one representative of the equivalents, in the crystal's cell. Shape (n, 3), int16.
    """

    inv_d2: NDArray[np.float64]
    strength: NDArray[np.float64]
    hkl: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.inv_d2)

    @property
    def q_inv_angstrom(self) -> NDArray[np.float64]:
        """Q = 2π/d in 1/Å. Shape (n,)."""
        return 2 * np.pi * np.sqrt(self.inv_d2)


@dataclass(frozen=True, eq=False)
class LinesTable:
    """The lines of N crystals in one set of flat arrays: crystal i owns offsets[i]:offsets[i+1].

    Attributes:
        offsets: Shape (N + 1,), int64.
        inv_d2: 1/d² in 1/Å². Shape (M,), float32.
        strength: m·|F|² in electrons² per cell. Shape (M,), float32.
        hkl: Shape (M, 3), int16.
    """

    offsets: NDArray[np.int64]
    inv_d2: NDArray[np.float32]
    strength: NDArray[np.float32]
    hkl: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Lines:
        part = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        return Lines(
            self.inv_d2[part].astype(np.float64),
            self.strength[part].astype(np.float64),
            self.hkl[part],
        )

    def take(self, rows: NDArray[np.int64]) -> LinesTable:
        """The table of these rows only, in this order."""
        counts = self.offsets[rows + 1] - self.offsets[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        flat = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return LinesTable(offsets, self.inv_d2[flat], self.strength[flat], self.hkl[flat])

    @classmethod
    def of(cls, lines: Sequence[Lines]) -> LinesTable:
        """Put single `Lines` side by side."""
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in lines])]).astype(np.int64)
        if not lines:
            empty = np.zeros(0, np.float32)
            return cls(offsets, empty, empty.copy(), np.zeros((0, 3), np.int16))
        return cls(
            offsets,
            np.concatenate([one.inv_d2 for one in lines]).astype(np.float32),
            np.concatenate([one.strength for one in lines]).astype(np.float32),
            np.concatenate([one.hkl for one in lines]).astype(np.int16),
        )
