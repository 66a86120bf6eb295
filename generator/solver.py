"""A pattern and a formula in, ranked crystals out: engines propose, one ranking decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic, perf_counter

import numpy as np
from numpy.typing import NDArray

from data.errors import QueryError
from data.formula import reduced_formula
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from generator.candidate import Candidate, Proposer, Task
from generator.lines import lines_for
from generator.matching import same_structure
from generator.pool import MouldPool
from generator.ranking import CandidateRanker
from generator.substitution import SubstitutionEngine
from indexer.entry import Entry
from indexer.library import Library
from search.final_fit import final_fit
from search.overlay import on_axis, overlay
from search.ranking import shares
from search.result import Overlay

CONSIDERED = 120
"""Candidates of an engine that are ranked."""
MOST_ATOMS = 400
Q_MAX_INV_ANGSTROM = 7.5
"""Patterns are fitted up to here."""
CONVINCING = 0.75
"""A best correlation below this is said to be poor."""
SAME_VOLUME = 0.15
"""Candidates whose volumes an atom differ by more are not compared: they are two structures."""

Progress = Callable[[int, int | None, str], None]

ENGINES: Mapping[str, Callable[[MouldPool, frozenset[str]], Proposer]] = {
    SubstitutionEngine.name: lambda pool, without: SubstitutionEngine(pool, without=without),
}
"""What proposes, by name."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A structure that is proposed, ranked.

    Attributes:
        rank: from 1.
        candidate: the best candidate of this structure.
        probability: that it is right, given that one of the proposals is.
        copies: further candidates of the same structure.
        template: the entry it was made from, where there was one.
        rwp_percent: weighted profile residual, background included, in percent.
        overlay: curves to draw; None before they are asked for.
    """

    rank: int
    candidate: Candidate
    probability: float
    copies: int
    template: Entry | None = None
    rwp_percent: float = float("nan")
    overlay: Overlay | None = None


@dataclass(frozen=True, eq=False)
class Solution:
    """What was proposed for a pattern.

    Attributes:
        query: the pattern as read.
        background: counts that the preparation took for background. Shape (n,).
        formula: reduced, as asked for.
        warnings: of the pattern, and of what was not finished.
        engines: that proposed.
        proposals: best first.
        timings_ms: by stage.
    """

    query: Pattern
    background: NDArray[np.float64]
    formula: str
    warnings: tuple[str, ...]
    engines: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)


class Solver:
    """Proposes crystals from those of a library."""

    def __init__(self, library: Library, *, ranker: CandidateRanker | None = None) -> None:
        """Nothing is read before it is asked for."""
        self.library = library
        self.pool = MouldPool(library)
        self.ranker = ranker or CandidateRanker.shipped()

    def solve(
        self,
        pattern: Pattern,
        composition: Mapping[str, float],
        *,
        engines: Sequence[str] = tuple(ENGINES),
        samples: int = 20,
        without: frozenset[str] = frozenset(),
        time_limit_s: float | None = None,
        progress: Progress | None = None,
    ) -> Solution:
        """Propose structures of a composition for a pattern.

        Args:
            pattern: as measured.
            composition: atoms of each element in a formula unit.
            engines: that propose, of `ENGINES`.
            samples: structures at most.
            without: reduced formulas of the library that nothing is made from.
            time_limit_s: after so long no new candidate is begun; those that there are are ranked.
            progress: called with done, total and the stage.

        Raises:
            QueryError: an engine that there is not, or nothing to propose from.
            PatternError: the pattern cannot be used.
        """
        report = progress or _silent
        start = perf_counter()
        unknown = [name for name in engines if name not in ENGINES]
        if unknown or not engines:
            named = ", ".join(unknown) or "none at all"
            raise QueryError(f"engine {named}: there is no such; there are: {', '.join(ENGINES)}")
        whole = prepare(pattern)
        deadline = None if time_limit_s is None else monotonic() + time_limit_s
        task = Task(whole.up_to(Q_MAX_INV_ANGSTROM), composition, MOST_ATOMS, deadline)
        timings = {"prepare": 1e3 * (perf_counter() - start)}
        found = self._found(task, engines, without, report, timings)
        formula = reduced_formula(composition)
        if not found:
            raise QueryError(
                f"{formula}: no crystal of such a formula was made, because {self.library.path} "
                "has no ordered crystal of the same kind of formula; search a larger library"
            )
        report(len(engines), len(engines) + 1, "ranking")
        begun = perf_counter()
        proposals = self._drawn(whole, task, self._grouped(task, found, samples))
        warnings = pattern.warnings
        if task.is_late:
            late = f"the time limit of {time_limit_s:g} s was reached: not all may have been tried"
            warnings = (*warnings, late)
        closest = max(one.candidate.correlation for one in proposals)
        if closest < CONVINCING:
            poor = (
                f"the best proposal describes the pattern poorly (r {closest:.2f}): the structure "
                "type may not be in the library, or the formula not be right"
            )
            warnings = (*warnings, poor)
        timings["ranking"] = 1e3 * (perf_counter() - begun)
        report(len(engines) + 1, len(engines) + 1, "ranking")
        return Solution(
            pattern,
            on_axis(whole, whole.background),
            formula,
            warnings,
            tuple(engines),
            proposals,
            {name: round(ms, 1) for name, ms in timings.items()},
        )

    def ranked(
        self,
        task: Task,
        *,
        engines: Sequence[str] = tuple(ENGINES),
        without: frozenset[str] = frozenset(),
        samples: int = 20,
    ) -> list[Proposal]:
        """Proposals for a task, not yet drawn: `solve` for those that need no page.

        Args:
            task: pattern and composition.
            engines: that propose, of `ENGINES`.
            without: as of `solve`.
            samples: structures at most.
        """
        return self._grouped(task, self._found(task, engines, without, _silent, {}), samples)

    def _found(
        self,
        task: Task,
        engines: Sequence[str],
        without: frozenset[str],
        report: Progress,
        timings: dict[str, float],
    ) -> list[Candidate]:
        """What the engines propose; how long each took is put into `timings`."""
        found: list[Candidate] = []
        for done, name in enumerate(engines):
            report(done, len(engines) + 1, name)
            begun = perf_counter()
            found += ENGINES[name](self.pool, without).propose(task, CONSIDERED)
            timings[name] = 1e3 * (perf_counter() - begun)
        return found

    def _grouped(self, task: Task, found: list[Candidate], samples: int) -> list[Proposal]:
        ranked = self.ranker.ranked(task, found)
        groups = structures(ranked, samples)
        if not groups:
            return []
        odds = shares(np.array([ranked[members[0]].score for members in groups]))
        return [
            Proposal(i + 1, ranked[members[0]], float(odds[i]), len(members) - 1)
            for i, members in enumerate(groups)
        ]

    def _drawn(
        self, whole: Prepared, task: Task, proposals: Sequence[Proposal]
    ) -> tuple[Proposal, ...]:
        """The same with template, fit and curves."""
        lines = lines_for(task, [one.candidate.crystal for one in proposals])
        drawn = []
        for i, one in enumerate(proposals):
            zero, entry = one.candidate.zero_shift_deg, one.candidate.template
            fit = final_fit(task.prepared, lines[i], strain=0.0, zero_shift_deg=zero)
            curves = overlay(whole, task.prepared, lines[i], fit, strain=0.0, zero_shift_deg=zero)
            template = None if entry is None else self.library.entry(self.library.row(entry))
            drawn.append(
                replace(one, template=template, rwp_percent=fit.rwp_percent, overlay=curves)
            )
        return tuple(drawn)


def structures(ranked: Sequence[Candidate], most: int) -> list[list[int]]:
    """Candidates of one structure together, best first in each group and among groups."""
    groups: list[list[int]] = []
    for i, one in enumerate(ranked):
        mine = one.crystal
        for members in groups:
            theirs = ranked[members[0]].crystal
            swollen = (mine.volume_angstrom3 / len(mine)) / (theirs.volume_angstrom3 / len(theirs))
            if abs(np.log(swollen)) < SAME_VOLUME and same_structure(theirs, mine):
                members.append(i)
                break
        else:
            if len(groups) == most:
                continue
            groups.append([i])
    return groups


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
