"""How like two elements are where one takes the other's place, and how much room atoms take."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

COMMON_VOLUME_ANGSTROM3 = 18.0
"""An atom's, where nothing is known of its element."""
PRIOR_ATOMS = 20.0
"""Atoms of that volume that every element is taken to have been seen with."""


def unlikeness(one: str, other: str) -> NDArray[np.float64]:
    """Differences of electronegativity (Pauling), covalent radius in Å and group. Shape (3,)."""
    return np.asarray(np.abs(_properties(one) - _properties(other)))


@cache
def _properties(symbol: str) -> NDArray[np.float64]:
    from pymatgen.core.periodic_table import Element

    element = Element(symbol)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of elements without one, europium among them
        x = float(element.X)
    group = float(element.group)
    return np.array([x if x == x else 2.0, float(gemmi.Element(symbol).covalent_r), group])  # noqa: PLR0124


@dataclass(frozen=True, eq=False)
class AtomicVolumes:
    """Volumes of atoms by element, whose sums are the volumes of crystals.

    Attributes:
        angstrom3: by symbol.
    """

    angstrom3: Mapping[str, float]

    @classmethod
    def of(
        cls, compositions: Sequence[Mapping[str, float]], volumes_angstrom3: NDArray[np.float64]
    ) -> AtomicVolumes:
        """By non-negative least squares over crystals, relative errors counted.

        Args:
            compositions: atoms of each element in the cells of N crystals.
            volumes_angstrom3: of the cells. Shape (N,).
        """
        symbols = sorted({symbol for one in compositions for symbol in one})
        column = {symbol: i for i, symbol in enumerate(symbols)}
        design = np.zeros((len(compositions), len(symbols)))
        for row, one in enumerate(compositions):
            for symbol, amount in one.items():
                design[row, column[symbol]] = amount
        design /= volumes_angstrom3[:, None]
        prior = np.eye(len(symbols)) * np.sqrt(PRIOR_ATOMS) / COMMON_VOLUME_ANGSTROM3
        wanted = np.concatenate([np.ones(len(design)), np.full(len(symbols), np.sqrt(PRIOR_ATOMS))])
        found, _ = nnls(np.concatenate([design, prior]), wanted)
        return cls(dict(zip(symbols, found.tolist(), strict=True)))

    def volume(self, composition: Mapping[str, float]) -> float:
        """Of so many atoms, in Å³."""
        known = self.angstrom3
        total = sum(
            amount * max(known.get(symbol, COMMON_VOLUME_ANGSTROM3), 1.0)
            for symbol, amount in composition.items()
        )
        return float(total)
