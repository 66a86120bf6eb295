"""From what a file says to a Pattern: ascending, without repeats, with a radiation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import PatternError
from data.pattern import Pattern
from data.radiation import CU_KA, Radiation, WavelengthSource

Axis = Literal["two_theta", "q"]
AxisKind = Literal["two_theta", "two_theta_rad", "q", "q_nm", "d"]
"""What a column of positions may hold: degrees, radians, 1/Å, 1/nm, or d in Å."""

MAX_COUNTS = 1e15
MAX_TURNS = 20
"""A concatenation of scans turns back a few times; a column that is no axis does so always."""


@dataclass(frozen=True, eq=False)
class Scan:
    """What a reader found in a file, as it stands there.

    Attributes:
        axis: what `x` is.
        x: degrees 2θ or 1/Å, in the order of the file. Shape (n,).
        counts: Shape (n,).
        esd: standard uncertainty of `counts`, None where the file gives none. Shape (n,).
        stated: the radiation that the file states.
        warnings: what the reader had to assume.
    """

    axis: Axis
    x: NDArray[np.float64]
    counts: NDArray[np.float64]
    esd: NDArray[np.float64] | None = None
    stated: Radiation | None = None
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice, why: str) -> Scan:
        """The scan with these rows only, and a warning that says why."""
        esd = None if self.esd is None else self.esd[rows]
        return replace(
            self, x=self.x[rows], counts=self.counts[rows], esd=esd, warnings=(*self.warnings, why)
        )


def place(kind: AxisKind, values: NDArray[np.float64]) -> tuple[Axis, NDArray[np.float64]]:
    """Bring positions of any kind onto one of the two axes of a Pattern."""
    match kind:
        case "two_theta":
            return "two_theta", values
        case "two_theta_rad":
            return "two_theta", np.degrees(values)
        case "q":
            return "q", values
        case "q_nm":
            return "q", values / 10.0
        case "d":
            return "q", 2 * np.pi / values


def to_pattern(scan: Scan, name: str, given: Radiation | None) -> Pattern:
    """Tidy a scan and settle its radiation.

    Args:
        scan: what a reader found.
        name: the pattern's name.
        given: the radiation the user gave; it wins over the one that the file states.

    Raises:
        PatternError: the scan is no pattern.
    """
    _check(scan)
    scan = _with_usable_esd(_merged(_ascending(_positive(scan))))
    radiation, source, warnings = _settle(scan, given)
    return Pattern(
        axis=scan.axis,
        x=scan.x,
        counts=scan.counts,
        esd=scan.esd,
        radiation=radiation,
        wavelength_source=source,
        name=name,
        warnings=(*scan.warnings, *warnings),
    )


def _check(scan: Scan) -> None:
    for what, values in (("position", scan.x), ("count", scan.counts)):
        bad = ~np.isfinite(values)
        if bad.any():
            raise PatternError(
                f"{int(bad.sum())} {what}(s) are not finite numbers, the first in point "
                f"{int(np.argmax(bad)) + 1} of {len(scan)}; remove those points"
            )
    if len(scan) and scan.axis == "two_theta" and scan.x.max() > 180.0:
        raise PatternError(
            f"the first column reaches {scan.x.max():g}, which is no 2θ in degrees; "
            "if it is Q, say so in a heading line such as 'q (1/A)  counts' or 'q (1/nm)  counts'"
        )
    if len(scan) and np.abs(scan.counts).max() > MAX_COUNTS:
        raise PatternError(
            f"values up to {np.abs(scan.counts).max():.3g} are no counts; "
            "give 2θ or Q in the first column and counts in the second"
        )


def _positive(scan: Scan) -> Scan:
    keep = scan.x > 0.0
    if keep.all():
        return scan
    return scan.take(keep, f"Left out {int((~keep).sum())} point(s) at or below zero.")


def _ascending(scan: Scan) -> Scan:
    steps = np.sign(np.diff(scan.x))
    if (steps >= 0).all():
        return scan
    if (steps <= 0).all():
        return scan.take(slice(None, None, -1), "The axis descends; it was turned round.")
    moving = steps[steps != 0]
    turns = int((np.diff(moving) != 0).sum())
    if turns > MAX_TURNS:
        raise PatternError(
            f"the first column goes up and down {turns} times, so it is no axis; "
            "give 2θ or Q in the first column and counts in the second"
        )
    return scan.take(
        np.argsort(scan.x, kind="stable"), "The points were out of order; they were sorted."
    )


def _merged(scan: Scan) -> Scan:
    """Average the points that share a position."""
    x, inverse, repeats = np.unique(scan.x, return_inverse=True, return_counts=True)
    if len(x) == len(scan):
        return scan
    esd = None
    if scan.esd is not None:
        esd = np.sqrt(np.bincount(inverse, scan.esd**2)) / repeats
    return replace(
        scan,
        x=x,
        counts=np.bincount(inverse, scan.counts) / repeats,
        esd=esd,
        warnings=(
            *scan.warnings,
            f"{len(scan) - len(x)} point(s) repeat a position; they were averaged.",
        ),
    )


def _with_usable_esd(scan: Scan) -> Scan:
    """Drop esds that are no uncertainties; give a few zeros the smallest of the others."""
    if scan.esd is None or (np.isfinite(scan.esd) & (scan.esd > 0)).all():
        return scan
    good = np.isfinite(scan.esd) & (scan.esd > 0)
    zero = scan.esd == 0
    if (good | zero).all() and good.sum() > len(scan) / 2:
        esd = np.where(zero, scan.esd[good].min(), scan.esd)
        note = f"{int(zero.sum())} esd(s) of zero were replaced by the smallest other one."
        return replace(scan, esd=esd, warnings=(*scan.warnings, note))
    note = "The esd column holds values that are no uncertainties; it was left out."
    return replace(scan, esd=None, warnings=(*scan.warnings, note))


def _settle(
    scan: Scan, given: Radiation | None
) -> tuple[Radiation | None, WavelengthSource | None, tuple[str, ...]]:
    stated = scan.stated
    if given is not None:
        if not _reaches(given, scan):
            raise PatternError(
                f"Q reaches {scan.x.max():g} 1/Å, more than {given.wavelength_angstrom:.6g} Å can; "
                "leave the wavelength out, or say in the heading if the unit is 1/nm"
            )
        if stated is None or _close(given, stated):
            return given, "given", ()
        note = (
            f"The file states {stated.wavelength_angstrom:.6g} Å; the given "
            f"{given.wavelength_angstrom:.6g} Å was used."
        )
        return given, "given", (note,)
    if stated is not None and _reaches(stated, scan):
        return stated, "stated", ()
    if scan.axis == "q":
        return None, None, ()
    note = (
        f"Wavelength assumed to be Cu Kα ({CU_KA.wavelength_angstrom:.4f} Å): "
        "give `wavelength` if it is another."
    )
    return CU_KA, "assumed", (note,)


def _reaches(radiation: Radiation, scan: Scan) -> bool:
    """Whether this radiation can have measured as far as a Q axis goes: Q is at most 4π/λ."""
    limit = 4 * np.pi / radiation.wavelength_angstrom
    return scan.axis != "q" or not len(scan) or bool(scan.x.max() <= limit)


def _close(one: Radiation, other: Radiation) -> bool:
    return abs(one.wavelength_angstrom - other.wavelength_angstrom) <= 1e-3
