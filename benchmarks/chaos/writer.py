"""The process that is killed.

It takes one operation after the other, and says what it does just now, a word a message; then
`done` and the version.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chaos.channels import channels_named
from benchmarks.chaos.model import Operation
from data.cif import write_cif
from data.offered import Offered
from indexer import checking, history, index_cache, maintaining, publishing
from indexer.channel import AnyChannel, ReadsAtoms
from indexer.library import Library
from indexer.tables import Writer

BEGUN, DONE = "begun", "done"
STEPS: dict[str, tuple[Callable[..., Any], ...]] = {
    "tables": (Writer.rewind, Writer.start, Writer.append, Writer.delete),
    "compaction": (Writer.compact,),
    "checksums": (checking.hash_files,),
    "checks": (checking.check_before_publishing,),
    "index": (index_cache.save_index,),
    "tags": (Writer.tag_versions,),
    "document": (publishing.keep_version,),
    "switch": (publishing.publish,),
    "old indexes": (index_cache.drop_old_indexes,),
    "old versions": (history.forget,),
    "clean-up": (Writer.clean,),
}
"""Steps of a change, by what does them. What comes between them is `between`."""

BETWEEN = "between"


def tell_steps(tell: Callable[[str], None]) -> None:
    """From now on every step is told of, as it begins and as it ends."""
    steps: list[str] = [BETWEEN]

    def told(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def doing(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever it does
            steps.append(step)
            tell(step)
            try:
                return function(*arguments, **options)
            finally:
                steps.pop()
                tell(steps[-1])

        return doing

    owners: list[Any] = [Writer, *(sys.modules[one] for one in sys.modules if "indexer" in one)]
    for step, functions in STEPS.items():
        for function in functions:
            for owner in owners:
                if vars(owner).get(function.__name__) is function:
                    setattr(owner, function.__name__, told(step, function))


def warm_up(path: Path, channels: tuple[AnyChannel, ...]) -> None:
    """Load what is compiled, so that an operation takes its own time alone."""
    library = Library.open(path)
    text = write_cif(library.entry(0).crystal).encode()
    library.add([Offered.upload(text, "warm.cif")], channels=channels, workers=1, dry_run=True)
    for channel in channels:
        if not isinstance(channel, ReadsAtoms):
            channel.embed_lines(library.lines.take(np.arange(1)))


def perform(path: Path, files: Path, what: Operation, channels: tuple[AnyChannel, ...]) -> int:
    """Do what is asked; gives the version that is published then."""
    if what.verb == "maintain":
        # The library itself is not held: a version that is read is not let go.
        return maintaining.maintain(path, channels, keep_last=what.keep_last, keep_days=0).after
    library = Library.open(path)
    if what.verb == "remove":
        return library.remove(what.ids).version
    if what.verb == "rollback":
        return library.rollback(what.to).version
    offered = [Offered.file(files / name) for name in what.files]
    return library.add(offered, channels=channels, workers=1).version


def write(messages: Connection, library: Path, files: Path, channels: Sequence[str]) -> None:
    """Do what comes, until nothing comes any more."""

    def tell(word: str) -> None:
        messages.send_bytes(word.encode())

    made_by = channels_named(channels)
    warm_up(library, made_by)
    tell_steps(tell)
    while True:
        try:
            what = messages.recv()
        except EOFError:
            return
        tell(BEGUN)
        tell(f"{DONE} {perform(library, files, what, made_by)}")
