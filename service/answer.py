"""A look-up's answer as the JSON document of `braggle search --json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from search.result import Hit, LookupResult, Mixture


def answer(result: LookupResult) -> dict[str, Any]:
    """The document of one query. Lengths in Å, angles in degrees, times in milliseconds."""
    pattern = result.query
    two_theta = pattern.two_theta_deg
    q = pattern.q_inv_angstrom
    radiation = pattern.radiation
    document: dict[str, Any] = {
        "query": {
            "file": pattern.name,
            "points": len(pattern),
            "two_theta_range_deg": [float(two_theta[0]), float(two_theta[-1])]
            if radiation
            else None,
            "q_range_inv_angstrom": [float(q[0]), float(q[-1])],
            "wavelength_angstrom": radiation.wavelength_angstrom if radiation else None,
            "wavelength_source": pattern.wavelength_source,
            "warnings": list(result.warnings),
        },
        "library": {
            "path": result.library_path,
            "version": result.library_version,
            "entries": result.library_entries,
            "channels": list(result.channels),
        },
        "verdict": result.verdict,
        "presence": result.presence,
        "hits": [hit_answer(hit) for hit in result.hits],
        "timings_ms": dict(result.timings_ms),
    }
    if result.mixtures:
        document["mixtures"] = [mixture_answer(mixture) for mixture in result.mixtures]
    return document


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


def failure(file: str, error: Exception) -> dict[str, Any]:
    """The document of a query that could not be answered."""
    return {"query": {"file": file}, "error": " ".join(str(error).split())}
