"""A crystal in, entries whose diffraction is like its own out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.canonical import crystal_id, standardize
from data.crystal import Crystal
from data.lines import Lines, LinesTable
from indexer.ingest import LineSettings, lines_in_profile
from indexer.library import Library
from indexer.physical import PhysicalChannel
from indexer.profiles import POWDER, Profile, taken_as
from search.result import SimilarEntry


def similar(library: Library, crystal: Crystal, *, top: int = 20) -> tuple[SimilarEntry, ...]:
    """Entries like a crystal, best first; the crystal itself is among them if the library has it.

    Isotypes come first: what counts is where the lines are, up to a strain of a percent, and how
    strong, not which elements make them. Of a library of sheets, the crystal is taken as its
    sheets.

    Raises:
        CrystalError: as of `fingerprint`.
    """
    return similar_to(library, fingerprint(crystal, library.profile), top=top)


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What of a crystal is compared: id and lines, of itself or of each of its sheets."""

    ids: tuple[str, ...]
    lines: tuple[Lines, ...]


def fingerprint(crystal: Crystal, profile: Profile = POWDER) -> Fingerprint:
    """Work out what is compared; no library is needed.

    Args:
        crystal: in any cell.
        profile: of the library that it is to be compared in.

    Raises:
        CrystalError: the cell is too large, or the profile is of sheets and there is none in it.
    """
    settings = LineSettings(floor=0.0, profile=profile)
    standards = [standardize(one) for one in taken_as(profile, crystal)]
    return Fingerprint(
        tuple(crystal_id(one) for one in standards),
        tuple(lines_in_profile(one, settings) for one in standards),
    )


def similar_to(library: Library, one: Fingerprint, *, top: int = 20) -> tuple[SimilarEntry, ...]:
    """As `similar`; the fingerprint is for a library of this profile."""
    channel = PhysicalChannel()
    strains = np.tile(channel.strains, len(one.lines))
    stretched = [
        Lines(own.inv_d2 / (1 + strain) ** 2, own.strength, own.hkl)
        for own in one.lines
        for strain in channel.strains
    ]
    questions = channel.embed_lines(LinesTable.of(stretched))
    rows, scores = library.nearest(channel.id, questions, top)
    order = np.argsort(rows)
    vectors = np.empty((len(rows), channel.dimension), np.float32)
    vectors[order] = library.vectors_of(channel.id, rows[order])
    best = strains[np.argmax(vectors @ questions.T, axis=1)]
    return tuple(
        SimilarEntry(rank, float(score), entry.id in one.ids, 100 * float(strain), entry)
        for rank, (entry, score, strain) in enumerate(
            zip(library.entries(rows), scores, best, strict=True), start=1
        )
    )
