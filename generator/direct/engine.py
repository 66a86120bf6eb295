"""Structures from cells that index the pattern, the groups they allow, and random coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.formula import is_whole, whole_amounts
from generator.candidate import KNOWN, Candidate, Task
from generator.cell_fit import CellFits, fit_cells
from generator.direct.assignment import assignments
from generator.direct.chemistry import Chemistry
from generator.direct.descent import descend
from generator.direct.frame import Frame
from generator.direct.hypotheses import Hypothesis, hypotheses, refined
from generator.direct.indexing import (
    SYSTEMS,
    VOLUME_LIMIT,
    VOLUME_SPREAD,
    Cell,
    Marks,
    index_peaks,
    index_triclinic,
)
from generator.direct.race import Way, race
from generator.direct.setup import Curve, model_of, view_of
from generator.known import lattice_of_cell, may_have_atoms, may_have_group
from generator.lines import lines_for
from generator.matching import same_structure
from generator.pool import MouldPool
from generator.refinement.freedom import freedom_to_fit

WORK = 6000.0
"""That searching coordinates may take, in about thousandths of a second of one core."""
CELLS, CELLS_A_SYSTEM = 10, 12
"""That are gone on with, in all, and of each crystal system before they are compared."""
HYPOTHESES = 40
"""Cells with space groups that are gone on with."""
WAYS, FEWEST_WAYS, MOST_WAYS = 1200, 6, 200
"""Assignments of atoms to sites, in all, and of each hypothesis."""
MERIT_WORTH = 0.5
"""What one unit of a cell's merit counts for beside the logarithm of a group's likelihood."""
HANDICAP, MOST_HANDICAP = 0.02, 0.25
"""What one unit of a hypothesis' score counts for in the logarithm of the misfit, and at most."""
POLISHED, POLISH_TURNS = 60, 120
"""Solutions whose cells and coordinates are fitted in the end, and steps of the latter."""
LATE_POLISHED = 5
"""Of these, where time is over."""
MOST_ATOMS = 48
"""Of the primitive cell: more have too many coordinates."""
LEAST_PEAKS = 4
SAME_AXES = 0.005
"""Of axes and cosines that count as equal, in a cell that is known."""
SAME_FIT, SAME_VOLUME = 0.02, 0.03
"""Candidates whose correlations, or logarithms of volume, differ by more are not the same."""

_FLOAT = NDArray[np.float64]


class DirectEngine:
    """Crystals found by trial of cells, space groups, sites and coordinates; nothing is copied."""

    name = "direct"
    uses = frozenset(KNOWN)

    def __init__(
        self,
        pool: MouldPool,
        *,
        without: frozenset[str] = frozenset(),
        work: float = WORK,
    ) -> None:
        """Volumes of atoms are the pool's; no crystal of it is used as it is.

        Args:
            pool: crystals of a library.
            without: reduced formulas of the library that nothing is made from.
            work: that searching may take, in about thousandths of a second.
        """
        self.pool, self.without, self.work = pool, without, work

    def propose(self, task: Task, count: int) -> list[Candidate]:
        """Candidates, best first; see `Proposer`."""
        if not is_whole(task.composition) or len(task.prepared.peaks) < LEAST_PEAKS:
            return []
        formula = whole_amounts(task.composition)
        chemistry = Chemistry.of(formula)
        curve = Curve.of(task.prepared)
        volume = self.pool.volumes(self.without).volume(formula)
        task = replace(task, most_atoms=min(task.most_atoms, MOST_ATOMS))
        most = task.most_atoms // sum(formula.values())
        if most < 1:
            return []
        cells = _cells(task, volume * np.arange(1.0, most + 1))
        if task.is_late:
            return []
        ways = ways_of(task, curve, cells, formula, chemistry, volume)
        best = race(ways, self.work, deadline=task.deadline)
        return _polished(task, curve, best, chemistry, count)


def _cells(task: Task, volumes: _FLOAT) -> list[tuple[Cell, float]]:
    """Cells that index the pattern, or the known one, and their zero shifts, best first."""
    marks = Marks.of(task.prepared)
    if task.cell is not None:
        found = cells_of(lattice_of_cell(task.cell))
    else:
        found = index_peaks(marks, volumes, most=CELLS_A_SYSTEM, late=lambda: task.is_late)
        if not task.is_late:
            found += index_triclinic(marks, volumes, most=CELLS_A_SYSTEM)
        found.sort(key=lambda one: -one.merit)
    wavelength = task.prepared.wavelengths_angstrom[0]
    return [refined(one, marks, wavelength) for one in found[:CELLS]]


def cells_of(lattice: _FLOAT) -> list[Cell]:
    """A known conventional cell, with every centring that the crystal system of its axes has."""
    metric = lattice @ lattice.T
    square = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    cosine = (metric / square)[[1, 0, 0], [2, 2, 1]]
    right = np.abs(cosine) < SAME_AXES
    a, b, c = np.sqrt(np.diag(metric))
    alike = abs(np.log(a / b)) < SAME_AXES
    if right.all():
        system = "tetragonal" if alike else "orthorhombic"
        if alike and abs(np.log(a / c)) < SAME_AXES:
            system = "cubic"
    elif right[:2].all() and alike and abs(cosine[2] + 0.5) < SAME_AXES:
        system = "hexagonal"
    else:
        system = "monoclinic" if right[0] and right[2] else "triclinic"
    centrings = next((one.centrings for one in SYSTEMS if one.name == system), (0,))
    standard = np.asarray(np.linalg.cholesky(metric), dtype=np.float64)
    return [Cell(system, centring, standard, 0.0) for centring in centrings]


