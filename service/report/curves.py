"""The curves of one answer, packed for the page's script."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.humps import Humps
from data.pattern import Pattern
from search.result import LookupResult, Mixture, Overlay
from service.pages import packed
from service.words import phase_name


def pack(result: LookupResult) -> dict[str, Any]:
    """Everything that the plot of an answer needs; see `pack_curves`."""
    return pack_curves(
        result.query,
        result.background,
        [
            packed_overlay(hit.rank, phase_name(hit), hit.overlay)
            for hit in result.hits
            if hit.overlay is not None
        ],
        result.humps,
    )


def pack_mixture(result: LookupResult, mixture: Mixture) -> dict[str, Any]:
    """The plot of a mixture: the sum of its phases first, then each phase on the background."""
    lines = [phase.overlay for phase in mixture.phases if phase.overlay is not None]
    hits: list[dict[str, Any]] = []
    if mixture.calculated is not None:
        none = Overlay(mixture.calculated, np.zeros(0), np.zeros((0, 3), np.int16))
        hits.append(packed_overlay(0, "all phases", none) | {"label": "Σ", "shown": True})
    for place, (phase, overlay) in enumerate(zip(mixture.phases, lines, strict=False), start=1):
        one = packed_overlay(place, phase_name(phase), overlay)
        hits.append(one | {"label": str(place), "shown": True})
    return pack_curves(result.query, result.background, hits, result.humps)


def pack_curves(
    pattern: Pattern,
    background: NDArray[np.float64],
    hits: list[dict[str, Any]],
    humps: Humps | None = None,
) -> dict[str, Any]:
    """A pattern and what is drawn over it, numbers as base64 of little-endian float32 and int16.

    Positions are 2θ in degrees. A pattern on a Q axis without a wavelength is placed by the
    2θ that `Pattern.two_theta_deg` gives it, and the page then shows no 2θ axis.

    Args:
        pattern: as measured.
        background: of it, in counts. Shape (n,).
        hits: of `packed_overlay`, best first.
        humps: of the background, curves on the pattern's axis.
    """
    two_theta = pattern.two_theta_deg
    curves = {
        "wavelength": _wavelength(two_theta, pattern.q_inv_angstrom),
        "hasTwoTheta": pattern.radiation is not None,
        "x": packed(two_theta, "<f4"),
        "counts": packed(pattern.counts, "<f4"),
        "background": packed(background, "<f4"),
        "hits": hits,
    }
    if humps is not None:
        curves["humps"] = [packed(one, "<f4") for one in (humps.smooth, humps.smooth + humps.curve)]
    return curves


def packed_overlay(rank: int, name: str, overlay: Overlay) -> dict[str, Any]:
    """Curves to draw for what stands at a rank."""
    return {
        "rank": rank,
        "name": name,
        "calculated": packed(overlay.calculated, "<f4"),
        "ticks": packed(overlay.ticks_two_theta_deg, "<f4"),
        "hkl": packed(overlay.ticks_hkl, "<i2"),
    }


def _wavelength(two_theta_deg: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """The wavelength in Å that connects the two axes."""
    return float(4 * np.pi * np.sin(np.radians(two_theta_deg[-1] / 2)) / q[-1])
