"""The control without learning: cosine of rendered patterns, as published baselines do it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.lines import LinesTable
from data.pattern import Pattern
from data.profile import simulate
from data.radiation import CU_KA, Radiation

AXIS_DEG = np.arange(5.0, 90.0, 0.05)
FWHM_DEG = 0.2
STRAINS = (-0.004, -0.002, 0.0, 0.002, 0.004)
ZERO_SHIFTS_DEG = (-0.06, 0.0, 0.06)
BACKGROUND_WINDOW_DEG = 4.0


class MaskedCosine:
    """Every entry rendered on one 2θ axis for Cu Kα, compared where the query was measured.

    The query is the measured curve less a rolling minimum; each is tried at a few strains and
    zero shifts, and the best cosine counts.
    """

    def __init__(self, lines: LinesTable, radiation: Radiation = CU_KA) -> None:
        self._rendered = np.empty((len(lines), len(AXIS_DEG)), dtype=np.float32)
        for row in range(len(lines)):
            self._rendered[row] = simulate(
                lines[row], radiation, two_theta_deg=AXIS_DEG, caglioti=(0.0, 0.0, FWHM_DEG**2)
            )
        self._wavelength = radiation.wavelength_angstrom

    def scores(self, pattern: Pattern, strains: Sequence[float] = STRAINS) -> NDArray[np.float32]:
        """Best cosine of each entry at some strains. Shape (N,)."""
        two_theta = 2 * np.degrees(
            np.arcsin(np.clip(pattern.q_inv_angstrom * self._wavelength / (4 * np.pi), 0.0, 1.0))
        )
        net = pattern.counts - _rolling_minimum(two_theta, pattern.counts)
        mask = (two_theta[0] <= AXIS_DEG) & (two_theta[-1] >= AXIS_DEG)
        norms = np.sqrt((self._rendered[:, mask] ** 2).sum(axis=1))
        questions = []
        for strain in strains:
            sine = np.sin(np.radians(AXIS_DEG / 2)) / (1 + strain)
            for zero in ZERO_SHIFTS_DEG:
                moved = 2 * np.degrees(np.arcsin(sine)) + zero
                curve = np.where(mask, np.interp(moved, two_theta, net), 0.0)
                questions.append(curve / (np.linalg.norm(curve) or 1.0))
        products = self._rendered @ np.array(questions, dtype=np.float32).T
        return np.asarray(products.max(axis=1) / np.maximum(norms, 1e-12), dtype=np.float32)


def _rolling_minimum(
    two_theta: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Straight lines between the lowest points of windows along the curve. Shape (n,)."""
    window = ((two_theta - two_theta[0]) / BACKGROUND_WINDOW_DEG).astype(int)
    edges = np.flatnonzero(np.diff(window, prepend=-1))
    lowest = [
        first + int(np.argmin(counts[first:last]))
        for first, last in zip(edges, [*edges[1:], len(counts)], strict=True)
    ]
    return np.interp(two_theta, two_theta[lowest], counts[lowest])
