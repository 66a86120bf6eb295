"""`braggle bench solve --no-pattern`: how often a crystal is found from its formula alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from data.errors import QueryError
from generator.candidate import Candidate, Sought
from generator.imagined import WITHOUT_PATTERN, FormulaSolver
from generator.refinement.energy import chgnet_settling
from generator.substitution import SubstitutionEngine
from indexer.library import Library
from service.bench.provenance import provenance
from service.bench.solve import (
    ALONE,
    COPY,
    SOLVER,
    WITHOUT,
    Advance,
    Outcome,
    SolveCase,
    best_of,
    measured_cases,
    outcome_of,
    shares_of_engines,
    summary_of,
    told_of_each,
    with_groups,
)


def bench_formulas(
    library: Library,
    queries: Path,
    *,
    max_atoms: int = 12,
    samples: int = 20,
    engines: Sequence[str] | None = None,
    relax: bool = False,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Propose crystals for the formulas of measured cases, whose patterns are not looked at.

    Beside it stands a control: substitution alone, the most alike elements first. The case's own
    reduced formula is withheld.

    Args:
        library: whose crystals may be made use of.
        queries: folder of measured cases; those with ordered truths are taken.
        max_atoms: of the primitive cell, of cases.
        samples: candidates that are looked at.
        engines: that propose; those that need no pattern when left out.
        relax: the likeliest are relaxed by CHGNet and ranked by energy.
        advance: called with done, total and the stage.

    Raises:
        QueryError: no case is left.
        MissingExtraError: `relax`, and CHGNet is not installed.
    """
    solver = FormulaSolver(library)
    settle = chgnet_settling() if relax else None
    cases = [with_groups(one, solver.pool) for one in measured_cases(queries, max_atoms)]
    if not cases:
        raise QueryError(
            f"{queries}: no case with an ordered crystal of at most {max_atoms} atoms; raise "
            "--max-atoms"
        )
    names = tuple(engines or WITHOUT_PATTERN)
    compared = names if len(names) > 1 else ()
    outcomes: list[dict[str, Outcome]] = []
    for done, case in enumerate(cases):
        sought = Sought(case.truth.composition, most_atoms=2 * case.atoms)
        begun = perf_counter()
        ranked = solver.candidates(sought, engines=names, without=case.without, settle=settle)
        seconds = perf_counter() - begun
        outcomes.append(_outcomes(case, ranked, compared, samples, seconds))
        engine = SubstitutionEngine(solver.pool, without=case.without)
        begun = perf_counter()
        copied = [one.crystal for one in engine.imagine(sought, samples)]
        outcomes[-1][COPY] = outcome_of(case.truth, copied, perf_counter() - begun)
        if advance is not None:
            advance(done + 1, len(cases), "cases")
    groups = [one.groups for one in cases]
    return {
        "benchmark": "solve",
        "cases": len(cases),
        "max_atoms": max_atoms,
        "samples": samples,
        "given": "formula, no pattern",
        "engines": list(names),
        "relax": relax,
        **summary_of([one[SOLVER] for one in outcomes], groups),
        "controls": {COPY: summary_of([one[COPY] for one in outcomes], groups)},
        "by_engine": shares_of_engines(compared, outcomes, groups),
        "per_case": told_of_each(cases, outcomes),
        **provenance(library),
    }


def _outcomes(
    case: SolveCase,
    ranked: Sequence[Candidate],
    compared: Sequence[str],
    samples: int,
    seconds: float,
) -> dict[str, Outcome]:
    def outcome(kept: Sequence[Candidate]) -> Outcome:
        return outcome_of(case.truth, best_of(kept, samples), seconds)

    found = {SOLVER: outcome(ranked)}
    for engine in compared:
        found[ALONE + engine] = outcome([one for one in ranked if one.proposer == engine])
        found[WITHOUT + engine] = outcome([one for one in ranked if one.proposer != engine])
    if ranked:
        found[SOLVER] = replace(found[SOLVER], first=ranked[0].proposer)
    return found