def ways_of(
    task: Task,
    curve: Curve,
    cells: Sequence[tuple[Cell, float]],
    formula: Mapping[str, int],
    chemistry: Chemistry,
    volume: float,
) -> list[Way]:
    """Ways of putting a formula into cells, those of likelier hypotheses more of them.

    Args:
        task: what is known.
        curve: the pattern.
        cells: with their zero shifts, best first.
        formula: atoms of each element.
        chemistry: of these.
        volume: of the formula in Å³.
    """
    if not cells:
        return []
    merits = [cell.merit for cell, _ in cells]
    scored: list[tuple[float, int, Hypothesis]] = []
    atoms = sum(formula.values())
    groups = [number for number in range(1, 231) if may_have_group(task, number)]
    for one in hypotheses(
        curve, cells, chemistry.elements, groups=groups, late=lambda: task.is_late
    ):
        primitive = abs(float(np.linalg.det(one.frame.basis)))
        own = one.score + MERIT_WORTH * (merits[one.cell] - max(merits))
        for units in range(1, task.most_atoms // atoms + 1):
            if not may_have_atoms(task, units * atoms * one.frame.centrings):
                continue
            away = abs(float(np.log(primitive / (units * volume))))
            if away < VOLUME_LIMIT:
                scored.append((own - float(np.log(1 + (away / VOLUME_SPREAD) ** 2)), units, one))
    scored.sort(key=lambda one: -one[0])
    scored = scored[:HYPOTHESES]
    if not scored:
        return []
    top = scored[0][0]
    shares = np.exp(0.5 * (np.array([score for score, _, _ in scored]) - top))
    shares /= shares.sum()
    ways: list[Way] = []
    for (score, units, one), share in zip(scored, shares, strict=True):
        if task.is_late:
            break
        number = one.frame.number
        counts = {symbol: units * amount for symbol, amount in formula.items()}
        allowed = int(np.clip(WAYS * share, FEWEST_WAYS, MOST_WAYS))
        orbits = one.frame.orbits()
        handicap = min(HANDICAP * (top - score), MOST_HANDICAP)
        for sites in assignments(number, counts, allowed):
            model = model_of(one.frame, [(symbol, orbits[k]) for symbol, k in sites], chemistry)
            ways.append(Way(one.frame, one.view, model, sites, handicap, one.zero_shift_deg))
    return ways


def _polished(
    task: Task, curve: Curve, ways: Sequence[Way], chemistry: Chemistry, count: int
) -> list[Candidate]:
    """The best solutions with cells and coordinates fitted in turn, copies left out."""
    chosen = _chosen(ways, chemistry)
    if not chosen:
        return []
    first = _fitted(task, [crystal for _, _, crystal in chosen])
    made: list[tuple[float, Crystal]] = []
    for i, (way, parameters, _) in enumerate(chosen):
        if i >= LATE_POLISHED and task.is_late:
            break
        frame = Frame.of(way.frame.number, first.lattices[i])
        view = view_of(
            curve, frame, chemistry.elements, zero_shift_deg=float(first.zero_shift_deg[i])
        )
        orbits = frame.orbits()
        sites = [(symbol, orbits[k]) for symbol, k in way.sites]
        moved = replace(way, frame=frame, view=view, model=model_of(frame, sites, chemistry))
        fresh = parameters.copy()
        misfit, _ = descend(view, moved.model, len(view.hkl), POLISH_TURNS, fresh)
        made.append((moved.value(misfit), moved.crystal(fresh, chemistry)))
    last = _fitted(task, [crystal for _, crystal in made])
    candidates = [
        Candidate(
            replace(crystal, lattice=last.lattices[i]),
            DirectEngine.name,
            None,
            float(last.zero_shift_deg[i]),
            float(last.correlation[i]),
            {"exchange": 0.0, "refinement": freedom_to_fit(task, crystal)},
            -value,
            refined=True,
        )
        for i, (value, crystal) in enumerate(made)
    ]
    best: list[Candidate] = []
    for one in sorted(candidates, key=lambda one: -one.score):
        if len(best) == count:
            break
        if not any(_copies(one, other) for other in best):
            best.append(one)
    return best


def _chosen(ways: Sequence[Way], chemistry: Chemistry) -> list[tuple[Way, _FLOAT, Crystal]]:
    """The best solutions, those left out that are as good as one of the same cell to the last bit:
    they are the same.
    """
    found = sorted(
        (way.value(float(way.worth[k, 0])), i, k)
        for i, way in enumerate(ways)
        for k in range(len(way.worth))
    )
    seen: set[tuple[float, ...]] = set()
    chosen: list[tuple[Way, _FLOAT, Crystal]] = []
    for _, i, k in found:
        way = ways[i]
        misfit, cosine = way.worth[k]
        volume = abs(float(np.linalg.det(way.frame.basis)))
        key = (round(misfit, 3), round(cosine, 3), round(volume, 1))
        if key in seen:
            continue
        seen.add(key)
        parameters = way.parameters[k]
        chosen.append((way, parameters, way.crystal(parameters, chemistry)))
        if len(chosen) == POLISHED:
            break
    return chosen


def _fitted(task: Task, crystals: Sequence[Crystal]) -> CellFits:
    return fit_cells(
        task.prepared,
        lines_for(task, crystals),
        np.array([one.lattice for one in crystals]),
        np.array([one.space_group_number for one in crystals]),
    )


def _copies(one: Candidate, other: Candidate) -> bool:
    """Whether two candidates are one structure; those that fit otherwise are not compared."""
    if abs(one.correlation - other.correlation) > SAME_FIT:
        return False
    mine, theirs = one.crystal, other.crystal
    swollen = mine.volume_angstrom3 / len(mine) * len(theirs) / theirs.volume_angstrom3
    return abs(np.log(swollen)) < SAME_VOLUME and same_structure(theirs, mine)
