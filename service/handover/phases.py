"""The phases that are handed over: the best rows' crystals, their cells as the fit has them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from data.cif import write_cif
from data.cif_symmetry import metric_lattice
from data.crystal import Crystal
from indexer import Library
from search.result import Hit, LookupResult
from service.words import percent, phase_name

HANDED_OVER = 3
"""Rows of the answer that are handed over, the first entry of each."""

_LONGEST = 40


@dataclass(frozen=True, eq=False)
class Phase:
    """One crystal to refine.

    Attributes:
        hit: as the answer has it.
        crystal: the library's, its lengths changed by the fitted strain; same coordinates.
        stem: name of its files without the suffix, such as "1-anglesite".
        label: name for a refinement program, letters, digits and underscores only.
    """

    hit: Hit
    crystal: Crystal
    stem: str
    label: str

    def cif(self, pattern_name: str) -> str:
        """The crystal as CIF, with where it comes from as comments."""
        hit = self.hit
        head = [
            f"{phase_words(hit)}; entry {hit.id}",
            f"Rank {hit.rank} for {pattern_name}, confidence {percent(hit.confidence)}.",
            f"Cell fitted to it: lengths changed by {hit.fit.strain_percent:+.4f} % on average,",
            f"by direction up to {hit.fit.distortion_percent:.4f} % from that.",
            "Coordinates are as stored.",
            *(
                f"{one.collection} {one.identifier} {one.reference} {one.licence}"
                for one in hit.sources
            ),
        ]
        comments = "".join(f"# {ascii_text(line)}\n" for line in head)
        return comments + write_cif(self.crystal, name=self.stem)


def phases_of(result: LookupResult, library: Library, *, count: int = HANDED_OVER) -> list[Phase]:
    """The first entries of the best rows, with their crystals.

    Args:
        result: an answer.
        library: that gave it.
        count: rows at most.

    Raises:
        QueryError: an entry is not in the library.
    """
    hits = result.hits[:count]
    entries = library.entries([library.row(hit.id) for hit in hits])
    phases = []
    for hit, entry in zip(hits, entries, strict=True):
        name = _plain(phase_name(hit)) or _plain(hit.formula) or hit.id
        phases.append(
            Phase(
                hit=hit,
                crystal=in_cell(entry.crystal, hit.fit.cell),
                stem=f"{hit.rank}-{name}",
                label=f"P{hit.rank}_{re.sub('[^A-Za-z0-9]', '', name)}",
            )
        )
    return phases


def phase_words(hit: Hit) -> str:
    """Name, formula and space group, none of them twice: "Anglesite, PbSO4, Pnma"."""
    return ", ".join(dict.fromkeys((phase_name(hit), hit.formula, hit.space_group)))


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
