"""A formula in, ranked crystals out, where there is no pattern: by energy, or by what is usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic, perf_counter

import numpy as np

from data.errors import QueryError
from data.formula import reduced_formula
from generator.candidate import Candidate, Cell, Imaginer, Sought
from generator.contacts import closest_contact
from generator.known import agrees, check_known
from generator.pointcloud import engine as pointcloud
from generator.pointcloud.engine import PointCloudEngine
from generator.pool import NEVER_SEEN, MouldPool
from generator.ranking import CandidateRanker
from generator.refinement.energy import ENERGY, Settle, chgnet_settling, settled
from generator.refinement.freedom import free_parameters
from generator.solver import (
    MOST_ATOMS,
    Progress,
    Proposal,
    Solution,
    grouped,
    promising,
    proposers_of,
)
from indexer.library import Library

CONSIDERED = 60
"""Candidates of an engine that are ranked."""
SETTLED = 12
"""Structures, the likeliest, whose energy is asked for."""
MISMATCH = 3.0
"""What a unit of the misfit to predicted distances counts for beside what is usual."""
HEAT_EV = 0.05
"""Energy an atom, in eV, that makes a structure e times less likely."""
BY_WHAT_IS_USUAL = (
    "structures are ranked by what is usual and not by energy; the option relax has CHGNet "
    "estimate it"
)
WITHOUT_PATTERN = ("substitution", "distance")
"""Engines that need no pattern, and are asked when none is named."""
BY_NAME = (PointCloudEngine.name,)
"""Those that are asked by name alone."""


class FormulaSolver:
    """Proposes crystals of a formula from those of a library and from predicted distances."""

    def __init__(self, library: Library) -> None:
        """Nothing is read before it is asked for."""
        self.library = library
        self.pool = MouldPool(library)

    def solve(
        self,
        composition: Mapping[str, float],
        *,
        engines: Sequence[str] | None = None,
        samples: int = 20,
        without: frozenset[str] = frozenset(),
        cell: Cell | None = None,
        space_group: int | None = None,
        formula_units: int | None = None,
        relax: bool = False,
        time_limit_s: float | None = None,
        progress: Progress | None = None,
    ) -> Solution:
        """Propose structures of a composition.

        Args:
            composition: atoms of each element in a formula unit.
            engines: that propose, of `WITHOUT_PATTERN` and `BY_NAME`; the former when left out.
            samples: structures at most.
            without: reduced formulas of the library that nothing is made from.
            cell: as of `Sought`.
            space_group: likewise.
            formula_units: likewise.
            relax: the likeliest by CHGNet, and rank these by their energy.
            time_limit_s: after so long nothing new is begun; what there is is ranked.
            progress: called with done, total and the stage.

        Raises:
            QueryError: an engine that there is not or that needs a pattern, a cell that cannot be,
                or nothing to propose from.
            MissingExtraError: `relax`, and CHGNet is not installed.
        """
        report = progress or _silent
        deadline = None if time_limit_s is None else monotonic() + time_limit_s
        sought = Sought(composition, MOST_ATOMS, deadline, cell, space_group, formula_units)
        check_known(sought, self.pool.volumes(without).volume(composition))
        names = tuple(engines or WITHOUT_PATTERN)
        imaginers = self._imaginers(names, without)
        settle = chgnet_settling() if relax else None
        timings: dict[str, float] = {}
        found: list[Candidate] = []
        for done, one in enumerate(imaginers):
            report(done, len(names), one.name)
            begun = perf_counter()
            found += _imagined(sought, one)
            timings[one.name] = 1e3 * (perf_counter() - begun)
        if not found:
            raise QueryError(self._nothing(sought, names, time_limit_s))
        begun = perf_counter()
        ranked = by_energy(sought, usual_first(found), settle, report)
        timings["ranking"] = 1e3 * (perf_counter() - begun)
        return Solution(
            None,
            np.zeros(0),
            reduced_formula(composition),
            _warnings(sought, time_limit_s, settle),
            names,
            self._with_templates(grouped(ranked, samples)),
            {name: round(ms, 1) for name, ms in timings.items()},
        )

    def candidates(
        self,
        sought: Sought,
        *,
        engines: Sequence[str] | None = None,
        without: frozenset[str] = frozenset(),
        settle: Settle | None = None,
    ) -> list[Candidate]:
        """Every candidate, best first: `solve` for those that need no page.

        Args:
            sought: what is known.
            engines: as of `solve`.
            without: as of `solve`.
            settle: a force field to rank by.
        """
        names = tuple(engines or WITHOUT_PATTERN)
        found = [made for one in self._imaginers(names, without) for made in _imagined(sought, one)]
        return by_energy(sought, usual_first(found), settle, _silent)

    def _imaginers(self, names: Sequence[str], without: frozenset[str]) -> list[Imaginer]:
        proposers = proposers_of(self.pool, names, without)
        found = [one for one in proposers if isinstance(one, Imaginer)]
        if len(found) < len(proposers):
            named = ", ".join(one.name for one in proposers if not isinstance(one, Imaginer))
            raise QueryError(
                f"engine {named}: needs a pattern; without one there are: "
                f"{', '.join((*WITHOUT_PATTERN, *BY_NAME))}"
            )
        return found

    def _nothing(self, sought: Sought, names: Sequence[str], time_limit_s: float | None) -> str:
        formula = reduced_formula(sought.composition)
        if sought.is_late:
            return (
                f"{formula}: no crystal was made within the time limit of {time_limit_s:g} s; "
                "allow more"
            )
        if names == (PointCloudEngine.name,):
            return (
                f"{formula}: no cloud became a crystal of such a formula; clouds hold one to "
                f"{pointcloud.MOST_ELEMENTS} elements and {pointcloud.MOST_ATOMS} atoms in the "
                "primitive cell: ask another engine, or leave out what is not sure"
            )
        return (
            f"{formula}: no crystal of such a formula was made from {self.library.path}; leave out "
            "what is not sure, or search a larger library"
        )

    def _with_templates(self, proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
        found = []
        for one in proposals:
            id_ = one.candidate.template
            template = None if id_ is None else self.library.entry(self.library.row(id_))
            found.append(replace(one, template=template))
        return tuple(found)


def usual_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates ranked by what of the ranking with a pattern needs none.

    That is: room for atoms, how unlike exchanged elements are, whether a known crystal stands
    behind, how common its type is, and how many numbers describe it. Those that were made of
    predicted distances lose by how far they are from them.
    """
    weights = CandidateRanker.shipped().by_name
    scored = [replace(one, score=_usual(one, weights)) for one in candidates]
    return sorted(scored, key=lambda one: -one.score)


