"""What is asked of `generate`, understood in the way of the command line."""

from __future__ import annotations

from data.formula import parse_formula, reduced_formula
from generator.elements import checked_symbols
from service.api.problems import ProblemError, about
from service.api.queries import GenerateOptions
from service.commands.sample import Sample, cell_of, sample_of, space_group_of
from service.proposals import Wanted

NEED_A_PATTERN = ("ligands", "wavelength")
NEED_A_FORMULA = ("formula", "metals", "ligands", "formula_units")
"""What `elements` stand in place of."""
DRAWS = ["pointcloud"]
"""Engines of elements alone."""


def wanted_of(options: GenerateOptions, *, measured: bool) -> Wanted:
    """Understand options; called before a job is made, too.

    Args:
        options: as they were sent.
        measured: whether there is a pattern.

    Raises:
        ProblemError: one of them is not understood, needs what is not there, or does not go with
            another.
    """
    if not measured:
        for name in NEED_A_PATTERN:
            if getattr(options, name):
                raise _refused(name, "goes with a pattern; send one, or leave it out")
    symbols: tuple[str, ...] = ()
    sample = Sample({})
    if options.elements:
        for name in NEED_A_FORMULA:
            if getattr(options, name):
                raise _refused(name, "elements stand in place of it; leave one or the other out")
        if options.engines != DRAWS:
            raise _refused("engines", "elements go with the engine pointcloud alone; name it")
        with about("elements"):
            symbols = checked_symbols(options.elements.split(","))
    else:
        with about("formula"):
            sample = sample_of(
                options.formula, options.metals,
                options.ligands.split() if options.ligands else None,
            )  # fmt: skip
    with about("cell"):
        cell = cell_of(options.cell)
    with about("space_group"):
        group = None if options.space_group is None else space_group_of(str(options.space_group))
    with about("without"):
        without = frozenset(
            reduced_formula(parse_formula(one)) for one in options.without.split(",") if one.strip()
        )
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
    )


def _refused(name: str, why: str) -> ProblemError:
    return ProblemError("bad-value", f"{name}: {why}", field=name)
