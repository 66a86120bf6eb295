"""From lines to a powder pattern: geometry, polarisation, peak shapes, texture, noise."""

from __future__ import annotations

import math
from typing import TypedDict, Unpack

import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.crystal import Crystal
from data.diffraction import lines_of
from data.errors import PatternError
from data.lines import Lines
from data.pattern import Pattern
from data.radiation import CU_KA, Radiation
from data.sheet_diffraction import sheet_lines
from data.symmetry import Operations, symmetry_operations

Floats = NDArray[np.float64]

CUT_FWHM = 15.0
"""A peak ends this many widths from its position; a Lorentzian has lost 2 % of its area there."""

GAUSSIAN_CUT_FWHM = 3.0

NARROWEST_DEG = 1e-3


def two_theta_deg(inv_d2: Floats, wavelength_angstrom: float) -> Floats:
    """Bragg angle 2θ in degrees for 1/d² in 1/Å²; NaN where the wavelength cannot reach."""
    sine = np.sqrt(inv_d2) * wavelength_angstrom / 2
    return 2 * np.degrees(np.arcsin(np.where(sine <= 1.0, sine, np.nan)))


def lorentz_polarisation(two_theta_deg: Floats, *, in_plane: float = 1.0) -> Floats:
    """Lorentz-polarisation factor of a powder, (1 + K·cos²2θ) / (sin²θ·cosθ).

    Azároff, Acta Cryst. 8 (1955) 701.

    Args:
        two_theta_deg: in degrees, above 0 and below 180.
        in_plane: K, the beam's intensity polarised in the plane of diffraction over that
            polarised across it: 1 for an X-ray tube, `monochromator` of its angle behind a
            crystal, near 0 for a synchrotron diffracting vertically.
    """
    theta = np.radians(two_theta_deg) / 2
    polarisation = 1 + in_plane * np.cos(2 * theta) ** 2
    return np.asarray(polarisation / (np.sin(theta) ** 2 * np.cos(theta)))


def monochromator(two_theta_deg: float) -> float:
    """`in_plane` behind a mosaic crystal that reflects at 2θ (graphite, Cu Kα: 26.6°)."""
    return math.cos(math.radians(two_theta_deg)) ** 2


def caglioti_fwhm_deg(two_theta_deg: Floats, u: float, v: float, w: float) -> Floats:
    """Full width at half maximum √(u·tan²θ + v·tanθ + w) in degrees 2θ, of u, v, w in degrees².

    Caglioti, Paoletti and Ricci, Nucl. Instrum. 3 (1958) 223. Where the sum is not positive the
    width is 0.001°.
    """
    tangent = np.tan(np.radians(two_theta_deg) / 2)
    square = u * tangent**2 + v * tangent + w
    return np.sqrt(np.maximum(square, NARROWEST_DEG**2))


def pseudo_voigt(offset_deg: Floats, fwhm_deg: float, eta: float) -> Floats:
    """Peak of area 1, `eta` of it Lorentzian, the rest a Gaussian of the same width; per degree."""
    x = 2 * offset_deg / fwhm_deg
    lorentzian = 2 / (math.pi * fwhm_deg) / (1 + x**2)
    gaussian = 2 * math.sqrt(math.log(2) / math.pi) / fwhm_deg * np.exp(-math.log(2) * x**2)
    return np.asarray(eta * lorentzian + (1 - eta) * gaussian)


def march_dollase(
    hkl: NDArray[np.int16],
    *,
    axis_hkl: tuple[int, int, int],
    ratio: float,
    lattice: Floats,
    rotations: NDArray[np.int64],
) -> Floats:
    """Factor of each line for grains that lie on, or stand along, one lattice plane.

    The mean of (r²·cos²α + sin²α/r)^(-3/2) over the equivalents of hkl, α between hkl and the
    axis. Dollase, J. Appl. Cryst. 19 (1986) 267.

    Args:
        hkl: Shape (n, 3).
        axis_hkl: normal of the plane that grains prefer.
        ratio: r; 1 for none, below 1 for plates on a flat sample, above 1 for needles.
        lattice: rows are a, b, c in Å. Shape (3, 3).
        rotations: of the crystal's operations. Shape (k, 3, 3).

    Returns:
        Shape (n,).

    Raises:
        PatternError: the ratio is not positive, or the axis is 0, 0, 0.
    """
    if not ratio > 0.0 or not any(axis_hkl):
        raise PatternError(f"texture of ratio {ratio:g} along {axis_hkl} is none; give r above 0")
    reciprocal = np.linalg.inv(lattice)
    axes = (np.array(axis_hkl) @ rotations) @ reciprocal.T
    normals = hkl @ reciprocal.T
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    cosine2 = np.minimum((normals @ axes.T) ** 2, 1.0)
    factors = (ratio**2 * cosine2 + (1 - cosine2) / ratio) ** -1.5
    return np.asarray(factors.mean(axis=1))


class Conditions(TypedDict, total=False):
    """What `simulate` and `simulate_pattern` may both be told of instrument and sample."""

    caglioti: tuple[float, float, float]
    eta: float
    in_plane: float
    zero_shift_deg: float
    displacement_deg: float
    strain: float


