"""Elements of the formula put into known crystals of the same kind of formula."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, permutations, product

import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from generator.candidate import Candidate, Task
from generator.cell_fit import CellFits, fit_cells
from generator.chemistry import unlikeness
from generator.lines import lines_for
from generator.pool import Mould, MouldPool

ASSIGNMENTS = 6
"""Ways of putting the elements into one crystal that are tried, the likeliest."""
PERMUTED = 5000
"""Ways that are looked at to find them."""
SCANNED, FITTED = 600, 150
"""Crystals whose size is tried, the likeliest; and of these, whose cell is fitted."""
LIKENESS = np.array([1 / 0.6, 1 / 0.25, 1 / 6.0])
"""What a difference of electronegativity, radius in Å and group counts for."""
CHEMISTRY = 0.03
"""What one unit of unlikeness an atom counts for beside the correlation."""


@dataclass(frozen=True, eq=False)
class _Made:
    mould: Mould
    crystal: Crystal
    unlike: NDArray[np.float64]

    @property
    def unlikely(self) -> float:
        return float(LIKENESS @ self.unlike)


class SubstitutionEngine:
    """Crystals of the same anonymous formula with the elements of the sample, cells fitted."""

    name = "substitution"

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
        rough = fit_cells(task.prepared, lines, lattices, groups, thorough=False)
        order = np.argsort(-(rough.correlation - CHEMISTRY * unlikely), kind="stable")[:FITTED]
        fits = fit_cells(task.prepared, lines.take(order), lattices[order], groups[order])
        score = fits.correlation - CHEMISTRY * unlikely[order]
        return [
            self._candidate(made[order[i]], fits, int(i), float(score[i]))
            for i in np.argsort(-score, kind="stable")[:count]
        ]

    def _candidate(self, made: _Made, fits: CellFits, i: int, score: float) -> Candidate:
        crystal = replace(made.crystal, lattice=fits.lattices[i])
        return Candidate(
            crystal,
            self.name,
            made.mould.id,
            float(fits.zero_shift_deg[i]),
            float(fits.correlation[i]),
            {"exchange": made.unlikely},
            score,
        )

    def made(self, task: Task) -> Iterator[_Made]:
        """Every crystal that is tried, its cell as large as its atoms say."""
        volume = self.pool.volumes.volume
        moulds = self.pool.alike(task.composition, most_atoms=task.most_atoms, without=self.without)
        for mould in moulds:
            if task.is_late:
                return
            own = mould.crystal.composition
            for partners, unlike in assignments(own, task.composition):
                species = tuple(partners[symbol] for symbol in mould.crystal.species)
                crystal = replace(mould.crystal, species=species)
                stretch = (volume(crystal.composition) / volume(own)) ** (1 / 3)
                yield _Made(mould, replace(crystal, lattice=crystal.lattice * stretch), unlike)


def assignments(
    own: Mapping[str, float], wanted: Mapping[str, float]
) -> list[tuple[dict[str, str], NDArray[np.float64]]]:
    """Ways of putting wanted elements in the place of a crystal's own, likeliest first.

    Args:
        own: atoms of each of the crystal's elements.
        wanted: atoms of each element wanted, in the same proportions.

    Returns:
        Who takes whose place, and how unlike they are, a mean over atoms. Shape (3,) each.
    """
    share = sum(own.values()), sum(wanted.values())
    groups: dict[int, tuple[list[str], list[str]]] = {}
    for symbols, side, total in ((own, 0, share[0]), (wanted, 1, share[1])):
        for symbol, amount in sorted(symbols.items()):
            groups.setdefault(round(1000 * amount / total), ([], []))[side].append(symbol)
    ways = product(*(permutations(theirs) for _, theirs in groups.values()))
    mine = [symbol for ours, _ in groups.values() for symbol in ours]
    weight = np.array([own[symbol] for symbol in mine]) / share[0]
    found = []
    for way in islice(ways, PERMUTED):
        theirs = [symbol for part in way for symbol in part]
        if len(theirs) != len(mine):
            return []
        unlike = weight @ np.array([unlikeness(a, b) for a, b in zip(mine, theirs, strict=True)])
        found.append((dict(zip(mine, theirs, strict=True)), unlike))
    return sorted(found, key=lambda one: float(LIKENESS @ one[1]))[:ASSIGNMENTS]
