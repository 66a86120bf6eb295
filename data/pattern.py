"""What a pattern is: a measured or simulated curve over 2θ or Q."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import PatternError
from data.radiation import Radiation, WavelengthSource

MIN_POINTS = 50


@dataclass(frozen=True, eq=False)
class Pattern:
    """A powder diffraction curve. Immutable: the arrays are made read-only.

    Attributes:
        axis: "two_theta" in degrees, or "q" in 1/Å.
        x: strictly ascending. Shape (n,).
        counts: finite and not negative. Shape (n,).
        esd: standard uncertainty of `counts`, or None when the file gives none. Shape (n,).
        radiation: None only for a Q axis, which needs none.
        wavelength_source: where the wavelength comes from; None for a Q axis without one.
        name: file name or label.
        warnings: what the reader had to assume or mend, one sentence each. What would settle it
            stands in backticks, such as `wavelength`.

    Raises:
        PatternError: too few points, disorder, or values that are no counts.
    """

    axis: Literal["two_theta", "q"]
    x: NDArray[np.float64]
    counts: NDArray[np.float64]
    esd: NDArray[np.float64] | None
    radiation: Radiation | None
    wavelength_source: WavelengthSource | None
    name: str = "pattern"
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.x.shape != self.counts.shape or self.x.ndim != 1:
            raise PatternError(f"{self.name}: {self.x.shape=} and {self.counts.shape=} disagree")
        if len(self.x) < MIN_POINTS:
            raise PatternError(
                f"{self.name}: {len(self.x)} points are too few for a pattern; "
                f"at least {MIN_POINTS} are needed"
            )
        if not (np.isfinite(self.x).all() and np.isfinite(self.counts).all()):
            raise PatternError(f"{self.name}: a value is not a finite number; remove that point")
        if not (np.diff(self.x) > 0).all():
            raise PatternError(f"{self.name}: the {self.axis} axis does not ascend")
        if (self.counts < 0).any():
            first = int(np.argmax(self.counts < 0))
            raise PatternError(
                f"{self.name}: negative counts ({self.counts[first]:g} at {self.x[first]:g}); "
                "give the pattern as measured, before a background is subtracted"
            )
        if not self.counts.any():
            raise PatternError(f"{self.name}: every count is zero; there is nothing to look up")
        if self.axis == "two_theta":
            if self.x[0] < -5.0 or self.x[-1] > 180.0:
                raise PatternError(
                    f"{self.name}: 2θ runs from {self.x[0]:g} to {self.x[-1]:g}°; "
                    "it must lie within 0 to 180°"
                )
            if self.radiation is None:
                raise PatternError(f"{self.name}: a 2θ axis needs a radiation")
        if self.esd is not None and self.esd.shape != self.x.shape:
            raise PatternError(f"{self.name}: {self.esd.shape=} is not {self.x.shape=}")
        for field in ("x", "counts", "esd"):
            value = getattr(self, field)
            if value is not None:
                array = np.array(value, dtype=np.float64)
                array.setflags(write=False)
                object.__setattr__(self, field, array)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def wavelength_angstrom(self) -> float:
        """The principal wavelength in Å.

        A Q axis without a radiation has none; it is given one that lays its last point at 90° 2θ,
        so that every pattern can be drawn and worked on in 2θ.
        """
        if self.radiation is not None:
            return self.radiation.wavelength_angstrom
        return float(4 * np.pi * np.sin(np.pi / 4) / self.x[-1])

    @property
    def q_inv_angstrom(self) -> NDArray[np.float64]:
        """Q = 4π sin θ / λ of the principal wavelength, in 1/Å. Shape (n,)."""
        if self.axis == "q":
            return self.x
        return 4 * np.pi * np.sin(np.radians(self.x / 2)) / self.wavelength_angstrom

    @property
    def two_theta_deg(self) -> NDArray[np.float64]:
        """2θ in degrees for the principal wavelength; NaN beyond 180°. Shape (n,)."""
        if self.axis == "two_theta":
            return self.x
        with np.errstate(invalid="ignore"):
            return 2 * np.degrees(np.arcsin(self.x * self.wavelength_angstrom / (4 * np.pi)))
