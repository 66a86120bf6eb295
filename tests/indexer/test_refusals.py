"""A disk that is full, a folder that cannot be written to, and a second writer: one clear line
each, nothing is lost, and the same command does it later.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from data.errors import LibraryError
from data.offered import Offered
from indexer import Library
from indexer.publishing import one_writer
from tests.indexer.test_crashes import STEPS, crash_at
from tests.indexer.test_upkeep import CHANNELS, offered
from tests.indexer.toy import records

resource = pytest.importorskip("resource")

BAD = Offered.of(b"no CIF", "b.cif", path="/f/b.cif")
"""It is noted, and nothing else comes of it."""

VERBS: dict[str, Callable[[Library], Any]] = {
    "add": lambda library: library.add(records(70), channels=CHANNELS),
    "note": lambda library: library.add([offered("/f/a.cif", 100), BAD], channels=CHANNELS),
    "remove": lambda library: library.remove(library.ids[:8]),
    "rollback": lambda library: library.rollback(1),
    "maintain": lambda library: library.maintain(channels=CHANNELS, keep_last=1, keep_days=0),
}
FULL, READ_ONLY = errno.ENOSPC, errno.EROFS
OWN_STEPS = [
    ("indexer.publishing.write_atomically", 1),
    ("indexer.publishing.write_atomically", 2),
    ("pathlib.Path.replace", 1),
    ("indexer.tables.Writer.tag_versions", 1),
]
MAINTAINED = [
    ("indexer.tables.Writer.compact", 1),
    ("indexer.tables.Writer.clean", 1),
    ("indexer.maintaining.forget", 1),
]


@pytest.fixture
def changed(copy: Path) -> Path:
    """A library with things to roll back, and to put in order."""
    library = Library.open(copy).add(records(60), channels=CHANNELS)
    library.add([offered("/f/a.cif", 100)], channels=CHANNELS).remove(library.ids[33:45])
    return copy


def refused(library: Path, verb: str) -> str:
    """What is said of a change that is refused; that nothing is lost is asked."""
    before = Library.open(library)
    with pytest.raises(LibraryError) as caught:
        VERBS[verb](before)
    after = Library.open(library)
    assert after.ids == before.ids
    assert after.verify().ok
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "verb, step, count",
    [
        *(("add", *one) for one in STEPS[:6]),
        *((verb, *one) for verb in ("remove", "rollback") for one in OWN_STEPS[:2]),
        *(("note", *one) for one in (STEPS[0], OWN_STEPS[0], OWN_STEPS[2], OWN_STEPS[3])),
        *(("maintain", *one) for one in MAINTAINED + OWN_STEPS[3:]),
    ],
)
def test_what_the_system_refuses_at_each_step(
    changed: Path, monkeypatch: pytest.MonkeyPatch, verb: str, step: str, count: int
) -> None:
    number = READ_ONLY if count == 2 else FULL
    with monkeypatch.context() as patch:
        crash_at(patch, step, count, OSError(number, os.strerror(number)))
        said = refused(changed, verb)
    assert os.strerror(number) in said
    assert "what was published last stays; make room" in said
    VERBS[verb](Library.open(changed))
    assert Library.open(changed).verify().ok


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file of this process can grow beyond a size: a full disk, as the system tells of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [10, 700, 2000, 8000])
def test_a_disk_that_is_full(changed: Path, size: int) -> None:
    before = Library.open(changed)
    with (
        pytest.raises(LibraryError, match=r"File too large.*what was published last stays") as said,
        files_up_to(size),
    ):
        before.add(records(120), channels=CHANNELS)
    assert "\n" not in str(said.value)
    assert Library.open(changed).ids == before.ids
    assert Library.open(changed).verify().ok
    more = before.add(records(120), channels=CHANNELS)
    assert len(more) > len(before)
    assert more.verify().ok


def test_upkeep_makes_room_before_it_needs_any(
    changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [one.version for one in Library.open(changed).history()]
    with monkeypatch.context() as patch:
        full = OSError(FULL, os.strerror(FULL))
        crash_at(patch, "indexer.tables.Writer.append", 1, full)
        crash_at(patch, "indexer.tables.Writer.compact", 1, full)
        with pytest.raises(LibraryError, match="No space left"):
            Library.open(changed).maintain(channels=CHANNELS, keep_last=1, keep_days=0)
    assert [one.version for one in Library.open(changed).history()] == before[-1:]
    assert Library.open(changed).verify().ok


@pytest.mark.parametrize("verb", VERBS)
def test_a_second_writer_is_told(changed: Path, verb: str) -> None:
    with one_writer(changed):
        said = refused(changed, verb)
    assert f"process {os.getpid()} on " in said
    assert "is writing to this library; wait until it has ended" in said
    VERBS[verb](Library.open(changed))
    assert Library.open(changed).verify().ok
