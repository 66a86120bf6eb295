"""`braggle bench speed`: each figure beside its reference in the same run, as a ratio."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from time import process_time
from typing import Any

import numpy as np
from pymatgen.analysis.diffraction.xrd import XRDCalculator

from data.bundled import bundled_records
from data.canonical import operations_of, standardize
from data.crystal import Crystal
from data.diffraction import lines_of
from data.profile import lorentz_polarisation, two_theta_deg
from data.pymatgen_bridge import to_pymatgen
from data.radiation import Radiation
from data.sites import orbits
from data.symmetry import Operations, symmetry_operations
from indexer.library import Library
from service.bench.lookup_speed import lookup_speed
from service.bench.provenance import provenance

WAVELENGTH_ANGSTROM = Radiation.parse("CuKa1").wavelength_angstrom
LAST_TWO_THETA_DEG = 90.0
SMALL_ATOMS = range(16, 25)
SMALL_CRYSTALS = 60
SEED = 1

MOF_5_EDGE_ANGSTROM = 25.832
MOF_5_SITES = {
    "Zn": [(0.2934, 0.2934, 0.2934)],
    "O": [(0.25, 0.25, 0.25), (0.1336, 0.2804, 0.2804)],
    "C": [(0.1113, 0.25, 0.25), (0.0538, 0.25, 0.25), (0.0269, 0.2830, 0.2830)],
    "H": [(0.0478, 0.3086, 0.3086)],
}
"""Asymmetric unit in Fm-3m of the framework of Li, Eddaoudi, O'Keeffe and Yaghi, Nature 402
(1999) 276, its linkers idealised."""


def bench_speed(library: Library | None = None) -> dict[str, Any]:
    """Everything that is timed, with the code and the machine it was timed on.

    Args:
        library: to time look-ups in; left out without one.
    """
    result = {**provenance(library), "simulation": simulation_speed()}
    if library is not None:
        result["lookup"] = lookup_speed(library)
    return result


def simulation_speed() -> dict[str, Any]:
    """Processor time of lines to 2θ = 90° of Cu Kα1, beside pymatgen's `XRDCalculator`.

    Times are milliseconds on one core for a crystal, the best of several runs, averaged over the
    crystals; what reads files or compiles is not in them. `symmetry_given` takes the operations as
    known, as a library does; `symmetry_found` is the crystal alone, in its cell;
    `symmetry_searched` is the crystal alone, its space group not stated.
    """
    cases = {"around_20_atoms": small_crystals(), "mof_5_106_atoms": [mof_5_primitive()]}
    return {name: beside_pymatgen(crystals) for name, crystals in cases.items()}


def small_crystals() -> list[Crystal]:
    """Bundled crystals of 16 to 24 atoms, fully occupied, drawn at random, in standard cells."""
    fitting = [
        record.crystal
        for record in bundled_records()
        if record.crystal.is_ordered and len(record.crystal) in SMALL_ATOMS
    ]
    drawn = np.random.default_rng(SEED).permutation(len(fitting))
    standard = (standardize(fitting[row]).crystal for row in drawn)
    chosen: list[Crystal] = []
    for crystal in standard:
        if len(crystal) in SMALL_ATOMS:
            chosen.append(crystal)
        if len(chosen) == SMALL_CRYSTALS:
            break
    return chosen


def mof_5_primitive() -> Crystal:
    """The 106 atoms of the primitive cell of MOF-5."""
    lattice = MOF_5_EDGE_ANGSTROM * np.eye(3)
    rotations, translations = operations_of(225)
    sites = [(symbol, site) for symbol, places in MOF_5_SITES.items() for site in places]
    positions, site_of = orbits(
        np.array([site for _, site in sites]),
        (rotations.astype(np.float64), translations),
        lattice,
        limit=1000,
    )
    n = len(positions)
    conventional = Crystal(
        lattice,
        tuple(sites[site][0] for site in site_of),
        np.ones(n),
        positions,
        np.full(n, np.nan),
        space_group_number=225,
    )
    return standardize(conventional).primitive


def beside_pymatgen(crystals: Sequence[Crystal]) -> dict[str, Any]:
    """The figures of `simulation_speed` for some crystals."""
    ours: dict[str, list[float]] = {
        "symmetry_given": [], "symmetry_found": [], "symmetry_searched": []
    }  # fmt: skip
    theirs: list[float] = []
    calculator = XRDCalculator(WAVELENGTH_ANGSTROM)
    for crystal in crystals:
        operations = symmetry_operations(crystal)
        nameless = replace(crystal, space_group_number=1)
        structure = to_pymatgen(crystal)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs.append(_best_ms(partial(calculator.get_pattern, structure), runs=3))
        for key, work in {
            "symmetry_given": partial(_intensities, crystal, operations),
            "symmetry_found": partial(_intensities, crystal, None),
            "symmetry_searched": partial(_intensities, nameless, None),
        }.items():
            ours[key].append(_best_ms(work, runs=10))
    reference = float(np.mean(theirs))
    return {
        "crystals": len(crystals),
        "atoms": round(float(np.mean([len(crystal) for crystal in crystals])), 1),
        "pymatgen_ms": round(reference, 3),
        "braggle_ms": {key: round(float(np.mean(times)), 4) for key, times in ours.items()},
        "times_faster": {key: round(reference / float(np.mean(t)), 1) for key, t in ours.items()},
    }


def _intensities(crystal: Crystal, operations: Operations | None) -> None:
    """What pymatgen computes: positions and intensities with Lorentz-polarisation."""
    d_min = WAVELENGTH_ANGSTROM / 2 / np.sin(np.radians(LAST_TWO_THETA_DEG / 2))
    lines = lines_of(crystal, d_min_angstrom=float(d_min), operations=operations)
    position = two_theta_deg(lines.inv_d2, WAVELENGTH_ANGSTROM)
    lines.strength * lorentz_polarisation(position)


def _best_ms(work: Callable[[], object], *, runs: int) -> float:
    """Least processor time of some runs in ms, all threads counted; one run before warms up."""
    work()
    best = np.inf
    for _ in range(runs):
        start = process_time()
        work()
        best = min(best, process_time() - start)
    return 1000 * float(best)
