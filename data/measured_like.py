"""Patterns as a diffractometer gives them, made from a crystal, to calibrate and to train with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.crystal import Crystal
from data.lines import Lines
from data.pattern import Pattern
from data.profile import Conditions, march_dollase, simulate
from data.radiation import CU_KA, Radiation

SAME_LENGTH_ANGSTROM = 1e-3
"""Axes whose lengths differ by less are one by symmetry."""

WIDTH_SPREAD = 0.25
"""Of the logarithm of a phase's line width over that of the others in its sample."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True)
class Diffractometer:
    """How far from the ideal patterns are drawn; each figure is a spread unless it says range.

    Attributes:
        fwhm_range_deg: width of the lines at small angles, drawn evenly in its logarithm.
        strain: relative change of the cell, isotropic.
        anisotropic_strain: of each axis that symmetry leaves free.
        zero_shift_deg, displacement_deg: of the 2θ axis.
        texture: of the logarithm of the March-Dollase ratio.
        line_error: of the logarithm of each line's strength: what the stored crystal gets wrong.
        displacement_b_range_angstrom2: added to B of all atoms.
        counts_range: of the highest point, drawn evenly in its logarithm.
        background_range: of the background over the highest point, in the same way.
        hump: greatest height of an amorphous hump over that background.
        impurity: largest share of the intensity that another crystal may take.
        impurity_chance: of there being one at all.
        start_range_deg, end_range_deg: of the scan.
    """

    fwhm_range_deg: tuple[float, float] = (0.05, 0.2)
    strain: float = 0.002
    anisotropic_strain: float = 0.001
    zero_shift_deg: float = 0.03
    displacement_deg: float = 0.04
    texture: float = 0.3
    line_error: float = 0.35
    displacement_b_range_angstrom2: tuple[float, float] = (-0.3, 1.2)
    counts_range: tuple[float, float] = (100.0, 5000.0)
    background_range: tuple[float, float] = (0.005, 0.3)
    hump: float = 1.5
    impurity: float = 0.15
    impurity_chance: float = 0.5
    start_range_deg: tuple[float, float] = (3.0, 15.0)
    end_range_deg: tuple[float, float] = (60.0, 90.0)


def measured_like(
    crystal: Crystal,
    lines: Lines,
    rotations: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    impurity: Lines | None = None,
    diffractometer: Diffractometer | None = None,
    radiation: Radiation = CU_KA,
    name: str = "measured-like",
) -> Pattern:
    """One pattern of a crystal with everything that a laboratory adds to it.

    Instrument width and size broadening, strain and anisotropic change of the cell, zero error
    and sample displacement, texture, thermal motion, wrong intensities, background with an
    amorphous hump, an impurity, a cut range, counting noise.

    Args:
        crystal: in the setting of `lines`.
        lines: of it, down to the end of the scan.
        rotations: of its operations. Shape (k, 3, 3).
        rng: draws everything.
        impurity: lines of another crystal that may be added.
        diffractometer: how far from the ideal.
        radiation: of the beam.
        name: of the pattern.
    """
    how = diffractometer or Diffractometer()
    axis, conditions = _scan(rng, how)
    moved, texture = _sample(crystal, lines, rotations, rng, how)
    profile = simulate(moved, radiation, two_theta_deg=axis, texture=texture, **conditions)
    profile /= profile.max() or 1.0
    if impurity is not None and len(impurity) and rng.random() < how.impurity_chance:
        other = simulate(impurity, radiation, two_theta_deg=axis, **conditions)
        share = rng.uniform(0, how.impurity)
        profile += share / (1 - share) * other * (profile.sum() / (other.sum() or 1.0))
    counts = _counts(profile, axis, rng, how)
    return Pattern("two_theta", axis, counts, None, radiation, "given", name)


@dataclass(frozen=True, eq=False)
class Part:
    """A phase of a simulated mixture.

    Attributes:
        crystal: in the setting of `lines`.
        lines: of it, down to the end of the scan.
        rotations: of its operations. Shape (k, 3, 3).
        scale: relative, of areas per unit of m·|F|² and Lorentz-polarisation.
    """

    crystal: Crystal
    lines: Lines
    rotations: NDArray[np.int64]
    scale: float


