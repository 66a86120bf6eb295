"""The physical channel: the square-root profile on a ln Q axis, without anything learned."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from data.lines import LinesTable
from data.profile import lorentz_polarisation

if TYPE_CHECKING:
    from data.preparation import Prepared

FINE_STEP = 5e-4
"""Profiles are drawn on this grid of ln Q before they are blurred and sampled."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True)
class PhysicalChannel:
    """Patterns and `Lines` as blurred square-root profiles over ln Q.

    On ln Q an isotropic strain is a translation and the wavelength drops out: both sides carry
    the Lorentz-polarisation of one reference wavelength. A pattern asks several questions, one a
    strain, so that entries whose cell is off by a percent are still near; what the measured range
    leaves out is zero in the question and costs all entries about alike.

    Attributes:
        q_range_inv_angstrom: first and last place of the axis.
        samples: one component for this many steps of the fine grid.
        blur: standard deviation of the blur, in steps of the fine grid.
        reference_wavelength_angstrom: whose Lorentz-polarisation both sides get.
        reference_fwhm_deg: width that lines of a crystal are drawn with, at that wavelength.
        strains: relative changes of length that a pattern is tried with.
        noise_clip: the net curve counts only above this many standard uncertainties.
    """

    q_range_inv_angstrom: tuple[float, float] = (0.35, 6.2)
    samples: int = 10
    blur: float = 7.0
    reference_wavelength_angstrom: float = 1.5406
    reference_fwhm_deg: float = 0.2
    strains: tuple[float, ...] = (0.0, -0.0035, 0.0035, -0.007, 0.007, -0.0105, 0.0105)
    noise_clip: float = 1.5

    id: str = "physical"
    version: str = "1"

    @property
    def sha256(self) -> str:
        """Hash of the parameters."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @property
    def dimension(self) -> int:
        """Number of components."""
        return len(self._axis()) // self.samples

    def embed_lines(self, lines: LinesTable) -> NDArray[np.float32]:
        """Unit vectors of N crystals. Shape (N, dimension)."""
        axis = self._axis()
        theta = self._theta(np.exp(axis))
        # d ln Q = cot θ dθ turns a width in 2θ into one on this axis.
        sigma = np.radians(self.reference_fwhm_deg / 2.3548) / 2 / np.tan(theta) / FINE_STEP
        vectors = _draw_and_blur(
            lines.offsets,
            (np.log(2 * np.pi) + 0.5 * np.log(np.maximum(lines.inv_d2, 1e-9)) - axis[0])
            / FINE_STEP,
            lines.strength.astype(np.float64),
            lorentz_polarisation(np.degrees(2 * theta)),
            sigma,
            self._kernel(),
            self.samples,
            self.dimension,
        )
        return _normalised(vectors)

    def embed_pattern(self, prepared: Prepared) -> NDArray[np.float32]:
        """Unit vectors of one pattern, one for each of `strains`. Shape (m, dimension)."""
        axis = self._axis()
        net = np.maximum(prepared.net - self.noise_clip * prepared.sigma, 0.0)
        ln_q = np.log(prepared.q_inv_angstrom)
        theta = np.radians(prepared.two_theta_deg / 2)
        density = net * np.tan(theta) / lorentz_polarisation(np.degrees(2 * theta))
        weight = lorentz_polarisation(np.degrees(2 * self._theta(np.exp(axis))))
        kernel = self._kernel()
        curves = [np.interp(axis, ln_q - s, density, left=0.0, right=0.0) for s in self.strains]
        rows = [np.convolve(np.sqrt(curve * weight), kernel, mode="same") for curve in curves]
        start = self.samples // 2
        vectors = np.array([row[start :: self.samples][: self.dimension] for row in rows])
        return _normalised(vectors)

    def _axis(self) -> _FLOAT:
        low, high = np.log(self.q_range_inv_angstrom)
        return np.asarray(np.arange(low, high, FINE_STEP))

    def _theta(self, q: _FLOAT) -> _FLOAT:
        return np.arcsin(np.minimum(q * self.reference_wavelength_angstrom / (4 * np.pi), 0.95))

    def _kernel(self) -> _FLOAT:
        reach = int(np.ceil(3 * self.blur))
        x = np.arange(-reach, reach + 1) / self.blur
        kernel = np.exp(-0.5 * x**2)
        return np.asarray(kernel / kernel.sum())


def _normalised(vectors: _FLOAT) -> NDArray[np.float32]:
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norm > 0, norm, 1.0), dtype=np.float32)


@njit(cache=True, nogil=True, parallel=True)
def _draw_and_blur(
    offsets: NDArray[np.int64],
    places: _FLOAT,
    strength: _FLOAT,
    weight: _FLOAT,
    sigma: _FLOAT,
    kernel: _FLOAT,
    samples: int,
    dimension: int,
) -> _FLOAT:
    """Blurred square-root profiles of n entries.

    Args:
        offsets: entry k owns lines offsets[k]:offsets[k + 1].
        places: of the lines on the fine grid, in its steps. Shape (m,).
        strength: of the lines. Shape (m,).
        weight: Lorentz-polarisation on the fine grid. Shape (p,).
        sigma: width of a line on the fine grid, in its steps. Shape (p,).
        kernel: of the blur. Shape (2r + 1,).
        samples: steps of the fine grid for a component.
        dimension: components.

    Returns:
        Shape (n, dimension).
    """
    n = len(offsets) - 1
    vectors = np.zeros((n, dimension))
    reach = len(kernel) // 2
    for k in prange(n):
        curve = np.zeros(len(weight))
        for j in range(offsets[k], offsets[k + 1]):
            place = places[j]
            centre = int(np.round(place))
            if centre < 0 or centre >= len(curve):
                continue
            width = sigma[centre]
            height = strength[j] * weight[centre] / width
            span = int(3.5 * width) + 1
            for i in range(max(centre - span, 0), min(centre + span + 1, len(curve))):
                x = (i - place) / width
                curve[i] += height * np.exp(-0.5 * x * x)
        for i in range(len(curve)):
            curve[i] = np.sqrt(curve[i])
        for d in range(dimension):
            middle = samples // 2 + d * samples
            total = 0.0
            for i in range(max(middle - reach, 0), min(middle + reach + 1, len(curve))):
                total += kernel[i - middle + reach] * curve[i]
            vectors[k, d] = total
    return vectors
