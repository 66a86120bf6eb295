"""The trained network asked about one formula: guesses, cells and distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray

from data.canonical import crystal_system
from generator.candidate import Cell
from generator.distance.examples import free_of
from generator.distance.features import rank_of_number
from generator.distance.model import DistanceNetwork
from generator.distance.network_file import read_network, shipped_weights
from generator.torch_use import one_torch_thread

STEPS = 64
"""Parts that a spread of distances is tabulated in."""
LONGEST = 8.0
"""Of b/a and c/a, and of their inverses."""
SKEWEST, SKEWEST_TRICLINIC = 0.6, 0.4
"""Of the cosines of angles, which are not above the ratio of the two lengths either; three larger
ones may be no cell at all."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spread:
    """Distances between the atoms of two elements, ascending, as a table of their integral.

    Attributes:
        pair: symbols, the first of lower electronegativity.
        sums: Shape (STEPS + 1,).
    """

    pair: tuple[str, str]
    sums: _FLOAT


class Formula:
    """A formula that the network has read."""

    @one_torch_thread()
    def __init__(
        self, composition: Mapping[str, float], *, network: DistanceNetwork | None = None
    ) -> None:
        """Read it.

        Args:
            composition: whole atoms of each element in a formula unit.
            network: the one that comes with Braggle when left out.
        """
        self.network = network or shipped_network()
        ranks = rank_of_number()
        counts = {
            gemmi.Element(symbol).atomic_number: round(amount)
            for symbol, amount in composition.items()
        }
        self.counts = dict(sorted(counts.items(), key=lambda one: int(ranks[one[0]])))
        with torch.no_grad():
            found = self.network.read(torch.tensor([self.numbers(1)]))
        self.multiple: _FLOAT = _odds(found.multiple)

    def numbers(self, units: int) -> list[int]:
        """Atomic numbers of so many formula units, in the network's order."""
        return [number for number, many in self.counts.items() for _ in range(many * units)]

    @property
    def atoms(self) -> int:
        """Of a formula unit."""
        return sum(self.counts.values())

    @one_torch_thread()
    def space_groups(self, units: int) -> _FLOAT:
        """Probabilities of space groups 1 to 230 of so many formula units a primitive cell."""
        with torch.no_grad():
            return _odds(self.network.read(torch.tensor([self.numbers(units)])).space_group)

    @one_torch_thread()
    def cells(self, units: int, space_group: int, most: int) -> list[tuple[Cell, float]]:
        """Conventional cells of length a = 1 Å that are likely, the likeliest first.

        Args:
            units: formula units of the primitive cell.
            space_group: whose system the cells obey.
            most: at most so many; one where symmetry leaves nothing free.

        Returns:
            Cells, and the share of each in the mixture that the network gives.
        """
        with torch.no_grad():
            summary = self.network.read(torch.tensor([self.numbers(units)])).summary
            found = self.network.cells(summary, torch.tensor([space_group]))
        free = np.array(free_of(space_group), np.bool_)
        weight = found.weight[0].exp().double().numpy()
        if not free.any():
            return [(cell_of_shape(np.zeros(len(free)), space_group), 1.0)]
        order = np.argsort(-weight, kind="stable")[:most]
        means = found.mean[0].double().numpy()
        return [
            (cell_of_shape(np.where(free, means[i], 0.0), space_group), float(weight[i]))
            for i in order
        ]

    @one_torch_thread()
    def distances(self, units: int, space_groups: Sequence[int]) -> list[list[Spread]]:
        """Distances of so many formula units a primitive cell, in each of some space groups.

        Args:
            units: formula units.
            space_groups: 1 to 230, or 0 where none is told.
        """
        number = torch.tensor([self.numbers(units)]).expand(len(space_groups), -1)
        with torch.no_grad():
            read = self.network(number, torch.tensor(space_groups))
        odds = read.distances.double().softmax(dim=-1).numpy()
        unit = float(read.unit_angstrom[0])
        return [self._spreads(one, self.numbers(units), unit) for one in odds]

    def _spreads(self, odds: _FLOAT, numbers: Sequence[int], unit: float) -> list[Spread]:
        kinds = list(self.counts)
        rows = np.array(numbers)
        found = []
        for i, one in enumerate(kinds):
            for other in kinds[i:]:
                both = odds[np.ix_(rows == one, rows == other)]
                if one == other:
                    both = both[~np.eye(len(both), dtype=np.bool_)]
                shares = both.reshape(-1, odds.shape[-1])
                if len(shares):
                    pair = gemmi.Element(one).name, gemmi.Element(other).name
                    found.append(Spread(pair, unit * self._sums(shares.mean(axis=0))))
        return found

    def _sums(self, shares: _FLOAT) -> _FLOAT:
        """The integral of the quantiles of groups that hold these shares, in units.

        Shape (STEPS + 1,).
        """
        middles = self.network.middles.double().numpy()
        edges = self.network.edges.double().numpy()
        half = np.minimum(middles - edges[:-1], edges[1:] - middles)
        ends = np.concatenate([[0.0], np.cumsum(shares)])
        fine = np.linspace(0.0, 1.0, 16 * STEPS + 1)
        at = 0.5 * (fine[1:] + fine[:-1])
        group = np.clip(np.searchsorted(ends, at, side="right") - 1, 0, len(middles) - 1)
        within = (at - ends[group]) / np.maximum(shares[group], 1e-12)
        quantiles = middles[group] + half[group] * (2.0 * within - 1.0)
        sums = np.concatenate([[0.0], np.cumsum(quantiles) / len(at)])
        return sums[::16]


@cache
def shipped_network() -> DistanceNetwork:
    """The network that comes with Braggle."""
    with shipped_weights() as path:
        return read_network(path)


def cell_of_shape(shape: _FLOAT, space_group: int) -> Cell:
    """With a of 1 Å, no needle, and no more skewed than cells are given by convention."""
    lengths = np.exp(np.clip([0.0, *shape[:2]], -np.log(LONGEST), np.log(LONGEST)))
    ratios = [lengths[i] / lengths[j] for i, j in ((1, 2), (0, 2), (0, 1))]
    skewest = SKEWEST_TRICLINIC if crystal_system(space_group) == "triclinic" else SKEWEST
    most = np.minimum(np.minimum(ratios, 1 / np.array(ratios)), skewest)
    angles = np.degrees(np.arccos(np.clip(shape[2:], -most, most)))
    if crystal_system(space_group) in {"trigonal", "hexagonal"}:
        angles[2] = 120.0
    a, b, c, alpha, beta, gamma = (float(one) for one in (*lengths, *angles))
    return (a, b, c, alpha, beta, gamma)


def _odds(logits: torch.Tensor) -> _FLOAT:
    return logits[0].softmax(0).numpy().astype(np.float64)
