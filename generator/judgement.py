"""What the trained network thinks of crystals that others proposed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.crystal import Crystal
from generator.candidate import Task
from generator.torch_use import has_torch

UNDECIDED = 0.5
"""Probability of a crystal that the network cannot read."""


def verdicts(task: Task, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    """Probabilities that crystals are right, as the network has learned them. Shape (n,).

    Args:
        task: pattern and formula.
        crystals: ordered, in the standard setting of their space groups; those of more atoms than
            the network reads are undecided.
    """
    found = np.full(len(crystals), UNDECIDED)
    amounts = np.array(list(task.composition.values()))
    if not has_torch() or np.abs(amounts - amounts.round()).max() > 1e-3:
        return found
    from generator.network.inference import Questioned
    from generator.network.model import MOST_ATOMS

    primitives = [Standard.from_stored(one).primitive for one in crystals]
    readable = [i for i, one in enumerate(primitives) if len(one) <= MOST_ATOMS]
    if readable:
        asked = Questioned(task.prepared, task.composition)
        found[readable] = asked.verdicts([primitives[i] for i in readable])
    return found
