"""Structures that the trained network draws: from noise, from a guessed cell, from near templates.

What is drawn is given the symmetry it nearly has, then fitted and refined against the pattern; what
the network then calls right is kept, and drawing goes on until enough is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard, standardize
from data.crystal import Crystal
from data.errors import CrystalError
from generator.candidate import Candidate, Task
from generator.cell_fit import fit_cells
from generator.contacts import closest_contact, safe_tolerances
from generator.known import may_have_atoms, may_have_group
from generator.lines import lines_for
from generator.pool import MouldPool
from generator.refinement.refiner import refined
from generator.substitution import SubstitutionEngine
from generator.torch_use import has_torch

if TYPE_CHECKING:
    from generator.network.inference import Questioned

SAMPLES = 24
"""Structures that are drawn in a round."""
ROUNDS = 2
"""At most, while too few are accepted."""
REFINED = 8
"""Of a round, the best fitting, that are refined."""
ACCEPTED = 0.9
"""Probability from which the network's verdict is that a structure is right (UstcUnfold)."""
ENOUGH = 6
"""Accepted structures that end the drawing."""
FROM_TEMPLATES, FROM_GUESS = 0.3, 0.35
"""Shares of the samples that begin with substituted templates, and with the guessed cell."""
TEMPLATE_TIME = 0.5
"""How noisy those are made."""
TOLERANCES_ANGSTROM = (0.5, 0.25, 0.1)
"""How far atoms may be from where symmetry would have them, tried one after the other."""
CENTRINGS = (1, 2, 3, 4)
"""Primitive cells in a conventional one."""
SWOLLEN, SKEWED = 2.0, 8.0
"""Cells are dropped that are so many times too large or too small, and those that are so many times
longer than wide, or than their volume lets lengths be."""
CROWDED = 0.5
"""Structures with a shorter contact, over the sum of the radii, are dropped."""
UNSURE = 0.25
"""Share of the samples whose formula units are drawn evenly, whatever the first guess."""


