"""Files for BGMN, and so for Profex: a structure file a phase, and a control file.

Formats after the BGMN manual (Bergmann, Friedel & Kleeberg, CPD Newsletter 20 (1998) 5;
bgmn.de: Structure Description, BGMN Variables). Lengths are in nm, `TDS` is B = 8π²u² in nm²,
and `//` ends a line of the head.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import moyopy

from data.canonical import crystal_system
from data.radiation import Radiation
from data.wyckoff import WyckoffSite, WyckoffSites, wyckoff_sites
from service.handover.phases import Phase, ascii_text
from service.words import phase_name

CELL_RANGE = 0.01
"""Cells may move by this share of their lengths and angles."""

UNKNOWN_TDS_NM2 = 0.01
"""Where the source gives no displacement: B = 1 Å²."""

ANODES = {"CuKa": "CU", "CoKa": "CO", "CrKa": "CR", "FeKa": "FE", "MoKa": "MO"}
"""Emission profiles that come with BGMN, by the name of our doublets."""

_OLD_NAMES = {
    39: "Abm2", 41: "Aba2", 64: "C2/m2/c2_1/a", 67: "C2/m2/m2/a", 68: "C2/c2/c2/a",
    73: "I2_1/b2_1/c2_1/a", 74: "I2_1/m2_1/m2_1/a", 127: "P4/m2_1/b2/m", 128: "P4/m2_1/n2/c",
    129: "P4/n2_1/m2/m", 130: "P4/n2_1/c2/c",
}  # fmt: skip
"""Full Hermann-Mauguin symbols that BGMN's table has in another, mostly older, spelling."""

_FREE_CELL = {
    "triclinic": ("A", "B", "C", "ALPHA", "BETA", "GAMMA"),
    "monoclinic": ("A", "B", "C", "BETA"),
    "orthorhombic": ("A", "B", "C"),
    "tetragonal": ("A", "C"),
    "trigonal": ("A", "C"),
    "hexagonal": ("A", "C"),
    "cubic": ("A",),
}


def structure_text(phase: Phase) -> str | None:
    """The structure file (.str) of a phase.

    Sites are given by Wyckoff letter and the free ones of x, y, z at the position's first
    representative. The setting is the standard one of the International Tables: unique axis b,
    cell choice 1, hexagonal axes, and the origin on an inversion centre where there are two.

    Returns:
        None where the sites cannot be expressed so.
    """
    sites = wyckoff_sites(phase.crystal)
    if sites is None:
        return None
    system = crystal_system(sites.number)
    setting = 2 if str(moyopy.HallSymbolEntry(sites.hall_number).setting) == "2" else 1
    remark = "" if sites.same_cell else " axes or origin differ from the CIF, the crystal does not"
    found = phase.found
    source = "".join(f", {one.collection} {one.identifier}" for one in found.sources[:1])
    group = f"SpacegroupNo={sites.number} HermannMauguin={space_group_name(sites)}"
    lines = [
        f"PHASE={phase.label} // {ascii_text(phase_name(found) + source)}, entry {found.id}",
        f"Formula={re.sub('[^A-Za-z0-9.()]', '', found.formula)} //",
        f"{group} Setting={setting} Lattice={system.capitalize()} //{remark}",
        " ".join(_cell(sites, system)) + " //",
        "RP=4 k1=0 PARAM=k2=0_0^0.0001 PARAM=B1=0_0^0.01 PARAM=GEWICHT=0_0 //",
        f"GOAL=GrainSize(1,1,1) GOAL:{phase.label}=GEWICHT",
        *map(_atom, sites.sites),
    ]
    return "\n".join(lines) + "\n"


def space_group_name(sites: WyckoffSites) -> str:
    """The full Hermann-Mauguin symbol as BGMN spells it: "P2_1/n2_1/m2_1/a"."""
    full = str(moyopy.HallSymbolEntry(sites.hall_number).hm_full).replace(" ", "")
    return _OLD_NAMES.get(sites.number, full)


def control_text(phases: Sequence[Phase], radiation: Radiation) -> str:
    """The control file (.sav) for a refinement of these phases.

    Args:
        phases: that are refined together, each with a structure file.
        radiation: of the pattern.
    """
    labels = [phase.label for phase in phases]
    lines = [
        "% Written by Braggle. BGMN needs the file of your instrument; Profex sets this line",
        "% when you choose the instrument.",
        "VERZERR=instrument.geq",
        "% Wavelength",
        *_wavelength(radiation),
        "% Phases",
        *(f"STRUC[{i}]={phase.stem}.str" for i, phase in enumerate(phases, start=1)),
        "% Measured data",
        "VAL[1]=pattern.xy",
        "% Results",
        "LIST=pattern.lst",
        "OUTPUT=pattern.par",
        "DIAGRAMM=pattern.dia",
        "% Zero point and sample displacement",
        "EPS1=0",
        "PARAM[1]=EPS2=0_-0.01^0.01",
        "PROTOKOLL=Y",
        f"sum={'+'.join(labels)}",
        *(f"Q{label}={label}/sum" for label in labels),
        *(f"GOAL[{i}]=Q{label}" for i, label in enumerate(labels, start=1)),
    ]
    return "\n".join(lines) + "\n"


def _wavelength(radiation: Radiation) -> list[str]:
    if radiation.name in ANODES:
        return [f"LAMBDA={ANODES[radiation.name]}"]
    if len(radiation.wavelengths_angstrom) == 1:
        return [f"SYNCHROTRON={radiation.wavelength_angstrom / 10:.7f}"]
    both = " and ".join(f"{one / 10:.7f}" for one in radiation.wavelengths_angstrom)
    return [
        f"% {ascii_text(radiation.name)}: {both} nm. Name the emission profile of your tube here,",
        "% as in LAMBDA=CU, before you start.",
    ]


def _cell(sites: WyckoffSites, system: str) -> list[str]:
    lengths = [math.hypot(*row) for row in sites.lattice.tolist()]
    a, b, c = (row / length for row, length in zip(sites.lattice, lengths, strict=True))
    angles = [math.degrees(math.acos(float(u @ v))) for u, v in ((b, c), (a, c), (a, b))]
    values = dict(
        zip(("A", "B", "C", "ALPHA", "BETA", "GAMMA"), [n / 10 for n in lengths] + angles,
            strict=True)
    )  # fmt: skip
    said = []
    for name in _FREE_CELL[system]:
        value = values[name]
        digits = 7 if name in ("A", "B", "C") else 5
        low, high = (1 - CELL_RANGE) * value, (1 + CELL_RANGE) * value
        said.append(f"PARAM={name}={value:.{digits}f}_{low:.{digits}f}^{high:.{digits}f}")
    return said


def _atom(site: WyckoffSite) -> str:
    letter = "alpha" if site.letter == "A" else site.letter
    u = site.u_iso_angstrom2
    tds = 8 * math.pi**2 * u / 100 if math.isfinite(u) and u > 0 else UNKNOWN_TDS_NM2
    where = "".join(f" {name}={value:.6f}" for name, value in site.parameters.items())
    return f"E={_elements(site)} Wyckoff={letter}{where} TDS={tds:.6f}"


def _elements(site: WyckoffSite) -> str:
    """What fills a site: "SI", or "(FE(0.4000),MG(0.6000))" where it is shared or partly empty."""
    if len(site.content) == 1 and site.content[0][1] > 0.9995:
        return site.content[0][0].upper()
    return "(" + ",".join(f"{symbol.upper()}({n:.4f})" for symbol, n in site.content) + ")"
