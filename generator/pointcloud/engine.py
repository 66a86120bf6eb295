"""Structures drawn as clouds of points for given elements, whatever their formula (PCCD).

Of which element each atom is comes out of the drawing, or is told where there is a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from data.canonical import standardize
from data.crystal import Crystal
from data.errors import CrystalError
from data.formula import is_whole, parse_formula, reduced_formula
from generator.candidate import Candidate, Sought, Task
from generator.cell_fit import fit_cells
from generator.contacts import closest_contact
from generator.lines import lines_for
from generator.pointcloud.room import with_room
from generator.pool import MouldPool
from generator.refinement.symmetry import raised
from generator.torch_use import has_torch

if TYPE_CHECKING:
    from generator.pointcloud.clusters import Cloud

DRAWN, DRAWN_OF_FORMULA = 256, 64
"""Clouds of one choice of elements, and of one formula."""
MOST_ELEMENTS, LAST_ELEMENT, MOST_ATOMS = 3, 103, 16
"""What clouds hold: elements, which, and atoms of the primitive cell."""
CROWDED = 0.6
"""Structures with a shorter contact, over the sum of the radii, even when their atoms were pushed
apart, are dropped."""

Told = Callable[[int, int], None]


class PointCloudEngine:
    """Structures of one to three elements and about 16 atoms a primitive cell."""

    name = "pointcloud"
    uses: frozenset[str] = frozenset()

    def __init__(self, pool: MouldPool, *, without: frozenset[str] = frozenset()) -> None:
        """No crystal of the library is made use of.

        Args:
            pool: crystals of a library.
            without: reduced formulas of the library that nothing is made from.
        """
        self.pool, self.without = pool, without
        self._made: dict[tuple[str, ...], list[Crystal]] = {}
        self._of_formula: dict[str, list[Crystal]] = {}

    def made(
        self, symbols: Sequence[str], *, deadline: float | None = None, told: Told | None = None
    ) -> list[Crystal]:
        """Crystals of all of these elements that were drawn, in standard settings; drawn once.

        Args:
            symbols: one to three.
            deadline: of `time.monotonic`, after which no more clouds are begun.
            told: called with steps done, and all of them.
        """
        key = tuple(sorted(symbols))
        if key not in self._made:
            self._made[key] = _drawn(key, DRAWN, None, deadline, told)
        return self._made[key]

    def propose(self, task: Task, count: int) -> list[Candidate]:
        """Candidates, best first; see `Proposer`."""
        return fitted(task, self._with_formula(task), count)

    def imagine(self, sought: Sought, count: int) -> list[Candidate]:
        """Candidates without a pattern, as they were drawn."""
        return [candidate_of(one) for one in self._with_formula(sought)[:count]]

    def _with_formula(self, sought: Sought) -> list[Crystal]:
        symbols = tuple(sought.composition)
        if not (drawable(symbols) and is_whole(sought.composition)):
            return []
        formula = reduced_formula(sought.composition)
        unit = {one: round(number) for one, number in parse_formula(formula).items()}
        if sum(unit.values()) > MOST_ATOMS:
            return []
        if formula not in self._of_formula:
            self._of_formula[formula] = _drawn(
                symbols, DRAWN_OF_FORMULA, unit, sought.deadline, None
            )
        return self._of_formula[formula]


def fitted(task: Task, crystals: Sequence[Crystal], count: int) -> list[Candidate]:
    """Candidates of drawn crystals, their cells fitted to the pattern, best first."""
    if not crystals:
        return []
    fits = fit_cells(
        task.prepared,
        lines_for(task, crystals),
        np.array([one.lattice for one in crystals]),
        np.array([one.space_group_number for one in crystals]),
    )
    return [
        candidate_of(
            replace(crystals[i], lattice=fits.lattices[i]),
            float(fits.zero_shift_deg[i]),
            float(fits.correlation[i]),
        )
        for i in np.argsort(-fits.correlation, kind="stable")[:count]
    ]


def drawable(symbols: Sequence[str]) -> bool:
    """Whether there is torch, and the network knows elements like these, and so many."""
    if not has_torch() or len(symbols) > MOST_ELEMENTS:
        return False
    return all(0 < gemmi.Element(one).atomic_number <= LAST_ELEMENT for one in symbols)


def candidate_of(
    crystal: Crystal, zero_shift_deg: float = 0.0, correlation: float = float("nan")
) -> Candidate:
    """What was drawn; its score is how well it fits, or how much room its atoms have."""
    score = min(closest_contact(crystal), 1.0) if np.isnan(correlation) else correlation
    features = {"exchange": 0.0}
    return Candidate(
        crystal, PointCloudEngine.name, None, zero_shift_deg, correlation, features, score
    )


def crystal_from(cloud: Cloud) -> Crystal | None:
    """The crystal of a cloud in the standard setting of the symmetry that it nearly has.

    Atoms that overlap are pushed apart. None where the cloud has no cell, lacks one of its
    elements, or there is no room for its atoms.
    """
    from generator.pointcloud.clusters import COPIES_ANGSTROM, crystal_of

    crystal = crystal_of(cloud, joined_angstrom=COPIES_ANGSTROM)
    if crystal is None or set(crystal.species) < set(cloud.symbols):
        return None
    crystal = with_room(crystal)
    return symmetrised(crystal) if closest_contact(crystal) >= CROWDED else None


def symmetrised(crystal: Crystal) -> Crystal | None:
    """The crystal with the highest symmetry that it nearly has; None where none can be sought."""
    try:
        standard = standardize(crystal).crystal
    except CrystalError:
        return None
    return raised(standard) or standard


def _drawn(
    symbols: tuple[str, ...],
    count: int,
    unit: Mapping[str, int] | None,
    deadline: float | None,
    told: Told | None,
) -> list[Crystal]:
    from generator.pointcloud.inference import drawn

    found: list[Crystal] = []
    for clouds in drawn(symbols, count, unit=unit, told=told):
        found += [one for one in map(crystal_from, clouds) if one is not None]
        if deadline is not None and monotonic() > deadline:
            break
    wanted = None if unit is None else reduced_formula(unit)
    return [one for one in found if wanted in (None, reduced_formula(one.composition))]
