"""Many patterns: which files are meant, and their answers in order, several at a time."""

from __future__ import annotations

import glob
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numba
from numba.np.ufunc.parallel import threading_layer
from pybaselines.utils import ParameterWarning

from data.errors import BraggleError
from indexer.workers import cores, in_order
from search.result import LookupResult
from service.answer import answer, failure

PATTERN_SUFFIXES = frozenset({
    ".xy", ".xye", ".xrdml", ".chi", ".dat", ".asc", ".fxye", ".gsa", ".gda", ".raw", ".brml",
    ".uxd", ".ras", ".rasx",
})  # fmt: skip
"""Files of a folder that are taken for patterns. Tables, texts and CIFs hold other things too, and
have to be named."""

AHEAD = 2
"""Patterns begun before they are asked for, for each that is worked on."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one pattern.

    Attributes:
        file: as it was named, or found.
        result: the answer; None where there is none.
        error: why there is none.
    """

    file: str
    result: LookupResult | None = None
    error: Exception | None = None

    @property
    def message(self) -> str:
        """What went wrong in one line that names the file as it was named; "" if nothing did."""
        if self.error is None:
            return ""
        text = " ".join(str(self.error).split())
        name = Path(self.file).name
        if isinstance(self.error, BraggleError) and text.startswith(f"{name}: "):
            return f"{self.file}: {text.removeprefix(f'{name}: ')}"
        return text

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document of this pattern; `query.path` is the file as it was named."""
        if self.result is None:
            document = failure(self.file, BraggleError(self.message))
        else:
            document = answer(self.result)
        document["query"]["path"] = self.file
        return document


def pattern_files(arguments: Sequence[str]) -> list[str]:
    """The files that arguments mean, in the order a person would list them.

    A folder means the files in it whose suffix is one of `PATTERN_SUFFIXES`, without the folders
    in it; a name with *, ? or [ that is no file means every file that it matches, ** any depth.
    What means nothing is left as it is, so that reading it says what is wrong.
    """
    files: list[str] = []
    for argument in arguments:
        files += sorted(_meant(argument) or [], key=_natural) or [argument]
    return files


def is_batch(arguments: Sequence[str]) -> bool:
    """Whether the answer is a list: several arguments, or one that may mean several files."""
    return len(arguments) != 1 or _meant(arguments[0]) is not None


def _meant(argument: str) -> list[str] | None:
    """The files of a folder, or those that a pattern of names matches; None for a plain name."""
    path = Path(argument)
    try:
        if argument != "-" and path.is_dir():
            return [
                str(one)
                for one in path.iterdir()
                if one.suffix.lower() in PATTERN_SUFFIXES
                and not one.name.startswith(".")
                and one.is_file()
            ]
        if glob.has_magic(argument) and not path.exists():
            matched = glob.glob(argument, recursive=True)  # noqa: PTH207 - keeps names as given
            return [one for one in matched if Path(one).is_file()]
    except OSError:  # reading it says why
        return []
    return None


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts "scan2" before "scan10"."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def look_up_all(
    look_up: Callable[[str], LookupResult], files: Sequence[str], *, jobs: int | None = None
) -> Iterator[Outcome]:
    """The outcome of each file, in order, each as soon as it and those before it are done.

    The fit runs in compiled code that lets other threads work, so threads share one library:
    processes would each have to open it. Each thread fits on one core; until the library has
    been read, which the first answer needs, one pattern is worked on with all of them.

    Args:
        look_up: may be called from several threads at once.
        files: their names.
        jobs: patterns at a time; as many as there are cores when None.
    """
    jobs = max(min(jobs or cores(), len(files)), 1)
    names = iter(files)
    for name in names:
        outcome = _outcome(look_up, name)
        yield outcome
        # numba's own thread layer, its last resort, must not be entered twice at a time.
        if outcome.result is not None and jobs > 1 and threads_may_share():
            break
    with warnings.catch_warnings(), ThreadPoolExecutor(jobs, initializer=fit_alone) as pool:
        # Filters belong to the whole process: what one thread takes back, another still needs.
        warnings.simplefilter("ignore", ParameterWarning)
        yield from in_order(pool, partial(_outcome, look_up), names, AHEAD * jobs)


def _outcome(look_up: Callable[[str], LookupResult], name: str) -> Outcome:
    try:
        return Outcome(name, result=look_up(name))
    except Exception as error:  # noqa: BLE001 - the other patterns go on
        return Outcome(name, error=error)


def fit_alone() -> None:
    """Let this thread fit on one core, because others fit beside it."""
    numba.set_num_threads(1)


def threads_may_share() -> bool:
    """Whether several threads may fit at a time; not known, so no, before the first fit."""
    layer: Any = threading_layer
    try:
        return bool(layer() != "workqueue")
    except ValueError:  # nothing parallel has run yet
        return False
