"""`braggle bench pointclouds`: known crystals out of their noise, and new ones beside controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from data.canonical import Standard
from data.crystal import Crystal
from data.errors import QueryError
from generator.matching import STRICT, same_structure
from generator.pointcloud.cloud import MOST_ATOMS, MOST_ELEMENTS, SEAM
from generator.pointcloud.clusters import (
    COPIES_ANGSTROM,
    Cloud,
    circular_mean,
    crystal_of,
    nearest_images,
)
from generator.pointcloud.engine import LAST_ELEMENT
from generator.pointcloud.inference import reconstructed
from generator.pointcloud.model import CloudNetwork
from generator.pointcloud.network_file import read_network
from indexer.encoders.packing import formulas_in
from indexer.library import Library
from service.bench.drawn_structures import measured_systems, summary_of
from service.bench.kept import Kept
from service.bench.provenance import provenance

SEED = 31
CHUNK, TOGETHER = 512, 64
TIMES = (0.1, 0.3, 0.5)
"""Of the noise that is taken off again, from 0 to 1."""
LONGEST_ANGSTROM = 15.0
"""What the paper's clouds can hold; longer cells are counted apart."""
LENGTH_BOUNDS = {"a": (-5.12, 3.81), "b": (-5.23, 3.66), "c": (-4.90, 3.57)}
PLACE_BOUNDS = {"x": (-6.50, 10.05), "y": (-3.84, 5.44), "z": (-4.09, 6.44)}
"""Relative errors in percent that the paper counts as right (its Table 1)."""
AT_ZERO = 0.01
"""A coordinate within so much of 0 counts as 1: the same place, and no error is divided by 0."""
UNLIKE_ANGSTROM = 100.0
"""An atom is told from one of another element as if that were so far away."""
NETWORK, AS_IT_IS, MEANS = "network", "noised_cloud", "mean_of_points"

Advance = Callable[[int, int | None, str], None]
_FLOAT = NDArray[np.float64]


