"""A look-up's answer as the JSON document of `braggle search --json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from search.result import Hit, LookupResult


def answer(result: LookupResult) -> dict[str, Any]:
    """The document of one query. Lengths in Å, angles in degrees, times in milliseconds."""
    pattern = result.query
    two_theta = pattern.two_theta_deg
    q = pattern.q_inv_angstrom
    radiation = pattern.radiation
    return {
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
        "hits": [hit_answer(hit) for hit in result.hits],
        "timings_ms": dict(result.timings_ms),
    }


def hit_answer(hit: Hit) -> dict[str, Any]:
    """One hit, with the twins that share its row."""
    a, b, c, alpha, beta, gamma = hit.cell
    document: dict[str, Any] = {
        "rank": hit.rank,
        "id": hit.id,
        "names": list(hit.names),
        "formula": hit.formula,
        "space_group": hit.space_group,
        "cell": {"a": a, "b": b, "c": c, "alpha": alpha, "beta": beta, "gamma": gamma},
        "source": [asdict(source) for source in hit.sources],
        "score": hit.score,
        "confidence": hit.confidence,
        "fit": asdict(hit.fit),
    }
    if hit.twins:
        document["twins"] = [hit_answer(twin) for twin in hit.twins]
    return document


def failure(file: str, error: Exception) -> dict[str, Any]:
    """The document of a query that could not be answered."""
    return {"query": {"file": file}, "error": " ".join(str(error).split())}
