"""Crystals that come and go: real ones, each with the id and the vectors that it should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from data.bundled import bundled_records
from data.cif import write_cif
from data.offered import Offered
from indexer.channel import AnyChannel
from indexer.library import Library

MOST_ATOMS = 12
EVERY = 7
"""Crystals are taken from all over the collection."""

NO_CIF = b"this is no CIF\n"


@dataclass(frozen=True)
class Pool:
    """Crystals of which libraries are made.

    Attributes:
        texts: their CIFs.
        ids: their entries' ids, no two alike.
    """

    texts: tuple[bytes, ...]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def make(cls, count: int, atlas: Path, channels: Sequence[AnyChannel]) -> Pool:
        """So many bundled crystals, and a library of them all, which nobody will change.

        Args:
            count: of crystals; one that is there twice is left out.
            atlas: where their library is made.
            channels: that make its vectors.
        """
        small = (one.crystal for one in bundled_records() if len(one.crystal) <= MOST_ATOMS)
        texts = [
            write_cif(crystal, name=f"crystal-{number}").encode()
            for number, crystal in enumerate(islice(small, 0, count * EVERY, EVERY))
        ]
        offered = [
            Offered.of(text, f"{number}.cif", path=str(number)) for number, text in enumerate(texts)
        ]
        made = Library.build(offered, atlas, channels=channels, workers=1)
        rows = [row for row in made.ledger() if row.status == "added"]
        return cls(
            tuple(texts[int(row.path)] for row in rows), tuple(row.entries[0] for row in rows)
        )