def bench_pointclouds(
    library: Library,
    formulas: Path,
    weights: Path,
    *,
    crystals: int = 1280,
    structures: int = 746,
    systems: int = 30,
    times: Sequence[float] = TIMES,
    keep: Path | None = None,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Take noise off crystals of untrained formulas, and draw structures of chosen elements.

    Beside what the network makes of a noised cloud stand what clusters make of it as it is, and
    the means of its points, which are told how many atoms there are and which points are whose.

    Args:
        library: whose crystals are taken, and which drawn structures are compared with.
        formulas: file of reduced formulas that the network was not trained on.
        weights: of the network.
        crystals: to reconstruct, at most.
        structures: to draw.
        systems: choices of elements that these are parted among.
        times: of the noise, from 0 to 1.
        keep: where outcomes are kept as they come.
        advance: called with done, total and the stage.

    Raises:
        QueryError: no crystal of such a formula is there.
    """
    report = advance or _silent
    chosen = untrained_crystals(library, formulas, crystals, report)
    if not chosen:
        raise QueryError(
            f"{formulas}: {library.path} has no ordered crystal of these formulas of at most "
            f"{MOST_ELEMENTS} elements and {MOST_ATOMS} atoms; name other formulas"
        )
    network = read_network(weights)
    asked = {
        "weights": sha256(weights.read_bytes()).hexdigest(),
        "library": library.version,
        "crystals": len(chosen),
        "structures": structures,
        "systems": systems,
    }
    kept = Kept(keep, asked)
    levels: dict[str, Any] = {}
    for time in times:
        rows = _reconstruction(chosen, time, network, kept, report)
        levels[f"{time:g}"] = {
            group: {name: _table([one[name] for one in own]) for name in own[0]}
            for group, own in _groups(chosen, rows).items()
        }
    drawn = measured_systems(
        library, network, kept, structures=structures, systems=systems, advance=report
    )
    return {
        "benchmark": "pointclouds",
        "weights": weights.name,
        "reconstruction": {
            "crystals": len(chosen),
            "longer_than_15_angstrom": sum(_is_long(one) for one in chosen),
            "bounds_percent": {**LENGTH_BOUNDS, **PLACE_BOUNDS},
            "times": levels,
        },
        "generation": summary_of(drawn, structures),
        **provenance(library),
    }


def untrained_crystals(
    library: Library, formulas: Path, count: int, report: Advance
) -> list[Crystal]:
    """Primitive cells of so many ordered crystals of these formulas, of each formula and type one.

    Their symmetry is not told, for theirs are no standard settings.

    Args:
        library: to take them from.
        formulas: file of reduced formulas.
        count: at most.
        report: called with done, total and the stage.
    """
    wanted = formulas_in(formulas)
    found: dict[tuple[str, int, int], Crystal] = {}
    for at in range(0, len(library), CHUNK):
        report(at, len(library), "crystals")
        for entry in library.entries(np.arange(at, min(at + CHUNK, len(library)))):
            own = set(entry.crystal.species)
            if entry.formula not in wanted or not entry.crystal.is_ordered:
                continue
            known = all(gemmi.Element(one).atomic_number <= LAST_ELEMENT for one in own)
            primitive = Standard.from_stored(entry.crystal).primitive
            if known and len(own) <= MOST_ELEMENTS and len(primitive) <= MOST_ATOMS:
                key = entry.formula, entry.space_group_number, len(primitive)
                found.setdefault(key, replace(primitive, space_group_number=1))
    every = list(found.values())
    order = np.random.default_rng(SEED).permutation(len(every))[:count]
    return [every[i] for i in order.tolist()]


def _reconstruction(
    crystals: Sequence[Crystal], time: float, network: CloudNetwork, kept: Kept, report: Advance
) -> list[dict[str, Any]]:
    """Figures of each crystal, by what they are of."""
    rows: list[dict[str, Any]] = []
    for at in range(0, len(crystals), TOGETHER):
        report(at, len(crystals), f"noise of time {time:g}")
        case = f"reconstruction {time:g} {at}"
        if case not in kept.outcomes:
            part = crystals[at : at + TOGETHER]
            noisy, clean = reconstructed(part, time, seed=SEED + at, network=network)
            kept.add(case, list(_figures_of(part, noisy, clean)))
        rows += kept.outcomes[case]
    return rows


def _figures_of(
    crystals: Sequence[Crystal], noisy: Sequence[Cloud], clean: Sequence[Cloud]
) -> Iterator[dict[str, Any]]:
    for truth, before, after in zip(crystals, noisy, clean, strict=True):
        yield {
            NETWORK: figures(truth, crystal_of(after, joined_angstrom=COPIES_ANGSTROM)),
            AS_IT_IS: figures(truth, crystal_of(before)),
            MEANS: figures(truth, means_of(truth, before)),
        }


def means_of(truth: Crystal, cloud: Cloud) -> Crystal | None:
    """A cloud's points averaged, those that are dealt out to the same atom."""
    points = len(cloud.places)
    own = np.arange(points) * len(truth) // points
    means = [circular_mean(cloud.places[own == atom]) for atom in range(len(truth))]
    likely = [cloud.likelihoods[own == atom].mean(axis=0) for atom in range(len(truth))]
    parted = replace(
        cloud, places=np.repeat(means, 2, axis=0), likelihoods=np.repeat(likely, 2, axis=0)
    )
    return crystal_of(parted, joined_angstrom=1e-6)


def figures(truth: Crystal, found: Crystal | None) -> dict[str, Any]:
    """How near a crystal is to the truth; of its lengths and places only where atoms are as many.

    Relative errors are in percent; `away` are distances of atoms in Å, measured in the true cell.
    Atoms are paired so that these are least, like elements with like.
    """
    if found is None or len(found) != len(truth):
        return {"atoms_right": False, "formula_right": False, "same": False}
    right = found.composition == truth.composition
    lengths = 100.0 * (np.array(found.cell[:3]) / np.array(truth.cell[:3]) - 1.0)
    apart = found.fractional[None] - truth.fractional[:, None]
    away = nearest_images(apart, truth.lattice)
    unlike = np.array([[one != other for other in found.species] for one in truth.species])
    mine, theirs = linear_sum_assignment(away + UNLIKE_ANGSTROM * unlike)
    moved = apart[mine, theirs]
    moved -= np.round(moved)
    place = (truth.fractional[mine] - SEAM) % 1.0 + SEAM
    base = np.where(np.abs(place) < AT_ZERO, 1.0, np.where(place < 0, place + 1.0, place))
    return {
        "atoms_right": True,
        "formula_right": right,
        "same": right and same_structure(truth, found, STRICT),
        "lengths_percent": np.round(lengths, 3).tolist(),
        "places_percent": np.round(100.0 * moved / base, 2).tolist(),
        "away_angstrom": np.round(away[mine, theirs], 4).tolist(),
    }


def _is_long(crystal: Crystal) -> bool:
    return max(crystal.cell[:3]) > LONGEST_ANGSTROM


def _groups(
    crystals: Sequence[Crystal], rows: Sequence[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """All rows, and apart those of cells that the paper's clouds hold and of longer ones."""
    long = [_is_long(one) for one in crystals]
    groups = {
        "all": list(rows),
        "to_15_angstrom": [row for row, is_long in zip(rows, long, strict=True) if not is_long],
        "longer": [row for row, is_long in zip(rows, long, strict=True) if is_long],
    }
    return {name: own for name, own in groups.items() if own}


def _table(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shares over crystals, and of errors over those with as many atoms as the truth."""
    counted = [row for row in rows if row["atoms_right"]]
    table: dict[str, Any] = {
        "crystals": len(rows),
        "atoms_right": _mean([row["atoms_right"] for row in rows]),
        "formula_right": _mean([row["formula_right"] for row in rows]),
        "same_structure": _mean([row["same"] for row in rows]),
    }
    if not counted:
        return table
    lengths = np.array([row["lengths_percent"] for row in counted])
    places = np.concatenate([row["places_percent"] for row in counted])
    away = np.concatenate([row["away_angstrom"] for row in counted])
    for errors, bounds in ((lengths, LENGTH_BOUNDS), (places, PLACE_BOUNDS)):
        for column, (name, (low, high)) in zip(errors.T, bounds.items(), strict=True):
            table[f"within_{name}"] = _mean((column >= low) & (column <= high))
    table["length_error_percent"] = round(float(np.median(np.abs(lengths))), 3)
    table["away_angstrom"] = {
        "median": round(float(np.median(away)), 4),
        "mean": round(float(away.mean()), 4),
        "within_0.3": _mean(away < 0.3),
    }
    return table


def _mean(values: Any) -> float:  # noqa: ANN401 - whatever has truths
    return round(float(np.mean(values)), 4)


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
