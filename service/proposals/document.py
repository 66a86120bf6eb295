"""Proposed structures as a JSON document and as CIFs."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Any

from data.canonical import space_group_symbol
from data.cif import write_cif
from data.errors import BraggleError
from data.formula import reduced_formula
from generator.hull import ABOVE_HULL
from generator.solver import Proposal, Solution

ESTIMATE = "an estimate by the force field CHGNet, not DFT"


def solution_answer(solution: Solution, files: dict[int, str] | None = None) -> dict[str, Any]:
    """The document of `braggle generate --json`. Lengths in Å, angles in degrees.

    Without a pattern there are no file, no points and no fit.

    Args:
        solution: what was proposed.
        files: CIF of each proposal, by rank.
    """
    pattern = solution.query
    return {
        "query": {
            "file": None if pattern is None else pattern.name,
            "points": 0 if pattern is None else len(pattern),
            "formula": solution.formula,
            **({"elements": list(solution.elements)} if solution.elements else {}),
            "warnings": list(solution.warnings),
        },
        "engines": list(solution.engines),
        "proposals": [_proposal(one, (files or {}).get(one.rank)) for one in solution.proposals],
        "timings_ms": dict(solution.timings_ms),
    }


def write_cifs(solution: Solution, folder: Path) -> dict[int, str]:
    """A CIF of each proposal in a folder; their paths by rank.

    Raises:
        BraggleError: a file cannot be written.
    """
    files = {}
    for one in solution.proposals:
        path = folder / f"{_name(one)}.cif"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(cif_of(one), "utf-8")
        except OSError as error:
            raise BraggleError(f"{path}: cannot be written: {error.strerror}") from error
        files[one.rank] = str(path)
    return files


def cif_of(one: Proposal) -> str:
    """The text of a proposal's CIF."""
    return write_cif(one.candidate.crystal, name=_name(one))


def _name(one: Proposal) -> str:
    return f"{one.rank:02d}-{_formula(one)}"


def _proposal(one: Proposal, file: str | None) -> dict[str, Any]:
    crystal = one.candidate.crystal
    template = one.template
    return {
        "rank": one.rank,
        "formula": _formula(one),
        "proposer": one.candidate.proposer,
        "refined": one.candidate.refined,
        "template": None
        if template is None
        else {"id": template.id, "formula": template.formula, "names": list(template.names)},
        "space_group": space_group_symbol(crystal.space_group_number),
        "cell": dict(zip(("a", "b", "c", "alpha", "beta", "gamma"), crystal.cell, strict=True)),
        "atoms": len(crystal),
        "probability": one.probability,
        "score": one.candidate.score,
        "features": dict(one.candidate.features),
        "copies": one.copies,
        **_above_hull(one),
        "fit": None
        if isnan(one.candidate.correlation)
        else {
            "rwp_percent": one.rwp_percent,
            "correlation": one.candidate.correlation,
            "zero_shift_deg": one.candidate.zero_shift_deg,
        },
        "cif": file,
    }


def _formula(one: Proposal) -> str:
    return reduced_formula(one.candidate.crystal.composition)


def _above_hull(one: Proposal) -> dict[str, Any]:
    """Where it was estimated."""
    above = one.candidate.features.get(ABOVE_HULL)
    return {} if above is None else {ABOVE_HULL: above, "above_hull_is": ESTIMATE}
