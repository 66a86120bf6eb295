"""A writer that ends at any point leaves the last version readable, and a rerun finishes."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer import Library
from indexer.publishing import is_library
from tests.indexer.toy import ToyChannel, records

CHANNELS = [ToyChannel()]
STEPS = [
    ("indexer.tables.Writer.append", 1),
    ("indexer.tables.Writer.append", 2),
    ("indexer.tables.Writer.append", 3),
    ("indexer.releasing.hash_files", 1),
    ("indexer.releasing.check_before_publishing", 1),
    ("indexer.tables.Writer.tag", 1),
    ("indexer.releasing.publish", 1),
    ("pathlib.Path.replace", 1),
    ("pathlib.Path.replace", 2),
    ("indexer.releasing.drop_old_indexes", 1),
]


class Crash(BaseException):
    """Nothing catches this, as nothing catches the loss of power."""


def crash_at(
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    count: int,
    error: BaseException | type[BaseException] = Crash,
) -> None:
    """Crash, or fail with an error, as a step begins, at its so-many-th time."""
    owner, _, name = step.rpartition(".")
    module, _, last = owner.rpartition(".")
    target: Any = sys.modules.get(owner) or getattr(sys.modules[module], last)
    original: Callable[..., Any] = getattr(target, name)
    calls = 0

    def crashing(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            raise error
        return original(*args, **options)

    monkeypatch.setattr(target, name, crashing)


@pytest.mark.parametrize("step, count", STEPS)
def test_a_crash_at_each_step_of_an_addition(
    copy: Path, monkeypatch: pytest.MonkeyPatch, step: str, count: int
) -> None:
    reader = Library.open(copy)
    with monkeypatch.context() as patch:
        crash_at(patch, step, count)
        with pytest.raises(Crash):
            reader.add(records(40), channels=CHANNELS)
    left = Library.open(copy)
    assert (left.version, len(left)) in [(1, 33), (2, 40)]
    assert left.verify().ok
    assert left.ids[:33] == reader.ids
    finished = left.add(records(40), channels=CHANNELS)
    assert (finished.version, len(finished)) == (2, 40)
    assert finished.verify().ok


def test_a_crash_in_the_first_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step, count in STEPS[:-1]:
        with monkeypatch.context() as patch:
            crash_at(patch, step, count)
            with pytest.raises(Crash):
                Library.build(records(5), tmp_path, channels=CHANNELS)
        assert not is_library(tmp_path)
    library = Library.build(records(5), tmp_path, channels=CHANNELS)
    assert (library.version, len(library)) == (1, 5)
    assert library.verify().ok


def test_a_first_build_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / ".CURRENT.17.tmp").write_bytes(b"half")
    assert Library.build(records(5), tmp_path, channels=CHANNELS).verify().ok


class WideChannel(ToyChannel):
    """Vectors that do not even have the columns of the stored ones."""

    dimension = 64


def test_a_crash_in_a_replacing_build(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = [WideChannel("2")]
    with monkeypatch.context() as patch:
        crash_at(patch, "indexer.releasing.publish", 1)
        with pytest.raises(Crash):
            Library.build(records(5), copy, channels=wide, replace=True)
    left = Library.open(copy)
    assert (left.version, len(left), left.vectors("toy").shape) == (1, 33, (33, 48))
    more = left.add(records(35), channels=CHANNELS)
    assert (more.version, len(more)) == (2, 35)
    assert more.verify().ok
    assert Library.build(records(5), copy, channels=wide, replace=True).verify().ok
    assert left.verify().ok


WRITER = """
import sys, itertools
from indexer import Library
from tests.indexer.toy import ToyChannel, records
library = Library.open(sys.argv[1])
print("ready", flush=True)
for count in itertools.count(len(library) + 1):
    library = library.add(records(count), channels=[ToyChannel()])
    print(count, flush=True)
"""


def test_a_killed_writer_loses_nothing_it_published(copy: Path) -> None:
    chance = random.Random(20)  # noqa: S311 - moments, not secrets
    published = 33
    for _ in range(2):
        command = [sys.executable, "-c", WRITER, str(copy)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.05, 0.6))
            process.kill()
            printed = process.stdout.read().split()
        library = Library.open(copy)
        assert len(library) - published >= len(printed)
        assert library.version == len(library) - 32
        assert library.verify().ok
        published = len(library)
    finished = library.add(records(published + 3), channels=CHANNELS)
    assert len(finished) == published + 3
    assert finished.verify().ok
