"""Packs of a handful of crystals to train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from data.canonical import standardize
from indexer.encoders.packing import HELD_OUT, Packed, _packed, write_packed
from tests import crystals


def packed(prototype: int, *chosen: Any) -> list[Packed]:
    """These crystals at a few sizes."""
    standards = [
        standardize(replace(crystal, lattice=crystal.lattice * factor))
        for crystal in chosen
        for factor in (1.0, 1.03, 1.06)
    ]
    return [_packed(one.crystal, one.primitive, prototype) for one in standards]


LEARNED = (crystals.RUTILE, crystals.QUARTZ, crystals.CALCITE, crystals.FLUORITE)
VALIDATED = (crystals.ROCK_SALT, crystals.BADDELEYITE)


def a_pack(folder: Path) -> Path:
    """Four crystals to train on and two to validate with, each at three sizes."""
    path = folder / "crystals.npz"
    write_packed([*packed(1, *LEARNED), *packed(HELD_OUT, *VALIDATED)], path)
    return path
