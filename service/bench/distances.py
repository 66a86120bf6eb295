"""`braggle bench distances`: how far distances predicted from formulas are off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray

from data.canonical import Standard
from data.errors import QueryError
from generator.chemistry import AtomicVolumes
from generator.distance.features import element_features
from generator.distance.matrices import distance_matrix, ordered
from generator.distance.model import DistanceNetwork
from generator.distance.network_file import read_network
from generator.distance.training import OVERLAP_ANGSTROM
from generator.pool import MouldPool
from generator.torch_use import one_torch_thread
from indexer.encoders.packing import formulas_in
from indexer.entry import Entry
from indexer.library import Library
from service.bench.provenance import provenance

SEED = 29
CHUNK = 512
TOGETHER = 64
"""Crystals that a network reads at a time."""
NEAREST, EVEN = "nearest_formula", "one_distance"
TOLD = "space group told"
KNOWN, UNKNOWN = "type_known", "type_unknown"

Advance = Callable[[int, int | None, str], None]
_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """A crystal with its distances.

    Attributes:
        formula: reduced.
        numbers: atomic numbers in the order of `matrices.ordered`. Shape (n,).
        distances: in Å. Shape (n, n).
        space_group: 1 to 230.
        even_angstrom: cube root of the volume that an atom has by the volumes of elements.
    """

    formula: str
    numbers: NDArray[np.int64]
    distances: _FLOAT
    space_group: int
    even_angstrom: float

    @property
    def layout(self) -> tuple[int, ...]:
        """Atoms of each element, in order."""
        return tuple(Counter(self.numbers.tolist()).values())

    @property
    def type(self) -> tuple[int, tuple[int, ...]]:
        """Space group and how many atoms of each element there are: types, well enough."""
        return self.space_group, tuple(sorted(self.layout))


def bench_distances(
    library: Library,
    formulas: Path,
    networks: Mapping[str, Path],
    *,
    crystals: int = 1000,
    max_atoms: int = 12,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Predict the distances of crystals of untrained formulas, each of formula and type once.

    Two controls stand beside the networks: the distances of the known crystal whose elements are
    most alike, atoms in the same order; and one and the same distance for all pairs, that of the
    volume an atom has times what is usual. Known are crystals of other formulas than those of the
    file: the controls know no more than the networks.

    Args:
        library: whose crystals are taken.
        formulas: file of reduced formulas that no network was trained on.
        networks: files of weights, by name.
        crystals: at most so many.
        max_atoms: of the primitive cell.
        advance: called with done, total and the stage.

    Raises:
        QueryError: no crystal is left, or none of another formula.
    """
    report = advance or _silent
    untrained = formulas_in(formulas)
    everything = list(_measured(library, max_atoms, untrained, report))
    known = [one for one in everything if one.formula not in untrained]
    chosen = _chosen([one for one in everything if one.formula in untrained], crystals)
    if not chosen:
        raise QueryError(
            f"{formulas}: {library.path} has no ordered crystal of these formulas of "
            f"2 to {max_atoms} atoms; raise --max-atoms"
        )
    if not known:
        raise QueryError(f"{library.path}: has no crystal of other formulas for the controls")
    groups = [_groups(one, known) for one in chosen]
    usual = _usual_ratio(known)
    predicted: dict[str, list[tuple[_FLOAT, _FLOAT]]] = {}
    for done, (name, path) in enumerate(networks.items()):
        report(done, len(networks), "networks")
        network = read_network(path)
        predicted[name] = predictions(network, chosen)
        predicted[f"{name}, {TOLD}"] = predictions(network, chosen, told=True)
    controls = {
        NEAREST: [_nearest(one, known, usual) for one in chosen],
        EVEN: [np.full_like(one.distances, usual * one.even_angstrom) for one in chosen],
    }
    return {
        "benchmark": "distances",
        "crystals": len(chosen),
        "formulas": len({one.formula for one in chosen}),
        "max_atoms": max_atoms,
        "networks": {
            name: _table(chosen, [mean for mean, _ in found], [odd for _, odd in found], groups)
            for name, found in predicted.items()
        },
        "controls": {name: _table(chosen, one, one, groups) for name, one in controls.items()},
        "within_8_angstrom": round(
            float(np.mean([(_pairs(one.distances) < OVERLAP_ANGSTROM).mean() for one in chosen])), 4
        ),
        **provenance(library),
    }


@one_torch_thread()
def predictions(
    network: DistanceNetwork, crystals: Sequence[Measured], *, told: bool = False
) -> list[tuple[_FLOAT, _FLOAT]]:
    """Mean distances, and those of the likeliest groups, in Å. Shapes (n, n) each.

    Args:
        network: trained.
        crystals: whose elements are told.
        told: whether their space groups are, too.
    """
    found = []
    for at in range(0, len(crystals), TOGETHER):
        part = crystals[at : at + TOGETHER]
        number = torch.zeros(len(part), max(len(one.numbers) for one in part), dtype=torch.long)
        for i, one in enumerate(part):
            number[i, : len(one.numbers)] = torch.from_numpy(one.numbers)
        groups = torch.tensor([one.space_group if told else 0 for one in part])
        with torch.no_grad():
            read = network(number, groups)
            mean = network.mean(read).double().numpy()
            likeliest = network.likeliest(read).double().numpy()
        sizes = [len(one.numbers) for one in part]
        found += [(mean[i, :n, :n], likeliest[i, :n, :n]) for i, n in enumerate(sizes)]
    return found