class DiffusionEngine:
    """Structures of at most 24 atoms a primitive cell, drawn by `generator.network`."""

    name = "diffusion"
    uses = frozenset({"formula_units", "space_group"})

    def __init__(self, pool: MouldPool, *, without: frozenset[str] = frozenset()) -> None:
        """Draw with the templates of a pool, those of some reduced formulas left out."""
        self.pool, self.without = pool, without

    def propose(self, task: Task, count: int) -> list[Candidate]:
        """Candidates, best first; see `Proposer`."""
        amounts = np.array(list(task.composition.values()))
        if not has_torch() or np.abs(amounts - amounts.round()).max() > 1e-3:
            return []
        asked = self._asked(task)
        odds = self._units(task, asked)
        if not odds.any():
            return []
        rng = np.random.default_rng(0)
        known = [Standard.from_stored(one).primitive for one in self._substituted(task)]
        found: list[Candidate] = []
        for _ in range(ROUNDS):
            if task.is_late:
                break
            found += self._round(task, asked, odds, known, rng)
            if sum(one.score >= ACCEPTED for one in found) >= ENOUGH:
                break
        accepted = [one for one in found if one.score >= ACCEPTED]
        # Better an answer that is said to be doubtful than none.
        return sorted(accepted or found, key=lambda one: -one.correlation)[:count]

    def _substituted(self, task: Task) -> list[Crystal]:
        """Templates with the formula's elements, to begin with."""
        if not task.templates:
            return []
        engine = SubstitutionEngine(self.pool, without=self.without)
        return [one.crystal for one in engine.propose(task, SAMPLES)]

    def _asked(self, task: Task) -> Questioned:
        from generator.network.inference import Questioned, TemplateRow

        rows = [
            TemplateRow(vector, Standard.from_stored(entry.crystal).primitive)
            for vector, entry in self.pool.near_templates(
                task.prepared, task.templates, without=self.without
            )
        ]
        return Questioned(task.prepared, task.composition, rows)

    def _units(self, task: Task, asked: Questioned) -> NDArray[np.float64]:
        """How often each number of formula units of the primitive cell is drawn, from one on."""
        guessed = asked.guess().multiple[: asked.most_units]
        units = 1 + np.arange(len(guessed))
        may = len(asked.unit) * units <= task.most_atoms
        if task.formula_units is not None:
            may &= np.isin(task.formula_units / units, CENTRINGS)
        if not may.any():
            return np.zeros(len(guessed))
        odds = np.where(may, guessed, 0.0)
        odds = odds / max(odds.sum(), 1e-9)
        return np.asarray((1 - UNSURE) * odds + UNSURE * may / may.sum())

    def _round(
        self,
        task: Task,
        asked: Questioned,
        odds: NDArray[np.float64],
        known: Sequence[Crystal],
        rng: np.random.Generator,
    ) -> list[Candidate]:
        drawn = [
            one
            for one in self._drawn(task, asked, odds, known, rng)
            if self._has_sensible_cell(one)  # in others the search for symmetry does not end
        ]
        crystals = [
            one
            for one in _symmetric(drawn)
            if may_have_group(task, one.space_group_number)
            and may_have_atoms(task, len(one))
            and closest_contact(one) > CROWDED
        ]
        if not crystals:
            return []
        groups = np.array([one.space_group_number for one in crystals])
        lattices = np.array([one.lattice for one in crystals])
        fits = fit_cells(task.prepared, lines_for(task, crystals), lattices, groups)
        order = np.argsort(-fits.correlation, kind="stable")
        found = [
            Candidate(
                replace(crystals[i], lattice=fits.lattices[i]),
                self.name,
                None,
                float(fits.zero_shift_deg[i]),
                float(fits.correlation[i]),
                {"exchange": 0.0},
            )
            for i in order
        ]
        found = [*refined(task, found[:REFINED]), *found]
        verdicts = asked.verdicts([Standard.from_stored(one.crystal).primitive for one in found])
        return [
            replace(one, score=float(verdict)) for one, verdict in zip(found, verdicts, strict=True)
        ]

    def _has_sensible_cell(self, crystal: Crystal) -> bool:
        """Whether a cell has about the room that its atoms take, and is no needle."""
        volume = crystal.volume_angstrom3
        swollen = volume / self.pool.volumes(self.without).volume(crystal.composition)
        lengths = np.linalg.norm(crystal.lattice, axis=1)
        even = max(float(lengths.prod() / volume), float(lengths.max() / lengths.min()))
        return 1 / SWOLLEN < swollen < SWOLLEN and even < SKEWED

    def _drawn(
        self,
        task: Task,
        asked: Questioned,
        odds: NDArray[np.float64],
        known: Sequence[Crystal],
        rng: np.random.Generator,
    ) -> Iterator[Crystal]:
        templates = round(FROM_TEMPLATES * SAMPLES) if known else 0
        if templates:
            weights = 1.0 / (1 + np.arange(len(known)))
            picked = rng.choice(len(known), templates, p=weights / weights.sum())
            yield from asked.from_structures([known[i] for i in picked], time=TEMPLATE_TIME)
        units = rng.choice(len(odds), SAMPLES - templates, p=odds / odds.sum()) + 1
        guessed = rng.random(len(units)) < FROM_GUESS
        for many in np.unique(units):
            mine = guessed[units == many]
            if task.is_late:
                return
            if mine.any():
                yield from asked.from_guess(int(many), int(mine.sum()))
            if not mine.all():
                yield from asked.from_noise(int(many), int((~mine).sum()))


def _symmetric(drawn: Sequence[Crystal]) -> Iterator[Crystal]:
    """Each crystal in the standard settings of the symmetries it nearly has."""
    for one in drawn:
        seen: set[tuple[int, int]] = set()
        for tolerance in safe_tolerances(one, TOLERANCES_ANGSTROM):
            try:
                found = standardize(one, symprec_angstrom=tolerance)
            except CrystalError:  # a drawn structure may repeat within less than an atom
                continue
            kind = (found.crystal.space_group_number, len(found.primitive))
            if kind not in seen and len(found.primitive) <= len(one):
                seen.add(kind)
                yield found.crystal
