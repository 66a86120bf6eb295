"""How well the lines of a cell describe a pattern when each may be as strong as it likes."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from generator.direct.misfit import View

ITERATIONS = 30

_FLOAT = NDArray[np.float64]
_INT = NDArray[np.int64]


def free_cosine(view: View) -> float:
    """Cosine of the root profiles with the strengths that describe the pattern best.

    Strengths are those of greatest Poisson likelihood, by Richardson's and Lucy's iteration
    (Astron. J. 79 (1974) 745), as in Le Bail's fits.
    """
    if not len(view.begins):
        return 0.0
    return float(_fit(view.begins, view.sizes, view.shapes, view.root))


@njit(cache=True, nogil=True, fastmath=True)
def _fit(begins: _INT, sizes: _INT, shapes: _FLOAT, root: _FLOAT) -> float:
    n = len(begins)
    end = 0
    for r in range(n):
        end = max(end, begins[r] + sizes[r])
    strength, area = np.empty(n), np.empty(n)
    for r in range(n):
        area[r] = 1e-12
        strength[r] = 0.0
        for i in range(sizes[r]):
            area[r] += shapes[r, i]
            strength[r] += shapes[r, i] * root[begins[r] + i] ** 2
        strength[r] /= area[r] * area[r]
    drawn, ratio = np.empty(end), np.empty(end)
    for turn in range(ITERATIONS + 1):
        drawn[:] = 0.0
        for r in range(n):
            for i in range(sizes[r]):
                drawn[begins[r] + i] += strength[r] * shapes[r, i]
        if turn == ITERATIONS:
            break
        for i in range(end):
            ratio[i] = root[i] ** 2 / drawn[i] if drawn[i] > 1e-12 else 0.0
        for r in range(n):
            pull = 0.0
            for i in range(sizes[r]):
                pull += shapes[r, i] * ratio[begins[r] + i]
            strength[r] *= pull / area[r]
    dot, calculated, measured = 0.0, 0.0, 0.0
    for i in range(end):
        dot += root[i] * np.sqrt(drawn[i])
        calculated += drawn[i]
        measured += root[i] ** 2
    return float(dot / np.sqrt(max(calculated * measured, 1e-30)))
