"""Elements of the formula put into known crystals of the same kind of formula."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from generator.candidate import KNOWN, Candidate, Sought, Task
from generator.cell_fit import LENGTH_LIMIT, CellFits, fit_cells
from generator.exchange import LIKENESS, assignments
from generator.known import in_known_cell, may_have_atoms, may_have_group
from generator.lines import lines_for
from generator.pool import Mould, MouldPool

SCANNED, FITTED = 800, 180
"""Crystals whose size is tried, the likeliest; and of these, whose cell is fitted."""
RELATED = 0.5
"""What it counts for beside these that a crystal has another kind of formula."""
CHEMISTRY = 0.03
"""What one unit of unlikeness an atom counts for beside the correlation."""
KNOWN_REACH = 0.01
"""Lengths of a cell that is known may differ by so much from what was said."""


@dataclass(frozen=True, eq=False)
class _Made:
    mould: Mould
    crystal: Crystal
    unlike: NDArray[np.float64]

    @property
    def unlikely(self) -> float:
        return float(LIKENESS @ self.unlike) + RELATED * self.mould.is_related


class SubstitutionEngine:
    """Crystals of the same anonymous formula with the elements of the sample, cells fitted."""

    name = "substitution"
    uses = frozenset(KNOWN)

    def __init__(self, pool: MouldPool, *, without: frozenset[str] = frozenset()) -> None:
        """Moulds of the pool, those of some reduced formulas left out."""
        self.pool, self.without = pool, without

    def propose(self, task: Task, count: int) -> list[Candidate]:
        """Candidates, best first; see `Proposer`."""
        made = sorted(self.made(task), key=lambda one: one.unlikely)[:SCANNED]
        if not made:
            return []
        crystals = [one.crystal for one in made]
        groups = np.array([one.space_group_number for one in crystals])
        lattices = np.array([one.lattice for one in crystals])
        lines = lines_for(task, crystals)
        unlikely = np.array([one.unlikely for one in made])
        reach = LENGTH_LIMIT if task.cell is None else KNOWN_REACH
        rough = fit_cells(task.prepared, lines, lattices, groups, thorough=False, reach=reach)
        order = np.argsort(-(rough.correlation - CHEMISTRY * unlikely), kind="stable")[:FITTED]
        fits = fit_cells(
            task.prepared, lines.take(order), lattices[order], groups[order], reach=reach
        )
        score = fits.correlation - CHEMISTRY * unlikely[order]
        return [
            self._candidate(made[order[i]], fits, int(i), float(score[i]))
            for i in np.argsort(-score, kind="stable")[:count]
        ]

    def imagine(self, sought: Sought, count: int) -> list[Candidate]:
        """Candidates without a pattern, the likeliest exchanges first; see `Imaginer`."""
        made = sorted(self.made(sought), key=lambda one: one.unlikely)[:count]
        return [
            Candidate(
                one.crystal,
                self.name,
                one.mould.id,
                0.0,
                float("nan"),
                {"exchange": one.unlikely, "rarity": one.mould.rarity},
                -one.unlikely,
            )
            for one in made
        ]

    def _candidate(self, made: _Made, fits: CellFits, i: int, score: float) -> Candidate:
        crystal = replace(made.crystal, lattice=fits.lattices[i])
        return Candidate(
            crystal,
            self.name,
            made.mould.id,
            float(fits.zero_shift_deg[i]),
            float(fits.correlation[i]),
            {"exchange": made.unlikely, "rarity": made.mould.rarity},
            score,
        )

    def _moulds(self, sought: Sought) -> Iterator[Mould]:
        """Those of the same kind of formula, then those that can be made so."""
        most, without = sought.most_atoms, self.without
        yield from self.pool.alike(sought.composition, most_atoms=most, without=without)
        yield from self.pool.related(sought.composition, most_atoms=most, without=without)

    def made(self, sought: Sought) -> Iterator[_Made]:
        """Every crystal that is tried, its cell as large as its atoms say, or the known one."""
        volume = self.pool.volumes(self.without).volume
        for mould in self._moulds(sought):
            if sought.is_late:
                return
            own = mould.crystal.composition
            if not may_have_group(sought, mould.crystal.space_group_number):
                continue
            if not may_have_atoms(sought, len(mould.crystal)):
                continue
            for partners, unlike in assignments(own, sought.composition):
                species = tuple(partners[symbol] for symbol in mould.crystal.species)
                crystal = replace(mould.crystal, species=species)
                stretch = (volume(crystal.composition) / mould.room_angstrom3) ** (1 / 3)
                crystal = replace(crystal, lattice=crystal.lattice * stretch)
                if sought.cell is not None:
                    lattice = in_known_cell(crystal, sought.cell)
                    if lattice is None:
                        continue
                    crystal = replace(crystal, lattice=lattice)
                yield _Made(mould, crystal, unlike)
