"""How like two elements are where one takes the other's place, and how much room atoms take."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from threadpoolctl import threadpool_limits

ANIONS = frozenset({"H", "D", "N", "O", "F", "S", "Cl", "Se", "Br", "Te", "I"})
BONDINGS = ("salt", "molecules", "metal")
USUAL_ANGSTROM3 = 18.0
"""Volume of an atom where no crystal is known."""
ATOM_SPREAD, ERROR_SPREAD = 0.3, 0.12
"""Of the logarithm of an atom's volume about what is usual; and of a crystal's."""
TURNS, LONGEST_STEP, SETTLED = 60, 0.5, 1e-4
_SYMBOLS = (*(gemmi.Element(number).name for number in range(1, 119)), "D")
_RADII = np.array([gemmi.Element(symbol).covalent_r for symbol in _SYMBOLS])
"""In Å, covalent."""


@cache
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

    An atom of a metal takes more room than its ion, so crystals of anions and others, of anions
    alone, and of others alone have volumes of their own; see `bonding`.

    Attributes:
        angstrom3: of every element, by bonding.
    """

    angstrom3: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(
        cls, compositions: Sequence[Mapping[str, float]], volumes_angstrom3: NDArray[np.float64]
    ) -> AtomicVolumes:
        """From crystals, their relative errors counted, large ones less than their squares.

        Args:
            compositions: atoms of each element in the cells of N crystals.
            volumes_angstrom3: of the cells. Shape (N,).
        """
        column = {symbol: i for i, symbol in enumerate(_SYMBOLS)}
        counts = [
            (row, column[symbol], amount)
            for row, one in enumerate(compositions)
            for symbol, amount in one.items()
        ]
        rows, columns, amounts = np.array(counts).reshape(-1, 3).T
        shape = len(compositions), len(_SYMBOLS)
        table = csr_array((amounts, (rows.astype(int), columns.astype(int))), shape=shape)
        kinds = np.array([bonding(one) for one in compositions])
        tables = {}
        for kind in BONDINGS:
            mine = kinds == kind
            expected = np.full(len(_SYMBOLS), USUAL_ANGSTROM3)
            if kind == "metal":  # covalent radii say how large these atoms are, but not ions
                expected *= _RADII**3 / np.mean(_RADII**3)
                if mine.any():
                    expected *= np.median(volumes_angstrom3[mine] / (table[mine] @ expected))
            with threadpool_limits(1):  # small matrices, on which threads wait for one another
                found = _atomic_volumes(table[mine], volumes_angstrom3[mine], expected)
            tables[kind] = dict(zip(_SYMBOLS, found.tolist(), strict=True))
        return cls(tables)

    def volume(self, composition: Mapping[str, float]) -> float:
        """Of so many atoms, in Å³."""
        own = self.angstrom3[bonding(composition)]
        return float(sum(amount * own[symbol] for symbol, amount in composition.items()))


def bonding(composition: Iterable[str]) -> str:
    """What kind of crystal elements make: "salt", "molecules", or "metal" where no anion is."""
    symbols = set(composition)
    return "metal" if not symbols & ANIONS else "molecules" if symbols <= ANIONS else "salt"


def _atomic_volumes(
    amounts: csr_array, volumes: NDArray[np.float64], expected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Robust least squares of logarithms by Gauss and Newton. Shape (E,).

    Args:
        amounts: atoms of E elements in each of N cells. Shape (N, E).
        volumes: in Å³. Shape (N,).
        expected: of atoms, in Å³, which those are drawn to. Shape (E,).
    """
    wanted = np.log(expected)
    logarithms = wanted.copy()
    for _ in range(TURNS):
        sizes = np.exp(logarithms)
        total = amounts @ sizes
        error = np.log(volumes / total)
        # Cauchy's weights: wrong, compressed and porous crystals do not carry the others along.
        weight = 1 / (ERROR_SPREAD**2 + error**2)
        slope = diags_array(1 / total) @ amounts @ diags_array(sizes)
        curvature = (slope.T @ diags_array(weight) @ slope).toarray()
        curvature[np.diag_indices_from(curvature)] += 1 / ATOM_SPREAD**2
        gradient = slope.T @ (weight * error) - (logarithms - wanted) / ATOM_SPREAD**2
        step = np.clip(np.linalg.solve(curvature, gradient), -LONGEST_STEP, LONGEST_STEP)
        logarithms += step
        if np.abs(step).max() < SETTLED:
            break
    return np.asarray(np.exp(logarithms))
