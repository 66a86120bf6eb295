"""A pattern in, ranked mixtures out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.preparation import Prepared
from search.mixture.cell import strained_lattice
from search.mixture.confidence import Belief, open_features, which_features
from search.mixture.entries import Entries
from search.mixture.final import Weighed, weigh
from search.mixture.growth import grow
from search.mixture.hypothesis import Hypothesis
from search.mixture.ties import Settled, settle
from search.overlay import on_axis
from search.result import TRACE_PERCENT, Mixture, MixturePhase, Overlay, Tie

MOST_PHASES = 6
"""No more are tried: each further one is sought in what the others leave over."""

SETTLED = 3
"""Hypotheses whose every phase is compared with other entries, and that are answered."""

FAR_BEHIND = 60.0
"""A hypothesis whose score is this much below the best one's is not worth an answer."""

SHOWN_TIES = 8

_FLOAT = NDArray[np.float64]


def name_mixtures(
    whole: Prepared,
    prepared: Prepared,
    entries: Entries,
    seeds: NDArray[np.int64],
    most_phases: int,
) -> tuple[Mixture, ...]:
    """Sets of up to so many phases that may be the sample, best first.

    Args:
        whole: the query.
        prepared: what of it may be compared.
        entries: of the library.
        seeds: rows nearest the whole pattern, best first.
        most_phases: from 1 to `MOST_PHASES`.
    """
    settled = settled_hypotheses(prepared, entries, seeds, most_phases)
    hypotheses = [one.hypothesis for one in settled]
    weighed = [weigh(prepared, entries, one, entries.members(one.rows)) for one in hypotheses]
    shares = Belief.shipped().confidences(which_features(hypotheses), open_features(weighed))
    entries.members({row for one in settled for row in one.all_rows})  # all in one reading
    order = np.argsort(-shares, kind="stable")
    return tuple(
        _mixture(rank, whole, prepared, settled[i], weighed[i], entries, float(shares[i]))
        for rank, i in enumerate(order.tolist(), start=1)
    )


def settled_hypotheses(
    prepared: Prepared, entries: Entries, seeds: NDArray[np.int64], most_phases: int
) -> list[Settled]:
    """The few best hypotheses, each with what ties in its places; arguments as above."""
    grown = grow(prepared, entries, seeds, most_phases)
    settled: list[Settled] = []
    for hypothesis in grown:
        if len(settled) == SETTLED or hypothesis.score < grown[0].score - FAR_BEHIND:
            break
        if any(one.covers(hypothesis) for one in settled):
            continue
        new = settle(prepared, entries, seeds, hypothesis)
        if not any(one.covers(new.hypothesis) for one in settled):
            settled.append(new)
    return settled


def _mixture(
    rank: int,
    whole: Prepared,
    prepared: Prepared,
    settled: Settled,
    weighed: Weighed,
    entries: Entries,
    confidence: float,
) -> Mixture:
    fit = weighed.fit
    phases = [
        _phase(whole, prepared, settled.hypothesis, weighed, place, entries, settled.ties[place])
        for place in range(len(fit.phases))
    ]
    return Mixture(
        rank=rank,
        phases=tuple(sorted(phases, key=lambda phase: -phase.weight_percent)),
        rwp_percent=weighed.rwp_percent,
        score=settled.hypothesis.score,
        confidence=confidence,
        zero_shift_deg=fit.zero_shift_deg,
        unexplained_percent=100 * weighed.unexplained_share,
        unexplained_two_theta_deg=weighed.unexplained_two_theta_deg,
        calculated=_over_background(whole, fit.calculated),
    )


def _phase(
    whole: Prepared,
    prepared: Prepared,
    hypothesis: Hypothesis,
    weighed: Weighed,
    place: int,
    entries: Entries,
    ties: dict[int, float],
) -> MixturePhase:
    fit = weighed.fit
    phase, state = fit.phases[place], fit.states[place]
    (entry,) = entries.members([phase.row])
    crystal = entry.crystal
    lattice = strained_lattice(crystal.lattice, crystal.space_group_number, state.strain)
    lengths = np.linalg.norm(lattice, axis=1)
    a, b, c = lattice / lengths[:, None]
    angles = np.degrees(np.arccos(np.clip([b @ c, a @ c, a @ b], -1.0, 1.0)))
    moved = lengths / np.linalg.norm(crystal.lattice, axis=1) - 1
    weight = 100 * float(weighed.weights[place])
    sine = phase.half_inv_d * np.sqrt(np.maximum(1 - 2 * state.strain @ phase.shares, 0.0))
    sine *= prepared.wavelengths_angstrom[0]
    seen = sine < 1.0
    ticks = 2 * np.degrees(np.arcsin(sine[seen])) + fit.zero_shift_deg
    inside = (ticks >= prepared.two_theta_deg[0]) & (ticks <= prepared.two_theta_deg[-1])
    order = np.argsort(ticks[inside], kind="stable")
    return MixturePhase(
        id=entry.id,
        names=entry.names,
        formula=entry.formula,
        space_group=entry.space_group,
        sources=entry.sources,
        cell=(*map(float, lengths), *map(float, angles)),  # type: ignore[arg-type]
        weight_percent=weight,
        trace=weight < TRACE_PERCENT,
        i_over_ic=entries.i_over_ic(phase.row),
        strain_percent=100 * float(moved[np.argmax(np.abs(moved))]),
        fwhm_deg=state.fwhm_deg,
        evidence=float(hypothesis.evidence[place]),
        overlay=Overlay(
            calculated=_over_background(whole, state.scale * fit.profiles[place]),
            ticks_two_theta_deg=ticks[inside][order],
            ticks_hkl=phase.hkl[seen][inside][order],
        ),
        ties=tuple(
            Tie(other.id, other.names, other.formula, other.space_group, max(loss, 0.0))
            for other, loss in zip(entries.members(ties), ties.values(), strict=True)
        )[:SHOWN_TIES],
    )


def _over_background(whole: Prepared, curve: _FLOAT) -> _FLOAT:
    """A net curve of the compared part, on the background, at the points of the query."""
    excess = np.zeros_like(whole.background)
    excess[: len(curve)] = curve
    return on_axis(whole, whole.background + excess)
