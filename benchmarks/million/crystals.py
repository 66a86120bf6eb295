"""As many different crystals as are asked for: the bundled ones with related elements exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import count, islice

import numpy as np

from data.bundled import bundled_records
from data.canonical import standardize
from data.cif import write_cif
from data.crystal import Crystal
from data.offered import Offered, Place
from indexer.encoders.substitution import draw_substitution, substituted

MOST_ATOMS = 100
"""Of the conventional cell of a crystal that is varied."""
ONE_IN = 4
"""Every fourth bundled crystal is: each process brings them into their standard settings first."""


@dataclass(frozen=True)
class Varied(Place):
    """A crystal that is made up where it is worked out; the same number gives the same one.

    Attributes:
        number: counts them.
        seed: of the draws.
    """

    number: int = 0
    seed: int = 1

    @classmethod
    def of(cls, number: int, seed: int) -> Varied:
        """One of them."""
        return cls(f"/varied/{seed}/{number:09}.cif", 0, number=number, seed=seed)

    def crystal(self) -> Crystal:
        """The first that can be drawn: not every crystal has an element with a partner."""
        crystals = moulds()
        for attempt in count():
            rng = np.random.default_rng([self.seed, self.number, attempt])
            mould = crystals[(self.number + attempt) % len(crystals)]
            if exchange := draw_substitution(mould, rng):
                return substituted(mould, exchange, rng)
        raise AssertionError

    def read(self) -> Offered:
        """Its CIF."""
        name = f"varied-{self.number}"
        text = write_cif(self.crystal(), name=name)
        return Offered.of(text.encode(), f"{name}.cif", path=self.path)


@cache
def moulds() -> tuple[Crystal, ...]:
    """Bundled crystals in their standard settings."""
    small = (one.crystal for one in bundled_records() if len(one.crystal) <= MOST_ATOMS)
    return tuple(standardize(crystal).crystal for crystal in islice(small, 0, None, ONE_IN))
