"""`braggle bench mixtures --spiked`: from what share on a minor phase is found.

Measured patterns of single phases are laid over one another, so that the share of either in the
net intensity is known and everything else is as it was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from data.errors import BraggleError, QueryError
from data.preparation import Prepared, prepare
from data.reading import read_pattern
from indexer.catalogue import Filters
from indexer.library import Library
from search.agreement import Identity, agreement
from search.result import Mixture
from search.searcher import Searcher
from service.bench.cases import find_cases, truth_of
from service.bench.lookup import Advance, Chemistry
from service.bench.provenance import provenance
from service.bench.worsening import mixed

SHARES_PERCENT = (0, 2, 5, 10, 20, 40)
"""Of the net intensity that are the minor phase's; nothing of it serves as the control."""

SAME_WAVELENGTH = 1e-3
"""Relative difference of wavelengths that count as one."""


@dataclass(frozen=True, eq=False)
class Single:
    """A measured pattern of one phase."""

    name: str
    prepared: Prepared
    truth: Identity

    @property
    def elements(self) -> frozenset[str]:
        """Of the phase, but hydrogen."""
        return frozenset(self.truth.fractions) - {"H"}


def bench_spiked(
    queries: Path,
    library: Library,
    *,
    pairs: int = 30,
    seed: int = 1,
    chemistry: Chemistry = "none",
    phases: int = 3,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Look up pairs of measured patterns, one laid over the other at several shares.

    A phase is found when an entry of its species, or one that ties with such an entry, stands
    among the phases of the first answer, whatever its weight.

    Args:
        queries: folder of cases, each one pattern and one CIF of its truth.
        library: to look up in.
        pairs: how many are drawn.
        seed: draws them.
        chemistry: "elements" allows only entries made of the elements of both phases.
        phases: most phases tried.
        advance: called with done and total.

    Raises:
        QueryError: no cases, or no two that can be laid over one another.
    """
    drawn = _pairs(queries, pairs, seed)
    searcher = Searcher(library)
    identities: dict[str, Identity] = {}
    rows: list[dict[str, Any]] = []
    for major, minor in drawn:
        known = Filters(elements=major.elements | minor.elements)
        for share in SHARES_PERCENT:
            if advance:
                advance(len(rows), len(drawn) * len(SHARES_PERCENT))
            row: dict[str, Any] = {
                "major": major.name,
                "minor": minor.name,
                "share_percent": share,
            }
            start = process_time()
            try:
                mixtures = searcher.lookup(
                    mixed(major.prepared, minor.prepared, share / 100),
                    filters=known if chemistry == "elements" else None,
                    top=1,
                    overlays=0,
                    phases=phases,
                ).mixtures
            except BraggleError as error:
                rows.append(row | {"failed": str(error)})
                continue
            row["cpu_seconds"] = round(process_time() - start, 3)
            rows.append(row | _judged((major, minor), mixtures, library, identities))
    if advance:
        advance(len(rows), len(rows))
    return {
        "benchmark": "spiked mixtures",
        "chemistry": chemistry,
        "phases": phases,
        "pairs": len(drawn),
        "seed": seed,
        "shares": [
            _summary(share, [row for row in rows if row["share_percent"] == share])
            for share in SHARES_PERCENT
        ],
        **provenance(library),
        "per_query": rows,
    }


def _pairs(queries: Path, count: int, seed: int) -> list[tuple[Single, Single]]:
    """Pairs of different species measured with one wavelength; none serves twice in one part."""
    cases = find_cases(queries)
    order: list[int] = np.random.default_rng(seed).permutation(len(cases)).tolist()
    read: dict[int, Single] = {}
    pairs: list[tuple[Single, Single]] = []
    for i, j in zip(order, order[1:] + order[:1], strict=True):
        if len(pairs) == count:
            break
        for k in (i, j):
            if k not in read:
                prepared = prepare(read_pattern(cases[k].pattern))
                read[k] = Single(cases[k].name, prepared, truth_of(cases[k]))
        if _may_join(read[i], read[j]):
            pairs.append((read[i], read[j]))
    if not pairs:
        raise QueryError(f"{queries}: no two cases can be laid over one another; add other phases")
    return pairs


def _may_join(major: Single, minor: Single) -> bool:
    one, other = major.prepared.pattern.radiation, minor.prepared.pattern.radiation
    if one is None or other is None:
        return False
    if abs(one.wavelength_angstrom / other.wavelength_angstrom - 1) > SAME_WAVELENGTH:
        return False
    if "species" in agreement(major.truth, minor.truth):
        return False
    # Laid over by halves: whether there is anything of the one in the range of the other.
    try:
        mixed(major.prepared, minor.prepared, 0.5)
    except BraggleError:
        return False
    return True


def _judged(
    pair: tuple[Single, Single],
    mixtures: Sequence[Mixture],
    library: Library,
    identities: dict[str, Identity],
) -> dict[str, Any]:
    first = mixtures[0].phases if mixtures else ()

    def identity(entry_id: str) -> Identity:
        if entry_id not in identities:
            entry = library.entry(library.row(entry_id))
            identities[entry_id] = Identity.of(entry.crystal)
        return identities[entry_id]

    places: list[int | None] = []
    for truth in (one.truth for one in pair):
        places.append(
            next(
                (
                    place
                    for place, phase in enumerate(first)
                    if place not in places
                    and any(
                        "species" in agreement(truth, identity(one))
                        for one in (phase.id, *(tie.id for tie in phase.ties))
                    )
                ),
                None,
            )
        )
    strangers = [i for i in range(len(first)) if i not in places]
    return {
        "major_found": places[0] is not None,
        "minor_found": places[1] is not None,
        "strangers": sum(not first[i].trace for i in strangers),
        "traces": sum(first[i].trace for i in strangers),
        "found": [f"{one.formula} {one.weight_percent:.1f}" for one in first],
        "confidence": round(mixtures[0].confidence, 3) if mixtures else None,
    }


def _summary(share: int, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures at one share; a query that failed found nothing."""
    good = [row for row in rows if "failed" not in row]

    def percent(key: str) -> float:
        return round(100 * sum(bool(row[key]) for row in good) / len(rows), 1)

    return {
        "share_percent": share,
        "queries": len(rows),
        "failed": len(rows) - len(good),
        "major_found_percent": percent("major_found"),
        "minor_found_percent": percent("minor_found") if share else None,
        "with_strangers_percent": round(100 * sum(r["strangers"] > 0 for r in good) / len(rows), 1),
        "median_cpu_seconds": round(float(np.median([row["cpu_seconds"] for row in good])), 2)
        if good
        else None,
    }
