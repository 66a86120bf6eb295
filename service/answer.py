"""Answers as the JSON documents of the command line and the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.humps import Humps
from data.pattern import Pattern
from indexer.entry import Entry
from indexer.library import Library
from search.result import Hit, LookupResult, Mixture, SimilarEntry


def answer(result: LookupResult) -> dict[str, Any]:
    """The document of one query. Lengths in Å, angles in degrees, times in milliseconds."""
    document: dict[str, Any] = {
        "query": {**query_answer(result.query), "warnings": list(result.warnings)},
        "library": {
            "path": result.library_path,
            "version": result.library_version,
            "entries": result.library_entries,
            "channels": list(result.channels),
        },
        "verdict": result.verdict,
        "presence": result.presence,
        "hits": [hit_answer(hit) for hit in result.hits],
        "humps": humps_answer(result.humps),
        "timings_ms": dict(result.timings_ms),
    }
    if result.mixtures:
        document["mixtures"] = [mixture_answer(mixture) for mixture in result.mixtures]
    return document


def query_answer(pattern: Pattern) -> dict[str, Any]:
    """What a pattern is, without warnings. The wavelength in Å."""
    two_theta, q, radiation = pattern.two_theta_deg, pattern.q_inv_angstrom, pattern.radiation
    return {
        "file": pattern.name,
        "points": len(pattern),
        "two_theta_range_deg": [float(two_theta[0]), float(two_theta[-1])] if radiation else None,
        "q_range_inv_angstrom": [float(q[0]), float(q[-1])],
        "wavelength_angstrom": radiation.wavelength_angstrom if radiation else None,
        "wavelength_source": pattern.wavelength_source,
    }


def mixture_answer(mixture: Mixture) -> dict[str, Any]:
    """One set of phases, with the entries that tie with each."""
    return {
        "rank": mixture.rank,
        "phases": [
            {
                "id": phase.id,
                "names": list(phase.names),
                "formula": phase.formula,
                "space_group": phase.space_group,
                "weight_percent": phase.weight_percent,
                "trace": phase.trace,
                "i_over_ic": phase.i_over_ic,
                "cell": cell_answer(phase.cell),
                "strain_percent": phase.strain_percent,
                "fwhm_deg": phase.fwhm_deg,
                "evidence": phase.evidence,
                "source": [asdict(source) for source in phase.sources],
                "ties": [asdict(tie) for tie in phase.ties],
            }
            for phase in mixture.phases
        ],
        "rwp_percent": mixture.rwp_percent,
        "confidence": mixture.confidence,
        "score": mixture.score,
        "zero_shift_deg": mixture.zero_shift_deg,
        "unexplained": {
            "peak_area_percent": mixture.unexplained_percent,
            "two_theta_deg": mixture.unexplained_two_theta_deg.tolist(),
        },
    }


def humps_answer(humps: Humps | None) -> dict[str, Any] | None:
    """Broad maxima of the background, without the curves."""
    if humps is None:
        return None
    return {"area_percent": humps.area_percent, "each": [asdict(one) for one in humps.each]}


def cell_answer(cell: tuple[float, float, float, float, float, float]) -> dict[str, float]:
    """Lengths in Å, angles in degrees."""
    return dict(zip(("a", "b", "c", "alpha", "beta", "gamma"), cell, strict=True))


def hit_answer(hit: Hit) -> dict[str, Any]:
    """One hit, with the twins that share its row."""
    document: dict[str, Any] = {
        "rank": hit.rank,
        "id": hit.id,
        "names": list(hit.names),
        "formula": hit.formula,
        "space_group": hit.space_group,
        "cell": cell_answer(hit.cell),
        "source": [asdict(source) for source in hit.sources],
        "score": hit.score,
        "confidence": hit.confidence,
        "fit": {**asdict(hit.fit), "cell": cell_answer(hit.fit.cell)},
    }
    if hit.twins:
        document["twins"] = [hit_answer(twin) for twin in hit.twins]
    return document


def entry_answer(entry: Entry) -> dict[str, Any]:
    """One entry of a library. Lengths in Å, angles in degrees."""
    return {
        "id": entry.id,
        "names": list(entry.names),
        "formula": entry.formula,
        "space_group": entry.space_group,
        "cell": cell_answer(entry.crystal.cell),
        "source": [asdict(source) for source in entry.sources],
    }


def similar_answer(
    file: str, names: Sequence[str], library: Library, found: Sequence[SimilarEntry]
) -> dict[str, Any]:
    """The document of `braggle similar --json`.

    Args:
        file: what the crystal was read from.
        names: of the crystal.
        library: that was searched.
        found: best first.
    """
    return {
        "query": {"file": file, "names": list(names)},
        "library": {
            "path": str(library.path),
            "version": library.version,
            "entries": len(library),
        },
        "entries": [
            {
                "rank": one.rank,
                **entry_answer(one.entry),
                "similarity": one.similarity,
                "same_crystal": one.same_crystal,
                "strain_percent": one.strain_percent,
            }
            for one in found
        ],
    }


def without_path(document: Any, folder: Path) -> Any:  # noqa: ANN401 - any JSON document
    """A document for others: the library is called by its name, its place is nobody's business."""
    if isinstance(document, str):
        return document.replace(str(folder), folder.name)
    if isinstance(document, Mapping):
        return {key: without_path(value, folder) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [without_path(value, folder) for value in document]
    return document


def failure(file: str, error: Exception) -> dict[str, Any]:
    """The document of a query that could not be answered."""
    return {"query": {"file": file}, "error": " ".join(str(error).split())}
