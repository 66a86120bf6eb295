"""Hits by what kind of crystal was looked for, so that a mean does not hide who is never found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.canonical import CRYSTAL_SYSTEMS, crystal_system
from search.agreement import Identity
from service.bench.truth import Answers

HITS = (1, 10)
VOLUME_EDGES = (150.0, 500.0, 1500.0)
VOLUMES = ("<150", "150-500", "500-1500", ">1500")
"""Bins of the conventional cell's volume in Å³; an edge belongs to the bin above it."""
UNREAD = "not read"
ABSENT = "not in the library"

UNREAD_GROUPS = {"crystal_system": UNREAD, "volume": UNREAD, "source": UNREAD}
"""Where a query belongs whose truth cannot be read."""


def groups_of(truth: Identity, answers: Answers, collections: Sequence[str]) -> dict[str, str]:
    """Where a query belongs: crystal system and cell volume of its truth, and its source.

    The source is the collection that the library has the truth itself from, which is an entry
    that is strictly the same crystal with the same cell.

    Args:
        truth: what was looked for.
        answers: its rows of the library.
        collections: by row of the library.
    """
    crystal = truth.crystal
    here = np.flatnonzero(answers.copies & answers.right["strict"])
    step = np.searchsorted(VOLUME_EDGES, crystal.volume_angstrom3, side="right")
    return {
        "crystal_system": crystal_system(crystal.space_group_number),
        "volume": VOLUMES[int(step)],
        "source": collections[here[0]] if len(here) else ABSENT,
    }


def breakdown(per_query: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Queries and the share of strict hits, by group; groups without queries are left out.

    Args:
        per_query: each with the keys of `UNREAD_GROUPS`, and `rank_strict`, from 1, which is None
            or not there where nothing was found.
    """
    table: dict[str, dict[str, dict[str, float]]] = {}
    for kind in UNREAD_GROUPS:
        ranks: dict[str, list[float]] = {}
        for query in per_query:
            ranks.setdefault(query[kind], []).append(query.get("rank_strict") or np.inf)
        order = _order(kind, ranks)
        table[kind] = {name: _shares(ranks[name]) for name in order}
    return table


def _order(kind: str, ranks: Mapping[str, Sequence[float]]) -> list[str]:
    """Systems and volumes in their own order, sources from the most to the least."""
    known = {"crystal_system": CRYSTAL_SYSTEMS, "volume": VOLUMES}.get(kind, ())
    counted = Counter({name: len(of) for name, of in ranks.items()})
    others = sorted(set(counted) - set(known), key=lambda name: (-counted[name], name))
    return [name for name in known if name in counted] + others


def _shares(ranks: Sequence[float]) -> dict[str, float]:
    hits = np.array(ranks)
    return {
        "queries": len(hits),
        **{f"hit@{depth}": round(float((hits <= depth).mean()), 4) for depth in HITS},
    }
