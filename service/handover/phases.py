"""The phases that are handed over: crystals of the answer, their cells as the fit has them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.cif import write_cif
from data.cif_symmetry import metric_lattice
from data.crystal import Crystal
from indexer import Library
from search.result import Hit, LookupResult, Mixture, MixturePhase
from service.words import percent, phase_name

HANDED_OVER = 3
"""Rows of the answer that are handed over, the first entry of each."""

_LONGEST = 40


@dataclass(frozen=True, eq=False)
class Phase:
    """One crystal to refine.

    Attributes:
        found: as the answer has it.
        crystal: the library's, its cell as fitted; same coordinates.
        stem: name of its files without the suffix, such as "1-anglesite".
        label: name for a refinement program, letters, digits and underscores only.
        zero_shift_deg: of the fit, added to the calculated 2θ.
        words: what the fit says of it, a line each.
    """

    found: Hit | MixturePhase
    crystal: Crystal
    stem: str
    label: str
    zero_shift_deg: float
    words: tuple[str, ...]

    def cif(self, pattern_name: str) -> str:
        """The crystal as CIF, with where it comes from as comments."""
        head = [
            f"{phase_words(self.found)}; entry {self.found.id}",
            f"Found in {pattern_name}:",
            *self.words,
            "Coordinates are as stored.",
            *(
                f"{one.collection} {one.identifier} {one.reference} {one.licence}"
                for one in self.found.sources
            ),
        ]
        comments = "".join(f"# {ascii_text(line)}\n" for line in head)
        return comments + write_cif(self.crystal, name=self.stem)


def phases_of(result: LookupResult, library: Library, *, count: int = HANDED_OVER) -> list[Phase]:
    """What there is to refine: all phases of the best mixture, else the first of the best rows.

    Args:
        result: an answer.
        library: that gave it.
        count: rows at most.

    Raises:
        QueryError: an entry is not in the library.
    """
    if result.mixtures:
        best = result.mixtures[0]
        crystals = _crystals(best.phases, library)
        return [
            _of_mixture(place, one, best, crystal)
            for place, (one, crystal) in enumerate(zip(best.phases, crystals, strict=True), start=1)
        ]
    hits = result.hits[:count]
    crystals = _crystals(hits, library)
    return [_of_hit(hit, crystal) for hit, crystal in zip(hits, crystals, strict=True)]


def _crystals(found: Sequence[Hit | MixturePhase], library: Library) -> list[Crystal]:
    entries = library.entries([library.row(one.id) for one in found])
    return [entry.crystal for entry in entries]


def _of_hit(hit: Hit, stored: Crystal) -> Phase:
    fit = hit.fit
    peaks = f"{fit.matched_peaks} of {fit.matched_peaks + fit.unexplained_peaks} peaks"
    stem, label = _file_names(hit.rank, hit)
    return Phase(
        found=hit,
        crystal=in_cell(stored, fit.cell),
        stem=stem,
        label=label,
        zero_shift_deg=fit.zero_shift_deg,
        words=(
            (
                f"rank {hit.rank}, confidence {percent(hit.confidence)}, "
                f"Rwp {fit.rwp_percent:.1f} %, explains {peaks}"
            ),
            (
                f"lengths changed by {fit.strain_percent:+.3f} % on average from the stored cell, "
                f"by direction up to {fit.distortion_percent:.3f} % from that; "
                f"zero shift {fit.zero_shift_deg:+.4f}° 2θ"
            ),
        ),
    )


def _of_mixture(place: int, phase: MixturePhase, mixture: Mixture, stored: Crystal) -> Phase:
    stem, label = _file_names(place, phase)
    trace = ", a trace" if phase.trace else ""
    return Phase(
        found=phase,
        crystal=in_cell(stored, phase.cell),
        stem=stem,
        label=label,
        zero_shift_deg=mixture.zero_shift_deg,
        words=(
            (
                f"{phase.weight_percent:.1f} % of the crystalline weight{trace}; all "
                f"{len(mixture.phases)} phases together: confidence {percent(mixture.confidence)}, "
                f"Rwp {mixture.rwp_percent:.1f} %"
            ),
            (
                f"a length of the stored cell changed by {phase.strain_percent:+.3f} % at most; "
                f"zero shift {mixture.zero_shift_deg:+.4f}° 2θ"
            ),
        ),
    )


def _file_names(number: int, one: Hit | MixturePhase) -> tuple[str, str]:
    """Stem of the files, and label."""
    name = _plain(phase_name(one)) or _plain(one.formula) or one.id
    return f"{number}-{name}", f"P{number}_{re.sub('[^A-Za-z0-9]', '', name)}"


def phase_words(one: Hit | MixturePhase) -> str:
    """Name, formula and space group, none of them twice: "Anglesite, PbSO4, Pnma"."""
    return ", ".join(dict.fromkeys((phase_name(one), one.formula, one.space_group)))


def in_cell(crystal: Crystal, cell: tuple[float, float, float, float, float, float]) -> Crystal:
    """The crystal in another cell, lengths in Å and angles in degrees; fractions stay."""
    return replace(crystal, lattice=metric_lattice(cell))


def ascii_text(text: str) -> str:
    """One line of ASCII, accents dropped, for programs that read nothing else."""
    plain = unicodedata.normalize("NFKD", " ".join(text.split()))
    plain = plain.replace("α", "alpha").replace("β", "beta").replace("γ", "gamma")
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    return plain.encode("ascii", "replace").decode("ascii")


def _plain(name: str) -> str:
    return re.sub("[^A-Za-z0-9]+", "-", ascii_text(name)).strip("-")[:_LONGEST].strip("-")
