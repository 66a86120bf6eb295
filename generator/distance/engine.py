"""Structures from the distances that a network predicts from the formula (AlphaCrystal-II).

Space group and formula units are those that the formula suggests, and where there is a pattern
those that it suggests, too; cells are as large as atoms say. Atoms are put on Wyckoff positions,
and coordinates are sought downhill from random starts until distances are those predicted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.formula import is_whole, whole_amounts
from generator.candidate import Candidate, Sought, Task
from generator.cell_fit import fit_cells
from generator.contacts import closest_contact
from generator.lines import lines_for
from generator.pool import MouldPool
from generator.torch_use import has_torch

if TYPE_CHECKING:
    from generator.distance.inference import Formula
    from generator.distance.reconstruction import Built

MOST_ATOMS = 20
"""Of the primitive cell, that the network was trained on."""
LAST_ELEMENT = 103
CROWDED = 0.5
"""Structures with a shorter contact, over the sum of the radii, are dropped."""
MOST = 150
"""Structures that are gone on with."""
WORTH = 1.0
"""What a unit of a structure's own misfit counts for beside the correlation."""

_FLOAT = NDArray[np.float64]


class DistanceEngine:
    """Structures of at most 20 atoms a primitive cell, made of predicted distances."""

    name = "distance"
    uses = frozenset({"formula_units", "space_group"})

    def __init__(self, pool: MouldPool, *, without: frozenset[str] = frozenset()) -> None:
        """Volumes of atoms are the pool's; no crystal of it is used as it is.

        Args:
            pool: crystals of a library.
            without: reduced formulas of the library that nothing is made from.
        """
        self.pool, self.without = pool, without

    def propose(self, task: Task, count: int) -> list[Candidate]:
        """Candidates, best first; see `Proposer`."""
        found = self._built(task, task)
        if not found:
            return []
        crystals = [one.crystal for one in found]
        fits = fit_cells(
            task.prepared,
            lines_for(task, crystals),
            np.array([one.lattice for one in crystals]),
            np.array([one.space_group_number for one in crystals]),
        )
        score = fits.correlation - WORTH * np.array([one.worth for one in found])
        return [
            Candidate(
                replace(crystals[i], lattice=fits.lattices[i]),
                self.name,
                None,
                float(fits.zero_shift_deg[i]),
                float(fits.correlation[i]),
                {"exchange": 0.0, "mismatch": found[i].worth},
                float(score[i]),
            )
            for i in np.argsort(-score, kind="stable")[:count]
        ]

    def imagine(self, sought: Sought, count: int) -> list[Candidate]:
        """Candidates without a pattern, of the distances nearest to those predicted first."""
        return [
            Candidate(
                one.crystal, self.name, None, 0.0, float("nan"),
                {"exchange": 0.0, "mismatch": one.worth}, -one.worth,
            )
            for one in self._built(sought, None)[:count]
        ]  # fmt: skip

    def _built(self, sought: Sought, task: Task | None) -> list[Built]:
        """Structures, each once, best first."""
        if not has_torch() or not is_whole(sought.composition):
            return []
        from generator.distance.inference import Formula
        from generator.distance.reconstruction import built, hypotheses

        composition = whole_amounts(sought.composition)
        most = min(sought.most_atoms, MOST_ATOMS)
        if sum(composition.values()) > most or not _known(composition):
            return []
        formula = Formula(composition)
        guess = _Guess.of(formula, task)
        chosen = hypotheses(
            sought,
            formula,
            space_groups=guess.space_groups,
            multiple=guess.multiple,
            most_atoms=most,
        )
        volume = self.pool.volumes(self.without).volume(composition)
        found = built(sought, formula, composition, chosen, volume)
        return _each_once(found)


class _Guess:
    """Formula units and space groups as the formula suggests, and a pattern where there is one."""

    def __init__(self, formula: Formula, seen: _FLOAT | None, multiple: _FLOAT) -> None:
        self.formula, self.seen, self.multiple = formula, seen, multiple

    @classmethod
    def of(cls, formula: Formula, task: Task | None) -> _Guess:
        """Both guesses multiplied, as if they were independent."""
        if task is None:
            return cls(formula, None, formula.multiple)
        from generator.network.inference import Questioned

        seen = Questioned(task.prepared, task.composition).guess()
        most = min(len(seen.multiple), len(formula.multiple))
        return cls(formula, seen.space_group, seen.multiple[:most] * formula.multiple[:most])

    def space_groups(self, units: int) -> _FLOAT:
        """Probabilities of 1 to 230, not normalised."""
        own = self.formula.space_groups(units)
        return own if self.seen is None else own * self.seen


def _known(composition: dict[str, int]) -> bool:
    """Whether the network has features of every element."""
    import gemmi

    return all(0 < gemmi.Element(symbol).atomic_number <= LAST_ELEMENT for symbol in composition)


def _each_once(found: list[Built]) -> list[Built]:
    """The best, those left out that have group, size and misfit of one before: they are copies."""
    kept: dict[tuple[int, int, float, float], Built] = {}
    for one in found:
        if len(kept) == MOST:
            break
        crystal = one.crystal
        key = crystal.space_group_number, len(crystal), round(one.misfit, 3), round(one.apart, 3)
        if key not in kept and closest_contact(crystal) > CROWDED:
            kept[key] = one
    return list(kept.values())
