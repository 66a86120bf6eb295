"""Rounds: an operation is cut off, and what is left is compared with what should be."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

from benchmarks.chaos.channels import channels_named
from benchmarks.chaos.model import (
    Operation,
    State,
    Verb,
    differences,
    other_entries,
    some_operation,
)
from benchmarks.chaos.pool import NO_CIF, Pool
from benchmarks.chaos.processes import Fate, Moment, ReaderProcess, WriterDiedError, WriterProcess
from benchmarks.chaos.reader import Answers
from data.errors import BraggleError
from data.offered import Offered
from indexer.library import Library
from indexer.maintaining import maintain
from indexer.publishing import read_current, size_of

AT_A_STEP = 2 / 3
"""Part of the kills that come shortly after some step begins, each step of the operation being as
likely as any other; the others are spread evenly over the time that the operation takes."""
SHORTLY_S = 0.03
"""At most, and a hundredth of it at least, each order of magnitude being as likely."""
LASTS_S = 1.0
"""An operation, before one was seen to end."""


@dataclass(frozen=True)
class Violation:
    """Something that must never be.

    Attributes:
        round: in which, and `seed` with which it may be run again.
        operation: that was cut off, or had ended.
        moment: the step in which it was cut off, and after how long.
        what: differed.
    """

    round: int
    seed: str
    operation: str
    moment: str
    what: str


@dataclass
class Tallied:
    """Counts of what was done and seen.

    Attributes:
        kills: by operation and step.
        published: kills after which the new version was there, by operation.
        acknowledged: operations that ended, by operation; reruns of what was cut off among them.
        versions_checked: kept versions that were opened and compared.
        answers: of readers to questions that were compared with what they should be.
        lookups: patterns looked up among them.
        versions_read: those that readers had open.
        mended_indexes: times that a reader said that it made a damaged index again.
    """

    kills: dict[str, Counter[str]] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    versions_checked: int = 0
    answers: int = 0
    lookups: int = 0
    versions_read: set[int] = field(default_factory=set)
    mended_indexes: int = 0


class Chaos:
    """A library, what it should hold, and those who change and read it."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        crystals: int,
        channels: Sequence[str],
        readers: int,
    ) -> None:
        """Make the library, of half of the crystals, and start the processes.

        Args:
            folder: for everything.
            seed: of operations and moments.
            crystals: that come and go.
            channels: ids of those that the library has.
            readers: processes that read meanwhile.
        """
        self.seed, self.channels = seed, channels
        self.library, self.atlas = folder / "library", folder / "atlas"
        self.files = folder / "files"
        self.files.mkdir()
        makers = channels_named(channels)
        self.pool = Pool.make(crystals, self.atlas, makers)
        first = {f"first-{number}.cif": number for number in range(len(self.pool) // 2)}
        self._write(first)
        offered = [Offered.file(self.files / name) for name in first]
        made = Library.build(offered, self.library, channels=makers, workers=1)
        self.state = State().after(Operation("add", first), self.pool, {})
        self.versions = {made.version: self.state}
        self.kept_from = made.version
        self.violations: list[Violation] = []
        self.tallied = Tallied()
        self._durations: dict[Verb, list[float]] = {}
        self._steps: dict[Verb, Counter[str]] = {}
        self._cut_off: Operation | None = None
        self._unjudged: list[Answers] = []
        self._round, self._what, self._moment = 0, "build", "it ended"
        if found := list(differences(made, self.state)):
            raise RuntimeError(f"the library is not as it should be from the start: {found}")
        with ExitStack() as stack:
            self.readers = [
                stack.enter_context(ReaderProcess(self.library, self.atlas, f"{seed}/{number}"))
                for number in range(readers)
            ]
            self._stack = stack.pop_all()
        self._writer = self._new_writer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._writer.end()
        self._stack.close()

    def round(self, number: int) -> None:
        """Finish what was cut off last, cut something off, and look."""
        self._round = number
        chance = random.Random(self._round_seed)  # noqa: S311 - moments, no secrets
        try:
            if self._cut_off is not None:
                self._finish(self._cut_off)
            while not self._cut(chance):
                pass
        except WriterDiedError as error:
            self._complain(str(error))
            self._replace_writer()
        self._look()

    def end(self) -> dict[str, float]:
        """Stop reading, put the library in order, look a last time; bytes on disk and live ones."""
        for child in (*self.readers, self._writer):
            child.kill()
        self._what, self._moment = "maintain", "it ended"
        before = size_of(self.library)
        # By nobody who reads: a version that is read is not let go.
        maintain(self.library, channels_named(self.channels), keep_last=1, keep_days=0)
        published = read_current(self.library)
        self.versions[published.version] = self.state
        self.kept_from = published.version
        live = sum((self.library / one).stat().st_size for one in published.files)
        after = size_of(self.library)
        if after > 2 * live:
            self._complain(f"{after} bytes on disk are more than twice the {live} of live data")
        self._look_at_versions()
        return {"before_maintain": before, "after_maintain": after, "live_data": live}

    @property
    def _round_seed(self) -> str:
        return f"{self.seed}/{self._round}"

    def _new_writer(self) -> WriterProcess:
        return WriterProcess(self.library, self.files, self.channels)

    def _replace_writer(self) -> None:
        self._writer.end()
        self._writer = self._new_writer()

    def _write(self, files: dict[str, int] | Operation) -> None:
        named = files.files if isinstance(files, Operation) else files
        for name, number in named.items():
            content = NO_CIF if number is None else self.pool.texts[number]
            (self.files / name).write_bytes(content)

    def _finish(self, what: Operation) -> None:
        """Run again, to its end, what was cut off."""
        self._acknowledged(what, self._writer.do(what))
        self._cut_off = None

    def _cut(self, chance: random.Random) -> bool:
        """Begin something and kill the writer; False where it had ended before."""
        earlier = [one.version for one in Library.open(self.library).history()][:-1]
        what = some_operation(chance, self.state, self.pool, earlier)
        self._write(what)
        fate = self._writer.do(what, self._moment_for(what.verb, chance))
        if self._writer.has_ended:
            self._replace_writer()
        if fate.version is not None:
            self._acknowledged(what, fate)
            return False
        self._what = str(what)
        self._moment = f"{fate.steps[-1]}, {fate.seconds:.3f} s after it began"
        self.tallied.kills.setdefault(what.verb, Counter())[fate.steps[-1]] += 1
        self._cut_off = what
        self._settle(what)
        return True

    def _moment_for(self, verb: Verb, chance: random.Random) -> Moment:
        steps = self._steps.get(verb)
        if steps and chance.random() < AT_A_STEP:
            step = chance.choice(sorted(steps))
            after_s = SHORTLY_S * 10 ** chance.uniform(-2, 0)
            return Moment(after_s, step, chance.randint(1, steps[step]))
        lasts = median(self._durations.get(verb, [LASTS_S])[-9:])
        return Moment(chance.uniform(0, lasts))

    def _acknowledged(self, what: Operation, fate: Fate) -> None:
        """An operation has ended: what it did is there from now on."""
        self._what, self._moment = str(what), "it ended"
        self.tallied.acknowledged[what.verb] += 1
        self._durations.setdefault(what.verb, []).append(fate.seconds)
        self._steps[what.verb] = self._steps.get(what.verb, Counter()) | Counter(fate.steps)
        expected, last = self.state.after(what, self.pool, self.versions), max(self.versions)
        if fate.version not in (last, last + 1):
            self._complain(f"version {fate.version} was published after {last}")
        elif fate.version == last and expected.sources != self.state.sources:
            self._complain("it ended, and nothing was published")
        self._takes_place(what, expected, fate.version or last)

    def _settle(self, what: Operation) -> None:
        """Whether what was cut off is there or not: one of the two it must be, wholly."""
        library, last = Library.open(self.library), max(self.versions)
        expected = self.state.after(what, self.pool, self.versions)
        if library.version == last + 1:
            self.tallied.published[what.verb] += 1
            self._takes_place(what, expected, library.version)
        elif library.version != last:
            self._complain(f"version {library.version} is published after {last}")
        elif expected.sources == self.state.sources and not any(differences(library, expected)):
            # What tells of files alone, and changes no entry, is no version of its own.
            self._takes_place(what, expected, last)
        elif what.verb == "maintain":
            self._takes_place(what, expected, last)

    def _takes_place(self, what: Operation, state: State, version: int) -> None:
        if what.verb == "maintain":
            # One version may have come of it before others were let go.
            self.kept_from = max(self.kept_from, max(self.versions) + 2 - what.keep_last)
        self.state = self.versions[version] = state

    def _look(self) -> None:
        self._look_at_versions()
        for reader in self.readers:
            try:
                self._unjudged += reader.answers()
            except TimeoutError:
                self._complain("a reader says nothing")
            except EOFError:
                self._complain("a reader ended by itself; stderr says why")
        for answers in self._unjudged:
            self._judge(answers)
        self._unjudged.clear()

    def _look_at_versions(self) -> None:
        """Reopen, verify, and read every version that is kept."""
        try:
            library = Library.open(self.library)
            report = library.verify()
            for check in report.checks:
                if not check.ok:
                    self._complain(f"verify: {check.name}: {check.detail}")
            for found in differences(library, self.state):
                self._complain(found)
            kept = [one.version for one in library.history()]
            if lost := {one for one in self.versions if one >= self.kept_from} - set(kept):
                self._complain(f"versions lost: {sorted(lost)}")
            for number in kept:
                if number not in self.versions:
                    self._complain(f"version {number} is kept, which nobody published")
                    continue
                earlier = Library.open(self.library, version=number)
                for found in other_entries(earlier, self.versions[number]):
                    self._complain(f"version {number}: {found}")
                self.tallied.versions_checked += 1
        except BraggleError as error:
            self._complain(str(error))

    def _judge(self, answers: Answers) -> None:
        """Whether a reader found what its version holds, and nothing else."""
        said = f"a reader of version {answers.version}"
        state = self.versions.get(answers.version)
        if state is None:
            self._complain(f"{said}, which nobody published")
            return
        if answers.entries != len(state.ids):
            self._complain(f"{said} has {answers.entries} entries, {len(state.ids)} were published")
        if wrong := set(answers.found) - state.ids:
            self._complain(f"{said} found what is not there: {sorted(wrong)}")
        if wrong := set(answers.missing) & state.ids:
            self._complain(f"{said} did not find {sorted(wrong)}")
        if answers.odd:
            self._complain(f"{said} found in some ways only: {answers.odd}")
        self.tallied.answers += len(answers.found) + len(answers.missing) + len(answers.odd)
        self.tallied.lookups += answers.lookups
        self.tallied.mended_indexes += answers.warnings
        self.tallied.versions_read.add(answers.version)

    def _complain(self, what: str) -> None:
        self.violations.append(
            Violation(self._round, self._round_seed, self._what, self._moment, what)
        )