def measured_like_mixture(
    parts: Sequence[Part],
    rng: np.random.Generator,
    *,
    diffractometer: Diffractometer | None = None,
    radiation: Radiation = CU_KA,
    name: str = "measured-like mixture",
) -> Pattern:
    """One pattern of several crystals together, with all that `measured_like` adds.

    Cell, texture, thermal motion and wrong intensities are drawn for each phase, and a width that
    differs from the common one by a spread of `WIDTH_SPREAD`; the scan is common to all.

    Args:
        parts: of the sample.
        rng: draws everything.
        diffractometer: how far from the ideal; its impurity is not added.
        radiation: of the beam.
        name: of the pattern.
    """
    how = diffractometer or Diffractometer()
    axis, conditions = _scan(rng, how)
    profile = np.zeros(len(axis))
    for part in parts:
        moved, texture = _sample(part.crystal, part.lines, part.rotations, rng, how)
        wider = float(np.exp(rng.normal(0, WIDTH_SPREAD))) ** 2
        u, v, w = conditions["caglioti"]
        own: Conditions = {**conditions, "caglioti": (u * wider, v * wider, w * wider)}
        profile += part.scale * simulate(
            moved, radiation, two_theta_deg=axis, texture=texture, **own
        )
    profile /= profile.max() or 1.0
    counts = _counts(profile, axis, rng, how)
    return Pattern("two_theta", axis, counts, None, radiation, "given", name)


def _scan(rng: np.random.Generator, how: Diffractometer) -> tuple[_FLOAT, Conditions]:
    """An axis in degrees 2θ, and the instrument's widths and errors."""
    start, end = rng.uniform(*how.start_range_deg), rng.uniform(*how.end_range_deg)
    width = _log_uniform(rng, how.fwhm_range_deg)
    return np.arange(start, end, 0.02), {
        "caglioti": (rng.uniform(0, 1.5) * width**2, 0.0, width**2),
        "eta": rng.uniform(0.2, 0.8),
        "zero_shift_deg": rng.normal(0, how.zero_shift_deg),
        "displacement_deg": rng.normal(0, how.displacement_deg),
    }


def _sample(
    crystal: Crystal,
    lines: Lines,
    rotations: NDArray[np.int64],
    rng: np.random.Generator,
    how: Diffractometer,
) -> tuple[Lines, _FLOAT]:
    """Lines of the strained crystal, and by what each intensity is changed. Shape (m,)."""
    moved = _strained(crystal, lines, rng, how)
    h, k, l = (int(i) for i in rng.permutation([0, *rng.integers(0, 2, size=2)]))  # noqa: E741
    texture = march_dollase(
        lines.hkl,
        axis_hkl=(h, k, l) if h or k or l else (0, 0, 1),
        ratio=float(np.exp(rng.normal(0, how.texture))),
        lattice=crystal.lattice,
        rotations=rotations,
    )
    texture *= np.exp(rng.normal(0, how.line_error, len(lines)))
    texture *= np.exp(-rng.uniform(*how.displacement_b_range_angstrom2) * lines.inv_d2 / 2)
    return moved, texture


def _counts(profile: _FLOAT, axis: _FLOAT, rng: np.random.Generator, how: Diffractometer) -> _FLOAT:
    """Counts of a profile of height one over a background. Shape (n,)."""
    background = _log_uniform(rng, how.background_range) * _background(axis, rng, how.hump)
    expected = _log_uniform(rng, how.counts_range) * (profile + background)
    return np.asarray(rng.poisson(expected), dtype=np.float64)


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))


def _strained(
    crystal: Crystal, lines: Lines, rng: np.random.Generator, how: Diffractometer
) -> Lines:
    """Lines of the crystal with its axes changed; axes of one length change together."""
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    alike = np.abs(lengths[:, None] - lengths) < SAME_LENGTH_ANGSTROM
    own = rng.normal(0, how.anisotropic_strain, 3)[alike.argmax(axis=1)]
    lattice = crystal.lattice * (1 + own + rng.normal(0, how.strain))[:, None]
    vectors = lines.hkl @ np.linalg.inv(lattice).T
    return Lines((vectors**2).sum(axis=1), lines.strength, lines.hkl)


def _background(axis: _FLOAT, rng: np.random.Generator, highest_hump: float) -> _FLOAT:
    """Air scatter that falls off, a slope, and an amorphous hump; of order one. Shape (n,)."""
    x = (axis - axis[0]) / (axis[-1] - axis[0])
    air = rng.uniform(0, 2) * np.exp(-x / rng.uniform(0.03, 0.2))
    slope = 1 + rng.uniform(-0.5, 0.5) * x
    hump = rng.uniform(0, highest_hump) * np.exp(
        -0.5 * ((axis - rng.uniform(15, 35)) / rng.uniform(3, 8)) ** 2
    )
    return np.asarray(air + slope + hump)
