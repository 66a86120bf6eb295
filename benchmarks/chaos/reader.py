"""A process that reads while others write.

It keeps a few versions open, whatever is published or let go meanwhile, asks each for crystals
that it may hold or not, by their vectors, their ids and, now and then, their patterns, and says
what was found. Whether that is right the harness knows.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from data.errors import QueryError
from data.profile import simulate_pattern
from indexer.library import Library
from search.searcher import Searcher

HELD = 3
"""Versions that are open together."""
ASKED, NEAREST, ALIKE = 8, 10, 1e-3
LOOKED_UP, OFTEN = 10, 0.1
"""Rows of a look-up among which the pattern's own crystal is, and part of the rounds of questions
in which a pattern is looked up."""
PAUSE_S = 0.3


@dataclass
class Answers:
    """What one version answered.

    Attributes:
        version, entries: which one, and how many entries it said it had.
        found: entries that were found in every way that was tried.
        missing: entries that were found in none.
        odd: entries that were found in some ways, or read as something else.
        lookups: patterns that were looked up.
        warnings: what the library said it had to mend.
    """

    version: int
    entries: int
    found: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    lookups: int = 0
    warnings: int = 0


class Asker:
    """Knows every crystal of the atlas, and asks libraries for them."""

    def __init__(self, atlas: Library, chance: random.Random) -> None:
        self.atlas, self.chance = atlas, chance
        self.searcher = Searcher(atlas)
        self.vectors = {one.id: atlas.vectors(one.id) for one in atlas.channels}

    def ask(self, library: Library) -> Answers:
        """Some crystals, in every way."""
        answers = Answers(library.version, len(library.ids))
        for row in self.chance.sample(range(len(self.atlas)), ASKED):
            entry_id = self.atlas.ids[row]
            ways = {self._near(library, channel, row) for channel in self.vectors}
            ways.add(self._read(library, row))
            # Of a pattern that does not find its crystal among all, nothing is expected.
            if self.chance.random() < OFTEN / ASKED and self._looked_up(self.searcher, row):
                ways.add(self._looked_up(Searcher(library), row))
                answers.lookups += 1
            kind = (
                answers.odd if len(ways) > 1 else answers.found if ways.pop() else answers.missing
            )
            kind.append(entry_id)
        answers.warnings = len(library.warnings)
        return answers

    def _near(self, library: Library, channel: str, row: int) -> bool:
        """Whether a crystal's own vector finds it, exactly as near as it is."""
        vector = self.vectors[channel][row]
        rows, scores = library.nearest(channel, vector, NEAREST)
        near = rows[np.abs(scores - vector @ vector) < ALIKE]
        return any(library.ids[one] == self.atlas.ids[row] for one in near)

    def _read(self, library: Library, row: int) -> bool:
        try:
            entry = library.entry(library.row(self.atlas.ids[row]))
        except QueryError:
            return False
        crystal = self.atlas.entry(row).crystal
        return (
            bool(entry.sources)
            and entry.id == self.atlas.ids[row]
            and entry.crystal.species == crystal.species
            and np.array_equal(entry.crystal.fractional, crystal.fractional)
        )

    def _looked_up(self, searcher: Searcher, row: int) -> bool:
        """Whether a crystal is among the best for its own pattern."""
        pattern = simulate_pattern(self.atlas.entry(row).crystal)
        best = searcher.rank(pattern).rows[:LOOKED_UP]
        return any(searcher.library.ids[one] == self.atlas.ids[row] for one in best)


def read(messages: Connection, path: Path, atlas: Path, seed: str) -> None:
    """Ask until it is killed."""
    chance = random.Random(seed)  # noqa: S311 - questions, no secrets
    asker = Asker(Library.open(atlas), chance)
    held = [Library.open(path)]
    while True:
        newest = Library.open(path)
        if newest.version != held[-1].version:
            held.append(newest)
        if len(held) > HELD:
            del held[chance.randrange(HELD)]
        for library in held:
            messages.send(asker.ask(library))
        time.sleep(PAUSE_S)
