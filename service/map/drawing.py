"""What the map shows: where each entry lies, what it is, and how the entries are sorted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from data.canonical import CRYSTAL_SYSTEMS, crystal_system, space_group_symbol
from data.errors import QueryError
from indexer.entry import Entry
from indexer.library import Library
from service.map.chemistry import CLASSES, chemistry_class
from service.map.layout import Layout, lay_out, sample_rows

SHOWN_GROUPS = 12
"""Space groups and collections beyond the most frequent share one colour."""
REST = "all others"
VOLUME_EDGES = (10.0, 12.5, 15.0, 17.5, 20.0, 25.0, 30.0)

Progress = Callable[[int, int | None, str], None]


@dataclass(frozen=True)
class Colouring:
    """One way to sort the entries.

    Attributes:
        key, title: for scripts, and for people.
        groups: in the order of the legend.
        of: the index of each entry's group.
        is_ramp: whether the groups are steps of one quantity.
    """

    key: str
    title: str
    groups: tuple[str, ...]
    of: tuple[int, ...]
    is_ramp: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Entries by group, without empty ones."""
        counted = Counter(self.of)
        return {name: counted[i] for i, name in enumerate(self.groups) if counted[i]}


@dataclass(frozen=True, eq=False)
class LibraryMap:
    """A library's entries, or a sample of them, on a plane.

    Attributes:
        library, version, total: which library, and how many entries it has.
        channel: whose vectors, with its version.
        entries: those that are drawn.
        layout: where they lie, in the same order.
        colourings: ways to sort them, the first one shown first.
    """

    library: str
    version: int
    total: int
    channel: str
    entries: tuple[Entry, ...]
    layout: Layout
    colourings: tuple[Colouring, ...]

    @property
    def is_sample(self) -> bool:
        """Whether some entries of the library are left out."""
        return len(self.entries) < self.total


def draw(library: Library, channel: str, progress: Progress | None = None) -> LibraryMap:
    """Lay a library out by a channel's vectors.

    Raises:
        QueryError: the library has no such channel, or no entries.
    """
    told = progress or (lambda _done, _total, _stage: None)
    if len(library) == 0:
        raise QueryError(f"{library.path}: the library is empty; add crystals to it first")
    rows = sample_rows(len(library))
    told(0, None, "reading")
    vectors = library.vectors(channel)[rows]
    entries = library.entries(rows)
    layout = lay_out(vectors, lambda done, total: told(done, total, "layout"))
    (stamp,) = (one for one in library.channels if one.id == channel)
    return LibraryMap(
        library=str(library.path),
        version=library.version,
        total=len(library),
        channel=f"{stamp.id} {stamp.version}",
        entries=entries,
        layout=layout,
        colourings=colourings(entries),
    )


def colourings(entries: Sequence[Entry]) -> tuple[Colouring, ...]:
    """Every way to sort the entries."""
    steps = np.searchsorted(VOLUME_EDGES, [volume_per_atom(one) for one in entries], side="right")
    symbols = [space_group_symbol(one.space_group_number) for one in entries]
    return (
        _sorted_as("chemistry", "Chemistry", CLASSES, [_chemistry(one) for one in entries]),
        _sorted_as("system", "Crystal system", CRYSTAL_SYSTEMS, [_system(one) for one in entries]),
        _by_frequency("group", "Space group", symbols),
        Colouring(
            "volume", "Volume per atom, Å³", _steps(VOLUME_EDGES), tuple(map(int, steps)), True
        ),
        _by_frequency("source", "Source", [_collection(one) for one in entries]),
    )


def volume_per_atom(entry: Entry) -> float:
    """Of the atoms that X-rays see, that is without hydrogen, in Å³."""
    atoms = {e: n for e, n in entry.crystal.composition.items() if e != "H"}
    return entry.crystal.volume_angstrom3 / (sum(atoms.values()) or entry.crystal.composition["H"])


def _chemistry(entry: Entry) -> str:
    return chemistry_class(entry.crystal.composition)


def _system(entry: Entry) -> str:
    return crystal_system(entry.space_group_number)


def _collection(entry: Entry) -> str:
    return entry.sources[0].collection


def _sorted_as(key: str, title: str, groups: tuple[str, ...], of: Sequence[str]) -> Colouring:
    return Colouring(key, title, groups, tuple(map(groups.index, of)))


def _by_frequency(key: str, title: str, of: Sequence[str]) -> Colouring:
    counted = Counter(of)
    frequent = sorted(counted, key=lambda name: (-counted[name], name))
    shown = frequent if len(frequent) <= SHOWN_GROUPS + 1 else frequent[:SHOWN_GROUPS]
    groups = tuple(shown) if len(shown) == len(frequent) else (*shown, REST)
    place = {name: i for i, name in enumerate(shown)}
    return Colouring(key, title, groups, tuple(place.get(name, len(shown)) for name in of))


def _steps(edges: Sequence[float]) -> tuple[str, ...]:
    between = [f"{low:g} – {high:g}" for low, high in pairwise(edges)]
    return (f"under {edges[0]:g}", *between, f"{edges[-1]:g} and over")