def _measured(
    library: Library, max_atoms: int, untrained: set[str], report: Advance
) -> Iterator[Measured]:
    """Ordered crystals of 2 to so many atoms in the primitive cell."""
    volumes = MouldPool(library).volumes(frozenset(untrained))
    for at in range(0, len(library), CHUNK):
        report(at, len(library), "crystals")
        for entry in library.entries(np.arange(at, min(at + CHUNK, len(library)))):
            one = _of(entry, max_atoms, volumes) if entry.crystal.is_ordered else None
            if one is not None:
                yield one


def _of(entry: Entry, max_atoms: int, volumes: AtomicVolumes) -> Measured | None:
    primitive = Standard.from_stored(entry.crystal).primitive
    if not 2 <= len(primitive) <= max_atoms:
        return None
    numbers = np.array([gemmi.Element(symbol).atomic_number for symbol in primitive.species])
    if numbers.max() >= len(element_features()):
        return None
    distances = distance_matrix(primitive.lattice, primitive.fractional)
    order = ordered(numbers, distances)
    volume = volumes.volume(primitive.composition) / len(primitive)
    return Measured(
        entry.formula,
        numbers[order],
        distances[np.ix_(order, order)],
        entry.space_group_number,
        volume ** (1 / 3),
    )


def _chosen(untrained: Sequence[Measured], count: int) -> list[Measured]:
    found: dict[tuple[str, Any], Measured] = {}
    for i in np.random.default_rng(SEED).permutation(len(untrained)).tolist():
        one = untrained[i]
        if len(found) < count:
            found.setdefault((one.formula, one.type), one)
    return sorted(found.values(), key=lambda one: len(one.numbers))


def _groups(one: Measured, known: Sequence[Measured]) -> tuple[str, ...]:
    others = any(other.type == one.type for other in known)
    elements = len(one.layout)
    kind = {1: "elements", 2: "binary", 3: "ternary"}.get(elements, "more elements")
    return "all", KNOWN if others else UNKNOWN, kind


def _usual_ratio(known: Sequence[Measured]) -> float:
    """Mean distance over the cube root of an atom's volume."""
    return float(np.mean([_pairs(one.distances).mean() / one.even_angstrom for one in known]))


def _nearest(one: Measured, known: Sequence[Measured], usual: float) -> _FLOAT:
    """Distances of the most alike crystal of as many atoms, or `EVEN` where there is none."""
    features = element_features()
    alike = [other for other in known if other.layout == one.layout]
    if not alike:
        return np.full_like(one.distances, usual * one.even_angstrom)
    away = [((features[other.numbers] - features[one.numbers]) ** 2).sum() for other in alike]
    best = alike[int(np.argmin(away))]
    return best.distances * (one.even_angstrom / best.even_angstrom)


def _table(
    crystals: Sequence[Measured],
    means: Sequence[_FLOAT],
    likeliest: Sequence[_FLOAT],
    groups: Sequence[tuple[str, ...]],
) -> dict[str, dict[str, float]]:
    """Means over crystals, by group."""
    rows = np.array(
        [
            _figures(one.distances, mean, odd)
            for one, mean, odd in zip(crystals, means, likeliest, strict=True)
        ]
    )
    names = dict.fromkeys(name for own in groups for name in own)
    table: dict[str, dict[str, float]] = {}
    for name in names:
        mine = rows[[name in own for own in groups]]
        mse, rmse, coarse, overlap = mine.mean(axis=0).round(4).tolist()
        table[name] = {
            "crystals": len(mine),
            "mse_angstrom2": mse,
            "rmse_angstrom": rmse,
            "rmse_of_likeliest_angstrom": coarse,
            "overlap": overlap,
        }
    return table


def _figures(true: _FLOAT, mean: _FLOAT, likeliest: _FLOAT) -> tuple[float, float, float, float]:
    wanted, found, coarse = _pairs(true), _pairs(mean), _pairs(likeliest)
    mse = float(((found - wanted) ** 2).mean())
    overlap = ((coarse < OVERLAP_ANGSTROM) == (wanted < OVERLAP_ANGSTROM)).mean()
    return mse, mse**0.5, float(((coarse - wanted) ** 2).mean()) ** 0.5, float(overlap)


def _pairs(matrix: _FLOAT) -> _FLOAT:
    """Of two different atoms, each once."""
    return matrix[np.triu_indices(len(matrix), 1)]


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
