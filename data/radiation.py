"""Radiation: the wavelengths that made a pattern, and where that knowledge comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from data.errors import RadiationError

WavelengthSource = Literal["stated", "given", "assumed"]
"""`stated` in the file itself, `given` by the user, or `assumed` for want of both."""

HC_KEV_ANGSTROM = 12.398419843320026
"""h·c in keV·Å (CODATA 2018, exact)."""

_KALPHA_ANGSTROM = {
    "Cr": (2.2897260, 2.2936510),
    "Fe": (1.9360410, 1.9399730),
    "Co": (1.7889960, 1.7928350),
    "Cu": (1.5405929, 1.5444274),
    "Mo": (0.7093172, 0.7136070),
    "Ag": (0.5594218, 0.5638131),
}
"""Kα1 and Kα2 of the common anodes in Å (Hölzer et al. 1997 for Cr to Cu, Bearden 1967 rescaled
to the metre as in International Tables C for Mo and Ag)."""


@dataclass(frozen=True)
class Radiation:
    """One wavelength, or the Kα doublet of an anode with weights that sum to one.

    Attributes:
        wavelengths_angstrom: in Å, the strongest first.
        weights: share of the intensity of each.
        name: how a person calls it: "CuKa", "0.4137 Å".
    """

    wavelengths_angstrom: tuple[float, ...]
    weights: tuple[float, ...]
    name: str

    def __post_init__(self) -> None:
        if not self.wavelengths_angstrom or len(self.wavelengths_angstrom) != len(self.weights):
            raise RadiationError("a radiation needs as many weights as wavelengths, at least one")
        for wavelength in self.wavelengths_angstrom:
            if not 0.05 <= wavelength <= 10.0:
                raise RadiationError(
                    f"wavelength {wavelength:g} Å is outside 0.05 to 10 Å; "
                    "give it in Å, or an energy such as 17.4keV"
                )
        if not (abs(sum(self.weights) - 1.0) <= 1e-6 and min(self.weights) >= 0.0):
            raise RadiationError(f"weights {self.weights} do not sum to one")

    @property
    def wavelength_angstrom(self) -> float:
        """The principal wavelength (Kα1 of a doublet), in Å."""
        return self.wavelengths_angstrom[0]

    @classmethod
    def monochromatic(cls, wavelength_angstrom: float) -> Radiation:
        """A single wavelength in Å."""
        return cls((wavelength_angstrom,), (1.0,), f"{wavelength_angstrom:.6g} Å")

    @classmethod
    def doublet(cls, anode: str) -> Radiation:
        """Kα1 and Kα2 of an anode ("Cu") in the ratio 2 : 1."""
        return cls(_KALPHA_ANGSTROM[anode], (2 / 3, 1 / 3), f"{anode}Ka")

    @classmethod
    def from_wavelengths(
        cls, first_angstrom: float, second_angstrom: float | None = None, *, ratio: float = 0.5
    ) -> Radiation:
        """What a file means by the wavelengths it states.

        A laboratory file often states Kα1 alone, or the mean of Kα1 and Kα2, and means the
        doublet: without a second wavelength, a value within 1.5e-4 Å of a Kα1 or 4e-4 Å of a
        mean Kα is read as that anode's doublet.

        Args:
            first_angstrom: Kα1, the mean Kα or the only wavelength, in Å.
            second_angstrom: Kα2 in Å; 0 says that there is none; None says nothing.
            ratio: intensity of Kα2 to Kα1.

        Raises:
            RadiationError: a wavelength is outside 0.05 to 10 Å.
        """
        if second_angstrom is None:
            for anode, (alpha1, alpha2) in _KALPHA_ANGSTROM.items():
                if abs(first_angstrom - alpha1) < 1.5e-4:
                    second_angstrom = first_angstrom * alpha2 / alpha1
                elif abs(first_angstrom - (2 * alpha1 + alpha2) / 3) < 4e-4:
                    return cls.doublet(anode)
        anode = next(
            (a for a, (k, _) in _KALPHA_ANGSTROM.items() if abs(first_angstrom - k) < 1e-3), ""
        )
        if not second_angstrom or not 0.0 < ratio <= 1.0:
            name = f"{anode}Ka1" if anode and second_angstrom is not None else ""
            return cls((first_angstrom,), (1.0,), name or f"{first_angstrom:.6g} Å")
        return cls(
            (first_angstrom, second_angstrom),
            (1.0 / (1.0 + ratio), ratio / (1.0 + ratio)),
            f"{anode}Ka" if anode else f"{first_angstrom:.6g} and {second_angstrom:.6g} Å",
        )

    @classmethod
    def parse(cls, text: str) -> Radiation:
        """Read "CuKa", "MoKa1", "1.5406", "0.4137 Å" or "17.4keV".

        Raises:
            RadiationError: the text is none of these.
        """
        word = re.sub("alpha|α", "a", text.strip(), flags=re.IGNORECASE)
        anode = re.fullmatch(
            r"(Cr|Fe|Co|Cu|Mo|Ag)[\s_-]*(?:K[\s_-]*a?[\s_-]*([12])?)?", word, re.IGNORECASE
        )
        if anode:
            name = anode[1].capitalize()
            if anode[2]:
                line = _KALPHA_ANGSTROM[name][int(anode[2]) - 1]
                return cls((line,), (1.0,), f"{name}Ka{anode[2]}")
            return cls.doublet(name)
        number = re.fullmatch(r"([0-9]*[.,]?[0-9]+)\s*(Å|A|angstrom|keV)?", word, re.IGNORECASE)
        if number:
            value = float(number[1].replace(",", "."))
            if (number[2] or "").lower() == "kev":
                if value <= 0:
                    raise RadiationError(f"energy {text!r} is not positive; give keV, as 17.4keV")
                value = HC_KEV_ANGSTROM / value
            return cls.monochromatic(value)
        raise RadiationError(
            f"radiation {text!r} is not understood; give an anode (CuKa, CuKa1, CoKa, MoKa, AgKa, "
            "CrKa, FeKa), a wavelength in Å (1.5406) or an energy (17.4keV)"
        )


CU_KA = Radiation.doublet("Cu")
