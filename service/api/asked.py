"""What is asked of `generate`, understood in the way of the command line."""

from __future__ import annotations

from generator.elements import checked_symbols
from service.api.problems import ProblemError, about
from service.api.queries import GenerateOptions, radiation_of
from service.commands.sample import (
    Sample,
    cell_of,
    conflict,
    sample_of,
    space_group_of,
    withheld_of,
)
from service.proposals import Wanted


def wanted_of(options: GenerateOptions, *, measured: bool) -> Wanted:
    """Understand options; called before a job is made, too.

    Args:
        options: as they were sent.
        measured: whether there is a pattern.

    Raises:
        ProblemError: one of them is not understood, needs what is not there, or does not go with
            another.
    """
    amiss = conflict([name for name, value in options if value], options.engines, measured=measured)
    if amiss is not None:
        name, why = amiss
        raise ProblemError("bad-value", f"{name}: {why}", field=name)
    symbols: tuple[str, ...] = ()
    sample = Sample({})
    if options.elements:
        with about("elements"):
            symbols = checked_symbols(options.elements.split(","))
    else:
        ligands = options.ligands.split() if options.ligands else None
        with about("formula"):
            sample = sample_of(options.formula, options.metals, ligands)
    with about("cell"):
        cell = cell_of(options.cell)
    with about("space_group"):
        group = None if options.space_group is None else space_group_of(str(options.space_group))
    with about("without"):
        without = withheld_of(options.without)
    return Wanted(
        sample.composition,
        symbols=symbols,
        ligands=sample.ligands,
        cell=cell,
        space_group=group,
        formula_units=options.formula_units,
        engines=tuple(options.engines) if options.engines else None,
        samples=options.samples,
        templates=options.templates,
        without=without,
        refine=options.refine,
        relax=options.relax,
        time_limit_s=options.time_limit,
        radiation=radiation_of(options.wavelength),
    )
