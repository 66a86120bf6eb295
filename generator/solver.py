"""A pattern and a formula in, ranked crystals out: engines propose, one ranking decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic, perf_counter

import numpy as np
from numpy.typing import NDArray

from data.errors import QueryError
from data.formula import reduced_formula
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from generator.candidate import KNOWN, Candidate, Cell, Proposer, Task
from generator.diffusion import DiffusionEngine
from generator.direct.engine import DirectEngine
from generator.distance.engine import DistanceEngine
from generator.known import agrees, check_known
from generator.ligands import holds_ligands
from generator.lines import lines_for
from generator.matching import same_structure
from generator.pointcloud.engine import PointCloudEngine
from generator.pool import MouldPool
from generator.ranking import CandidateRanker
from generator.refinement.refiner import refined
from generator.refinement.relaxation import Relax, chgnet, relaxed
from generator.substitution import SubstitutionEngine
from generator.torch_use import has_torch
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
REFINED, RELAXED = 12, 4
"""Structures, the best, that are refined, and that are relaxed."""
CONVINCED = 0.93
"""A candidate that describes the pattern so well spares the engines that begin from nothing."""
CONVINCING = 0.75
"""A best correlation below this is said to be poor."""
SAME_VOLUME = 0.15
"""Candidates whose volumes an atom differ by more are not compared: they are two structures."""

Progress = Callable[[int, int | None, str], None]

ENGINES: Mapping[str, Callable[[MouldPool, frozenset[str]], Proposer]] = {
    SubstitutionEngine.name: lambda pool, without: SubstitutionEngine(pool, without=without),
    DiffusionEngine.name: lambda pool, without: DiffusionEngine(pool, without=without),
    DirectEngine.name: lambda pool, without: DirectEngine(pool, without=without),
    DistanceEngine.name: lambda pool, without: DistanceEngine(pool, without=without),
    PointCloudEngine.name: lambda pool, without: PointCloudEngine(pool, without=without),
}
"""What proposes, by name."""
IN_TURN = (SubstitutionEngine.name, DiffusionEngine.name, DirectEngine.name)
"""Those that are asked when none is named, one after the other until a candidate convinces."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A structure that is proposed, ranked.

    Attributes:
        rank: from 1.
        candidate: the best candidate of this structure.
        probability: that it is right, given that one of the proposals is.
        copies: further candidates of the same structure, of those before the last proposal.
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
        query: the pattern as read; None where there is none.
        background: counts that the preparation took for background. Shape (n,).
        formula: reduced, as asked for.
        warnings: of the pattern, and of what was not finished.
        engines: that proposed.
        proposals: best first.
        timings_ms: by stage.
        elements: that were all that was told, in place of a formula, which proposals then differ
            in.
    """

    query: Pattern | None
    background: NDArray[np.float64]
    formula: str
    warnings: tuple[str, ...]
    engines: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)
    elements: tuple[str, ...] = ()


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
        engines: Sequence[str] | None = None,
        samples: int = 20,
        without: frozenset[str] = frozenset(),
        cell: Cell | None = None,
        space_group: int | None = None,
        formula_units: int | None = None,
        ligands: Sequence[Mapping[str, float]] = (),
        templates: int = 4,
        refine: bool = True,
        relax: bool = False,
        time_limit_s: float | None = None,
        progress: Progress | None = None,
        shown: Callable[[Solution], None] | None = None,
    ) -> Solution:
        """Propose structures of a composition for a pattern.

        Args:
            pattern: as measured.
            composition: atoms of each element in a formula unit.
            engines: that propose, of `ENGINES`; when left out, those `IN_TURN`.
            samples: structures at most.
            without: reduced formulas of the library that nothing is made from.
            cell: a, b, c in Å and α, β, γ in degrees, where they are known.
            space_group: 1 to 230, where it is known.
            formula_units: of the conventional cell, where they are known.
            ligands: atoms of each element in molecules that are known to be there.
            templates: as of `Task`.
            refine: the best candidates' coordinates and cells, too.
            relax: the best of these by a force field, too; see `generator.refinement.relaxation`.
            time_limit_s: after so long no new candidate is begun; those that there are are ranked.
            progress: called with done, total and the stage.
            shown: called with what there is after each engine, ranked and not yet refined.

        Raises:
            MissingExtraError: `relax`, and CHGNet is not installed.
            QueryError: an engine that there is not, a cell that cannot be, or nothing to propose
                from.
            PatternError: the pattern cannot be used.
        """
        report = progress or _silent
        start = perf_counter()
        deadline = None if time_limit_s is None else monotonic() + time_limit_s
        proposers = proposers_of(self.pool, engines, without)
        by_force_field = chgnet() if relax else None
        whole = prepare(pattern)
        part = whole.up_to(Q_MAX_INV_ANGSTROM)
        task = Task(
            composition, MOST_ATOMS, deadline, cell, space_group, formula_units, tuple(ligands),
            templates, prepared=part,
        )  # fmt: skip
        check_known(task, self.pool.volumes(without).volume(composition))
        timings = {"prepare": 1e3 * (perf_counter() - start)}

        def solution(
            ranked: Sequence[Candidate], asked: Sequence[Proposer], warnings: Sequence[str]
        ) -> Solution:
            return Solution(
                pattern,
                on_axis(whole, whole.background),
                reduced_formula(composition),
                tuple(warnings),
                tuple(one.name for one in asked),
                self.with_curves(whole, task, grouped(ranked, samples)),
            )

        def show(found: Sequence[Candidate]) -> None:
            if shown is not None and found:
                asked = [one for one in proposers if one.name in timings]
                shown(solution(self.ranker.ranked(task, found), asked, pattern.warnings))

        found = _found(task, proposers, report, timings, show, every=engines is not None)
        if not found:
            raise QueryError(self._nothing(task, time_limit_s))
        asked = [one for one in proposers if one.name in timings]
        report(len(proposers), len(proposers) + 1, "refinement" if refine else "ranking")
        begun = perf_counter()
        ranked = self.ranker.ranked(task, found)
        timings["ranking"] = 1e3 * (perf_counter() - begun)
        begun = perf_counter()
        ranked = self.improved(task, ranked, refine=refine, relax=by_force_field)
        timings["refinement"] = 1e3 * (perf_counter() - begun)
        begun = perf_counter()
        solved = solution(ranked, asked, ())
        timings["ranking"] += 1e3 * (perf_counter() - begun)
        warnings = [*pattern.warnings, *_unused(task, asked)]
        if task.ligands and not holds_ligands(found[0].crystal, task.ligands):
            warnings.append(
                "no crystal that was made has the ligands as molecules of their own; the metals "
                "and the ligands' atoms are all that is sure of the proposals"
            )
        if refine and not has_torch():
            warnings.append(
                "coordinates were not refined, because torch is not installed; "
                "pip install 'braggle[train]'"
            )
        if task.is_late:
            warnings.append(
                f"the time limit of {time_limit_s:g} s was reached: not all may have been tried"
            )
        closest = max(one.candidate.correlation for one in solved.proposals)
        if closest < CONVINCING:
            warnings.append(
                f"the best proposal describes the pattern poorly (r {closest:.2f}): the structure "
                "type may not be in the library, or the formula not be right"
            )
        report(len(proposers) + 1, len(proposers) + 1, "ranking")
        return replace(
            solved,
            warnings=tuple(warnings),
            timings_ms={name: round(ms, 1) for name, ms in timings.items()},
        )

    def candidates(
        self,
        task: Task,
        *,
        engines: Sequence[str] | None = None,
        without: frozenset[str] = frozenset(),
        refine: bool = True,
    ) -> list[Candidate]:
        """Every candidate for a task, best first: `solve` for those that need no page.

        Args:
            task: pattern and composition.
            engines: as of `solve`.
            without: as of `solve`.
            refine: as of `solve`.
        """
        proposers = proposers_of(self.pool, engines, without)
        found = _found(task, proposers, _silent, {}, _unseen, every=engines is not None)
        return self.improved(task, self.ranker.ranked(task, found), refine=refine)

    def _nothing(self, task: Task, time_limit_s: float | None) -> str:
        """Why there is no candidate, and what to do."""
        formula = reduced_formula(task.composition)
        if task.is_late:
            return (
                f"{formula}: no crystal was made within the time limit of {time_limit_s:g} s; "
                "allow more"
            )
        known = [word for name, word in KNOWN.items() if getattr(task, name) is not None]
        if known:
            return (
                f"{formula}: no crystal of such a formula was made with the {' and '.join(known)} "
                f"that was given, from {self.library.path}; leave that out, or search a larger "
                "library"
            )
        return (
            f"{formula}: no crystal of such a formula was made, because {self.library.path} "
            "has no ordered crystal of the same kind of formula; search a larger library"
        )

    def improved(
        self, task: Task, ranked: list[Candidate], *, refine: bool, relax: Relax | None = None
    ) -> list[Candidate]:
        """Ranked candidates, and the best of them refined and relaxed in between."""
        if refine and has_torch():
            ranked = self._joined(task, ranked, refined(task, promising(ranked)))
        if relax:
            ranked = self._joined(task, ranked, relaxed(task, promising(ranked, RELAXED), relax))
        return ranked

    def _joined(
        self, task: Task, ranked: list[Candidate], more: list[Candidate]
    ) -> list[Candidate]:
        """Ranked candidates, and more of them put where they belong."""
        both = [*ranked, *self.ranker.ranked(task, more)]
        return sorted(both, key=lambda one: -one.score)

    def with_curves(
        self, whole: Prepared, task: Task, proposals: Sequence[Proposal]
    ) -> tuple[Proposal, ...]:
        """The same with template, fit and curves."""
        lines = lines_for(task, [one.candidate.crystal for one in proposals])
        drawn = []
        for i, one in enumerate(proposals):
            zero, entry = one.candidate.zero_shift_deg, one.candidate.template
            fit = final_fit(task.prepared, lines[i], strain=0.0, zero_shift_deg=zero)
            curves = overlay(whole, task.prepared, lines[i], fit.calculated, zero_shift_deg=zero)
            template = None if entry is None else self.library.entry(self.library.row(entry))
            drawn.append(
                replace(one, template=template, rwp_percent=fit.rwp_percent, overlay=curves)
            )
        return tuple(drawn)


def proposers_of(
    pool: MouldPool, engines: Sequence[str] | None, without: frozenset[str]
) -> list[Proposer]:
    """The engines of these names, or those that are asked in turn.

    Raises:
        QueryError: there is none of such a name.
    """
    names = IN_TURN if engines is None else engines
    unknown = [name for name in names if name not in ENGINES]
    if unknown or not names:
        named = ", ".join(unknown) or "none at all"
        raise QueryError(f"engine {named}: there is no such; there are: {', '.join(ENGINES)}")
    return [ENGINES[name](pool, without) for name in names]


def grouped(ranked: Sequence[Candidate], samples: int) -> list[Proposal]:
    """Ranked candidates as structures, not yet drawn."""
    groups = structures(ranked, samples)
    if not groups:
        return []
    odds = shares(np.array([ranked[members[0]].score for members in groups]))
    return [
        Proposal(i + 1, ranked[members[0]], float(odds[i]), len(members) - 1)
        for i, members in enumerate(groups)
    ]


def promising(ranked: Sequence[Candidate], most: int = REFINED) -> list[Candidate]:
    """Those that are worth refining: the best of each of the best structures."""
    return [ranked[members[0]] for members in structures(ranked, most)]


def structures(ranked: Sequence[Candidate], most: int) -> list[list[int]]:
    """Candidates of one structure together, best first in each group and among groups.

    Those that come after the first of one structure too many are not looked at: comparing takes
    longer than all else, and what they are is of no account.
    """
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
                break
            groups.append([i])
    return groups


def _found(
    task: Task,
    proposers: Sequence[Proposer],
    report: Progress,
    timings: dict[str, float],
    show: Callable[[Sequence[Candidate]], None],
    *,
    every: bool,
) -> list[Candidate]:
    """What is proposed and agrees with what is known; how long each took is put into `timings`.

    Where any have the ligands as molecules, only those. Unless every one is to propose, those that
    come after a convincing candidate are not asked. What there is after each is shown.
    """
    found: list[Candidate] = []
    for done, one in enumerate(proposers):
        report(done, len(proposers) + 1, one.name)
        begun = perf_counter()
        found += [made for made in one.propose(task, CONSIDERED) if agrees(task, made.crystal)]
        timings[one.name] = 1e3 * (perf_counter() - begun)
        show(_with_ligands(task, found))
        if not every and any(made.correlation > CONVINCED for made in found):
            break
    return _with_ligands(task, found)


def _with_ligands(task: Task, found: list[Candidate]) -> list[Candidate]:
    if not task.ligands:
        return found
    return [one for one in found if holds_ligands(one.crystal, task.ligands)] or found


def _unused(task: Task, proposers: Sequence[Proposer]) -> Iterator[str]:
    """What is known that an engine makes no use of, in words."""
    known = [name for name in KNOWN if getattr(task, name) is not None]
    for one in proposers:
        uses: frozenset[str] = getattr(one, "uses", frozenset())
        left = [KNOWN[name] for name in known if name not in uses]
        if left:
            yield (
                f"the engine {one.name} makes no use of the {' and '.join(left)}: its crystals "
                "were only compared with what is known"
            )


def _unseen(_found: Sequence[Candidate]) -> None:
    """Nobody asked to see candidates before they are all there."""


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
