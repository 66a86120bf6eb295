"""Answers as an agent reads them: little, and in words where words say it better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from data.lines import Lines
from data.profile import lorentz_polarisation, two_theta_deg
from data.record import Source
from generator.hull import ABOVE_HULL
from indexer.entry import Entry
from search.result import Hit, LookupResult, Mixture, SimilarEntry
from service.words import phase_name, verdict_sentence

MOST_LINES, MOST_NAMES, MOST_MIXTURES, MOST_PROPOSALS = 20, 4, 2, 5

Document = dict[str, Any]


def looked_up(result: LookupResult) -> Document:
    """An answer: what it says first, then its rows."""
    said: Document = {
        "answer": verdict_sentence(result),
        "verdict": result.verdict,
        "library_has_it": round(result.presence, 3),
        "warnings": list(result.warnings),
        "hits": [_hit(hit) for hit in result.hits],
    }
    if result.mixtures:
        said["mixtures"] = [_mixture(one) for one in result.mixtures[:MOST_MIXTURES]]
    return said


def likenesses(found: Iterable[SimilarEntry]) -> list[Document]:
    """Crystals like a crystal."""
    return [
        {
            **_brief(one.entry),
            "similarity": round(one.similarity, 3),
            "strain_percent": round(one.strain_percent, 2),
            "same_crystal": one.same_crystal,
        }
        for one in found
    ]


def entry_facts(entry: Entry) -> Document:
    """What the library knows of one crystal, without its atoms."""
    return {
        **_brief(entry),
        "names": list(entry.names[:MOST_NAMES]),
        "cell": _cell(entry.crystal.cell),
        "volume_angstrom3": round(entry.crystal.volume_angstrom3, 2),
        "density_g_cm3": round(entry.density_g_cm3, 3),
        "atoms_in_cell": len(entry.crystal),
        "sources": [_source(source) for source in entry.sources[:MOST_NAMES]],
    }


def briefly(entries: Iterable[Entry]) -> list[Document]:
    """Entries to choose from."""
    return [_brief(entry) for entry in entries]


def strongest_lines(
    lines: Lines, wavelength_angstrom: float, low_deg: float, high_deg: float
) -> list[Document]:
    """The strongest lines of a crystal between two angles, in the order of 2θ.

    Args:
        lines: of the crystal, hkl in its standard cell.
        wavelength_angstrom: of the radiation.
        low_deg: smallest 2θ.
        high_deg: largest 2θ.
    """
    angle = two_theta_deg(lines.inv_d2, wavelength_angstrom)
    inside = np.nonzero((angle >= low_deg) & (angle <= high_deg))[0]
    height = lines.strength[inside] * lorentz_polarisation(angle[inside])
    best = np.sort(np.argsort(-height, kind="stable")[:MOST_LINES])
    return [
        {
            "two_theta_deg": round(float(angle[i]), 3),
            "d_angstrom": round(float(lines.inv_d2[i] ** -0.5), 4),
            "hkl": " ".join(map(str, lines.hkl[i].tolist())),
            "relative_intensity": round(100 * float(share), 1),
        }
        for i, share in zip(inside[best], height[best] / height.max(initial=1e-9), strict=True)
    ]


def proposed(solution: Mapping[str, Any], files: Mapping[int, str]) -> Document:
    """The result of a job that proposes structures, the best of them.

    Args:
        solution: as `solution_answer` gives it.
        files: where the CIF of each rank was written.
    """
    query = solution["query"]
    asked = "elements" if "elements" in query else "formula"
    return {
        asked: query[asked],
        "warnings": query["warnings"],
        "engines": solution["engines"],
        "proposals_in_all": len(solution["proposals"]),
        "proposals": [
            {
                "rank": one["rank"],
                "formula": one["formula"],
                "space_group": one["space_group"],
                "cell": _cell(one["cell"].values()),
                "atoms_in_cell": one["atoms"],
                "share_among_proposals": round(one["probability"], 3),
                **_proposed_fit(one["fit"]),
                **({ABOVE_HULL: round(one[ABOVE_HULL], 3)} if ABOVE_HULL in one else {}),
                "made_by": one["proposer"],
                "made_from": one["template"] and one["template"]["formula"],
                **({"file": files[one["rank"]]} if one["rank"] in files else {}),
            }
            for one in solution["proposals"][:MOST_PROPOSALS]
        ],
    }


def _proposed_fit(fit: Mapping[str, float] | None) -> Document:
    """Nothing where there was no pattern to fit."""
    if fit is None:
        return {}
    return {
        "rwp_percent": _round(fit["rwp_percent"], 1),
        "correlation": _round(fit["correlation"], 3),
    }


def _brief(entry: Entry) -> Document:
    return {
        "id": entry.id,
        "phase": phase_name(entry),
        "formula": entry.formula,
        "space_group": entry.space_group,
    }


def _hit(hit: Hit) -> Document:
    return {
        "id": hit.id,
        "phase": phase_name(hit),
        "formula": hit.formula,
        "space_group": hit.space_group,
        "confidence": round(hit.confidence, 3),
        "rwp_percent": round(hit.fit.rwp_percent, 1),
        "correlation": round(hit.fit.correlation, 3),
        "strain_percent": round(hit.fit.strain_percent, 2),
        "peaks_explained": hit.fit.matched_peaks,
        "peaks_unexplained": hit.fit.unexplained_peaks,
        "lines_missing": hit.fit.missing_peaks,
        "alike": [f"{phase_name(one)} ({one.formula})" for one in hit.twins[:MOST_NAMES]],
    }


def _mixture(mixture: Mixture) -> Document:
    return {
        "confidence": round(mixture.confidence, 3),
        "rwp_percent": round(mixture.rwp_percent, 1),
        "peak_area_unexplained_percent": round(mixture.unexplained_percent, 1),
        "phases": [
            {
                "id": phase.id,
                "phase": phase_name(phase),
                "formula": phase.formula,
                "space_group": phase.space_group,
                "weight_percent": round(phase.weight_percent, 1),
                "trace": phase.trace,
                "others_would_do": len(phase.ties),
            }
            for phase in mixture.phases
        ],
    }


def _cell(cell: Iterable[float]) -> str:
    return " ".join(f"{value:.4f}".rstrip("0").rstrip(".") for value in cell)


def _source(source: Source) -> str:
    return ": ".join(filter(None, (f"{source.collection} {source.identifier}", source.reference)))


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
