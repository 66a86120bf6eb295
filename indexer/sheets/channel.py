"""The channel `2d`: sheets by their geometry, and patterns by their peaks, in one space.

How the towers were trained is in the model card beside their weights, `indexer/sheets/weights`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.errors import CrystalError
from data.preparation import Prepared
from data.sheets import frame_of
from indexer.sheets.inference import NumpyTowers
from indexer.sheets.tokens import Geometry, geometry_of, texture_of

WEIGHTS = "sheets.safetensors"
BATCH = 64
"""Sheets a pass, those of like size together."""


class SheetsChannel:
    """Patterns and sheets."""

    id: str = "2d"
    version: str = "2"

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return _sha256()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return shipped_towers().dimension

    def embed_crystals(self, crystals: Sequence[Standard]) -> NDArray[np.float32]:
        """Unit vectors of N sheets. Shape (N, dimension).

        Raises:
            CrystalError: one of them is no sheet.
        """
        return vectors_of(shipped_towers(), [geometry_in_frame(one) for one in crystals])

    def embed_pattern(self, prepared: Prepared) -> NDArray[np.float32]:
        """The unit vector of a pattern. Shape (1, dimension)."""
        return shipped_towers().patterns([texture_of(prepared)]).vectors


def geometry_in_frame(standard: Standard) -> Geometry:
    """Tokens of a sheet, read in a frame of its own.

    Raises:
        CrystalError: it is none.
    """
    found = frame_of(standard.primitive)
    if found is None:
        raise CrystalError("the crystal is no sheet; exfoliate it first")
    return geometry_of(found.sheet)


def vectors_of(towers: NumpyTowers, sheets: Sequence[Geometry]) -> NDArray[np.float32]:
    """Unit vectors of sheets. Shape (N, dimension)."""
    order = np.argsort([len(one.elements) + len(one.rods) for one in sheets], kind="stable")
    vectors = np.zeros((len(sheets), towers.dimension), np.float32)
    for at in range(0, len(order), BATCH):
        rows = order[at : at + BATCH]
        vectors[rows] = towers.sheets([sheets[row] for row in rows]).vectors
    return vectors


@cache
def shipped_towers() -> NumpyTowers:
    """The towers that come with Braggle."""
    with as_file(files("indexer") / "sheets" / "weights" / WEIGHTS) as path:
        return NumpyTowers.load(path)


@cache
def _sha256() -> str:
    content = (files("indexer") / "sheets" / "weights" / WEIGHTS).read_bytes()
    return hashlib.sha256(content).hexdigest()
