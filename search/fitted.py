"""The shortlist fitted: every entry with its cell larger or smaller, the likeliest with it free.

The finalists among them are fitted once more, with all that a powder may change.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from data.lines import LinesTable
from data.preparation import Prepared
from indexer.library import Library
from search.cell_fit import CellFit, all_freedom, fit_cell
from search.free_cell import deformation, lines_in, seek_cells
from search.kin import leading
from search.mixture.joint_fit import Freedom
from search.profile_fit import ProfileFits, fit_profiles
from search.ranking import Ranker, shares

FREED = 60
"""Entries, the best of the isotropic fit, whose cells are sought free."""

FINALISTS = 6
"""Entries, the best, between which a fit with cell, widths, texture and background decides."""

_T = TypeVar("_T", bound=np.generic)
_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fitted:
    """Entries of one query, each as it fits best.

    Attributes:
        rows: in the library. Shape (n,).
        fits: strains are means of the principal ones. Shape (n,).
        distortion: largest difference of a principal strain from their mean. Shape (n,).
        lattices: fitted, rows a, b, c in Å. Shape (n, 3, 3).
        score: of the ranker. Shape (n,).
    """

    rows: NDArray[np.int64]
    fits: ProfileFits
    distortion: _FLOAT
    lattices: _FLOAT
    score: _FLOAT

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: NDArray[np.int64]) -> Fitted:
        """These entries only, in this order."""
        return Fitted(
            self.rows[places],
            self.fits.take(places),
            self.distortion[places],
            self.lattices[places],
            self.score[places],
        )


def fit_entries(
    prepared: Prepared,
    rows: NDArray[np.int64],
    lines: LinesTable,
    stored: _FLOAT,
    groups: NDArray[np.int64],
    ranker: Ranker,
    *,
    freed: int = FREED,
) -> Fitted:
    """Fit entries, in the order in which they come.

    An entry keeps its isotropic fit unless the ranker thinks more of the free cell, whose
    distortion counts against it.

    Args:
        prepared: the query.
        rows: of the entries in their library. Shape (n,).
        lines: of the entries.
        stored: their cells, rows a, b, c in Å. Shape (n, 3, 3).
        groups: space group numbers. Shape (n,).
        ranker: says which fits are best.
        freed: entries whose cells are sought free.
    """
    fits = fit_profiles(prepared, lines)
    nothing = np.zeros(len(rows))
    score = ranker.score(fits, nothing)
    lattices = stored * (1 + fits.strain)[:, None, None]
    isotropic = Fitted(rows, fits, nothing, lattices, score)
    likely = np.argsort(-score, kind="stable")[:freed]
    if len(likely) == 0:
        return isotropic
    near = lines.take(likely)
    cells = seek_cells(prepared, near, stored[likely], groups[likely], fits.take(likely))
    free = fit_profiles(prepared, lines_in(near, cells))
    cells *= (1 + free.strain)[:, None, None]
    strain, distortion = deformation(stored[likely], cells)
    free = replace(free, strain=strain)
    worth = ranker.score(free, distortion)
    better = np.flatnonzero(worth > score[likely])
    others = Fitted(rows[likely], free, distortion, cells, worth)
    return _with(isotropic, likely[better], others.take(better))


def fit_rows(
    prepared: Prepared, library: Library, rows: NDArray[np.int64], ranker: Ranker
) -> Fitted:
    """Fit entries of a library; see `fit_entries`."""
    return fit_entries(
        prepared,
        rows,
        library.lines_of(rows),
        library.lattices[rows],
        library.space_group_numbers[rows],
        ranker,
    )


def settle(
    prepared: Prepared, library: Library, fitted: Fitted, ranker: Ranker
) -> tuple[Fitted, tuple[CellFit, ...]]:
    """Let the finalists' last fits decide their order, as `final_order` has it.

    Args:
        prepared: the query.
        library: of the entries.
        fitted: the entries, best first.
        ranker: weighs the last fits.

    Returns:
        The entries in their final order, cells and zero shifts as last fitted, and the finalists'
        fits in the same order.
    """
    freedom = all_freedom(prepared)
    finals = [
        fit_entry(prepared, library, fitted, i, freedom) for i in range(min(FINALISTS, len(fitted)))
    ]
    score = ranker.final_score(fitted.score, finals)
    order = final_order(library, fitted.rows, score, len(finals))
    lattices, zero_shift_deg = fitted.lattices.copy(), fitted.fits.zero_shift_deg.copy()
    for i, final in enumerate(finals):
        lattices[i], zero_shift_deg[i] = final.lattice, final.zero_shift_deg
    fits = replace(fitted.fits, zero_shift_deg=zero_shift_deg)
    settled = replace(fitted, fits=fits, lattices=lattices, score=score).take(order)
    return settled, tuple(finals[i] for i in order[: len(finals)])


def final_order(
    library: Library, rows: NDArray[np.int64], score: _FLOAT, finalists: int
) -> NDArray[np.int64]:
    """Places of the entries by score, but that one of the likeliest compound goes first.

    The first may have a lower score than the second, where several of its compound's entries
    speak for it; see `search.kin.leading`.

    Args:
        library: of the entries.
        rows: in it. Shape (n,).
        score: of the second step, none above the finalists'. Shape (n,).
        finalists: of which one goes first: entries that had a last fit.

    Returns:
        Shape (n,).
    """
    order = np.argsort(-score, kind="stable")
    first = leading(library, rows[order], shares(score[order]), among=finalists)
    return np.concatenate([order[[first]], np.delete(order, first)])


def fit_entry(
    prepared: Prepared, library: Library, fitted: Fitted, place: int, freedom: Freedom
) -> CellFit:
    """One of the fitted entries once more, from where it stands, with its cell free."""
    row, lattice = fitted.rows[[place]], fitted.lattices[[place]]
    return fit_cell(
        prepared,
        lines_in(library.lines_of(row), lattice)[0],
        lattice[0],
        int(library.space_group_numbers[row[0]]),
        zero_shift_deg=float(fitted.fits.zero_shift_deg[place]),
        freedom=freedom,
    )


def _with(all_of_them: Fitted, places: NDArray[np.int64], others: Fitted) -> Fitted:
    """Some entries exchanged for others."""

    def put(old: NDArray[_T], new: NDArray[_T]) -> NDArray[_T]:
        changed = old.copy()
        changed[places] = new
        return changed

    fits = ProfileFits(
        *(
            put(getattr(all_of_them.fits, one.name), getattr(others.fits, one.name))
            for one in fields(ProfileFits)
        )
    )
    return replace(
        all_of_them,
        fits=fits,
        distortion=put(all_of_them.distortion, others.distortion),
        lattices=put(all_of_them.lattices, others.lattices),
        score=put(all_of_them.score, others.score),
    )
