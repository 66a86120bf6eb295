"""The best candidates, refined: coordinates, cell, zero shift and displacement, and symmetry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from data.canonical import Standard, operations_of
from data.crystal import Crystal
from data.form_factors import DEFAULT_U_ISO, atomic_numbers
from data.preparation import Prepared
from generator.candidate import Candidate, Task
from generator.cell_fit import profile_cosines
from generator.contacts import closest_contact
from generator.known import agrees
from generator.lines import SMALLEST_D_ANGSTROM, lines_for
from generator.refinement.freedom import freedom_of, freedom_to_fit
from generator.refinement.symmetry import raised
from generator.torch_use import one_torch_thread

MOST_ATOMS = 100
"""Of the primitive cell, that are refined: of more a powder pattern does not tell the places."""
MOST_WORK = 1e5
"""Reflections times atoms of all crystals that are refined in one answer: a core needs about eight
seconds for so much."""
UNLIKE = 8.0
"""Crystals are refined side by side when none is more work than so many times another."""
Q_MAX_INV_ANGSTROM = 6.0
"""The pattern is refined against up to here: what is beyond mostly says how much atoms vibrate."""
RAISED_STEPS = 25
"""Of the descent after symmetry was imposed, with the atoms near where they belong."""
SYMMETRY_LOSS = 0.01
"""Of the cosine, that a higher symmetry may cost."""
CROWDED = 0.6
"""Refined crystals with a shorter contact, over the sum of the radii, are dropped, unless the
contact was there before."""
LEAST_U_ANGSTROM2 = 1e-3


def refined(task: Task, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates refined against the pattern, those left out that cannot be or that are late.

    Of each there may be two: atoms near where they were, and atoms that went far.

    Args:
        task: the pattern and what is known.
        candidates: the most promising first; the first are refined where there is not time for all.
    """
    found = []
    for part in _alike(_affordable(task, candidates), task):
        mobile = [one for one in part if len(freedom_of(one.crystal).moves)]
        for before, bold in ((part, False), (mobile, True)):
            if before and not task.is_late:
                after = _raised(task, _descended(task, before, bold=bold))
                found += _kept(task, before, after)
    return found


def _raised(task: Task, candidates: list[Candidate]) -> list[Candidate]:
    """The candidates, those with higher symmetry that nearly have it and fit about as well."""
    higher = {
        i: replace(one, crystal=crystal)
        for i, one in enumerate(candidates)
        if (crystal := raised(one.crystal)) is not None and agrees(task, crystal)
    }
    if not higher or task.is_late:
        return candidates
    polished = _descended(task, list(higher.values()), steps=RAISED_STEPS)
    found = list(candidates)
    for i, one in zip(higher, polished, strict=True):
        if one.correlation >= found[i].correlation - SYMMETRY_LOSS:
            found[i] = one
    return found


def _kept(task: Task, before: Sequence[Candidate], after: Sequence[Candidate]) -> list[Candidate]:
    """Those that fit no worse, agree with what is known, and whose atoms have room."""
    return [
        replace(new, features={**old.features, "refinement": freedom_to_fit(task, new.crystal)})
        for old, new in zip(before, after, strict=True)
        if new.correlation >= old.correlation - SYMMETRY_LOSS
        and agrees(task, new.crystal)
        and closest_contact(new.crystal) >= min(CROWDED, closest_contact(old.crystal))
    ]


def _affordable(task: Task, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first of the candidates, as many as `MOST_WORK` allows, none too large."""
    chosen: list[Candidate] = []
    total = 0.0
    for one in candidates:
        if len(Standard.from_stored(one.crystal).primitive) > MOST_ATOMS:
            continue
        total += _work(task, one)
        if total > MOST_WORK:
            break
        chosen.append(one)
    return chosen


def _alike(candidates: list[Candidate], task: Task) -> list[list[Candidate]]:
    """The candidates in batches, the work of none more than `UNLIKE` times that of another."""
    batches: list[list[Candidate]] = []
    for one in sorted(candidates, key=lambda one: _work(task, one)):
        if batches and _work(task, one) < UNLIKE * _work(task, batches[-1][0]):
            batches[-1].append(one)
        else:
            batches.append([one])
    return batches


def _work(task: Task, candidate: Candidate) -> float:
    """Reflections times atoms of a lattice point, about."""
    crystal = candidate.crystal
    group = operations_of(crystal.space_group_number)[0]
    points = (group == np.eye(3, dtype=np.int64)).all(axis=(1, 2)).sum()
    reflections = 4 / 3 * np.pi * crystal.volume_angstrom3 / _d_min(task.prepared) ** 3
    return float(reflections / len(group) * len(crystal) / points)


def _d_min(prepared: Prepared) -> float:
    farthest = min(float(prepared.q_inv_angstrom[-1]), Q_MAX_INV_ANGSTROM)
    return max(0.98 * 2 * np.pi / farthest, SMALLEST_D_ANGSTROM)


def _descended(
    task: Task, candidates: Sequence[Candidate], *, bold: bool = False, steps: int | None = None
) -> list[Candidate]:
    """The candidates at the end of a descent, with correlations as cell fits have them."""
    from generator.refinement.descent import STEPS, descend, descend_boldly
    from generator.refinement.simulator import Axis, CrystalBatch

    part = task.prepared.up_to(Q_MAX_INV_ANGSTROM)
    crystals = [one.crystal for one in candidates]
    freedoms = [freedom_of(one) for one in crystals]
    shifts = [one.zero_shift_deg for one in candidates]
    batch = CrystalBatch.of(crystals, freedoms, shifts, d_min_angstrom=_d_min(part))
    late: Callable[[], bool] = lambda: task.is_late  # noqa: E731 - asked again and again
    with one_torch_thread():
        if bold:
            end = descend_boldly(batch, Axis.of(part), late=late)
        else:
            end = descend(batch, Axis.of(part), steps=steps or STEPS, late=late)
    moved = [
        _with_displacement(
            freedom.moved(one, end.coordinates[i, : len(freedom.moves)], end.cell[i]),
            end.u_angstrom2[i],
        )
        for i, (one, freedom) in enumerate(zip(crystals, freedoms, strict=True))
    ]
    zero = np.array(shifts) + end.zero_shift_deg
    lattices = np.array([one.lattice for one in moved])
    cosine = profile_cosines(task.prepared, lines_for(task, moved), lattices, zero)
    return [
        replace(
            one,
            crystal=moved[i],
            zero_shift_deg=float(zero[i]),
            correlation=float(cosine[i]),
            refined=True,
        )
        for i, one in enumerate(candidates)
    ]


def _with_displacement(crystal: Crystal, added_angstrom2: float) -> Crystal:
    known = crystal.u_iso_angstrom2
    u = np.where(known >= 0.0, known, DEFAULT_U_ISO[atomic_numbers(crystal.species)])
    return replace(crystal, u_iso_angstrom2=np.maximum(u + added_angstrom2, LEAST_U_ANGSTROM2))
