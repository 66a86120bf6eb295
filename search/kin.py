"""Which entries are of one species, from a library's columns alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexer.library import Library
from search.agreement import (
    SPECIES_COMPOSITION,
    SPECIES_VOLUME,
    STRICT_COMPOSITION,
)


def kin_of_first(library: Library, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which entries are of the first one's species: as `search.agreement` has it, or by name.

    Args:
        library: that holds them.
        rows: at least one. Shape (n,).

    Returns:
        Shape (n,).
    """
    fractions, atoms = zip(*(_fractions(library.compositions[row]) for row in rows), strict=True)
    volume = library.volumes[rows] / np.array(atoms)
    near = np.abs(volume / volume[0] - 1) <= SPECIES_VOLUME
    same_group = library.space_group_numbers[rows] == library.space_group_numbers[rows[0]]
    apart = np.array([_apart(fractions[0], one) for one in fractions])
    alike = near & same_group & (apart <= SPECIES_COMPOSITION)
    return np.asarray(alike | namesakes(library, rows[:1], rows))


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
            (groups[rows] == groups[row])
            & (np.abs(volumes[rows] / volumes[row] - 1) <= SPECIES_VOLUME)
        )
        if names:
            found[near] |= [not names.isdisjoint(other) for other in library.names(rows[near])]
    return found


def same_composition(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two cells' contents are the same, hydrogen left out, whatever their structures."""
    return _apart(_fractions(one)[0], _fractions(other)[0]) <= STRICT_COMPOSITION


def _fractions(amounts: dict[str, float]) -> tuple[dict[str, float], float]:
    """Shares of the elements among the atoms and their number, as `Identity` has them."""
    counted = {e: n for e, n in amounts.items() if e != "H"} or {"H": 1.0}
    atoms = sum(counted.values())
    return {e: n / atoms for e, n in counted.items()}, atoms


def _apart(one: dict[str, float], other: dict[str, float]) -> float:
    return max(abs(one.get(e, 0.0) - other.get(e, 0.0)) for e in set(one) | set(other))
