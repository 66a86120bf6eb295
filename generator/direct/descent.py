"""Coordinates from many random starts, each followed downhill; compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from generator.direct.goal import Goal, misfit_of
from generator.direct.misfit import Model

MEMORY = 6
"""Steps that the direction of the next is made from."""
SUFFICIENT = 1e-4
LONGEST = 0.08
"""Of a step, in parameters."""
CONVERGED = 2e-5

_FLOAT = NDArray[np.float64]


@njit(cache=True, nogil=True, fastmath=True)
def descend(
    goal: Goal, model: Model, used: int, turns: int, parameters: _FLOAT
) -> tuple[float, float]:
    """Go downhill by limited-memory BFGS (Nocedal, Math. Comp. 35 (1980) 773), in place.

    Args:
        goal: what is to be described, a pattern say.
        model: the atoms.
        used: the first so many reflections take part.
        turns: steps at most.
        parameters: where to begin, and then the end. Shape (f,).

    Returns:
        Misfit with crowding, and the cosine alone.
    """
    n = len(parameters)
    gradient, trial, fresh, direction = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    value, cosine = misfit_of(goal, model, used, parameters, gradient)
    if n == 0:
        return value, cosine
    steps, changes = np.zeros((MEMORY, n)), np.zeros((MEMORY, n))
    inverse, alpha = np.zeros(MEMORY), np.zeros(MEMORY)
    kept = 0
    for turn in range(turns):
        direction[:] = -gradient
        for back in range(min(kept, MEMORY)):
            i = (kept - 1 - back) % MEMORY
            alpha[i] = inverse[i] * np.dot(steps[i], direction)
            direction -= alpha[i] * changes[i]
        if kept:
            i = (kept - 1) % MEMORY
            direction *= 1.0 / (inverse[i] * np.dot(changes[i], changes[i]))
        for forth in range(min(kept, MEMORY)):
            i = (max(kept - MEMORY, 0) + forth) % MEMORY
            direction += steps[i] * (alpha[i] - inverse[i] * np.dot(changes[i], direction))
        along = np.dot(gradient, direction)
        if along >= 0.0:
            direction[:] = -gradient
            along = -np.dot(gradient, gradient)
            kept = 0
        longest = np.abs(direction).max()
        if longest < 1e-9:
            break
        size = min(1.0, LONGEST / longest) if kept else 0.5 * LONGEST / longest
        found, other = value, cosine
        for _ in range(8):
            trial[:] = parameters + size * direction
            found, other = misfit_of(goal, model, used, trial, fresh)
            if found <= value + SUFFICIENT * size * along:
                break
            size *= 0.35
        if found >= value:
            break
        curved = np.dot(trial - parameters, fresh - gradient)
        if curved > 1e-14:
            i = kept % MEMORY
            steps[i] = trial - parameters
            changes[i] = fresh - gradient
            inverse[i] = 1.0 / curved
            kept += 1
        gained = value - found
        parameters[:], gradient[:] = trial, fresh
        value, cosine = found, other
        if gained < CONVERGED and turn > 3:
            break
    return value, cosine


@njit(cache=True, nogil=True)
def best_of(
    goal: Goal, model: Model, used: int, turns: int, starts: _FLOAT, keep: int
) -> tuple[_FLOAT, _FLOAT]:
    """Starts followed downhill: the best few, with misfit and cosine, best first.

    Args:
        goal: what is to be described, a pattern say.
        model: the atoms.
        used: the first so many reflections take part.
        turns: steps at most, of each.
        starts: parameters to begin with. Shape (n, f).
        keep: so many are returned.

    Returns:
        Parameters, shape (keep, f); misfit and cosine, shape (keep, 2).
    """
    found = np.empty((keep, model.free))
    worth = np.full((keep, 2), np.inf)
    for n in range(len(starts)):
        parameters = starts[n].copy()
        value, cosine = descend(goal, model, used, turns, parameters)
        last = keep
        while last > 0 and value < worth[last - 1, 0]:
            last -= 1
        if last == keep:
            continue
        for i in range(keep - 1, last, -1):
            found[i] = found[i - 1]
            worth[i] = worth[i - 1]
        found[last] = parameters
        worth[last, 0], worth[last, 1] = value, cosine
    return found, worth
