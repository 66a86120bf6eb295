"""The README.txt of a hand-over: what was found, how sure it is, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from search.result import Hit, LookupResult, Tie
from service.handover.phases import Phase, phase_words
from service.words import (
    VERDICTS,
    for_reading,
    percent,
    phase_name,
    radiation_words,
    verdict_sentence,
)

WIDTH = 92

_ABOUT = {
    "pattern.xy": "the pattern: 2theta in degrees, counts",
    "pattern.fxye": "the same for GSAS-II, with standard uncertainties",
    "pattern.csv": "the pattern over Q",
    "pattern.instprm": "for GSAS-II: wavelengths, zero, and a width for all angles",
    "gsas2.py": "makes a GSAS-II project of these and begins the refinement",
    "bgmn.sav": "control file for BGMN and Profex",
}


def readme_text(
    result: LookupResult,
    phases: Sequence[Phase],
    files: Sequence[str],
    fwhm_deg: float | None,
    *,
    together: int = 1,
) -> str:
    """The text, in lines of at most `WIDTH` characters.

    Args:
        result: the answer.
        phases: that are handed over.
        files: names of the files beside it.
        fwhm_deg: typical width of the pattern's peaks; None without a wavelength.
        together: phases, from the first, that the refinement begins with.
    """
    pattern = result.query
    library = (
        f"{result.library_path}, version {result.library_version}, {result.library_entries} entries"
    )
    parts = [
        f"{pattern.name}\n{'=' * len(pattern.name)}",
        _paragraph(_answer(result)),
        f"Wavelength   {radiation_words(pattern)}\nLibrary      {library}",
    ]
    if result.warnings:
        parts.append("\n".join(_item(f"Warning: {for_reading(one)}") for one in result.warnings))
    parts += ["What was found\n--------------", *(_phase(one) for one in phases)]
    listed = [
        (name, _ABOUT.get(name) or _about(name, phases)) for name in [*files, "handover.json"]
    ]
    widest = max(len(name) for name, _ in listed)
    table = "\n".join(f"{name:<{widest}}  {about}" for name, about in listed)
    parts += [
        f"Files\n-----\n{table}",
        "What to do next\n---------------",
        *_next_steps(result, phases, files, fwhm_deg, together),
    ]
    return "\n\n".join(parts) + "\n"


def _answer(result: LookupResult) -> str:
    """What was found, in a sentence or two."""
    if not result.mixtures:
        return f"{VERDICTS[result.verdict]}. {verdict_sentence(result)}"
    best = result.mixtures[0]
    parts = ", ".join(f"{phase_name(one)} {one.weight_percent:.1f} %" for one in best.phases)
    return (
        f"Taken for a mixture, by weight of what is crystalline: {parts}. That these are the "
        f"phases, up to entries alike and traces, has a confidence of {percent(best.confidence)}."
    )


def _phase(phase: Phase) -> str:
    found = phase.found
    a, b, c, alpha, beta, gamma = phase.crystal.cell
    number = phase.stem.partition("-")[0]
    lines = [
        f"{number}. {phase_words(found)}",
        *(fill(line, WIDTH, initial_indent="   ", subsequent_indent="   ") for line in phase.words),
        f"   a, b, c {a:.5f} {b:.5f} {c:.5f} Å; α, β, γ {alpha:.4f} {beta:.4f} {gamma:.4f}°",
        *(
            fill(
                f"{one.collection} {one.identifier} {one.reference}".strip(),
                WIDTH,
                initial_indent="   ",
                subsequent_indent="   ",
            )
            + (f"\n   licence: {one.licence}" if one.licence else "")
            for one in found.sources
        ),
    ]
    others: Sequence[Hit | Tie] = found.twins if isinstance(found, Hit) else found.ties
    if others:
        alike = ", ".join(f"{phase_name(one)} ({one.formula})" for one in others[:5])
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        lines.append(
            fill(
                f"The pattern cannot tell it from: {alike}{more}.",
                WIDTH,
                initial_indent="   ",
                subsequent_indent="   ",
            )
        )
    return "\n".join(lines)


def _about(name: str, phases: Sequence[Phase]) -> str:
    for phase in phases:
        if name == f"{phase.stem}.cif":
            return f"{phase_name(phase.found)}: the crystal, its cell fitted to the pattern"
        if name == f"{phase.stem}.str":
            return "the same for BGMN and Profex"
    return "the whole answer, for programs"


def _next_steps(
    result: LookupResult,
    phases: Sequence[Phase],
    files: Sequence[str],
    fwhm_deg: float | None,
    together: int,
) -> list[str]:
    steps = []
    if not phases:
        return [_paragraph("There is no crystal to refine: nothing in the library came near.")]
    if result.mixtures:
        steps.append(
            "All phases begin together. Check that each has lines of its own in the pattern before "
            "you believe its weight; entries alike fit as well in a phase's place."
        )
    elif result.verdict == "no-confident-match":
        steps.append(
            "Nothing fits well enough to be named. The crystals here are the nearest entries: "
            "take them for a comparison, not for an answer."
        )
    elif result.verdict == "ambiguous":
        steps.append(
            "The pattern does not settle the phase. Refine each candidate and compare what they "
            "leave unexplained; the elements of the sample tell most."
        )
    if result.query.wavelength_source == "assumed":
        steps.append(
            "The wavelength was assumed, not stated: check it first, every cell here depends on it."
        )
    if fwhm_deg is None:
        steps.append(
            "No wavelength is known, so there are no files for a program that needs one; look the "
            "pattern up with --wavelength to get them."
        )
        return [_item(step) for step in steps]
    names = " and ".join(f"{phase.stem}.cif" for phase in phases[:together])
    if "gsas2.py" in files:
        steps.append(
            f"GSAS-II: run gsas2.py with the Python that GSAS-II came with, or import "
            f"pattern.fxye, pattern.instprm and {names} by hand. For another candidate, change the "
            "list PHASES in the script."
        )
        steps.append(
            f"pattern.instprm has one width for all angles, {fwhm_deg:.3f}° 2θ, the typical one of "
            "this pattern: it holds the sample's broadening as well as the instrument's. Take "
            "your instrument's own file when you want sizes or strains. Polarisation is that of an "
            "unpolarised beam without a monochromator (Polariz. 0.5): change it for yours."
        )
    if "bgmn.sav" in files:
        steps.append(
            "BGMN and Profex: open bgmn.sav and choose your instrument, whose file only you have "
            "(VERZERR). Settings are the standard ones of the International Tables."
        )
    missing = [phase.stem for phase in phases if f"{phase.stem}.str" not in files]
    if missing:
        steps.append(
            f"{', '.join(missing)}: no structure file for BGMN, since its sites could not be "
            "brought to the standard setting; import the CIF in Profex instead."
        )
    steps.append(
        "TOPAS, FullProf, Jana and Maud read the CIFs and pattern.xy. "
        + (
            "The fit changed cells as their symmetry allows. "
            if result.mixtures
            else "The fit changed all lengths of a cell by one factor: refine a, b and c freely. "
        )
        + "Coordinates, occupancies and displacements are the source's; cite it."
    )
    return [_item(step) for step in steps]


def _paragraph(text: str) -> str:
    return fill(text, WIDTH)


def _item(text: str) -> str:
    return fill(text, WIDTH, initial_indent="* ", subsequent_indent="  ")
