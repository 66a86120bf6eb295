"""Crystals whose distances are those predicted: a formula on the sites of likely space groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from generator.candidate import Cell, Sought
from generator.direct.assignment import assignments
from generator.direct.chemistry import Chemistry
from generator.direct.descent import best_of
from generator.direct.frame import Frame, centrings_of
from generator.direct.misfit import Model, place
from generator.direct.setup import model_of
from generator.distance.matrices import IMAGES
from generator.distance.mismatch import Target
from generator.known import lattice_of_cell, may_have_atoms, may_have_group

if TYPE_CHECKING:
    from generator.distance.inference import Formula, Spread

HYPOTHESES = 30
"""Numbers of formula units with space groups that are gone on with, the likeliest."""
CELLS = 2
"""Shapes of the cell that are tried in each where symmetry leaves any free."""
WAYS = 16
"""Assignments of atoms to sites that are tried in each cell, the simplest."""
STARTS, STARTS_A_FREEDOM = 3, 2
"""Random starts of an assignment, and more for each free coordinate."""
TURNS = 30
"""Steps of each."""
KEPT = 2
"""Solutions of one assignment that are gone on with."""
PRIOR = 0.02
"""What a unit of the logarithm of a hypothesis' likelihood counts for beside the misfit."""
FREEDOM = 0.01
"""What a free coordinate costs."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A primitive cell's content with a space group and a shape of the conventional cell.

    Attributes:
        units: formula units of the primitive cell.
        space_group: 1 to 230.
        cell: conventional; only its shape counts where the volume is not known.
        log_odds: logarithm of its likelihood.
    """

    units: int
    space_group: int
    cell: Cell
    log_odds: float


@dataclass(frozen=True, eq=False)
class Built:
    """A crystal that was made of distances.

    Attributes:
        crystal: in the standard setting of its space group.
        misfit: distances and what atoms do not like; lower is better.
        apart: the mean square relative error of the distances alone.
        log_odds: of its hypothesis.
        free: coordinates that symmetry leaves free.
    """

    crystal: Crystal
    misfit: float
    apart: float
    log_odds: float
    free: int

    @property
    def worth(self) -> float:
        """Lower is better."""
        return self.misfit - PRIOR * self.log_odds + FREEDOM * self.free


def hypotheses(
    sought: Sought,
    formula: Formula,
    *,
    space_groups: Callable[[int], _FLOAT],
    multiple: _FLOAT,
    most_atoms: int,
    most: int = HYPOTHESES,
) -> list[Hypothesis]:
    """What a formula may be, the likeliest first.

    Args:
        sought: what is known.
        formula: as the network reads it.
        space_groups: probabilities of 1 to 230, for a number of formula units.
        multiple: probabilities of 1, 2, … formula units.
        most_atoms: of the primitive cell.
        most: numbers of units with space groups, at most.
    """
    found: list[tuple[float, int, int]] = []
    for units in range(1, min(len(multiple), most_atoms // formula.atoms) + 1):
        odds = np.log(np.maximum(space_groups(units) * multiple[units - 1], 1e-12))
        atoms = units * formula.atoms
        found += [
            (float(odds[number - 1]), units, number)
            for number in range(1, 231)
            if may_have_group(sought, number)
            and may_have_atoms(sought, atoms * centrings_of(number))
        ]
    found.sort(reverse=True)
    made = []
    for log_odds, units, number in found[:most]:
        for cell, share in formula.cells(units, number, CELLS):
            made.append(Hypothesis(units, number, cell, log_odds + float(np.log(share))))
    return sorted(made, key=lambda one: -one.log_odds)


def built(
    sought: Sought,
    formula: Formula,
    composition: Mapping[str, int],
    chosen: Sequence[Hypothesis],
    unit_volume_angstrom3: float,
    *,
    ways: int = WAYS,
) -> list[Built]:
    """Crystals of hypotheses, the best first.

    Args:
        sought: until when.
        formula: as the network reads it.
        composition: atoms of each element in a formula unit.
        chosen: hypotheses.
        unit_volume_angstrom3: of a formula unit.
        ways: assignments of atoms to sites that are tried in each.
    """
    chemistry = Chemistry.of(composition)
    spreads = _spreads(formula, chosen)
    found: list[Built] = []
    for seed, one in enumerate(chosen):
        if sought.is_late:
            break
        lattice = lattice_of_cell(one.cell)
        volume = one.units * unit_volume_angstrom3 * centrings_of(one.space_group)
        lattice = lattice * (volume / abs(np.linalg.det(lattice))) ** (1 / 3)
        frame = Frame.of(one.space_group, lattice)
        target = target_of(spreads[one.units, one.space_group], chemistry.elements, frame.basis)
        counts = {symbol: one.units * many for symbol, many in composition.items()}
        orbits = frame.orbits()
        for sites in assignments(one.space_group, counts, ways):
            model = model_of(frame, [(symbol, orbits[k]) for symbol, k in sites], chemistry)
            for misfit, apart, parameters in _solved(target, model, seed):
                crystal = crystal_of(frame, model, parameters, chemistry.elements)
                found.append(Built(crystal, misfit, apart, one.log_odds, model.free))
    return sorted(found, key=lambda one: one.worth)


def _spreads(formula: Formula, chosen: Sequence[Hypothesis]) -> dict[tuple[int, int], list[Spread]]:
    """Predicted distances by formula units and space group, each asked for once."""
    groups: dict[int, list[int]] = {}
    for one in chosen:
        known = groups.setdefault(one.units, [])
        if one.space_group not in known:
            known.append(one.space_group)
    return {
        (units, number): spread
        for units, numbers in groups.items()
        for number, spread in zip(numbers, formula.distances(units, numbers), strict=True)
    }


def target_of(spreads: Sequence[Spread], elements: Sequence[str], basis: _FLOAT) -> Target:
    """Predicted distances as compiled code reads them.

    Args:
        spreads: of every two elements.
        elements: in the order of `Chemistry.elements`.
        basis: of the primitive cell, rows in Å. Shape (3, 3).
    """
    kinds = np.zeros((len(elements), len(elements)), np.int64)
    for row, one in enumerate(spreads):
        i, j = (elements.index(symbol) for symbol in one.pair)
        kinds[i, j] = kinds[j, i] = row
    sums = np.array([one.sums for one in spreads]) if spreads else np.zeros((1, 2))
    return Target(kinds, np.ascontiguousarray(sums), np.ascontiguousarray(IMAGES @ basis))


def _solved(target: Target, model: Model, seed: int) -> Iterator[tuple[float, float, _FLOAT]]:
    """Misfit, that of distances alone, and parameters of the best solutions."""
    starts = STARTS + STARTS_A_FREEDOM * model.free if model.free else 1
    draws = np.random.default_rng(seed).random((starts, model.free))
    parameters, worth = best_of(target, model, 0, TURNS, draws, KEPT if model.free else 1)
    for own, (misfit, apart) in zip(parameters, worth, strict=True):
        if np.isfinite(misfit):
            yield float(misfit), float(apart), own


def crystal_of(frame: Frame, model: Model, parameters: _FLOAT, elements: Sequence[str]) -> Crystal:
    """The crystal of some parameters, in its conventional cell."""
    points = np.empty((len(model.firsts), 3))
    place(model, parameters, points)
    return frame.crystal(points, [elements[row] for row in model.elements])
