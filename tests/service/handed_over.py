"""Phases as they are handed over, in strained cells."""

from __future__ import annotations

from data.crystal import Crystal
from service.handover import Phase
from service.handover.phases import in_cell
from tests.service.conftest import MakeResult

STRAIN_PERCENT = 0.31


def strained(crystal: Crystal, strain_percent: float) -> Crystal:
    a, b, c, *angles = crystal.cell
    factor = 1 + strain_percent / 100
    alpha, beta, gamma = angles
    return in_cell(crystal, (a * factor, b * factor, c * factor, alpha, beta, gamma))


def phase_of(crystal: Crystal, make_result: MakeResult, name: str = "Phase") -> Phase:
    hit = make_result(names=(name,)).hits[0]
    return Phase(hit, strained(crystal, STRAIN_PERCENT), f"1-{name}", f"P1_{name}", 0.0, ())
