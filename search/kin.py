"""Which entries are of one species or one compound, from a library's columns alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.library import Library
from search.agreement import (
    SPECIES_COMPOSITION,
    SPECIES_VOLUME,
    STRICT_COMPOSITION,
    STRICT_VOLUME,
)

LEAST_SHARE = 1e-3
"""Entries of a smaller share, over the greatest, do not speak for their compound or species."""


def kin_of_first(library: Library, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which entries are of the first one's species: as `search.agreement` has it, or by name.

    Args:
        library: that holds them.
        rows: at least one. Shape (n,).

    Returns:
        Shape (n,).
    """
    alike = _Seen.of(library, rows).species(0)
    return np.asarray(alike | namesakes(library, rows[:1], rows))


def leading(
    library: Library, rows: NDArray[np.int64], share: NDArray[np.float64], *, among: int
) -> int:
    """Place of the entry to name: one of the likeliest compound of the likeliest species.

    Several entries of one compound, samples of several mines, have a share each of what speaks
    for it; one entry of a rare relative that fits by a hair better than each outdoes only them
    singly. So shares are summed over entries that agree with one another, first as species, then
    strictly, and of those that tie the best goes first.

    Args:
        library: that holds them.
        rows: at least one. Shape (n,).
        share: probability of each entry, the likeliest first. Shape (n,).
        among: how many of the first may be named; the others may speak for them.
    """
    # The first so many, shares falling.
    weighty = rows[share >= LEAST_SHARE * share[0]]
    seen, own = _Seen.of(library, weighty), share[: len(weighty)]
    names, size = library.names(weighty), library.volumes[weighty]
    species, compound = [], []
    for place in range(len(weighty)):
        called = (seen.group == seen.group[place]) & _near(size, size[place], SPECIES_VOLUME)
        called[called] = [not names[place].isdisjoint(names[i]) for i in np.flatnonzero(called)]
        species.append(seen.species(place) | called)
        compound.append(seen.compound(place))
    may = np.arange(len(weighty)) < among
    likeliest = _heaviest(np.array(species) @ own, own, may)
    return _heaviest(np.array(compound) @ own, own, species[likeliest] & may)


def namesakes(
    library: Library, some: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which entries bear a name of one of `some` and have its space group and a cell as large.

    They are one mineral, even where an old structure lacks atoms or a solid solution reaches far.

    Args:
        library: that holds them.
        some: rows whose names are looked for. Shape (m,).
        rows: entries to judge. Shape (n,).

    Returns:
        Shape (n,).
    """
    groups, volumes = library.space_group_numbers, library.volumes
    found = np.zeros(len(rows), dtype=bool)
    for row, names in zip(some, library.names(some), strict=True):
        near = np.flatnonzero(
            (groups[rows] == groups[row]) & _near(volumes[rows], volumes[row], SPECIES_VOLUME)
        )
        if names:
            found[near] |= [not names.isdisjoint(other) for other in library.names(rows[near])]
    return found


def same_composition(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two cells' contents are the same, hydrogen left out, whatever their structures."""
    return _apart(_fractions(one)[0], _fractions(other)[0]) <= STRICT_COMPOSITION


@dataclass(frozen=True, eq=False)
class _Seen:
    """Of entries, what tells whether they agree.

    Attributes:
        fractions: shares of the elements among the atoms. Shape (n, elements).
        group: number of the space group. Shape (n,).
        volume: an atom, in Å³. Shape (n,).
    """

    fractions: NDArray[np.float64]
    group: NDArray[np.int64]
    volume: NDArray[np.float64]

    @classmethod
    def of(cls, library: Library, rows: NDArray[np.int64]) -> _Seen:
        counted = [_fractions(library.compositions[row]) for row in rows]
        column: dict[str, int] = {}
        for shares, _ in counted:
            for element in shares:
                column.setdefault(element, len(column))
        fractions = np.zeros((len(rows), len(column)))
        for own, (shares, _) in zip(fractions, counted, strict=True):
            own[[column[element] for element in shares]] = list(shares.values())
        volume = library.volumes[rows] / np.array([atoms for _, atoms in counted])
        return cls(fractions, library.space_group_numbers[rows], volume)

    def compound(self, place: int) -> NDArray[np.bool_]:
        """Which agree with one of them strictly. Shape (n,)."""
        return self._alike(place, STRICT_COMPOSITION, STRICT_VOLUME)

    def species(self, place: int) -> NDArray[np.bool_]:
        """Which are of the species of one of them, by composition. Shape (n,)."""
        return self._alike(place, SPECIES_COMPOSITION, SPECIES_VOLUME)

    def _alike(self, place: int, composition: float, volume: float) -> NDArray[np.bool_]:
        near = _near(self.volume, self.volume[place], volume) & (self.group == self.group[place])
        apart = np.abs(self.fractions[near] - self.fractions[place]).max(axis=1)
        near[near] = apart <= composition
        return np.asarray(near)


def _near(sizes: NDArray[np.float64], size: float, within: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(sizes / size - 1) <= within)


def _heaviest(
    weight: NDArray[np.float64], own: NDArray[np.float64], among: NDArray[np.bool_]
) -> int:
    """Place of the greatest weight; where sums of the same terms tie, of the greatest own."""
    tied = among & (weight >= weight[among].max() * (1 - 1e-9))
    return int(np.argmax(np.where(tied, own, -1.0)))


def _fractions(amounts: dict[str, float]) -> tuple[dict[str, float], float]:
    """Shares of the elements among the atoms and their number, as `Identity` has them."""
    counted = {e: n for e, n in amounts.items() if e != "H"} or {"H": 1.0}
    atoms = sum(counted.values())
    return {e: n / atoms for e, n in counted.items()}, atoms


def _apart(one: dict[str, float], other: dict[str, float]) -> float:
    return max(abs(one.get(e, 0.0) - other.get(e, 0.0)) for e in set(one) | set(other))
