"""A small channel and a stream of literal crystals to fill libraries with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.lines import LinesTable
from data.preparation import Prepared
from data.record import Record, Source
from tests.crystals import ALL

SMALL = {name: crystal for name, crystal in ALL.items() if name != "MOF-5"}


class ToyChannel:
    """Strength over ln(1/d²) in a few broad bins."""

    id = "toy"
    dimension = 48

    def __init__(self, version: str = "1", power: float = 0.5) -> None:
        self.version = version
        self.power = power
        self.sha256 = hashlib.sha256(f"{version} {power}".encode()).hexdigest()

    def embed_lines(self, lines: LinesTable) -> NDArray[np.float32]:
        vectors = np.zeros((len(lines), self.dimension))
        for row in range(len(lines)):
            one = lines[row]
            bins = np.interp(np.log(one.inv_d2), [-6.0, 0.0], [0.0, self.dimension - 1.0])
            np.add.at(vectors[row], bins.astype(int), (one.strength / one.inv_d2) ** self.power)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)

    def embed_pattern(self, prepared: Prepared) -> NDArray[np.float32]:
        raise NotImplementedError


def scaled(crystal: Crystal, factor: float) -> Crystal:
    """The same crystal with longer axes."""
    return replace(crystal, lattice=crystal.lattice * factor)


def record(name: str, factor: float = 1.0, *, collection: str = "toy", number: int = 0) -> Record:
    """A literal crystal as a source gives it."""
    identifier = f"{name} {factor:.4f} {number}"
    source = Source(collection, identifier, reference=f"On {name}", licence="CC0-1.0")
    return Record(scaled(SMALL[name], factor), (name,), source)


def records(count: int, start: int = 0) -> Iterator[Record]:
    """So many different crystals."""
    names = list(SMALL)
    for i in range(start, start + count):
        yield record(names[i % len(names)], 1.0 + 0.01 * (i // len(names)))
