"""Elements in, ranked crystals of whatever formula out: drawn as clouds of points, then judged.

With a pattern, the candidates of each formula that was drawn are a task of their own, fitted,
refined and ranked as where the formula is known, and then stand beside those of the others.
Without one, they are ranked by their energies above the hull of the known phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic, perf_counter

import numpy as np

from data.crystal import Crystal
from data.errors import QueryError
from data.formula import is_element, parse_formula, reduced_formula
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from generator.candidate import Candidate, Cell, Sought, Task
from generator.hull import ABOVE_HULL, Hull, hull_of
from generator.imagined import BY_WHAT_IS_USUAL, SETTLED, lowest_first, usual_first
from generator.known import agrees
from generator.pointcloud.engine import (
    DRAWN,
    MOST_ELEMENTS,
    PointCloudEngine,
    candidate_of,
    fitted,
)
from generator.refinement.energy import ENERGY, Settle, chgnet_settling, settled
from generator.refinement.relaxation import Relax, chgnet
from generator.solver import (
    CONSIDERED,
    MOST_ATOMS,
    Q_MAX_INV_ANGSTROM,
    Progress,
    Solution,
    Solver,
    grouped,
    promising,
)
from generator.torch_use import has_torch
from indexer.library import Library
from search.overlay import on_axis

REFINED_FORMULAS = 6
"""Formulas, those of the best candidates, whose candidates are refined."""
NAMED = 8
"""Known phases that a warning names."""

Found = tuple[list[Candidate], list[str]]
"""Candidates, best first, and what has to be said of them."""


class ElementSolver:
    """Draws crystals of some elements."""

    def __init__(self, library: Library) -> None:
        """Nothing is read before it is asked for."""
        self.library = library
        self.solver = Solver(library)

    def solve(
        self,
        symbols: Sequence[str],
        *,
        pattern: Pattern | None = None,
        samples: int = 20,
        without: frozenset[str] = frozenset(),
        cell: Cell | None = None,
        space_group: int | None = None,
        refine: bool = True,
        relax: bool = False,
        time_limit_s: float | None = None,
        progress: Progress | None = None,
    ) -> Solution:
        """Propose structures that hold all of some elements and no other.

        Args:
            symbols: of one to three elements.
            pattern: as measured, where there is one.
            samples: structures at most.
            without: reduced formulas that are not proposed, and are no phases of the hull.
            cell: as of `Sought`.
            space_group: likewise.
            refine: with a pattern, the best candidates' coordinates and cells, too.
            relax: the best of these by CHGNet, too, and energies above hull, which those are
                ranked by where there is no pattern.
            time_limit_s: after so long nothing new is begun; what there is is ranked.
            progress: called with done, total and the stage.

        Raises:
            QueryError: no such elements, too many of them, or nothing drawn.
            MissingExtraError: `relax`, and CHGNet is not installed.
            PatternError: the pattern cannot be used.
        """
        symbols = checked_symbols(symbols)
        report = progress or _silent
        deadline = None if time_limit_s is None else monotonic() + time_limit_s
        by_force_field = chgnet() if relax and pattern is not None else None
        whole = None if pattern is None else prepare(pattern)
        until = Sought(dict.fromkeys(symbols, 1.0), MOST_ATOMS, deadline, cell, space_group)
        begun = perf_counter()
        engine = PointCloudEngine(self.solver.pool, without=without)
        drawn = engine.made(
            symbols, deadline=deadline, told=lambda done, all_: report(done, all_, engine.name)
        )
        drawing_ms = 1e3 * (perf_counter() - begun)
        made = [one for one in drawn if reduced_formula(one.composition) not in without]
        begun = perf_counter()
        if whole is None or pattern is None:
            ranked, said = self._imagined(until, made, without, report, relax=relax)
            proposals = tuple(grouped(ranked, samples))
        else:
            tasks = _tasks(until, made, whole.up_to(Q_MAX_INV_ANGSTROM))
            ranked = self._fitted(made, tasks, refine=refine, relax=by_force_field, report=report)
            said = list(pattern.warnings)
            if relax:
                ranked, more = self._with_energies(until, ranked, without, report)
                said += more
            groups = grouped(ranked, samples)
            proposals = self.solver.with_curves(whole, tasks[0], groups) if groups else ()
        if not proposals:
            raise QueryError(_nothing(symbols, until, time_limit_s, len(drawn)))
        if until.is_late:
            said.append(f"the time limit of {time_limit_s:g} s was reached: not all was tried")
        ranking_ms = 1e3 * (perf_counter() - begun)
        return Solution(
            pattern,
            np.zeros(0) if whole is None else on_axis(whole, whole.background),
            "-".join(symbols),
            (_drawn_words(symbols, made), *said),
            (engine.name,),
            proposals,
            {engine.name: round(drawing_ms, 1), "ranking": round(ranking_ms, 1)},
            symbols,
        )

    def _fitted(
        self,
        made: Sequence[Crystal],
        tasks: Sequence[Task],
        *,
        refine: bool,
        relax: Relax | None,
        report: Progress,
    ) -> list[Candidate]:
        """Candidates of all formulas, best first; those of the best formulas are refined, too."""
        by_formula: dict[str, list[Crystal]] = {}
        for one in made:
            by_formula.setdefault(reduced_formula(one.composition), []).append(one)
        ranked: list[tuple[Task, list[Candidate]]] = []
        for done, task in enumerate(tasks):
            report(done, len(tasks), "fits")
            drawn = by_formula[reduced_formula(task.composition)]
            proposed = fitted(task, drawn, CONSIDERED)
            found = [one for one in proposed if agrees(task, one.crystal)]
            if found:
                ranked.append((task, self.solver.ranker.ranked(task, found)))
        ranked.sort(key=lambda one: -one[1][0].score)
        every: list[Candidate] = []
        for done, (task, own) in enumerate(ranked):
            report(done, len(ranked), "refinement" if refine else "ranking")
            best = done < REFINED_FORMULAS and not task.is_late
            every += self.solver.improved(
                task, own, refine=refine and best, relax=relax if best else None
            )
        return sorted(every, key=lambda one: -one.score)

    def _imagined(
        self,
        until: Sought,
        made: Sequence[Crystal],
        without: frozenset[str],
        report: Progress,
        *,
        relax: bool,
    ) -> Found:
        """What is usual first, or, with a force field, what lies lowest above the hull."""
        ranked = usual_first([candidate_of(one) for one in made if agrees(until, one)])
        said = ["no pattern was given: nothing but the elements speaks for these structures"]
        if not relax:
            return ranked, [*said, BY_WHAT_IS_USUAL]
        settle = chgnet_settling()
        hull = self._hull(until, settle, without, report)
        relaxed = settled(until, promising(ranked, SETTLED), settle, report)
        known = [one for one in with_above(hull, relaxed) if ABOVE_HULL in one.features]
        return lowest_first(known, ranked, ABOVE_HULL), [*said, *said_of(hull)]

    def _with_energies(
        self,
        until: Sought,
        ranked: Sequence[Candidate],
        without: frozenset[str],
        report: Progress,
    ) -> Found:
        """The same candidates in the same order, the best with their energies as they are."""
        still = chgnet_settling(0)
        hull = self._hull(until, chgnet_settling(), without, report)
        features = {}
        for one in promising(ranked, SETTLED):
            there = with_above(hull, settled(until, [one], still, _silent))
            features[id(one)] = there[0].features if there else one.features
        told = [replace(one, features=features.get(id(one), one.features)) for one in ranked]
        return told, said_of(hull)

    def _hull(
        self, until: Sought, settle: Settle, without: frozenset[str], report: Progress
    ) -> Hull:
        return hull_of(
            self.library,
            tuple(until.composition),
            settle,
            without=without,
            deadline=until.deadline,
            report=report,
        )


def checked_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """Symbols of one to three elements, each once, that the network may be asked for.

    Raises:
        QueryError: they are not.
    """
    found = tuple(dict.fromkeys(one.strip() for one in symbols if one.strip()))
    unknown = [one for one in found if not is_element(one)]
    if unknown:
        raise QueryError(f"elements {','.join(unknown)}: no such element; write symbols: Mg,Mn,O")
    if not 1 <= len(found) <= MOST_ELEMENTS:
        raise QueryError(
            f"elements {','.join(found) or 'none'}: a cloud of points holds one to "
            f"{MOST_ELEMENTS} elements, not {len(found)}; name as many"
        )
    if not has_torch():
        raise QueryError(
            f"elements {','.join(found)}: drawing needs torch; pip install 'braggle[train]'"
        )
    return found


def with_above(hull: Hull, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, with energies above the hull where they and it are known."""
    found = []
    for one in candidates:
        energy = one.features.get(ENERGY)
        above = None if energy is None else hull.above(one.crystal.composition, energy)
        more = {} if above is None else {ABOVE_HULL: above}
        found.append(replace(one, features={**one.features, **more}))
    return found


