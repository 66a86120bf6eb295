"""What structures are asked for, by the command line and by the service alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from data.pattern import Pattern
from data.radiation import Radiation
from generator.candidate import Cell
from generator.elements import ElementSolver
from generator.imagined import FormulaSolver
from generator.solver import Progress, Solution, Solver
from indexer.library import Library


@dataclass(frozen=True)
class Wanted:
    """What is known of a sample, and how structures of it are sought.

    Attributes:
        composition: atoms of each element in a formula unit; of no meaning where there are
            `symbols`.
        symbols: elements, where nothing else is known of what it is made of.
        ligands, cell, space_group, formula_units: as of `generator.candidate.Sought`.
        engines, samples, templates, without, refine, relax, time_limit_s: as of
            `generator.solver.Solver.solve`.
        radiation: that the pattern is read with, where it is told.
    """

    composition: Mapping[str, float]
    symbols: tuple[str, ...] = ()
    ligands: tuple[Mapping[str, float], ...] = ()
    cell: Cell | None = None
    space_group: int | None = None
    formula_units: int | None = None
    engines: tuple[str, ...] | None = None
    samples: int = 20
    templates: int = 4
    without: frozenset[str] = frozenset()
    refine: bool = True
    relax: bool = False
    time_limit_s: float | None = None
    radiation: Radiation | None = None


def proposed(
    library: Library,
    wanted: Wanted,
    pattern: Pattern | None,
    *,
    progress: Progress | None = None,
    shown: Callable[[Solution], None] | None = None,
) -> Solution:
    """Structures for elements, for a formula, or for a formula and a pattern.

    Args:
        library: that they are made from.
        wanted: what is asked for.
        pattern: as measured, where there is one.
        progress: called with done, total and the stage.
        shown: with a formula and a pattern, called with what there is so far.

    Raises:
        BraggleError: as the solvers do.
    """
    if wanted.symbols:
        return ElementSolver(library).solve(
            wanted.symbols,
            pattern=pattern,
            cell=wanted.cell,
            space_group=wanted.space_group,
            samples=wanted.samples,
            without=wanted.without,
            refine=wanted.refine,
            relax=wanted.relax,
            time_limit_s=wanted.time_limit_s,
            progress=progress,
        )
    if pattern is None:
        return FormulaSolver(library).solve(
            wanted.composition,
            cell=wanted.cell,
            space_group=wanted.space_group,
            formula_units=wanted.formula_units,
            engines=wanted.engines,
            samples=wanted.samples,
            without=wanted.without,
            relax=wanted.relax,
            time_limit_s=wanted.time_limit_s,
            progress=progress,
        )
    return Solver(library).solve(
        pattern,
        wanted.composition,
        ligands=wanted.ligands,
        cell=wanted.cell,
        space_group=wanted.space_group,
        formula_units=wanted.formula_units,
        engines=wanted.engines,
        samples=wanted.samples,
        templates=wanted.templates,
        without=wanted.without,
        refine=wanted.refine,
        relax=wanted.relax,
        time_limit_s=wanted.time_limit_s,
        progress=progress,
        shown=shown,
    )
