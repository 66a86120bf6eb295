"""How often humps are told, by their share: python -m benchmarks.humps [--count 150] [FOLDER].

Patterns of bundled crystals, simulated as a laboratory would measure them, get one hump of a known
share of the area, from none to three quarters. What was said of each goes to benchmarks/humps.json.
Of the patterns in a folder, *.xy and *.xrdml at every depth, those with humps are named besides;
and those that the Kβ line is seen in are counted, beside six wavelengths of nothing as a control.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from data.bundled import bundled_records
from data.crystal import Crystal
from data.diffraction import lines_of
from data.humps import find_humps
from data.k_beta import find_copies
from data.measured_like import Diffractometer, measured_like
from data.pattern import Pattern
from data.preparation import prepare
from data.reading import read_pattern
from data.symmetry import symmetry_operations
from service.bench.provenance import provenance

RESULT = Path(__file__).parent / "humps.json"
SHARES_PERCENT = (0, 20, 30, 40, 50, 60, 75)
MOST_ATOMS, EVERY = 120, 61
NEAR_DEG = 3.0
NOTHINGS_ANGSTROM = (1.33, 1.35, 1.37, 1.41, 1.43, 1.45)
"""Wavelengths that a copper tube does not have."""


def simulated(crystal: Crystal, rng: np.random.Generator) -> Pattern:
    """A pattern without hump."""
    lines = lines_of(crystal)
    rotations = symmetry_operations(crystal)[0]
    return measured_like(crystal, lines, rotations, rng, diffractometer=Diffractometer(hump=0.0))


def with_hump(pattern: Pattern, share: float, rng: np.random.Generator) -> tuple[Pattern, float]:
    """The pattern with a hump of that share of the area, and where it stands in degrees 2θ."""
    axis = pattern.two_theta_deg
    centre, width = rng.uniform(15, 35), rng.uniform(6, 14)
    shape = np.exp(-4 * np.log(2) * ((axis - centre) / width) ** 2)
    shape /= np.trapezoid(shape, axis)
    area = float(prepare(pattern).peaks.area.sum()) * share / (1 - share)
    return replace(pattern, counts=pattern.counts + rng.poisson(area * shape)), centre


def of_folder(folder: Path) -> dict[str, Any]:
    """Measured patterns with humps, and with copies of their peaks by some wavelengths."""
    files = sorted([*folder.rglob("*.xy"), *folder.rglob("*.xrdml")])
    names = []
    seen = dict.fromkeys(("k_beta", *map(str, NOTHINGS_ANGSTROM)), 0)
    for file in track(files, description="Measured"):
        prepared = prepare(read_pattern(file))
        names += [file.name] if find_humps(prepared) else []
        seen["k_beta"] += prepared.k_beta > 0
        peaks = prepared.peaks
        for wavelength in NOTHINGS_ANGSTROM:
            copies = find_copies(
                wavelength,
                prepared.wavelengths_angstrom[0],
                peaks.two_theta_deg,
                peaks.area,
                peaks.area_esd,
                np.maximum(peaks.fwhm_deg, prepared.fwhm_deg),
                first_deg=float(prepared.two_theta_deg[0]),
            )
            seen[str(wavelength)] += copies is not None
    return {"measured": len(files), "with_humps": names, "with_copies_by": seen}


def main() -> None:
    """Ask of every pattern, and write what was said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="of measured patterns")
    parser.add_argument("--count", type=int, default=150, help="crystals")
    asked = parser.parse_args()
    measured = of_folder(asked.folder) if asked.folder else {}
    small = (one.crystal for one in bundled_records() if len(one.crystal) <= MOST_ATOMS)
    crystals = list(islice(small, 0, EVERY * asked.count, EVERY))
    rng = np.random.default_rng(1)
    rows = {share: {"patterns": 0, "told": 0, "at_its_place": 0} for share in SHARES_PERCENT}
    errors: dict[int, list[float]] = {share: [] for share in SHARES_PERCENT}
    for crystal in track(crystals, description="Humps"):
        plain = simulated(crystal, rng)
        for share, row in rows.items():
            pattern, centre = with_hump(plain, share / 100, rng)
            humps = find_humps(prepare(pattern))
            row["patterns"] += 1
            if humps is not None:
                highest = max(humps.each, key=lambda hump: hump.over_background)
                row["told"] += 1
                row["at_its_place"] += abs(highest.two_theta_deg - centre) < NEAR_DEG
                errors[share].append(abs(humps.area_percent - share))
    table = [
        {
            "share_percent": share,
            **row,
            "median_error_points": round(float(np.median(errors[share])), 1)
            if errors[share]
            else None,
        }
        for share, row in rows.items()
    ]
    document = {"benchmark": "humps", "table": table, **measured, **provenance()}
    RESULT.write_text(json.dumps(document, indent=1) + "\n")
    for name, found in measured.items():
        sys.stdout.write(f"{name}: {found}\n")
    for line in table:
        sys.stdout.write("  ".join(f"{key} {value}" for key, value in line.items()) + "\n")


if __name__ == "__main__":
    main()
