"""The curves of one answer, packed for the page's script."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.result import Hit, LookupResult
from service.pages import packed
from service.words import phase_name


def pack(result: LookupResult) -> dict[str, Any]:
    """Everything that the plot needs, numbers as base64 of little-endian float32 and int16.

    Positions are 2θ in degrees. A pattern on a Q axis without a wavelength is placed by the
    2θ that `Pattern.two_theta_deg` gives it, and the page then shows no 2θ axis.
    """
    pattern = result.query
    two_theta = pattern.two_theta_deg
    wavelength = _wavelength(two_theta, pattern.q_inv_angstrom)
    return {
        "wavelength": wavelength,
        "hasTwoTheta": pattern.radiation is not None,
        "x": packed(two_theta, "<f4"),
        "counts": packed(pattern.counts, "<f4"),
        "background": packed(result.background, "<f4"),
        "hits": [_overlay(hit) for hit in result.hits if hit.overlay is not None],
    }


def _wavelength(two_theta_deg: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """The wavelength in Å that connects the two axes."""
    return float(4 * np.pi * np.sin(np.radians(two_theta_deg[-1] / 2)) / q[-1])


def _overlay(hit: Hit) -> dict[str, Any]:
    overlay = hit.overlay
    if overlay is None:
        raise ValueError(f"{hit.id=} has no overlay")
    return {
        "rank": hit.rank,
        "name": phase_name(hit),
        "calculated": packed(overlay.calculated, "<f4"),
        "ticks": packed(overlay.ticks_two_theta_deg, "<f4"),
        "hkl": packed(overlay.ticks_hkl, "<i2"),
    }
