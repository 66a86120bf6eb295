"""Files for GSAS-II: the pattern, an instrument, and a script that begins the refinement.

Formats after GSAS-II's importers and `GSASIIscriptable` (Toby & Von Dreele, J. Appl. Cryst. 46
(2013) 544); the pattern's after the GSAS manual (Larson & Von Dreele, LAUR 86-748).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.pattern import Pattern
from data.radiation import Radiation
from search.profile_fit import LORENTZIAN_SHARE
from service.handover.phases import Phase, ascii_text
from service.words import phase_name


def fxye_text(pattern: Pattern) -> str:
    """A pattern as one GSAS bank of the form FXYE: 2θ in hundredths of a degree, counts, esd.

    Where the file gave no esd, that of counted quanta stands: the root of the counts, at least 1.
    """
    x, counts = 100 * pattern.two_theta_deg, pattern.counts
    esd = np.sqrt(np.maximum(counts, 1.0)) if pattern.esd is None else pattern.esd
    step = float(np.median(np.diff(x)))
    n = len(x)
    lines = [
        f"{ascii_text(pattern.name)[:66]} from Braggle",
        f"BANK 1 {n} {n} CONST {x[0]:.4f} {step:.4f} 0 0 FXYE",
        *(f"{a:.12g} {b!r} {c:.7g}" for a, b, c in np.column_stack([x, counts, esd]).tolist()),
    ]
    return "\n".join(lines) + "\n"


def instrument_text(radiation: Radiation, *, fwhm_deg: float, zero_shift_deg: float) -> str:
    """A GSAS-II instrument parameter file (.instprm) for X-rays of constant wavelength.

    GSAS-II adds `Zero` to the calculated 2θ, as Braggle does with its zero shift. The Gaussian
    variance is U tan²θ + V tanθ + W in (0.01°)², the Lorentzian full width X/cosθ + Y tanθ + Z in
    0.01°: W and Z hold the pattern's typical width at every angle, the rest is zero.

    Args:
        radiation: one wavelength or a doublet, in Å.
        fwhm_deg: typical full width of the pattern's peaks at half maximum, degrees 2θ.
        zero_shift_deg: added to the calculated 2θ.
    """
    gauss, lorentz = gauss_and_lorentz(fwhm_deg, LORENTZIAN_SHARE)
    first, *others = radiation.wavelengths_angstrom
    wavelengths = {"Lam": first}
    if others:
        ratio = radiation.weights[1] / radiation.weights[0]
        wavelengths = {"Lam1": first, "Lam2": others[0], "I(L2)/I(L1)": ratio}
    values: dict[str, float | str] = {
        "Type": "PXC",
        "Bank": "1.0",
        **{name: f"{value:.7f}" for name, value in wavelengths.items()},
        "Zero": f"{zero_shift_deg:.5f}",
        "Polariz.": "0.5",
        "Azimuth": "0.0",
        "U": "0.0",
        "V": "0.0",
        "W": f"{(100 * gauss) ** 2 / (8 * np.log(2)):.5f}",
        "X": "0.0",
        "Y": "0.0",
        "Z": f"{100 * lorentz:.5f}",
        "SH/L": "0.002",
    }
    return "".join(
        [
            "#GSAS-II instrument parameter file; do not add/delete items!\n",
            *(f"{name}:{value}\n" for name, value in values.items()),
        ]
    )


def gauss_and_lorentz(fwhm: float, lorentzian_share: float) -> tuple[float, float]:
    """Widths of the Gaussian and the Lorentzian whose convolution a pseudo-Voigt stands for.

    Thompson, Cox & Hastings, J. Appl. Cryst. 20 (1987) 79: the share η is
    1.36603 q - 0.47719 q² + 0.11116 q³ with q the Lorentzian width over the whole, and the fifth
    power of the whole width is a sum of products of the two.

    Args:
        fwhm: of the pseudo-Voigt, in any unit.
        lorentzian_share: η, 0 to 1.
    """
    roots = np.roots([0.11116, -0.47719, 1.36603, -lorentzian_share])
    q = float(next(root.real for root in roots if abs(root.imag) < 1e-9 and 0 <= root.real <= 1))
    # With g and q in units of the whole width, g⁵ + 2.69269 g⁴q + ... + q⁵ is 1.
    mixed = [1.0, 2.69269 * q, 2.42843 * q**2, 4.47163 * q**3, 0.07842 * q**4, q**5 - 1.0]
    g = max(root.real for root in np.roots(mixed) if abs(root.imag) < 1e-9)
    return float(fwhm * max(g, 0.0)), float(fwhm * q)


def script_text(phases: Sequence[Phase]) -> str:
    """A script for GSAS-II's own Python that makes a project and begins the refinement.

    Args:
        phases: that are refined together.
    """
    listed = "".join(
        f"    ({one.stem + '.cif'!r}, {ascii_text(phase_name(one.found))!r}),\n" for one in phases
    )
    return _SCRIPT.replace("PHASES_HERE\n", listed)


_SCRIPT = '''\
"""Begin a Rietveld refinement in GSAS-II. Run it with the Python that GSAS-II came with:

    python gsas2.py

It makes refinement.gpx beside itself: background and scale first, then the cell, then the zero.
Open that file in GSAS-II and go on from there. Written by Braggle.
"""

import os

try:
    from GSASII import GSASIIscriptable as G2sc
except ImportError:  # older installations
    import GSASIIscriptable as G2sc

HERE = os.path.dirname(os.path.abspath(__file__))
PHASES = [
PHASES_HERE
]


def beside(name):
    return os.path.join(HERE, name)


project = G2sc.G2Project(newgpx=beside("refinement.gpx"))
histogram = project.add_powder_histogram(
    beside("pattern.fxye"), beside("pattern.instprm"), fmthint="GSAS powder"
)
for file, name in PHASES:
    project.add_phase(beside(file), phasename=name, histograms=[histogram], fmthint="CIF")
project.do_refinements(
    [
        {"set": {"Background": {"no. coeffs": 6, "refine": True}}},
        {"set": {"Cell": True}},
        {"set": {"Instrument Parameters": ["Zero"]}},
    ]
)
project.save()
print("Rwp", histogram.get_wR(), "%; open", beside("refinement.gpx"), "in GSAS-II")
'''
