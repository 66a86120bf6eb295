"""Energies of crystals by a force field, cells and coordinates relaxed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.canonical import Standard, standardize
from data.crystal import Crystal
from data.errors import CrystalError
from data.pymatgen_bridge import from_pymatgen, to_pymatgen
from generator.candidate import Candidate, Sought
from generator.contacts import safe_tolerances
from generator.refinement.relaxation import load_chgnet, quietly, within_reach

FORCE_EV_PER_ANGSTROM, STEPS = 0.1, 60
"""Relaxation ends below this force, or after so many steps."""
TOLERANCES_ANGSTROM = (0.1, 0.03)
"""How far relaxed atoms may be from where symmetry would have them."""
Report = Callable[[int, int | None, str], None]

ENERGY = "energy_ev_per_atom"
"""Feature of a candidate whose energy is known."""


@dataclass(frozen=True, eq=False)
class Settled:
    """A crystal where a force field leaves it.

    Attributes:
        crystal: in the standard setting of its space group.
        energy_ev_per_atom: of the force field.
    """

    crystal: Crystal
    energy_ev_per_atom: float


Settle = Callable[[Crystal], Settled | None]
"""A crystal in any cell to where a force field leaves it; None where it falls apart."""


def settled(
    sought: Sought, candidates: Sequence[Candidate], settle: Settle, report: Report
) -> list[Candidate]:
    """The candidates relaxed, of the least energy first.

    Args:
        sought: until when.
        candidates: in the standard settings of their space groups.
        settle: as `chgnet_settling` is.
        report: called with done, total and the stage.
    """
    found = []
    for done, one in enumerate(within_reach(sought, candidates)):
        report(done, len(candidates), "energies")
        end = settle(Standard.from_stored(one.crystal).primitive)
        if end is not None:
            features = {**one.features, ENERGY: end.energy_ev_per_atom}
            found.append(replace(one, crystal=end.crystal, features=features))
    return sorted(found, key=lambda one: one.features[ENERGY])


def chgnet_settling(steps: int = STEPS) -> Settle:
    """Cell and coordinates by CHGNet (Deng et al., Nature Machine Intelligence 5 (2023) 1031).

    Args:
        steps: at most; with 0, crystals stay as they are.

    Raises:
        MissingExtraError: it is not installed.
    """
    optimizer = load_chgnet()

    def settle(crystal: Crystal) -> Settled | None:
        with quietly():
            done: Any = optimizer.relax(
                to_pymatgen(crystal),
                fmax=FORCE_EV_PER_ANGSTROM,
                steps=steps,
                relax_cell=True,
                verbose=False,
                assign_magmoms=False,
            )
        energy = float(done["trajectory"].energies[-1]) / len(crystal)
        end = _standard(from_pymatgen(done["final_structure"]))
        return Settled(end, energy) if end is not None and np.isfinite(energy) else None

    return settle


def _standard(crystal: Crystal) -> Crystal | None:
    """In the standard setting of the symmetry that it nearly has."""
    for tolerance in safe_tolerances(crystal, TOLERANCES_ANGSTROM):
        try:
            return standardize(crystal, symprec_angstrom=tolerance).crystal
        except CrystalError:
            continue
    return None
