"""Other entries that may stand in a phase's place in a hypothesis, and the best of them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.preparation import Prepared
from search.mixture.entries import Entries
from search.mixture.growth import further_rows, screened
from search.mixture.hypothesis import Hypothesis, searching_freedom
from search.mixture.joint_fit import Freedom, JointFit, State, fit_jointly

TIE = 12.0
"""Entries whose hypotheses score within so much of the best are not told apart."""

SWAPPED = 12
"""Entries fitted in a phase's place."""

ROUNDS = 2
"""Times that every phase's place is gone over, while that finds something better."""

_ROWS = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Settled:
    """A hypothesis with the entry to name in each place, and what would do as well.

    Attributes:
        hypothesis: the best one met, or one that ties with it.
        ties: of each phase the rows that would do as well, with what the score loses against the
            one that is named, the least first; below zero where that is less.
    """

    hypothesis: Hypothesis
    ties: tuple[dict[int, float], ...]

    @property
    def all_rows(self) -> frozenset[int]:
        """Of the phases and of what ties with them."""
        return self.hypothesis.key.union(*self.ties)

    def covers(self, other: Hypothesis) -> bool:
        """Whether another hypothesis is this one with ties in some places."""
        if len(other.rows) != len(self.hypothesis.rows):
            return False
        left = list(other.rows)
        for row, ties in zip(self.hypothesis.rows, self.ties, strict=True):
            place = next((one for one in left if one == row or one in ties), None)
            if place is None:
                return False
            left.remove(place)
        return True


def settle(prepared: Prepared, entries: Entries, seeds: _ROWS, hypothesis: Hypothesis) -> Settled:
    """Try other entries in each phase's place and keep what is better, cells free.

    Of what ties in a place the likeliest compound is named. A solid solution is named only where it
    is better than every plain entry by more than a tie: libraries hold dilute ones of many
    compounds, and one of them always has the likest cell.

    Here every strain that symmetry allows is fitted: of two entries of one compound the one whose
    axes happen to be nearer the sample's in proportion must not win by that.

    Args:
        prepared: the query.
        entries: of the library.
        seeds: rows nearest the whole pattern, best first.
        hypothesis: to begin with.
    """
    freedom = searching_freedom(prepared)
    hypothesis = _free(prepared, entries, freedom, hypothesis)
    seen: dict[tuple[int, ...], Hypothesis] = {hypothesis.rows: hypothesis}
    for _ in range(ROUNDS):
        before = hypothesis.score
        for place in range(len(hypothesis.rows)):
            swaps = _swaps(prepared, entries, freedom, seeds, hypothesis, place, seen)
            hypothesis = max([hypothesis, *swaps], key=lambda one: one.score)
        if hypothesis.score <= before:
            break
    alike = [_alike(seen, hypothesis, place) for place in range(len(hypothesis.rows))]
    rows = tuple(commonest(entries, losses) for losses in alike)
    if len(set(rows)) == len(rows) and rows not in seen:
        seen[rows] = _together(
            prepared,
            entries,
            freedom,
            [seen[_swapped(hypothesis.rows, place, row)].fit for place, row in enumerate(rows)],
        )
    if rows not in seen or not seen[rows].holds:
        rows = hypothesis.rows
    return Settled(
        seen[rows],
        tuple(
            {other: loss - losses[row] for other, loss in losses.items() if other != row}
            for row, losses in zip(rows, alike, strict=True)
        ),
    )


def _swapped(rows: tuple[int, ...], place: int, row: int) -> tuple[int, ...]:
    return (*rows[:place], row, *rows[place + 1 :])


