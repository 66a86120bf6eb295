"""What the answer says in words, the same on the terminal and in the report."""

from __future__ import annotations

import re
from typing import Protocol

from data.pattern import Pattern
from search.result import LookupResult

VERDICTS = {
    "match": "Match",
    "ambiguous": "Ambiguous",
    "no-confident-match": "No confident match",
}

_WAVELENGTH = {
    "stated": "stated in the file",
    "given": "given",
    "assumed": "assumed, the file does not say",
}

_FIELD = re.compile(r"`(\w+)`")

_FORMULA = re.compile(r"(?=.*\d)(?:[A-Z][a-z]?[\d.]*|\)[\d.]*|[(\s])+")

CLOSE = 0.2
"""A second hit at least this share as probable as the first is a rival."""

SURE = 0.6
"""A match that is less certain is worth a look, and said so."""


class Named(Protocol):
    """A hit, or an entry of a library."""

    @property
    def names(self) -> tuple[str, ...]:
        """What its sources call it."""

    @property
    def formula(self) -> str:
        """Reduced formula."""


def phase_names(one: Named) -> tuple[str, ...]:
    """What people call the entry, without names that only repeat a formula."""
    return tuple(name for name in one.names if not _FORMULA.fullmatch(name))


def phase_name(one: Named) -> str:
    """The first name, or the formula when there is none."""
    return next(iter(phase_names(one)), one.formula)


def percent(share: float) -> str:
    """A probability in whole percent, never quite 0 or 100."""
    if share < 0.005:
        return "< 1 %"
    return "> 99 %" if share >= 0.995 else f"{100 * share:.0f} %"


def verdict_template(result: LookupResult) -> str:
    """One or two sentences that a person can repeat; `{phase}` stands for the first hit."""
    if not result.hits:
        return "Nothing in the library comes near this pattern."
    best = result.hits[0]
    confidence = percent(best.confidence).replace("> ", "over ").replace("< ", "under ")
    if result.verdict == "no-confident-match":
        return (
            "Nothing in the library fits this pattern well enough to be named. "
            f"The nearest entry is {{phase}}, with a confidence of {confidence}."
        )
    if result.verdict == "match" and best.confidence < SURE:
        sentence = (
            f"The pattern is most likely that of {{phase}}, with a confidence of {confidence}; "
            "look at the difference curve before you rely on it."
        )
    elif result.verdict == "match":
        sentence = f"The pattern is that of {{phase}}, with a confidence of {confidence}."
    elif len(result.hits) > 1 and result.hits[1].confidence >= CLOSE * best.confidence:
        sentence = (
            f"Several entries fit about equally well. The first is {{phase}}, with a confidence "
            f"of {confidence}; compare the next ones before you name the phase."
        )
    else:
        sentence = (
            f"The pattern may be that of {{phase}}, with a confidence of {confidence}; look at "
            "the difference curve before you name the phase."
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


def for_terminal(warning: str) -> str:
    """A warning that names its remedy as the command line does: `wavelength` is --wavelength."""
    return _FIELD.sub(lambda found: f"--{found[1].replace('_', '-')}", warning)


def for_reading(warning: str) -> str:
    """A warning on a page: the remedy in plain words."""
    return _FIELD.sub(lambda found: f"the {found[1].replace('_', ' ')}", warning)