def simulate(
    lines: Lines,
    radiation: Radiation,
    *,
    two_theta_deg: Floats,
    caglioti: tuple[float, float, float] = (0.0, 0.0, 0.01),
    eta: float = 0.5,
    in_plane: float = 1.0,
    zero_shift_deg: float = 0.0,
    displacement_deg: float = 0.0,
    strain: float = 0.0,
    texture: Floats | None = None,
    background: Floats | float = 0.0,
) -> Floats:
    """Profile of a powder, in strength·LP per degree: the area of a peak is its line's m·|F|²·LP.

    Args:
        lines: of the crystal, down to the smallest d that the axis reaches.
        radiation: every wavelength adds its share.
        two_theta_deg: ascending. Shape (p,).
        caglioti: u, v, w in degrees², as for `caglioti_fwhm_deg`.
        eta: Lorentzian share of the peaks.
        in_plane: polarisation, as for `lorentz_polarisation`.
        zero_shift_deg: added to every 2θ.
        displacement_deg: height of the sample, as the shift -2s/R it makes at 2θ = 0, in degrees;
            the shift falls off as cos θ.
        strain: relative change of every length of the cell.
        texture: factor of each line. Shape (len(lines),).
        background: added to the profile.

    Returns:
        Shape (p,).
    """
    strength = lines.strength if texture is None else lines.strength * texture
    total = np.zeros(len(two_theta_deg))
    for wavelength, weight in zip(radiation.wavelengths_angstrom, radiation.weights, strict=True):
        sine = np.sqrt(lines.inv_d2) * (wavelength / 2 / (1 + strain))
        seen = sine < 1.0
        bragg = 2 * np.degrees(np.arcsin(sine[seen]))
        moved = bragg + zero_shift_deg + displacement_deg * np.cos(np.radians(bragg) / 2)
        area = weight * strength[seen] * lorentz_polarisation(bragg, in_plane=in_plane)
        width = caglioti_fwhm_deg(bragg, *caglioti)
        _add_peaks(total, np.ascontiguousarray(two_theta_deg), (moved, area, width), eta)
    return total + background


def simulate_pattern(
    crystal: Crystal,
    radiation: Radiation = CU_KA,
    *,
    two_theta_range_deg: tuple[float, float] = (5.0, 90.0),
    step_deg: float = 0.02,
    highest_counts: float = 10_000.0,
    background_counts: float = 0.0,
    texture: tuple[tuple[int, int, int], float] | None = None,
    operations: Operations | None = None,
    sheet: bool = False,
    rng: np.random.Generator | None = None,
    name: str = "simulated",
    **conditions: Unpack[Conditions],
) -> Pattern:
    """A pattern as a diffractometer would count it.

    Args:
        crystal: what the powder is made of.
        radiation: of the beam.
        two_theta_range_deg: first and last 2θ.
        step_deg: between points.
        highest_counts: of the highest point, background not counted.
        background_counts: the same at every point.
        texture: axis and ratio of `march_dollase`.
        operations: symmetry of the crystal in its cell; found when not given.
        sheet: the crystal is one, measured in its plane; as for `sheet_lines`.
        rng: draws counting noise; none without it.
        name: of the pattern.
        **conditions: as for `simulate`.

    Raises:
        CrystalError: as for `lines_of` or `sheet_lines`.
        PatternError: a range that holds no line, or is none.
    """
    first, last = two_theta_range_deg
    if not (0.0 < first < last < 180.0 and step_deg > 0.0):
        raise PatternError(f"2θ from {first:g} to {last:g}° by {step_deg:g}° is no range")
    points = int((last - first) / step_deg + 1e-6) + 1
    axis = np.asarray(first + step_deg * np.arange(points), dtype=np.float64)
    stretch = 1 + conditions.get("strain", 0.0)
    reach = math.sin(math.radians(min(last + 2.0, 180.0)) / 2)
    d_min = min(radiation.wavelengths_angstrom) / (2 * reach) / stretch
    if sheet:
        lines = sheet_lines(crystal, d_min_angstrom=d_min)
    else:
        operations = operations or symmetry_operations(crystal)
        lines = lines_of(crystal, d_min_angstrom=d_min, operations=operations)
    factors = None
    if texture is not None:
        factors = march_dollase(
            lines.hkl,
            axis_hkl=texture[0],
            ratio=texture[1],
            lattice=crystal.lattice,
            rotations=(operations or symmetry_operations(crystal))[0],
        )
    profile = simulate(lines, radiation, two_theta_deg=axis, texture=factors, **conditions)
    highest = profile.max()
    if highest <= 0.0:
        raise PatternError(
            f"{name}: no line falls between {first:g} and {last:g}°; widen the range"
        )
    counts = profile * (highest_counts / highest) + background_counts
    if rng is not None:
        counts = rng.poisson(counts).astype(np.float64)
    return Pattern(
        "two_theta", axis, counts, np.sqrt(np.maximum(counts, 1.0)), radiation, "given", name
    )


@njit(cache=True, nogil=True)
def _add_peaks(
    total: Floats, axis: Floats, peaks: tuple[Floats, Floats, Floats], eta: float
) -> None:
    """Add pseudo-Voigt peaks to `total` (p,), in place; `peaks` are positions, areas, widths."""
    for position, area, width in zip(*peaks):  # noqa: B905 - numba knows no strict
        lorentzian = area * eta * 2 / (math.pi * width)
        gaussian = area * (1 - eta) * 2 * math.sqrt(math.log(2) / math.pi) / width
        first = np.searchsorted(axis, position - CUT_FWHM * width)
        last = np.searchsorted(axis, position + CUT_FWHM * width)
        for j in range(first, last):
            x = 2 * (axis[j] - position) / width
            total[j] += lorentzian / (1 + x * x)
            if abs(x) < 2 * GAUSSIAN_CUT_FWHM:
                total[j] += gaussian * math.exp(-math.log(2) * x * x)
