"""A crystal in, entries whose diffraction is like its own out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.canonical import crystal_id, standardize
from data.crystal import Crystal
from data.diffraction import lines_of
from data.lines import Lines, LinesTable
from indexer.library import Library
from indexer.physical import PhysicalChannel
from search.result import SimilarEntry


def similar(library: Library, crystal: Crystal, *, top: int = 20) -> tuple[SimilarEntry, ...]:
    """Entries like a crystal, best first; the crystal itself is among them if the library has it.

    Isotypes come first: what counts is where the lines are, up to a strain of a percent, and how
    strong, not which elements make them.
    """
    return similar_to(library, fingerprint(crystal), top=top)


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What of a crystal is compared: its id and its lines."""

    id: str
    lines: Lines


def fingerprint(crystal: Crystal) -> Fingerprint:
    """Work out what is compared; no library is needed.

    Raises:
        CrystalError: the cell is too large.
    """
    standard = standardize(crystal)
    lines = lines_of(standard.crystal, operations=(standard.rotations, standard.translations))
    return Fingerprint(crystal_id(standard), lines)


def similar_to(library: Library, one: Fingerprint, *, top: int = 20) -> tuple[SimilarEntry, ...]:
    """As `similar`."""
    channel, own = PhysicalChannel(), one.lines
    strains = np.asarray(channel.strains)
    stretched = [Lines(own.inv_d2 / (1 + strain) ** 2, own.strength, own.hkl) for strain in strains]
    questions = channel.embed_lines(LinesTable.of(stretched))
    rows, scores = library.nearest(channel.id, questions, top)
    order = np.argsort(rows)
    vectors = np.empty((len(rows), channel.dimension), np.float32)
    vectors[order] = library.vectors_of(channel.id, rows[order])
    best = strains[np.argmax(vectors @ questions.T, axis=1)]
    return tuple(
        SimilarEntry(rank, float(score), entry.id == one.id, 100 * float(strain), entry)
        for rank, (entry, score, strain) in enumerate(
            zip(library.entries(rows), scores, best, strict=True), start=1
        )
    )
