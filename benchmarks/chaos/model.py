"""What a library should hold: a few dictionaries, and what each operation makes of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.chaos.pool import Pool
from indexer.library import Library

Verb = Literal["add", "supersede", "remove", "maintain", "rollback"]
VERBS: tuple[Verb, ...] = ("add", "supersede", "remove", "maintain", "rollback")

MOST_FILES = 12
BAD = 0.15
"""Part of the files that are no CIF."""
KEPT = (3, 6)
"""Versions that `maintain` keeps at least, from and to."""


@dataclass(frozen=True)
class Operation:
    """One change, as a writer is asked for it.

    Attributes:
        verb: what is done.
        files: for "add" and "supersede": the crystal in each file, None for one that is no CIF.
        ids: for "remove".
        keep_last: for "maintain".
        to: for "rollback".
    """

    verb: Verb
    files: Mapping[str, int | None] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    keep_last: int = 0
    to: int = 0


@dataclass(frozen=True)
class State:
    """What a version holds.

    Attributes:
        sources: the entry that each file gives.
        read: the entry in each file when it was last read, whether it was removed since or not.
        failed: files that could not be read when they were last offered.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, str] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()

    @property
    def ids(self) -> frozenset[str]:
        """Of its entries."""
        return frozenset(self.sources.values())

    def after(self, what: Operation, pool: Pool, versions: Mapping[int, State]) -> State:
        """What an operation leads to."""
        if what.verb == "rollback":
            return versions[what.to]
        if what.verb == "remove":
            left = {file: one for file, one in self.sources.items() if one not in what.ids}
            return State(left, self.read, self.failed)
        given = {file: pool.ids[one] for file, one in what.files.items() if one is not None}
        bad = what.files.keys() - given.keys()
        return State(
            {**self.sources, **given},
            {**self.read, **given},
            frozenset((self.failed | bad) - given.keys()),
        )


def some_operation(
    chance: random.Random, state: State, pool: Pool, earlier: Sequence[int]
) -> Operation:
    """An operation that makes sense now.

    Args:
        chance: draws it.
        state: what the library holds.
        pool: what files hold.
        earlier: versions to which it may go back.
    """
    names = sorted(state.sources)
    few = len(state.ids) < len(pool) // 3
    verb = chance.choice([one for one in VERBS if not (one == "remove" and few)])
    if verb == "rollback" and not earlier:
        verb = "add"
    count = chance.randint(1, MOST_FILES)
    if verb == "remove":
        return Operation(verb, ids=tuple(chance.sample(sorted(state.ids), count)))
    if verb == "maintain":
        return Operation(verb, keep_last=chance.randint(*KEPT))
    if verb == "rollback":
        return Operation(verb, to=chance.choice(earlier))
    if verb == "supersede":
        files = chance.sample(names, min(count, len(names)))
    else:
        files = [f"new-{chance.randrange(10**6)}.cif" for _ in range(count)]
        files += chance.sample(names, min(2, len(names)))
    return Operation(
        verb,
        files={
            one: None if chance.random() < BAD else chance.randrange(len(pool)) for one in files
        },
    )


def differences(library: Library, state: State) -> Iterator[str]:
    """What of an open version is not as it should be."""
    yield from other_entries(library, state)
    there = [row for row, one in enumerate(library.ids) if one in state.ids]
    said = {
        (source.collection, entry.id)
        for entry in library.entries(there)
        for source in entry.sources
    }
    if lost := set(state.sources.items()) - said:
        yield f"sources lost: {sorted(lost)[:3]} of {len(lost)}"
    if strange := said - set(state.sources.items()):
        yield f"sources that nobody gave: {sorted(strange)[:3]} of {len(strange)}"
    last, read = {}, {}
    for row in library.ledger():
        name = row.path.rpartition("/")[2]
        last[name] = row
        if row.may_give:
            read[name] = "+".join(row.entries)
    failed = {name for name, row in last.items() if row.status == "failed"}
    if read != dict(state.read):
        wrong = {one for one, _ in read.items() ^ state.read.items()}
        yield f"the ledger is wrong about {sorted(wrong)[:3]} of {len(wrong)} files"
    if failed != state.failed:
        yield f"the ledger is wrong about failures: {sorted(failed ^ state.failed)[:3]}"


def other_entries(library: Library, state: State) -> Iterator[str]:
    """Entries of an open version that are too few, too many, or there twice."""
    twice = [one for one, count in Counter(library.ids).items() if count > 1]
    if twice:
        yield f"entries that are there twice: {twice[:3]} of {len(twice)}"
    if lost := state.ids - set(library.ids):
        yield f"entries lost: {sorted(lost)[:3]} of {len(lost)}"
    if strange := set(library.ids) - state.ids:
        yield f"entries that nobody gave: {sorted(strange)[:3]} of {len(strange)}"
