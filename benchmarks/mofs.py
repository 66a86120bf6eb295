"""Write bundled MOFs as CIFs, one of each formula: python -m benchmarks.mofs FOLDER [--count 60].

A library of that folder gives `braggle bench solve --crystals` its cases.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from data.bundled import bundled_records
from data.cif_writing import write_cif
from data.formula import reduced_formula

COLLECTION, MOST_ATOMS, SEED = "core-mof", 100, 7


def write_mofs(folder: Path, count: int) -> int:
    """Ordered MOFs of at most 100 atoms in the stored cell, at random; how many were written."""
    folder.mkdir(parents=True, exist_ok=True)
    mofs = [
        one
        for one in bundled_records()
        if one.source.collection == COLLECTION
        and one.crystal.is_ordered
        and len(one.crystal.species) <= MOST_ATOMS
    ]
    seen: set[str] = set()
    for i in np.random.default_rng(SEED).permutation(len(mofs)).tolist():
        formula = reduced_formula(mofs[i].crystal.composition)
        if formula not in seen:
            seen.add(formula)
            name = mofs[i].source.identifier.replace("/", "-")
            (folder / f"{name}.cif").write_text(write_cif(mofs[i].crystal, name=name))
        if len(seen) == count:
            break
    return len(seen)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--count", type=int, default=60)
    told = arguments.parse_args()
    sys.stdout.write(f"{write_mofs(told.folder, told.count)} CIFs in {told.folder}\n")
