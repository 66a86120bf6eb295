"""Entries taken out: the others stay as they were, in a version of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.errors import LibraryError
from indexer import Library
from indexer.publishing import one_writer
from tests.indexer.toy import ToyChannel, record


def test_the_others_stay_with_their_vectors_and_sources(copy: Path) -> None:
    before = Library.open(copy)
    gone = [before.ids[0], before.ids[20]]
    after = before.remove(gone)
    assert (after.version, len(after)) == (before.version + 1, len(before) - 2)
    kept = [row for row in range(len(before)) if row not in (0, 20)]
    assert after.ids == tuple(before.ids[row] for row in kept)
    assert np.array_equal(after.vectors("toy"), before.vectors("toy")[kept])
    for row, old in enumerate(kept):
        assert after.entry(row).sources == before.entry(old).sources
        assert np.array_equal(after.lines[row].hkl, before.lines[old].hkl)
    assert after.verify().ok
    assert before.ids[0] == gone[0]
    assert len(before.entries(range(len(before)))) == len(before)


def test_an_entry_may_come_again(copy: Path) -> None:
    library = Library.open(copy)
    row = next(row for row in range(len(library)) if library.entry(row).names == ("quartz",))
    identifier = library.ids[row]
    factor = float(library.entry(row).sources[0].identifier.split()[1])
    without = library.remove([identifier])
    assert identifier not in without.ids
    again = without.add([record("quartz", factor)], channels=[ToyChannel()])
    assert identifier in again.ids
    assert again.verify().ok


def test_nothing_is_published_when_nothing_is_there(copy: Path) -> None:
    library = Library.open(copy)
    assert library.remove(["0" * 20]).version == library.version


def test_the_last_entry_stays(copy: Path) -> None:
    library = Library.open(copy)
    with pytest.raises(LibraryError, match="no entry would be left; remove the library"):
        library.remove(library.ids)


def test_one_writer_at_a_time(copy: Path) -> None:
    library = Library.open(copy)
    with one_writer(copy), pytest.raises(LibraryError, match="is writing to this library"):
        library.remove(library.ids[:1])
