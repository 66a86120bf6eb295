"""The crystals of a library that others may be made from, by their anonymous formula."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.crystal import Crystal
from data.errors import LibraryError, QueryError
from data.formula import reduced_formula
from data.preparation import Prepared
from generator.chemistry import AtomicVolumes
from generator.exchange import unlikely
from generator.prototype import prototype
from generator.related import merged, parted, twin_of, united
from indexer.entry import Entry
from indexer.learned import LearnedChannel
from indexer.library import Library
from indexer.profiles import POWDER
from search.templates import NearTemplate, TemplateFinder

Anonymous = tuple[int, ...]
RELATED = 250
"""Ways of making crystals of a related formula alike that are tried, the likeliest."""
MOST_ELEMENTS = 6
"""Of crystals that two elements are made one in."""
NEVER_SEEN = float(np.log(2.0))
"""Rarity of a structure that is of no known type: half as likely as one of a type seen once."""
MEASURED = 20_000
"""Crystals that the volumes of atoms are learned from, spread over the library."""
LOOKED_AT = 3
"""So many times the templates that are wanted are looked at, for those that are left out."""


def anonymous(composition: Mapping[str, float]) -> Anonymous:
    """Shares of the elements in ten-thousandths, ascending, whatever the elements are."""
    total = sum(composition.values())
    return tuple(sorted(round(10_000 * amount / total) for amount in composition.values()))


@dataclass(frozen=True, eq=False)
class Mould:
    """A known crystal that elements may be exchanged in.

    Attributes:
        id: of its entry.
        crystal: in its standard setting, every site fully occupied.
        formula: reduced.
        primitive_atoms: in the primitive cell.
        room_angstrom3: what the volumes of its own elements' atoms say its cell takes.
        is_related: whether two of its elements were made one, or one was parted.
        kin: formulas that are known of its structure type, its own one of them.
    """

    id: str
    crystal: Crystal
    formula: str
    primitive_atoms: int
    room_angstrom3: float
    is_related: bool = False
    kin: int = 0

    @property
    def rarity(self) -> float:
        """Minus the logarithm of `kin`: a new crystal is likelier of a type that many have."""
        return float(-np.log(self.kin)) if self.kin else NEVER_SEEN


def type_of(mould: Mould) -> tuple[int, int]:
    """Space group and size, which tell types of one anonymous formula apart well enough."""
    return mould.crystal.space_group_number, mould.primitive_atoms


class MouldPool:
    """The ordered crystals of a library, found by anonymous formula."""

    def __init__(self, library: Library) -> None:
        """Nothing is read before it is asked for.

        Raises:
            QueryError: the library is of sheets, whose vacuum would be filled.
        """
        if library.profile != POWDER:
            raise QueryError(
                f"{library.path}: the library is of sheets (profile {library.profile}), and "
                "structures are proposed after crystals; name one of powders with --library"
            )
        self.library = library
        self._volumes: dict[frozenset[str], AtomicVolumes] = {}

    def volumes(self, without: frozenset[str] = frozenset()) -> AtomicVolumes:
        """Of atoms, as in the crystals of the library.

        Args:
            without: reduced formulas that are left out.
        """
        if without not in self._volumes:
            compositions, volumes = self.library.compositions, self.library.volumes
            every = -(-len(compositions) // MEASURED)
            rows = [
                row
                for row in range(0, len(compositions), every)
                if not without or reduced_formula(compositions[row]) not in without
            ]
            found = AtomicVolumes.of([compositions[row] for row in rows], volumes[rows])
            self._volumes = {without: found}  # the next question is as a rule the same
        return self._volumes[without]

    @cached_property
    def _rows(self) -> dict[Anonymous, list[int]]:
        rows: dict[Anonymous, list[int]] = {}
        for row, composition in enumerate(self.library.compositions):
            rows.setdefault(anonymous(composition), []).append(row)
        return rows

    @cached_property
    def _finder(self) -> TemplateFinder | None:
        try:
            return TemplateFinder(self.library)
        except LibraryError:
            return None

    def near_templates(
        self, prepared: Prepared, count: int, *, without: frozenset[str] = frozenset()
    ) -> list[tuple[NDArray[np.float32], Entry]]:
        """The nearest templates of a pattern: each one's nearest member, with its learned vector.

        Args:
            prepared: the pattern.
            count: at most; fewer where the library has fewer templates, or none.
            without: reduced formulas whose entries are no members here.
        """
        if self._finder is None or not count:
            return []
        try:
            templates = self._finder.nearest_templates(prepared, LOOKED_AT * count)
        except QueryError:
            return []
        members = (self._nearest_member(one, without) for one in templates)
        found = list(islice((one for one in members if one is not None), count))
        rows = np.array([self.library.row(one.id) for one in found], np.int64)
        vectors = LearnedChannel().embed_lines(self.library.lines.take(rows))
        return list(zip(vectors, found, strict=True))

    def _nearest_member(self, near: NearTemplate, without: frozenset[str]) -> Entry | None:
        first = near.member or near.template.members[0]
        members = dict.fromkeys((first, *near.template.members))
        entries = (self.library.entry(self.library.row(one)) for one in members)
        return next((one for one in entries if one.formula not in without), None)

    def alike(
        self,
        composition: Mapping[str, float],
        *,
        most_atoms: int,
        without: frozenset[str] = frozenset(),
    ) -> list[Mould]:
        """Crystals of the same anonymous formula.

        Args:
            composition: of what is sought.
            most_atoms: of the primitive cell.
            without: reduced formulas that are left out.
        """
        wanted = self._rows.get(anonymous(composition), [])
        volumes = self.volumes(without)
        moulds = []
        for entry in self.library.entries(np.array(wanted, np.int64)):
            if entry.formula in without or not entry.crystal.is_ordered:
                continue
            atoms = len(Standard.from_stored(entry.crystal).primitive)
            if atoms <= most_atoms:
                room = volumes.volume(entry.crystal.composition)
                moulds.append(Mould(entry.id, entry.crystal, entry.formula, atoms, room))
        formulas = {(type_of(one), one.formula) for one in moulds}
        kin = Counter(own for own, _ in formulas)
        return [replace(one, kin=kin[type_of(one)]) for one in moulds]

    def isotypes(
        self, crystal: Crystal, *, most_atoms: int, without: frozenset[str] = frozenset()
    ) -> frozenset[str]:
        """Reduced formulas of crystals of the same prototype.

        Args:
            crystal: ordered.
            most_atoms: of the primitive cell.
            without: reduced formulas that are left out.
        """
        wanted = prototype(crystal)
        return frozenset(
            one.formula
            for one in self.alike(crystal.composition, most_atoms=most_atoms, without=without)
            if one.crystal.space_group_number == crystal.space_group_number
            and prototype(one.crystal) == wanted
        )

    def related(
        self,
        composition: Mapping[str, float],
        *,
        most_atoms: int,
        without: frozenset[str] = frozenset(),
    ) -> Iterator[Mould]:
        """Crystals of an element more or less, made to have the same anonymous formula.

        The likeliest to have elements like those wanted come first, and not all are looked at.

        Args:
            composition: of what is sought.
            most_atoms: of the primitive cell.
            without: reduced formulas that are left out.
        """
        compositions = self.library.compositions
        ways: list[tuple[float, int, tuple[str, str], float]] = []
        for row, first, second in self._united.get(anonymous(composition), []):
            own = dict(compositions[row])
            own[first] += own.pop(second)
            ways.append((unlikely(own, composition), row, (first, second), 0.0))
        for first, second, fewer in merged(composition):
            share = composition[second] / fewer[first]
            for row in self._rows.get(anonymous(fewer), []):
                own = compositions[row]
                total = sum(own.values()) / sum(composition.values())
                for element, amount in own.items():
                    if abs(amount / total - fewer[first]) > 1e-3 * fewer[first]:
                        continue
                    for other_share in {share, 1.0 - share}:
                        other = twin_of(element, own)
                        parts = {**own, element: amount * (1 - other_share),
                                 other: amount * other_share}  # fmt: skip
                        if anonymous(parts) == anonymous(composition):
                            ways.append(
                                (unlikely(parts, composition), row, (element, other), other_share)
                            )
        likeliest = dict.fromkeys(way[1:] for way in sorted(ways)[:RELATED])
        rows = list({row for row, _, _ in likeliest})
        entries = dict(zip(rows, self.library.entries(rows), strict=True))
        for row, pair, share in likeliest:
            yield from self._made_alike(entries[row], pair, share, most_atoms, without)

    def _made_alike(
        self,
        entry: Entry,
        pair: tuple[str, str],
        share: float,
        most_atoms: int,
        without: frozenset[str],
    ) -> Iterator[Mould]:
        """A crystal with a pair of elements made one, or the first parted with the second."""
        if entry.formula in without or not entry.crystal.is_ordered:
            return
        if len(Standard.from_stored(entry.crystal).primitive) > most_atoms:
            return
        room = self.volumes(without).volume(entry.crystal.composition) / len(entry.crystal)
        made = parted(entry.crystal, *pair, share) if share else [united(entry.crystal, *pair)]
        for crystal in made:
            atoms = len(Standard.from_stored(crystal).primitive)
            yield Mould(
                entry.id, crystal, entry.formula, atoms, room * len(crystal), is_related=True
            )

    @cached_property
    def _united(self) -> dict[Anonymous, list[tuple[int, str, str]]]:
        """Entries, and the pair of their elements that has to be made one, by what that gives."""
        found: dict[Anonymous, list[tuple[int, str, str]]] = {}
        for row, composition in enumerate(self.library.compositions):
            if 1 < len(composition) <= MOST_ELEMENTS:
                for first, second, fewer in merged(composition):
                    found.setdefault(anonymous(fewer), []).append((row, first, second))
        return found
