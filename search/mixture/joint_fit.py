"""Several phases' profiles fitted to one pattern together, each with a cell and a width of its own.

Penalised least squares by Levenberg and Marquardt; scales and background, in which the model is
linear, are solved for at every step (variable projection: Golub and Pereyra, SIAM J. Numer. Anal.
10 (1973) 413), scales not below zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.lines import Lines
from data.preparation import Prepared
from search.mixture import profile
from search.mixture.cell import evenly_strained, strain_shares
from search.mixture.texture import TEXTURE_SPREAD, intensity_modes
from search.profile_fit import LORENTZIAN_SHARE

STRAIN_LIMIT = 0.015
"""No length of a cell is changed by more."""
ZERO_LIMIT_DEG = 0.2
NARROWEST, WIDEST = 0.35, 2.5
"""Limits of a phase's width, in units of the pattern's typical one."""

STRAIN_SPREAD = 0.002
"""Standard deviation expected of each strain: cells of one phase agree to some tenths of a
percent."""
ZERO_SPREAD_DEG = 0.06
WIDTH_SPREAD = 0.35
"""Of the logarithm of a phase's width over the typical one."""
BROADENING_SPREAD = 0.5
"""Of the growth of a width with tan θ, in typical widths."""
LORENTZIAN_SPREAD = 0.25

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Phase:
    """What of an entry a joint fit needs.

    Attributes:
        row: in the library.
        half_inv_d: 1/(2d) of its lines in 1/Å. Shape (m,).
        strength: m·|F|² of the conventional cell. Shape (m,).
        shares: of `strain_shares`. Shape (k, m).
        even: of each strain, what changes all lengths of the cell by one. Shape (k,).
        hkl: Shape (m, 3).
        modes: of intensity that may be fitted, by line; see `intensity_modes`. Shape (q, m).
    """

    row: int
    half_inv_d: _FLOAT
    strength: _FLOAT
    shares: _FLOAT
    even: _FLOAT
    hkl: NDArray[np.int16]
    modes: _FLOAT

    @classmethod
    def of(
        cls,
        row: int,
        lines: Lines,
        lattice: _FLOAT,
        space_group_number: int,
        *,
        isotropic: bool,
        textured: bool = False,
    ) -> Phase:
        """Of a library's row.

        Args:
            row: in the library.
            lines: of it, in its conventional cell.
            lattice: rows are a, b, c in Å. Shape (3, 3).
            space_group_number: 1 to 230.
            isotropic: lets all lengths of the cell change together only.
            textured: lets intensities change as texture changes them.
        """
        modes = intensity_modes(lines.hkl, lattice, space_group_number) if textured else None
        return cls(
            row,
            np.sqrt(lines.inv_d2) / 2,
            lines.strength,
            strain_shares(lines.hkl, lattice, space_group_number, isotropic=isotropic),
            np.ones(1) if isotropic else evenly_strained(lattice, space_group_number),
            lines.hkl,
            np.zeros((0, len(lines))) if modes is None else modes,
        )


@dataclass(frozen=True, eq=False)
class State:
    """Where a phase stands in a fit.

    Attributes:
        strain: Shape (k,), as of `strain_shares`.
        fwhm_deg: width of its lines at θ = 0, in degrees 2θ.
        broadening_deg: growth of the width with tan θ.
        scale: counts·degree per unit of m·|F|² times Lorentz-polarisation.
        amounts: of the phase's modes of intensity. Shape (q,).
    """

    strain: _FLOAT
    fwhm_deg: float
    broadening_deg: float = 0.0
    scale: float = 0.0
    amounts: _FLOAT = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class Freedom:
    """What a joint fit may change besides scales, strains, widths and the zero shift.

    The background's amounts are never wanted themselves: sums over points are taken with them at
    their best already.

    Attributes:
        weight: inverse variance of each point, already less for points that vary together.
            Shape (n,).
        background: curves that may be added in any amount. Shape (q, n).
        background_spread: standard deviation expected of their amounts, in counts.
        shape: whether widths may grow with the angle and the common line shape may change.
    """

    weight: _FLOAT
    background: _FLOAT
    background_spread: float
    shape: bool = False

    @cached_property
    def weighted(self) -> _FLOAT:
        """Background curves times weights. Shape (q, n)."""
        return self.background * self.weight

    @cached_property
    def inverse(self) -> _FLOAT:
        """Of the curves' normal matrix with what is expected of their amounts. Shape (q, q)."""
        normal = self.weighted @ self.background.T
        normal[np.diag_indices_from(normal)] += 1 / self.background_spread**2
        return np.asarray(np.linalg.inv(normal))

    def products(self, one: _FLOAT, other: _FLOAT) -> _FLOAT:
        """Weighted sums of products with the background taken out of both.

        Args:
            one: Shape (i, n).
            other: Shape (j, n).

        Returns:
            Shape (i, j).
        """
        taken = (one @ self.weighted.T) @ self.inverse @ (self.weighted @ other.T)
        return np.asarray((one * self.weight) @ other.T - taken)

    def amounts(self, left: _FLOAT) -> _FLOAT:
        """Of the background curves in what phases leave over. Shape (q,)."""
        return np.asarray(self.inverse @ (self.weighted @ left))


