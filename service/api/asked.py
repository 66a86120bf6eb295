"""What is asked of `generate`, understood in the way of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from data.formula import parse_formula, reduced_formula
from data.radiation import Radiation
from generator.candidate import Cell
from service.api.problems import ProblemError, about
from service.api.queries import GenerateOptions, radiation_of
from service.commands.sample import cell_of, sample_of, space_group_of

NEED_A_PATTERN = ("relax", "ligands", "wavelength")


@dataclass(frozen=True)
class Asked:
    """What is asked of `generate`, understood."""

    composition: Mapping[str, float]
    ligands: tuple[Mapping[str, float], ...]
    cell: Cell | None
    space_group: int | None
    without: frozenset[str]
    radiation: Radiation | None


def asked_of(options: GenerateOptions, *, measured: bool) -> Asked:
    """Understand options; called before a job is made, too.

    Args:
        options: as they were sent.
        measured: whether there is a pattern.

    Raises:
        ProblemError: one of them is not understood, or needs a pattern that is not there.
    """
    if not measured:
        for name in NEED_A_PATTERN:
            if getattr(options, name):
                raise ProblemError(
                    "bad-value", f"{name}: goes with a pattern; send one, or leave it out",
                    field=name,
                )  # fmt: skip
    with about("formula"):
        sample = sample_of(
            options.formula, options.metals, options.ligands.split() if options.ligands else None
        )
    with about("cell"):
        cell = cell_of(options.cell)
    with about("space_group"):
        group = None if options.space_group is None else space_group_of(str(options.space_group))
    with about("without"):
        without = frozenset(
            reduced_formula(parse_formula(one)) for one in options.without.split(",") if one.strip()
        )
    return Asked(
        sample.composition, sample.ligands, cell, group, without, radiation_of(options.wavelength)
    )
