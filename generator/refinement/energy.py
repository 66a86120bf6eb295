"""Energies of crystals by a force field, cells and coordinates relaxed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.canonical import Standard, standardize
from data.crystal import Crystal
from data.errors import CrystalError
from data.pymatgen_bridge import from_pymatgen, to_pymatgen
from generator.candidate import Candidate, Sought
from generator.contacts import closest_contact, safe_tolerances
from generator.refinement.relaxation import CROWDED, MOST_ATOMS, load_chgnet

FORCE_EV_PER_ANGSTROM, STEPS = 0.1, 60
"""Relaxation ends below this force, or after so many steps."""
TOLERANCES_ANGSTROM = (0.1, 0.03)
"""How far relaxed atoms may be from where symmetry would have them."""
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


def settled(sought: Sought, candidates: Sequence[Candidate], settle: Settle) -> list[Candidate]:
    """The candidates relaxed, of the least energy first.

    Those that are too large, whose atoms overlap, or that are late are left out.

    Args:
        sought: until when.
        candidates: in the standard settings of their space groups.
        settle: as `chgnet_settling` is.
    """
    found = []
    for one in candidates:
        if sought.is_late:
            break
        primitive = Standard.from_stored(one.crystal).primitive
        if len(primitive) > MOST_ATOMS or closest_contact(one.crystal) < CROWDED:
            continue
        end = settle(primitive)
        if end is not None:
            features = {**one.features, ENERGY: end.energy_ev_per_atom}
            found.append(replace(one, crystal=end.crystal, features=features))
    return sorted(found, key=lambda one: one.features[ENERGY])


def chgnet_settling() -> Settle:
    """Cell and coordinates by CHGNet (Deng et al., Nature Machine Intelligence 5 (2023) 1031).

    Raises:
        MissingExtraError: it is not installed.
    """
    optimizer = load_chgnet()

    def settle(crystal: Crystal) -> Settled | None:
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of how CHGNet uses it
            done: Any = optimizer.relax(
                to_pymatgen(crystal),
                fmax=FORCE_EV_PER_ANGSTROM,
                steps=STEPS,
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
