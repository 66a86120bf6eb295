"""Hypotheses grown one phase at a time, the best few of each size kept side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.preparation import Prepared
from search.mixture import profile
from search.mixture.entries import Entries
from search.mixture.hypothesis import (
    MODEL_ERROR,
    PHASE_COST,
    Hypothesis,
    root_profile,
    searching_freedom,
    without_doubles,
)
from search.mixture.joint_fit import Freedom, JointFit, Phase, State, fit_jointly
from search.mixture.screening import Screening, screen
from search.profile_fit import LORENTZIAN_SHARE

BEAM = 4
"""Hypotheses of each size that a further phase is sought for; `FIRST_BEAM` of one phase."""
FIRST_BEAM = 6
TRIED, FIRST_TRIED = 8, 16
"""Different phases that are fitted together with each of them, and to begin with."""
SHORTLIST = 250
"""Entries that the first stage finds for what is left over."""
SEEDS = 60
"""Of the entries nearest the whole pattern, those that are screened against what is left, too."""
LOOKED_AT = 60
"""Rows of the greatest gain among which different ones are sought."""
SAME_PROFILE = 0.96
"""Cosine of two square-root profiles above which only the better phase is fitted."""
SAME_CURVE = 0.997
"""The same of whole hypotheses."""

_ROWS = NDArray[np.int64]


def grow(prepared: Prepared, entries: Entries, seeds: _ROWS, most_phases: int) -> list[Hypothesis]:
    """Hypotheses of up to so many phases, best first.

    Args:
        prepared: the query.
        entries: of the library.
        seeds: rows nearest the whole pattern, best first.
        most_phases: at least 1.
    """
    freedom = searching_freedom(prepared)
    beam: list[Hypothesis | None] = [None]
    known: dict[frozenset[int], Hypothesis] = {}
    best = -np.inf
    for size in range(1, most_phases + 1):
        found: dict[frozenset[int], Hypothesis] = {}
        for start in beam:
            for new in _with_another(prepared, entries, freedom, seeds, start):
                if new.key not in found or new.score > found[new.key].score:
                    found[new.key] = new
        ranked = without_doubles(_ranked(found.values()), SAME_CURVE)
        if not ranked:
            break
        known |= {one.key: one for one in ranked}
        beam = list(ranked[: FIRST_BEAM if size == 1 else BEAM])
        if ranked[0].score < best - PHASE_COST:
            break
        best = max(best, ranked[0].score)
    return _ranked(known.values())


def _ranked(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    return sorted(hypotheses, key=lambda one: -one.score)


def _with_another(
    prepared: Prepared,
    entries: Entries,
    freedom: Freedom,
    seeds: _ROWS,
    start: Hypothesis | None,
) -> list[Hypothesis]:
    """A hypothesis with each of the likeliest further phases."""
    rows = seeds if start is None else further_rows(prepared, entries, seeds, start.fit, start.rows)
    if len(rows) == 0:
        return []
    fit = None if start is None else start.fit
    seen = screened(prepared, entries, freedom, rows, fit)
    grown = []
    most = FIRST_TRIED if start is None else TRIED
    for i in different(prepared, entries, rows, seen, most):
        if start is not None and seen.gain[i] < PHASE_COST:
            break
        new = joined(prepared, entries, freedom, int(rows[i]), seen, i, fit)
        if new.holds:
            grown.append(new)
    return grown


def further_rows(
    prepared: Prepared, entries: Entries, seeds: _ROWS, fit: JointFit, present: Iterable[int]
) -> _ROWS:
    """Rows that may explain what a fit leaves over, the present ones left out."""
    calculated = fit.calculated
    error = MODEL_ERROR * np.maximum(calculated, 0.0)
    rest = replace(
        prepared,
        net=prepared.net - calculated,
        sigma=np.sqrt(prepared.sigma**2 + error**2),
    )
    rows = np.union1d(entries.nearest(rest, SHORTLIST), seeds[:SEEDS])
    return rows[~np.isin(rows, list(present))]


def screened(
    prepared: Prepared, entries: Entries, freedom: Freedom, rows: _ROWS, fit: JointFit | None
) -> Screening:
    """What each row would add to a fit; see `screen`."""
    profiles = [] if fit is None else list(fit.profiles)
    return screen(
        prepared,
        entries.library.lines_of(rows),
        left=prepared.net if fit is None else prepared.net - fit.calculated,
        weight=freedom.weight,
        present=np.vstack([*profiles, freedom.background]),
        zero_shift_deg=None if fit is None else fit.zero_shift_deg,
    )


def different(
    prepared: Prepared, entries: Entries, rows: _ROWS, seen: Screening, most: int
) -> list[int]:
    """Places of the rows that gain most, leaving out those that are drawn like a better one."""
    chosen: list[int] = []
    curves: list[NDArray[np.float64]] = []
    for i in np.argsort(-seen.gain, kind="stable")[:LOOKED_AT].tolist():
        if len(chosen) == most or seen.gain[i] <= 0:
            break
        curve = root_profile(_drawn(prepared, entries.phase(int(rows[i])), seen, i))
        if not any(float(curve @ other) > SAME_PROFILE for other in curves):
            chosen.append(i)
            curves.append(curve)
    return chosen


def joined(
    prepared: Prepared,
    entries: Entries,
    freedom: Freedom,
    row: int,
    seen: Screening,
    place: int,
    fit: JointFit | None,
) -> Hypothesis:
    """A fit with one phase more, all of them fitted again."""
    state = State(np.array([seen.strain[place]]), float(seen.fwhm_deg[place]))
    phases, states = (() if fit is None else fit.phases), (() if fit is None else fit.states)
    new = fit_jointly(
        prepared,
        (*phases, entries.phase(row)),
        (*states, state),
        freedom,
        zero_shift_deg=float(seen.zero_shift_deg[place]),
        steps=5,
    )
    return Hypothesis.of(prepared, entries, freedom, new)


def _drawn(prepared: Prepared, phase: Phase, seen: Screening, i: int) -> NDArray[np.float64]:
    drawn = profile.draw(
        prepared,
        phase.half_inv_d,
        phase.strength,
        phase.shares,
        np.array([seen.strain[i]]),
        phase.modes,
        np.zeros(len(phase.modes)),
        zero_shift_deg=float(seen.zero_shift_deg[i]),
        fwhm_deg=float(seen.fwhm_deg[i]),
        broadening_deg=0.0,
        lorentzian=LORENTZIAN_SHARE,
    )
    return np.asarray(drawn[profile.VALUE])