@dataclass(frozen=True, eq=False)
class JointFit:
    """Several phases at their best.

    Attributes:
        phases: what was fitted.
        states: of each phase.
        zero_shift_deg: common to all, added to the calculated 2θ.
        lorentzian: share of the pseudo-Voigt, common to all.
        profiles: of each phase, per unit scale. Shape (p, n).
        background: correction of the prepared background, in counts. Shape (n,).
        cost: half the weighted sum of squares, plus half the squares of strains, shift and
            widths over what is expected of them.
        misfit: the first part of `cost`.
    """

    phases: tuple[Phase, ...]
    states: tuple[State, ...]
    zero_shift_deg: float
    lorentzian: float
    profiles: _FLOAT = field(repr=False)
    background: _FLOAT = field(repr=False)
    cost: float = 0.0
    misfit: float = 0.0

    @property
    def scales(self) -> _FLOAT:
        """Of each phase. Shape (p,)."""
        return np.array([state.scale for state in self.states])

    @property
    def calculated(self) -> _FLOAT:
        """Net counts, correction of the background included. Shape (n,)."""
        return np.asarray(self.background + self.scales @ self.profiles)


def fit_jointly(
    prepared: Prepared,
    phases: tuple[Phase, ...],
    states: tuple[State, ...],
    freedom: Freedom,
    *,
    zero_shift_deg: float = 0.0,
    lorentzian: float = LORENTZIAN_SHARE,
    steps: int = 8,
) -> JointFit:
    """Fit scales, strains and widths of several phases and one zero shift to the net curve.

    Args:
        prepared: the query.
        phases: at least one.
        states: where each starts.
        freedom: weights, and what else may change.
        zero_shift_deg: to start from.
        lorentzian: to start from.
        steps: most steps of Levenberg and Marquardt.
    """
    problem = _Problem(prepared, phases, freedom)
    at = problem.evaluate(problem.pack(states, zero_shift_deg, lorentzian))
    damping = 1e-2
    for _ in range(steps):
        gradient, curvature = problem.slope(at)
        while True:
            step = np.linalg.solve(
                curvature + damping * np.diag(np.diag(curvature) + 1e-12), gradient
            )
            new = problem.evaluate(problem.within(at.values + step[: len(at.values)]))
            if new.cost < at.cost or damping > 1e3:
                break
            damping *= 8
        gained = at.cost - new.cost
        if gained <= 0:
            break
        at = new
        damping = max(damping / 6, 1e-6)
        if gained < 1e-3 * (1 + 1e-2 * at.cost):
            break
    return problem.unpack(at)


@dataclass(frozen=True, eq=False)
class _Point:
    values: _FLOAT
    drawn: list[_FLOAT]
    scales: _FLOAT
    amounts: _FLOAT
    residual: _FLOAT
    misfit: float
    cost: float