def said_of(hull: Hull) -> list[str]:
    """What has to be said of energies above a hull."""
    if hull.left_out:
        said = (
            f"no energy above hull is estimated: the time limit left {hull.left_out} of the known "
            "phases out; allow more"
        )
    elif hull.missing:
        said = (
            "no energy above hull is estimated: the library has no usable crystal of "
            f"{', '.join(hull.missing)}; search a larger library"
        )
    elif not hull.competing:
        said = (
            "energies above hull are estimates by CHGNet, not DFT; the library has no compound of "
            "these elements, so that they are too low: only the elements compete"
        )
    else:
        more = len(hull.competing) - NAMED
        said = (
            "energies above hull are estimates by CHGNet, not DFT; phases that the library lacks "
            f"do not compete, these do: the elements, {', '.join(hull.competing[:NAMED])}"
            f"{f' and {more} more' if more > 0 else ''}"
        )
    return [said]


def _tasks(until: Sought, made: Sequence[Crystal], part: Prepared) -> list[Task]:
    """One of each formula that was drawn."""
    return [
        Task(
            parse_formula(formula), until.most_atoms, until.deadline, until.cell,
            until.space_group, prepared=part,
        )
        for formula in dict.fromkeys(reduced_formula(one.composition) for one in made)
    ]  # fmt: skip


def _drawn_words(symbols: Sequence[str], made: Sequence[Crystal]) -> str:
    formulas = {reduced_formula(one.composition) for one in made}
    return (
        f"{len(made)} of {DRAWN} clouds are crystals of all of {', '.join(symbols)}, of "
        f"{len(formulas)} formulas; atoms that overlapped were pushed apart"
    )


def _nothing(symbols: Sequence[str], until: Sought, time_limit_s: float | None, made: int) -> str:
    """Why there is no proposal, and what to do."""
    named = ",".join(symbols)
    if until.is_late:
        return f"elements {named}: nothing was drawn within {time_limit_s:g} s; allow more"
    if made:
        return (
            f"elements {named}: none of the {made} crystals that were drawn agrees with what is "
            "known, or all are left out; say less"
        )
    return (
        f"elements {named}: none of {DRAWN} clouds is a crystal of all of them with room for its "
        "atoms; ask for elements that form compounds"
    )


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
