"""What a mixture search reads of a library, prepared once for each entry it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.errors import CrystalError
from data.formula import reduced_formula
from data.lines import Lines
from data.preparation import Prepared
from indexer.entry import Entry
from indexer.library import Library
from indexer.profiles import SHEETS
from search.mixture.joint_fit import Phase
from search.mixture.weighing import reference_intensity_ratio

FAINT = 1e-3
"""Lines below this share of an entry's strongest are not drawn while phases are sought."""

ELEMENT_COST, MIXED_COST = 2.0, 4.0
"""What each element of an entry, and atoms that share or half fill sites, cost a hypothesis: of
entries that fit alike the plainest is named first, zinc oxide before zinc oxide with a trace of
iron."""

WHOLE = 0.01
"""Atoms in a cell this near a whole number are whole."""

_ROWS = NDArray[np.int64]

FindNearest = Callable[[Prepared, int], _ROWS]
"""The first stage: a curve and a count in, rows out, best first."""


@dataclass(frozen=True, eq=False)
class Entries:
    """Rows of a library as phases.

    Attributes:
        library: where from.
        nearest: the first stage, among the entries that may be found.
        named: elements that the sample is said to be made of; empty when nothing is said.
    """

    library: Library
    nearest: FindNearest
    named: frozenset[str] = frozenset()
    _phases: dict[tuple[int, bool], Phase] = field(default_factory=dict, repr=False)
    _members: dict[int, Entry] = field(default_factory=dict, repr=False)

    def members(self, rows: Iterable[int]) -> tuple[Entry, ...]:
        """The entries of some rows, each read but once."""
        wanted = list(rows)
        new = sorted(set(wanted) - self._members.keys())
        self._members.update(zip(new, self.library.entries(new), strict=True))
        return tuple(self._members[row] for row in wanted)

    def phase(self, row: int, *, isotropic: bool = True) -> Phase:
        """A row with its stronger lines, as phases are sought.

        Args:
            row: of the library.
            isotropic: one strain of all lengths, or every strain that symmetry allows.
        """
        key = row, isotropic
        if key not in self._phases:
            lines = self.library.lines_of(np.array([row]))[0]
            height = lines.strength / lines.inv_d2
            keep = height >= FAINT * height.max(initial=0.0)
            kept = Lines(lines.inv_d2[keep], lines.strength[keep], lines.hkl[keep])
            self._phases[key] = self._made(row, kept, isotropic=isotropic)
        return self._phases[key]

    def free_phase(self, row: int) -> Phase:
        """A row with all its lines, every strain that its symmetry allows, and texture."""
        return self._made(
            row, self.library.lines_of(np.array([row]))[0], isotropic=False, textured=True
        )

    def oddity(self, row: int) -> float:
        """What a row costs a hypothesis for being complicated; see `ELEMENT_COST`."""
        amounts = self.library.compositions[row]
        return ELEMENT_COST * len(amounts) + MIXED_COST * self.is_mixed(row)

    def is_mixed(self, row: int) -> bool:
        """Whether atoms share or half fill sites: a solid solution, or disorder."""
        amounts = self.library.compositions[row].values()
        return any(abs(amount - round(amount)) > WHOLE for amount in amounts)

    def formula(self, row: int) -> str:
        """Reduced formula of a row, without hydrogen."""
        amounts = self.library.compositions[row]
        return reduced_formula({s: n for s, n in amounts.items() if s != "H"} or amounts)

    def i_over_ic(self, row: int) -> float | None:
        """I/Ic of a row; None where it cannot be worked out, and of a sheet, which is no powder."""
        if self.library.profile == SHEETS:
            return None
        (entry,) = self.members([row])
        try:
            return reference_intensity_ratio(entry.crystal)
        except CrystalError:
            return None

    def elements(self, row: int) -> frozenset[str]:
        """Of a row, but hydrogen, which many entries leave out."""
        return frozenset(self.library.compositions[row]) - {"H"}

    def _made(self, row: int, lines: Lines, *, isotropic: bool, textured: bool = False) -> Phase:
        return Phase.of(
            row,
            lines,
            self.library.lattices[row],
            int(self.library.space_group_numbers[row]),
            isotropic=isotropic,
            textured=textured,
        )
