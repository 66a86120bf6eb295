"""How far crystals lie above the convex hull of the known phases of their elements.

Energies are those of a force field for crystals of the library, elements included, and the hull is
pymatgen's `PhaseDiagram` (Ong et al., Chem. Mater. 20 (2008) 1798). What comes out is an estimate:
no electronic structure was calculated, and a phase that the library lacks is not competed with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from data.canonical import Standard
from data.crystal import Crystal
from data.formula import reduced_formula
from generator.contacts import closest_contact
from generator.refinement.energy import Settle
from generator.refinement.relaxation import CROWDED
from indexer.library import Library

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

ABOVE_HULL = "above_hull_ev_per_atom"
"""Feature of a candidate whose energy above the hull is estimated."""
MOST_ATOMS = 40
"""Of the primitive cells of known phases."""
KINDS = 2
"""Structures of a formula whose energies are asked for, those that most entries have."""
MOST_PHASES = 40
"""Of a chemical system, those of fewest elements and atoms."""

Report = Callable[[int, int | None, str], None]


@dataclass(frozen=True)
class Phase:
    """A compound with its energy.

    Attributes:
        composition: atoms of each element, in any unit.
        energy_ev_per_atom: by any method, but the same for all.
    """

    composition: Mapping[str, float]
    energy_ev_per_atom: float

    @property
    def formula(self) -> str:
        """Reduced."""
        return reduced_formula(self.composition)


class Hull:
    """The lowest energies that mixtures of phases have."""

    def __init__(
        self, symbols: Iterable[str], phases: Sequence[Phase], *, left_out: int = 0
    ) -> None:
        """Nothing is worked out before it is asked for.

        Args:
            symbols: elements of the system.
            phases: of these elements, the elements themselves among them.
            left_out: phases that there was no time for; with any, there is no hull.
        """
        self.left_out = left_out
        self.symbols, self.phases = tuple(sorted(symbols)), tuple(phases)

    @property
    def missing(self) -> tuple[str, ...]:
        """Elements without a phase of their own: there is no hull without them."""
        there = {next(iter(one.composition)) for one in self.phases if len(one.composition) == 1}
        return tuple(symbol for symbol in self.symbols if symbol not in there)

    @property
    def competing(self) -> tuple[str, ...]:
        """Formulas of the compounds among the phases."""
        formulas = {one.formula for one in self.phases if len(one.composition) > 1}
        return tuple(sorted(formulas))

    def above(self, composition: Mapping[str, float], energy_ev_per_atom: float) -> float | None:
        """Energy above the hull in eV an atom, negative below it; None where there is none.

        Args:
            composition: atoms of each element, of these elements.
            energy_ev_per_atom: as those of the phases.
        """
        if self.missing or self.left_out:
            return None
        diagram: Any = self._diagram
        entry = _entry(Phase(composition, energy_ev_per_atom))
        return float(diagram.get_e_above_hull(entry, allow_negative=True))

    @cached_property
    def _diagram(self) -> PhaseDiagram:
        from pymatgen.analysis.phase_diagram import PhaseDiagram

        return PhaseDiagram([_entry(one) for one in self.phases])


def hull_of(
    library: Library,
    symbols: Sequence[str],
    settle: Settle,
    *,
    without: frozenset[str] = frozenset(),
    deadline: float | None = None,
    report: Report | None = None,
) -> Hull:
    """The hull of the ordered phases that a library has of some elements.

    Args:
        library: of known crystals.
        symbols: of the elements.
        settle: a force field that relaxes a primitive cell.
        without: reduced formulas that are left out.
        deadline: of `time.monotonic`, after which no phase is begun.
        report: called with done, total and the stage.
    """
    known = known_phases(library, symbols, without)
    lowest: dict[str, Phase] = {}
    for done, crystal in enumerate(known):
        if report is not None:
            report(done, len(known), "known phases")
        if deadline is not None and monotonic() > deadline:
            return Hull(symbols, list(lowest.values()), left_out=len(known) - done)
        end = settle(crystal)
        if end is None:
            continue
        phase = Phase(crystal.composition, end.energy_ev_per_atom)
        before = lowest.get(phase.formula)
        if before is None or phase.energy_ev_per_atom < before.energy_ev_per_atom:
            lowest[phase.formula] = phase
    return Hull(symbols, list(lowest.values()))


def known_phases(
    library: Library, symbols: Sequence[str], without: frozenset[str] = frozenset()
) -> list[Crystal]:
    """Primitive cells of the ordered crystals of a library that are of nothing but some elements.

    Of each formula, the structures that most entries have, each where its volume is the median;
    of all, those of the fewest elements and then atoms.

    Args:
        library: of known crystals.
        symbols: of the elements.
        without: reduced formulas that are left out.
    """
    system = set(symbols)
    rows = [row for row, one in enumerate(library.compositions) if set(one) <= system]
    kinds: dict[str, dict[tuple[int, int], list[Crystal]]] = defaultdict(lambda: defaultdict(list))
    for entry in library.entries(np.array(rows, np.int64)):
        if not entry.crystal.is_ordered or entry.formula in without:
            continue
        primitive = Standard.from_stored(entry.crystal).primitive
        if len(primitive) <= MOST_ATOMS and closest_contact(primitive) >= CROWDED:
            kinds[entry.formula][entry.space_group_number, len(primitive)].append(primitive)
    chosen = []
    for own in kinds.values():
        common = sorted(own.values(), key=lambda one: (-len(one), len(one[0])))[:KINDS]
        for same in common:
            by_volume = sorted(same, key=lambda one: one.volume_angstrom3)
            chosen.append(by_volume[len(by_volume) // 2])
    chosen.sort(key=lambda one: (len(one.composition), len(one)))
    return chosen[:MOST_PHASES]


def _entry(phase: Phase) -> Any:  # noqa: ANN401 - pymatgen's, which has no types
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.core.composition import Composition

    atoms = sum(phase.composition.values())
    return PDEntry(Composition(dict(phase.composition)), phase.energy_ev_per_atom * atoms)