def _usual(one: Candidate, weights: Mapping[str, float]) -> float:
    seen = {
        "crowding": max(1.0 - closest_contact(one.crystal), 0.0),
        "exchange": one.features.get("exchange", 0.0),
        "invention": float(one.template is None),
        "freedom": float(np.log(free_parameters(one.crystal))),
        "rarity": one.features.get("rarity", NEVER_SEEN),
    }
    usual = sum(weights[name] * value for name, value in seen.items())
    return usual - MISMATCH * one.features.get("mismatch", 0.0)


def by_energy(
    sought: Sought, ranked: Sequence[Candidate], settle: Settle | None, report: Progress
) -> list[Candidate]:
    """The likeliest structures relaxed, of the least energy first, then the others.

    Args:
        sought: until when.
        ranked: as of `usual_first`.
        settle: a force field; without one they stay as they are.
        report: called with done, total and the stage.
    """
    if settle is None:
        return list(ranked)
    relaxed = settled(sought, promising(ranked, SETTLED), settle, report)
    return lowest_first(relaxed, ranked, ENERGY)


def lowest_first(
    relaxed: Sequence[Candidate], ranked: Sequence[Candidate], energy: str
) -> list[Candidate]:
    """Structures whose energy is known, of the least first, then all as they were ranked.

    Args:
        relaxed: with the energy among their features.
        ranked: best first.
        energy: the feature, in eV an atom.
    """
    if not relaxed:
        return list(ranked)
    least = min(one.features[energy] for one in relaxed)
    top = max(one.score for one in ranked)
    scored = [
        replace(one, score=top + 20.0 - (one.features[energy] - least) / HEAT_EV) for one in relaxed
    ]
    return [*sorted(scored, key=lambda one: -one.score), *ranked]


def _imagined(sought: Sought, engine: Imaginer) -> list[Candidate]:
    return [one for one in engine.imagine(sought, CONSIDERED) if agrees(sought, one.crystal)]


def _warnings(sought: Sought, time_limit_s: float | None, settle: Settle | None) -> tuple[str, ...]:
    said = ["no pattern was given: nothing but the formula speaks for these structures"]
    if settle is None:
        said.append(BY_WHAT_IS_USUAL)
    if sought.is_late:
        said.append(f"the time limit of {time_limit_s:g} s was reached: not all was tried")
    return tuple(said)


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
