"""Which sites and coordinates describe a pattern best: many ways begin, the better ones go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from generator.direct.assignment import Assignment
from generator.direct.chemistry import Chemistry
from generator.direct.descent import best_of
from generator.direct.frame import Frame
from generator.direct.misfit import Model, View, place

ROUNDS = ((1.0, 2, 0.25), (0.25, 6, 0.35), (0.06, 16, 0.4))
"""Share of the ways that take part, starts of each at least, and share of all the work."""
TURNS = 50
KEPT = 3
"""Solutions of one way that are remembered."""
COMPLEXITY = 3.0
"""What a free coordinate costs, in parts of what a line tells."""

_FLOAT = NDArray[np.float64]


@dataclass(eq=False)
class Way:
    """One assignment of atoms to sites in one cell, and what was found of it.

    Attributes:
        frame: cell and space group.
        view: the pattern as this cell sees it.
        model: the atoms.
        sites: what they are on.
        handicap: added to the value, for cells and groups less likely.
        zero_shift_deg: added to the calculated 2θ.
        parameters: of the best solutions. Shape (k, f).
        worth: misfit and cosine of each. Shape (k, 2).
        starts: that were made.
    """

    frame: Frame
    view: View
    model: Model
    sites: Assignment
    handicap: float = 0.0
    zero_shift_deg: float = 0.0
    parameters: _FLOAT = field(default_factory=lambda: np.zeros((0, 0)))
    worth: _FLOAT = field(default_factory=lambda: np.zeros((0, 2)))
    starts: int = 0

    @property
    def effort(self) -> float:
        """Of one start, in about a thousandth of a second's work."""
        used, atoms = len(self.view.hkl), self.model.scattering
        once = used * (atoms + 12) + 1.5 * len(self.model.pairs) * len(self.model.shifts)
        return 6e-6 * once * min(TURNS, 8 + 2 * self.model.free) if self.model.free else 1e-6 * once

    def value(self, misfit: float) -> float:
        """Lower is better: logarithm of the misfit, and what it took to reach it."""
        told = max(len(self.view.hkl), 8)
        return float(np.log(misfit) + COMPLEXITY * self.model.free / told + self.handicap)

    @property
    def best(self) -> float:
        """Value of the best solution."""
        return self.value(float(self.worth[0, 0])) if len(self.worth) else np.inf

    def run(self, starts: int, seed: int) -> None:
        """Make random starts and remember the best."""
        if self.model.free == 0:
            starts = 1
        if self.model.free == 0 and self.starts:
            return
        used = len(self.view.hkl)
        draws = np.random.default_rng(seed).random((starts, self.model.free))
        found, worth = best_of(self.view, self.model, used, TURNS, draws, KEPT)
        self.starts += starts
        known = np.isfinite(worth[:, 0])
        before = self.parameters.reshape(len(self.worth), self.model.free)
        parameters = np.concatenate([before, found[known]])
        worth = np.concatenate([self.worth, worth[known]])
        order = np.argsort(worth[:, 0], kind="stable")[: 2 * KEPT]
        self.parameters, self.worth = parameters[order], worth[order]

    def crystal(self, parameters: _FLOAT, chemistry: Chemistry) -> Crystal:
        """The crystal of some parameters, in its conventional cell."""
        points = np.empty((len(self.model.firsts), 3))
        place(self.model, parameters, points)
        return self.frame.crystal(points, [chemistry.elements[i] for i in self.model.elements])


def race(ways: Sequence[Way], work: float, *, deadline: float | None = None) -> list[Way]:
    """Give each way a few starts, then more to those that did best.

    Args:
        ways: that take part.
        work: in about thousandths of a second.
        deadline: of `time.monotonic`, after which nothing is begun.

    Returns:
        Those that were tried, best first.
    """
    running = list(ways)
    for turn, (share, least, part) in enumerate(ROUNDS):
        count = max(int(share * len(ways)), min(len(ways), 8))
        running = sorted(running, key=lambda one: one.best)[:count]
        each = work * part / max(len(running), 1)
        for i, way in enumerate(running):
            if deadline is not None and monotonic() > deadline:
                break
            starts = int(np.clip(each / way.effort, least, 40 * (way.model.free + 1)))
            way.run(starts, 1_000_003 * (turn + 1) + i)
    return sorted((one for one in ways if len(one.worth)), key=lambda one: one.best)
