"""Coordinates by a force field, cells as the pattern says."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.crystal import Crystal
from data.errors import MissingExtraError
from data.pymatgen_bridge import to_pymatgen
from generator.candidate import Candidate, Sought, Task
from generator.cell_fit import profile_cosines
from generator.contacts import closest_contact
from generator.lines import lines_for
from generator.refinement.freedom import freedom_of

MOST_ATOMS = 100
"""Of the primitive cell, that are relaxed."""
CROWDED = 0.5
"""Crystals with a shorter contact, over the sum of the radii, are beyond a force field."""
FORCE_EV_PER_ANGSTROM, STEPS = 0.1, 100
"""Relaxation ends below this force, or after so many steps."""

Optimizer = Any
"""CHGNet's, which has no types."""
Relax = Callable[[Crystal], NDArray[np.float64]]
"""Where a force field moves the atoms of a crystal to, the cell kept: Cartesian, in Å. (n, 3)."""


def relaxed(task: Task, candidates: Sequence[Candidate], relax: Relax) -> list[Candidate]:
    """The candidates with relaxed coordinates, as far as their symmetry lets atoms move.

    They count as refined where they were before: a force field does not look at the pattern.

    Args:
        task: the pattern.
        candidates: in the standard settings of their space groups.
        relax: as `chgnet` is.
    """
    found = []
    for one in within_reach(task, candidates):
        if len(freedom_of(one.crystal).moves):
            crystal = _moved(one.crystal, relax)
            cosine = profile_cosines(
                task.prepared,
                lines_for(task, [crystal]),
                crystal.lattice[None],
                np.array([one.zero_shift_deg]),
            )
            found.append(replace(one, crystal=crystal, correlation=float(cosine[0])))
    return found


def within_reach(sought: Sought, candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    """Those for a force field: not too large, no atoms that overlap, until it is late."""
    for one in candidates:
        if sought.is_late:
            return
        small = len(Standard.from_stored(one.crystal).primitive) <= MOST_ATOMS
        if small and closest_contact(one.crystal) >= CROWDED:
            yield one


def _moved(crystal: Crystal, relax: Relax) -> Crystal:
    """The crystal with its free coordinates where they are nearest to what the force field says."""
    freedom = freedom_of(crystal)
    chosen = freedom.lattice_points
    lattice = Standard.from_stored(crystal).primitive.lattice
    begin = crystal.fractional[chosen] @ crystal.lattice
    primitive = replace(
        crystal,
        lattice=lattice,
        species=tuple(crystal.species[i] for i in chosen),
        occupancies=crystal.occupancies[chosen],
        fractional=begin @ np.linalg.inv(lattice),
        u_iso_angstrom2=crystal.u_iso_angstrom2[chosen],
    )
    change = relax(primitive) - begin
    moves = (freedom.moves[:, chosen] @ crystal.lattice).reshape(len(freedom.moves), -1)
    by_angstrom = np.linalg.lstsq(moves.T, change.ravel())[0]
    return freedom.moved(crystal, np.asarray(by_angstrom, np.float64), np.zeros(6))


def load_chgnet() -> Optimizer:
    """CHGNet's optimizer of structures (Deng et al., Nature Machine Intelligence 5 (2023) 1031).

    Raises:
        MissingExtraError: it is not installed.
    """
    if not has_chgnet():
        raise MissingExtraError(
            "relaxation needs CHGNet, which is not installed; pip install 'braggle[relax]'"
        )
    import chgnet.model

    model: Any = chgnet.model  # it does not say what it exports
    with quietly():
        return model.StructOptimizer(use_device="cpu", on_isolated_atoms="ignore")


@contextmanager
def quietly() -> Iterator[None]:
    """CHGNet's hello to the standard output and torch's warnings about it are for nobody."""
    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def has_chgnet() -> bool:
    """Whether CHGNet can be imported; it is not."""
    return find_spec("chgnet") is not None


def chgnet() -> Relax:
    """Relaxation of coordinates by CHGNet.

    Raises:
        MissingExtraError: it is not installed.
    """
    optimizer = load_chgnet()

    def relax(crystal: Crystal) -> NDArray[np.float64]:
        with quietly():
            done = optimizer.relax(
                to_pymatgen(crystal),
                fmax=FORCE_EV_PER_ANGSTROM,
                steps=STEPS,
                relax_cell=False,
                verbose=False,
                assign_magmoms=False,
            )
        return np.asarray(done["final_structure"].cart_coords, dtype=np.float64)

    return relax