class _Problem:
    """Values: zero shift, Lorentzian share; by phase width, broadening, strains, modes."""

    def __init__(self, prepared: Prepared, phases: tuple[Phase, ...], freedom: Freedom) -> None:
        self.prepared = prepared
        self.phases = phases
        self.freedom = freedom
        self.target = prepared.net
        fwhm = prepared.fwhm_deg
        shape = 1.0 if freedom.shape else 0.0
        low, high = [-ZERO_LIMIT_DEG, 0.0], [ZERO_LIMIT_DEG, 1.0]
        centre, spread = [0.0, LORENTZIAN_SHARE], [ZERO_SPREAD_DEG, LORENTZIAN_SPREAD]
        free = [1.0, shape]
        for phase in phases:
            k = len(phase.shares)
            modes = [TEXTURE_SPREAD] * len(phase.modes)
            limits = [4 * one for one in modes]
            low += [np.log(NARROWEST * fwhm), 0.0, *([-STRAIN_LIMIT] * k), *(-x for x in limits)]
            high += [np.log(WIDEST * fwhm), 3 * fwhm, *([STRAIN_LIMIT] * k), *limits]
            centre += [np.log(fwhm), 0.0, *([0.0] * (k + len(modes)))]
            spread += [WIDTH_SPREAD, BROADENING_SPREAD * fwhm, *([STRAIN_SPREAD] * k), *modes]
            free += [1.0, shape, *([1.0] * (k + len(modes)))]
        self.low, self.high = np.array(low), np.array(high)
        self.centre, self.spread = np.array(centre), np.array(spread)
        self.free = np.array(free)

    def pack(self, states: tuple[State, ...], zero: float, lorentzian: float) -> _FLOAT:
        values = [zero, lorentzian]
        for phase, state in zip(self.phases, states, strict=True):
            strain = state.strain
            if len(strain) != len(phase.shares):
                # Found with all lengths changed by one strain, to be freed now.
                strain = strain[0] * phase.even
            amounts = state.amounts
            if len(amounts) != len(phase.modes):
                amounts = np.zeros(len(phase.modes))
            values += [np.log(state.fwhm_deg), state.broadening_deg, *strain, *amounts]
        return self.within(np.array(values))

    def within(self, values: _FLOAT) -> _FLOAT:
        return np.clip(values, self.low, self.high)

    def evaluate(self, values: _FLOAT) -> _Point:
        drawn = []
        place = 2
        for phase in self.phases:
            k, q = len(phase.shares), len(phase.modes)
            drawn.append(
                profile.draw(
                    self.prepared,
                    phase.half_inv_d,
                    phase.strength,
                    phase.shares,
                    values[place + 2 : place + 2 + k],
                    phase.modes,
                    values[place + 2 + k : place + 2 + k + q],
                    zero_shift_deg=float(values[0]),
                    fwhm_deg=float(np.exp(values[place])),
                    broadening_deg=float(values[place + 1]),
                    lorentzian=float(values[1]),
                )
            )
            place += 2 + k + q
        columns = np.stack([one[profile.VALUE] for one in drawn])
        freedom = self.freedom
        sums = freedom.products(columns, np.vstack([columns, self.target]))
        scales = nonnegative(sums[:, :-1], sums[:, -1])
        left = self.target - scales @ columns
        amounts = freedom.amounts(left)
        residual = left - amounts @ freedom.background
        misfit = 0.5 * float((freedom.weight * residual) @ residual)
        away = self.free * (values - self.centre) / self.spread
        used = amounts / freedom.background_spread
        cost = misfit + 0.5 * float(away @ away) + 0.5 * float(used @ used)
        return _Point(values, drawn, scales, amounts, residual, misfit, cost)

    def slope(self, at: _Point) -> tuple[_FLOAT, _FLOAT]:
        """Negative gradient and curvature of the cost by values and scales."""
        count, p = len(at.values), len(self.phases)
        jacobian = np.zeros((count + p, len(self.target)))
        place = 2
        for phase, (drawn, scale) in enumerate(zip(at.drawn, at.scales, strict=True)):
            k = len(drawn) - profile.STRAIN
            jacobian[0] += scale * drawn[profile.ZERO]
            jacobian[1] += scale * drawn[profile.LORENTZIAN]
            width = float(np.exp(at.values[place]))
            jacobian[place] = scale * width * drawn[profile.WIDTH]
            jacobian[place + 1] = scale * drawn[profile.BROADENING]
            jacobian[place + 2 : place + 2 + k] = scale * drawn[profile.STRAIN :]
            jacobian[count + phase] = drawn[profile.VALUE]
            place += 2 + k
        jacobian[:count] *= self.free[:, None]
        curvature = self.freedom.products(jacobian, jacobian)
        gradient = (jacobian * self.freedom.weight) @ at.residual
        stiffness = self.free / self.spread**2
        gradient[:count] -= stiffness * (at.values - self.centre)
        diagonal = np.arange(count + p)
        curvature[diagonal[:count], diagonal[:count]] += stiffness + (1 - self.free)
        # A phase without scale has neither gradient nor curvature of its own.
        curvature[diagonal, diagonal] = np.maximum(curvature[diagonal, diagonal], 1e-30)
        return gradient, curvature

    def unpack(self, at: _Point) -> JointFit:
        states = []
        place = 2
        for phase, scale in zip(self.phases, at.scales, strict=True):
            k, q = len(phase.shares), len(phase.modes)
            states.append(
                State(
                    at.values[place + 2 : place + 2 + k],
                    float(np.exp(at.values[place])),
                    float(at.values[place + 1]),
                    float(scale),
                    at.values[place + 2 + k : place + 2 + k + q],
                )
            )
            place += 2 + k + q
        return JointFit(
            self.phases,
            tuple(states),
            float(at.values[0]),
            float(at.values[1]),
            np.stack([drawn[profile.VALUE] for drawn in at.drawn]),
            np.asarray(at.amounts @ self.freedom.background),
            at.cost,
            at.misfit,
        )


def nonnegative(normal: _FLOAT, right: _FLOAT) -> _FLOAT:
    """Least squares from normal equations, no unknown below zero. Shape (u,).

    Unknowns that come out negative are set to zero, the worst first; for the few phases of a
    mixture, whose profiles are nowhere negative, that is the non-negative solution.

    Args:
        normal: Shape (u, u).
        right: Shape (u,).
    """
    # Scales differ by many orders of magnitude.
    size = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    scaled = normal / size[:, None] / size
    scaled[np.diag_indices_from(scaled)] += 1e-10
    free = np.diag(normal) > 0
    solution = np.zeros(len(right))
    while free.any():
        solution[:] = 0.0
        solution[free] = np.linalg.solve(scaled[np.ix_(free, free)], (right / size)[free])
        negative = np.flatnonzero(solution < 0)
        if len(negative) == 0:
            break
        free[negative[np.argmin(solution[negative])]] = False
    return solution / size