def commonest(entries: Entries, losses: dict[int, float]) -> int:
    """The row to name of those that tie: the best one of the likeliest compound.

    Every entry is taken for as likely beforehand as any other, and a compound for as likely as
    its entries are together: one that was measured often is met often. Losses of less than a tie
    say little, least of all which of two compounds of one structure type it is.

    Args:
        entries: of the library.
        losses: what the score loses by each row.
    """
    plain = {row: loss for row, loss in losses.items() if not entries.is_mixed(row)}
    worth: dict[str, float] = {}
    for row, loss in (plain or losses).items():
        compound = entries.formula(row)
        worth[compound] = worth.get(compound, 0.0) + float(np.exp(-loss / TIE))
    return min(plain or losses, key=lambda row: (-worth[entries.formula(row)], losses[row]))


def _alike(
    seen: dict[tuple[int, ...], Hypothesis], hypothesis: Hypothesis, place: int
) -> dict[int, float]:
    """Rows met in one place of a hypothesis, and what they lose, as far as that is a tie.

    The hypothesis' own row is the first.
    """
    losses = {
        rows[place]: hypothesis.score - other.score
        for rows, other in seen.items()
        if len(rows) == len(hypothesis.rows)
        and rows == _swapped(hypothesis.rows, place, rows[place])
        and hypothesis.score - other.score <= TIE
    }
    return dict(sorted(losses.items(), key=lambda item: item[1]))


def _swaps(
    prepared: Prepared,
    entries: Entries,
    freedom: Freedom,
    seeds: _ROWS,
    hypothesis: Hypothesis,
    place: int,
    seen: dict[tuple[int, ...], Hypothesis],
) -> list[Hypothesis]:
    """Hypotheses with the likeliest other entries in one place, those met before included."""
    fit = hypothesis.fit
    rest = _without(fit, place)
    rows = np.union1d(further_rows(prepared, entries, seeds, rest, hypothesis.rows), seeds)
    rows = rows[~np.isin(rows, hypothesis.rows)]
    if len(rows) == 0:
        return []
    found = screened(prepared, entries, freedom, rows, rest if rest.phases else None)
    order = np.argsort(-found.gain, kind="stable")[:SWAPPED]
    swaps = []
    for i in order.tolist():
        row = int(rows[i])
        key = _swapped(hypothesis.rows, place, row)
        if key not in seen:
            phases, states = list(fit.phases), list(fit.states)
            phases[place] = entries.phase(row, isotropic=False)
            states[place] = State(np.array([found.strain[i]]), float(found.fwhm_deg[i]))
            new = fit_jointly(
                prepared,
                tuple(phases),
                tuple(states),
                freedom,
                zero_shift_deg=fit.zero_shift_deg,
                steps=5,
            )
            seen[key] = Hypothesis.of(prepared, entries, freedom, new)
        if seen[key].holds:
            swaps.append(seen[key])
        else:
            del seen[key]
    return swaps


def _free(
    prepared: Prepared, entries: Entries, freedom: Freedom, hypothesis: Hypothesis
) -> Hypothesis:
    """The same phases with every strain that symmetry allows."""
    fit = hypothesis.fit
    phases = tuple(entries.phase(row, isotropic=False) for row in hypothesis.rows)
    new = fit_jointly(
        prepared, phases, fit.states, freedom, zero_shift_deg=fit.zero_shift_deg, steps=5
    )
    return Hypothesis.of(prepared, entries, freedom, new)


def _together(
    prepared: Prepared, entries: Entries, freedom: Freedom, fits: Sequence[JointFit]
) -> Hypothesis:
    """The first phase of the first fit with the second of the second, and so on."""
    new = fit_jointly(
        prepared,
        tuple(fit.phases[place] for place, fit in enumerate(fits)),
        tuple(fit.states[place] for place, fit in enumerate(fits)),
        freedom,
        zero_shift_deg=fits[0].zero_shift_deg,
        steps=5,
    )
    return Hypothesis.of(prepared, entries, freedom, new)


def _without(fit: JointFit, place: int) -> JointFit:
    keep = [i for i in range(len(fit.phases)) if i != place]
    return JointFit(
        tuple(fit.phases[i] for i in keep),
        tuple(fit.states[i] for i in keep),
        fit.zero_shift_deg,
        fit.lorentzian,
        fit.profiles[keep],
        fit.background,
    )
