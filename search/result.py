"""What a look-up answers: ranked hits, a verdict, and what was seen of the query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.humps import Humps
from data.pattern import Pattern
from data.record import Source
from indexer.entry import Entry

Verdict = Literal["match", "ambiguous", "no-confident-match"]


@dataclass(frozen=True)
class Fit:
    """How well an entry's lines describe the measured profile.

    Attributes:
        rwp_percent: weighted profile residual, background included, in percent.
        correlation: cosine of the square-root profiles, background removed, 0 to 1.
        cell: a, b, c in Å and α, β, γ in degrees, fitted as far as symmetry allows.
        strain_percent: mean change of length from the stored cell to that.
        distortion_percent: largest difference of a direction's change from that mean.
        zero_shift_deg: in degrees 2θ.
        scale: counts per unit of calculated intensity.
        matched_peaks: measured peaks that the entry explains.
        missing_peaks: strong calculated lines that the pattern lacks.
        unexplained_peaks: measured peaks that the entry does not explain.
    """

    rwp_percent: float
    correlation: float
    cell: tuple[float, float, float, float, float, float]
    strain_percent: float
    distortion_percent: float
    zero_shift_deg: float
    scale: float
    matched_peaks: int
    missing_peaks: int
    unexplained_peaks: int


@dataclass(frozen=True, eq=False)
class Overlay:
    """Curves to draw for a hit. Same length as the query's axis, except the ticks.

    Attributes:
        calculated: counts, background included. Shape (n,).
        ticks_two_theta_deg: fitted line positions. Shape (k,).
        ticks_hkl: Shape (k, 3).
    """

    calculated: NDArray[np.float64]
    ticks_two_theta_deg: NDArray[np.float64]
    ticks_hkl: NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Hit:
    """An entry found for a query.

    Attributes:
        rank: from 1.
        id: the entry's id.
        names: what people call it; may be empty.
        formula: reduced formula.
        space_group: Hermann-Mauguin symbol.
        cell: a, b, c in Å and α, β, γ in degrees, as stored (conventional cell).
        sources: where it comes from.
        score: of the ranker; comparable within one query only. The first may have less than the
            second, where other entries of its compound speak for it.
        confidence: probability that this row is right, 0 to 1.
        fit: figures of the profile fit.
        overlay: curves to draw, for the best hits only.
        twins: other entries that the pattern cannot tell from this one.
    """

    rank: int
    id: str
    names: tuple[str, ...]
    formula: str
    space_group: str
    cell: tuple[float, float, float, float, float, float]
    sources: tuple[Source, ...]
    score: float
    confidence: float
    fit: Fit
    overlay: Overlay | None = None
    twins: tuple[Hit, ...] = ()


@dataclass(frozen=True, eq=False)
class Tie:
    """An entry that would do as well in a phase's place.

    Attributes:
        id, names, formula, space_group: as of a `Hit`.
        score_loss: what the mixture's score loses by it, 0 or more where the phase is the best.
    """

    id: str
    names: tuple[str, ...]
    formula: str
    space_group: str
    score_loss: float


@dataclass(frozen=True, eq=False)
class MixturePhase:
    """One phase of a mixture.

    Attributes:
        id, names, formula, space_group, sources: as of a `Hit`.
        cell: a, b, c in Å and α, β, γ in degrees, fitted.
        weight_percent: of the crystalline part; amorphous material is not in the balance.
        trace: whether that is less than `TRACE_PERCENT`.
        i_over_ic: strongest line's area over that of corundum in a 1:1 mixture by weight, Cu Kα,
            calculated; None of a sheet, and where an element has no form factor.
        strain_percent: largest change of a length of the cell.
        fwhm_deg: width of its lines at small angles, degrees 2θ.
        evidence: by how much its own peaks lower the misfit; see
            `search.mixture.hypothesis.own_evidence`.
        overlay: the phase's own curve over the background, and its lines.
        ties: other entries that the pattern does not tell from it, the likeliest first.
    """

    id: str
    names: tuple[str, ...]
    formula: str
    space_group: str
    sources: tuple[Source, ...]
    cell: tuple[float, float, float, float, float, float]
    weight_percent: float
    trace: bool
    i_over_ic: float | None
    strain_percent: float
    fwhm_deg: float
    evidence: float
    overlay: Overlay | None
    ties: tuple[Tie, ...]


TRACE_PERCENT = 3.0
"""Phases below this share of the weight are called traces."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Phases that may be the sample together.

    Attributes:
        rank: from 1.
        phases: the heaviest first.
        rwp_percent: weighted profile residual, background included, in percent.
        score: of the hypothesis; comparable within one query only.
        confidence: probability that these are the phases, up to ties and traces, 0 to 1.
        zero_shift_deg: common to all phases, added to the calculated 2θ.
        unexplained_percent: share of the area of the measured peaks that no phase explains.
        unexplained_two_theta_deg: positions of those peaks. Shape (u,).
        calculated: of all phases, background included, on the query's axis. Shape (n,); None
            where it is not drawn.
    """

    rank: int
    phases: tuple[MixturePhase, ...]
    rwp_percent: float
    score: float
    confidence: float
    zero_shift_deg: float
    unexplained_percent: float
    unexplained_two_theta_deg: NDArray[np.float64]
    calculated: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class LookupResult:
    """The answer to one query.

    Attributes:
        query: the pattern as read.
        background: counts that the preparation took for background. Shape (n,).
        warnings: the pattern's own and the search's.
        library_path, library_version, library_entries, channels: what was searched.
        verdict: `match`, `ambiguous` or `no-confident-match`.
        presence: probability that the sample is in the library at all, 0 to 1.
        hits: best first.
        timings_ms: by stage.
        mixtures: sets of phases, best first, where several phases were asked for.
        humps: broad maxima of the background, curves on the query's axis; None without any.
    """

    query: Pattern
    background: NDArray[np.float64]
    warnings: tuple[str, ...]
    library_path: str
    library_version: int
    library_entries: int
    channels: tuple[str, ...]
    verdict: Verdict
    presence: float
    hits: tuple[Hit, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)
    mixtures: tuple[Mixture, ...] = ()
    humps: Humps | None = None


@dataclass(frozen=True, eq=False)
class SimilarEntry:
    """An entry whose diffraction is like that of a given crystal.

    Attributes:
        rank: from 1.
        similarity: cosine of the two in the physical channel, best over strains, 0 to 1.
        same_crystal: whether it is the given crystal itself.
        strain_percent: change of the given crystal's lengths at which it is most similar.
        entry: what the library knows of it.
    """

    rank: int
    similarity: float
    same_crystal: bool
    strain_percent: float
    entry: Entry
