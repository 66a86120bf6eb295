"""What a person should know of a pattern before they believe an answer."""

from __future__ import annotations

from data.humps import Humps
from data.preparation import Prepared

FEW_PEAKS = 4


def cautions(whole: Prepared, compared: Prepared, humps: Humps | None) -> tuple[str, ...]:
    """One sentence each.

    Args:
        whole: the pattern.
        compared: the part of it that the library has lines for.
        humps: broad maxima of its background.
    """
    said = []
    if len(compared.peaks) < FEW_PEAKS:
        said.append(f"Only {len(compared.peaks)} peaks stand out of the noise: many crystals fit")
    if compared is not whole:
        last = compared.two_theta_deg[-1]
        said.append(f"Compared up to {last:.1f}° 2θ, where the library's lines end")
    if whole.k_beta:
        said.append(
            f"The Kβ line is there, {100 * whole.k_beta:.1f} % of Kα; its peaks are left out"
        )
    if humps is not None:
        said.append(_amorphous(humps))
    return tuple(said)


def _amorphous(humps: Humps) -> str:
    *others, last = (f"{hump.two_theta_deg:.0f}°" for hump in humps.each)
    where = (
        f"Broad humps at {', '.join(others)} and {last}" if others else f"A broad hump at {last}"
    )
    return (
        f"{where} 2θ, about {humps.area_percent:.0f} % of the area: something amorphous in the "
        "sample, its holder or a film over it, or very many weak lines; weights are shares of the "
        "crystalline part"
    )
