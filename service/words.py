"""What the answer says in words, the same on the terminal and in the report."""

from __future__ import annotations

from data.pattern import Pattern
from search.result import Hit, LookupResult

VERDICTS = {
    "match": "Match",
    "ambiguous": "Ambiguous",
    "no-confident-match": "No confident match",
}

_WAVELENGTH = {
    "stated": "stated in the file",
    "given": "given by you",
    "assumed": "assumed: the file does not say",
}


def phase_name(hit: Hit) -> str:
    """What people call the entry: its first name, or its formula when it has none."""
    return hit.names[0] if hit.names else hit.formula


def verdict_template(result: LookupResult) -> str:
    """One or two sentences that a person can repeat; `{phase}` stands for the first hit."""
    if not result.hits:
        return "Nothing in the library comes near this pattern."
    best = result.hits[0]
    percent = f"{100 * best.confidence:.0f} %"
    if result.verdict == "no-confident-match":
        return (
            "Nothing in the library fits this pattern well enough to be named. "
            f"The nearest entry is {{phase}}, with a confidence of {percent}."
        )
    if result.verdict == "match":
        sentence = f"The pattern is that of {{phase}}, with a confidence of {percent}."
    else:
        sentence = (
            f"Several entries fit about equally well. The first is {{phase}}, with a confidence "
            f"of {percent}; compare the next ones before you name the phase."
        )
    return f"{sentence} {_twins(len(best.twins))}".rstrip()


def verdict_sentence(result: LookupResult) -> str:
    """The verdict in plain text."""
    phase = ""
    if result.hits:
        best = result.hits[0]
        phase = f"{phase_name(best)} ({best.formula}, {best.space_group})"
    return verdict_template(result).format(phase=phase)


def _twins(count: int) -> str:
    if not count:
        return ""
    noun = "One further entry is" if count == 1 else f"{count} further entries are"
    return f"{noun} too similar for a powder pattern to tell apart."


def radiation_words(pattern: Pattern) -> str:
    """The wavelength, and where that knowledge comes from."""
    if pattern.radiation is None or pattern.wavelength_source is None:
        return "none needed (Q axis)"
    name, wavelength = pattern.radiation.name, pattern.radiation.wavelength_angstrom
    length = f"{wavelength:.6g} Å"
    shown = length if name == length else f"{name}, {length}"
    return f"{shown} ({_WAVELENGTH[pattern.wavelength_source]})"
