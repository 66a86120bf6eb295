"""Curves to draw over a measured pattern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.humps import Humps, find_humps
from data.lines import Lines
from data.preparation import Prepared
from search.result import Overlay


def overlay(
    whole: Prepared,
    prepared: Prepared,
    lines: Lines,
    calculated: NDArray[np.float64],
    *,
    zero_shift_deg: float,
) -> Overlay:
    """What a crystal's lines draw at a fit.

    Args:
        whole: the pattern.
        prepared: the part of it that was fitted, from its beginning.
        lines: of the crystal in its fitted cell.
        calculated: counts of the part that was fitted, background included.
        zero_shift_deg: added to the calculated 2θ.
    """
    excess = np.zeros_like(whole.background)
    excess[: len(prepared.net)] = calculated - prepared.background
    sine = np.sqrt(lines.inv_d2) / 2 * prepared.wavelengths_angstrom[0]
    seen = sine < 1.0
    ticks = 2 * np.degrees(np.arcsin(sine[seen])) + zero_shift_deg
    inside = (ticks >= prepared.two_theta_deg[0]) & (ticks <= prepared.two_theta_deg[-1])
    return Overlay(
        calculated=on_axis(whole, whole.background + excess),
        ticks_two_theta_deg=ticks[inside],
        ticks_hkl=lines.hkl[seen][inside],
    )


def humps_on_axis(whole: Prepared) -> Humps | None:
    """The pattern's humps, their curves at the points of the pattern as read."""
    humps = find_humps(whole)
    if humps is None:
        return None
    smooth, curve = on_axis(whole, humps.smooth), on_axis(whole, humps.curve)
    return replace(humps, smooth=smooth, curve=curve)


def on_axis(whole: Prepared, curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve over the even grid at the points of the pattern as read."""
    return np.interp(whole.pattern.q_inv_angstrom, whole.q_inv_angstrom, curve)
